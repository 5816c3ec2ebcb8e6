"""A loaded model and its slots."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnxruntime

from vedette.errors import BackendError
from vedette.inference import resolve_shapes
from vedette.specs import Precision, Slot, Tensor, TensorInfo
from vedette_onnxruntime.messages import run_error
from vedette_onnxruntime.pool import POOL

logger = logging.getLogger("vedette.onnxruntime")

Shapes = Mapping[str, tuple[int, ...]]
SHAPES_KEPT = 4
"""A slot keeps its arrays for this many combinations of input shapes, the most recently used."""


class Buffers:
    """The arrays of one slot for one combination of input shapes, and the run on them.

    The runtime reads ``inputs`` where they are. Where every shape is static it also writes ``outputs`` in place; else
    it allocates them anew in each run. ``outputs`` are read-only.
    """

    def __init__(self, session: OrtSession, shapes: Shapes) -> None:
        self._runtime = session._open_runtime()
        self._names = session._native_names
        self._output_names = list(session.outputs)
        arrays = {name: np.zeros(shape, session.inputs[name].dtype) for name, shape in shapes.items()}
        self.inputs = MappingProxyType(arrays)  # ``inputs["x"] = array`` would replace what the runtime reads
        self.outputs: dict[str, Tensor] = {}
        self._binding = self._bind(session.outputs.values()) if session._static else None

    def run(self) -> None:
        """Run the graph on the calling thread."""
        if self._binding is not None:
            self._runtime.run_with_iobinding(self._binding)
            return
        feeds = {self._names[name]: array for name, array in self.inputs.items()}
        made = self._runtime.run(self._output_names, feeds)
        self.outputs = {name: _read_only(array) for name, array in zip(self._output_names, made, strict=True)}

    def _bind(self, outputs: Iterable[TensorInfo]) -> onnxruntime.IOBinding:
        binding = self._runtime.io_binding()
        for name, array in self.inputs.items():
            binding.bind_ortvalue_input(self._names[name], onnxruntime.OrtValue.ortvalue_from_numpy(array))
        for info in outputs:
            array = np.zeros([size for size in info.shape if size is not None], info.dtype)
            binding.bind_ortvalue_output(info.name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
            self.outputs[info.name] = _read_only(array)
        return binding


def _read_only(array: Tensor) -> Tensor:
    view = array.view()
    view.flags.writeable = False
    return view


Bay = OrderedDict[tuple[tuple[int, ...], ...], Buffers]
"""One slot's place: its buffers by input shapes, the most recently used last."""


class OrtSession:
    """One model in ONNX Runtime; see :class:`vedette.specs.Session`."""

    backend = "onnxruntime"

    def __init__(
        self,
        runtime: onnxruntime.InferenceSession,
        path: Path,
        *,
        device: str,
        execution_precision: Precision,
        placement: str,
        max_batch: int,
        slots: int,
        threads_per_request: int,
        inputs: Mapping[str, TensorInfo],
        outputs: Mapping[str, TensorInfo],
        native_names: Mapping[str, str],
    ) -> None:
        self._runtime: onnxruntime.InferenceSession | None = runtime
        self._path = path
        self.device = device
        self.execution_precision = execution_precision
        self.placement = placement
        self.max_batch = max_batch
        self.slots = slots
        self._threads_per_request = threads_per_request
        self.inputs = inputs
        self.outputs = outputs
        self._native_names = native_names
        self._static = all(None not in info.shape for info in (*inputs.values(), *outputs.values()))
        self._changed = threading.Condition()
        self._free: list[Bay] = [OrderedDict() for _ in range(slots)]
        self._in_flight = 0
        self._fixed_shapes = resolve_shapes(inputs, None, max_batch) if self._static else None

    def acquire(self, shapes: Shapes | None = None) -> OrtSlot | None:
        """Lease a slot, or ``None`` while all are out; see :meth:`vedette.specs.Session.acquire`."""
        wanted = self._fixed_shapes
        if wanted is None or shapes:
            wanted = resolve_shapes(self.inputs, shapes, self.max_batch)
        with self._changed:
            self._open_runtime()
            if not self._free:
                return None
            bay = self._free.pop()
        try:
            return OrtSlot(self, bay, self._buffers(bay, wanted))
        except BaseException:  # no memory for the arrays
            self._give_back(bay)
            raise

    def _buffers(self, bay: Bay, shapes: Shapes) -> Buffers:
        key = tuple(shapes.values())
        if key in bay:
            bay.move_to_end(key)
        else:
            bay[key] = Buffers(self, shapes)
            if len(bay) > SHAPES_KEPT:
                bay.popitem(last=False)
        return bay[key]

    def _give_back(self, bay: Bay) -> None:
        with self._changed:
            if self._runtime is not None:
                self._free.append(bay)

    def _begin(self) -> None:
        with self._changed:
            self._open_runtime()
            self._in_flight += 1

    def _finish(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    def _open_runtime(self) -> onnxruntime.InferenceSession:
        runtime = self._runtime
        if runtime is None:
            raise BackendError(f"{self._path}: this session is closed", fix="open the model again")
        return runtime

    def close(self) -> None:
        """Free the model; see :meth:`vedette.specs.Session.close`. Must not be called by a ``done``."""
        with self._changed:
            self._runtime = None
            self._free.clear()
            self._changed.wait_for(lambda: self._in_flight == 0)


class OrtSlot:
    """One lease of a slot; see :class:`vedette.specs.Slot`. After :meth:`release` it refuses every use."""

    __slots__ = ("_bay", "_buffers", "_failed", "_session", "_state")

    def __init__(self, session: OrtSession, bay: Bay, buffers: Buffers) -> None:
        self._session = session
        self._bay = bay
        self._buffers = buffers
        self._state = "leased"
        self._failed = False

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """Writable arrays, until :meth:`submit`."""
        self._check("leased", "done")
        return self._buffers.inputs

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """What the request gave, until :meth:`release`."""
        self._check("done")
        if self._failed:
            raise BackendError(
                f"{self._session._path}: the request failed and has no outputs", fix="release its slot"
            )
        return self._buffers.outputs

    def submit(self, done: Callable[[Slot, Exception | None], None]) -> None:
        """Start the request. Never blocks; ``done`` is called once, by a thread of the pool."""
        self._check("leased")
        self._session._begin()
        self._state = "running"
        POOL.submit(self._session._threads_per_request, lambda: self._run(done))

    def release(self) -> None:
        """Give the slot back."""
        self._check("leased", "done")
        self._state = "released"
        self._session._give_back(self._bay)

    def _run(self, done: Callable[[Slot, Exception | None], None]) -> None:
        session = self._session
        error: BackendError | None = None
        try:
            self._buffers.run()
        except Exception as reason:  # the runtime raises RuntimeError and classes of its own
            error = run_error(session._path, session.device, reason)
            error.__cause__ = reason
        self._failed = error is not None
        self._state = "done"
        try:
            done(self, error)
        except Exception:
            logger.exception("%s: the callback of a request raised", session._path)
        finally:
            session._finish()

    def _check(self, *allowed: str) -> None:
        if self._state not in allowed:
            raise BackendError(
                f"{self._session._path}: this slot is {self._state}, which does not allow that",
                fix="the order is: acquire, fill inputs, submit, wait for done, read outputs, release",
            )
