"""A real session around a Python function: for tests of what runs models, where the numbers do not matter."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from vedette.errors import BackendError
from vedette.inference import resolve_shapes
from vedette.specs import (
    BackendSpec,
    Device,
    Execution,
    ModelFiles,
    Precision,
    Session,
    Slot,
    Tensor,
    TensorInfo,
    Tensors,
)

Function = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]
Done = Callable[[Slot, Exception | None], None]
Shapes = Mapping[str, tuple[int, ...]]

logger = logging.getLogger("vedette.testing")


class FunctionSession:
    """Runs ``function`` on threads of its own and keeps the contract of :class:`vedette.specs.Session` to the letter.

    It is stricter than a runtime, so that a caller's mistake shows in a test: the arrays of a released slot are filled
    with NaN (the largest value, for integers), a stale slot refuses everything, and ``done`` comes from another thread.

    Parameters
    ----------
    function
        Gets the inputs by name, read-only, batch first; returns the outputs by name. What it raises reaches ``done``
        as a :class:`~vedette.errors.BackendError` with that cause.
    inputs, outputs
        What the graph takes and gives, by name.
    slots
        Requests that can be leased at once.
    max_batch
        The largest first axis of an input.
    delay
        Called on the worker before each run; returns the seconds to sleep. Random values shuffle the completions.
    threads
        Requests that run at once; ``None``: all slots.
    device, backend, execution_precision
        What the session reports of itself.
    """

    placement = "every operator in Python"

    def __init__(
        self,
        function: Function,
        inputs: Mapping[str, TensorInfo],
        outputs: Mapping[str, TensorInfo],
        *,
        slots: int = 2,
        max_batch: int = 1,
        delay: Callable[[], float] | None = None,
        threads: int | None = None,
        device: str = "cpu",
        backend: str = "function",
        execution_precision: Precision = "f32",
    ) -> None:
        self.backend = backend
        self.device = device
        self.execution_precision: Precision = execution_precision
        self.max_batch = max_batch
        self.slots = slots
        self.inputs: Mapping[str, TensorInfo] = dict(inputs)
        self.outputs: Mapping[str, TensorInfo] = dict(outputs)
        self._function = function
        self._delay = delay
        self._lock = threading.Lock()
        self._free = [dict[str, Tensor]() for _ in range(slots)]  # the input buffers of each slot, used again
        self._workers = ThreadPoolExecutor(threads or slots, thread_name_prefix=f"{backend}-session")
        self._closed = False

    @property
    def leased(self) -> int:
        """Slots that are out: 0 once every caller has released what it took."""
        with self._lock:
            return self.slots - len(self._free)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def acquire(self, shapes: Shapes | None = None) -> Slot | None:
        """See :meth:`vedette.specs.Session.acquire`."""
        if self._closed:
            raise BackendError(f"backend {self.backend!r}: the session is closed")
        full = resolve_shapes(self.inputs, shapes, self.max_batch)
        with self._lock:
            if not self._free:
                return None
            buffers = self._free.pop()
        for name, shape in full.items():
            if name not in buffers or buffers[name].shape != shape:
                buffers[name] = _poison(np.empty(shape, self.inputs[name].dtype))
        return FunctionSlot(self, buffers)

    def close(self) -> None:
        """See :meth:`vedette.specs.Session.close`."""
        with self._lock:
            self._closed = True
        self._workers.shutdown(wait=True)

    def _start(self, slot: FunctionSlot, done: Done) -> None:
        with self._lock:
            if self._closed:
                raise BackendError(f"backend {self.backend!r}: the session is closed")
            self._workers.submit(self._serve, slot, done)

    def _serve(self, slot: FunctionSlot, done: Done) -> None:
        outputs, error = None, None
        try:
            outputs = self._run(slot._inputs)
        except BackendError as own:
            error = own
        except Exception as cause:
            error = BackendError(f"backend {self.backend!r}: the function raised {cause!r}")
            error.__cause__ = cause
        slot._finish(outputs)
        try:
            done(slot, error)
        except Exception:
            logger.exception("backend %r: the done callback raised; it must only enqueue", self.backend)

    def _run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self._delay is not None:
            time.sleep(self._delay())
        given = self._function({name: _read_only(array) for name, array in inputs.items()})
        if set(given) != set(self.outputs):
            raise BackendError(
                f"backend {self.backend!r}: the function gave {sorted(given)}, not the outputs {sorted(self.outputs)}"
            )
        for name, info in self.outputs.items():
            array = given[name]
            if array.dtype != info.dtype or not _fits(array.shape, info.shape):
                raise BackendError(
                    f"backend {self.backend!r}: output {name!r} must be {info.shape} {info.dtype}, "
                    f"not {array.shape} {array.dtype.name}"
                )
        return {name: np.array(array) for name, array in given.items()}

    def _take_back(self, buffers: dict[str, Tensor]) -> None:
        with self._lock:
            self._free.append(buffers)


class FunctionSlot:
    """One lease of a :class:`FunctionSession`: leased, submitted, finished, released; anything else is refused."""

    def __init__(self, session: FunctionSession, buffers: dict[str, Tensor]) -> None:
        self._session = session
        self._inputs = buffers
        self._outputs: dict[str, Tensor] | None = None
        self._state = "leased"
        self._lock = threading.Lock()

    @property
    def inputs(self) -> Tensors:
        """Writable until :meth:`submit`; the first axis is the batch."""
        self._demand("leased", "finished")
        return dict(self._inputs)

    def submit(self, done: Done) -> None:
        """See :meth:`vedette.specs.Slot.submit`."""
        self._advance("submitted", "leased")
        try:
            self._session._start(self, done)
        except BaseException:
            self._state = "leased"
            raise

    @property
    def outputs(self) -> Tensors:
        """Read-only, and valid until :meth:`release`."""
        self._demand("finished")
        if self._outputs is None:
            raise BackendError("the request failed: it has no outputs")
        return {name: _read_only(array) for name, array in self._outputs.items()}

    def release(self) -> None:
        """See :meth:`vedette.specs.Slot.release`."""
        self._advance("released", "leased", "finished")
        for array in (*self._inputs.values(), *(self._outputs or {}).values()):
            _poison(array)
        self._session._take_back(self._inputs)

    def _finish(self, outputs: dict[str, Tensor] | None) -> None:
        self._outputs = outputs
        self._advance("finished", "submitted")

    def _advance(self, to: str, *allowed: str) -> None:
        with self._lock:
            self._demand(*allowed)
            self._state = to

    def _demand(self, *allowed: str) -> None:
        if self._state not in allowed:
            raise BackendError(
                f"a slot was used while it is {self._state}", fix=f"it must be {' or '.join(allowed)}"
            )


def function_backend(
    name: str,
    sessions: Callable[[ModelFiles, str, Execution], FunctionSession],
    *,
    formats: tuple[str, ...] = ("onnx",),
    devices: tuple[str, ...] = ("cpu",),
    unusable: str | None = None,
) -> BackendSpec:
    """A backend whose models are Python functions.

    Parameters
    ----------
    sessions
        Makes the session of a model; the backend's name and the device are written into it.
    unusable
        What ``probe`` answers: ``None``, or why the backend cannot be used here.
    """

    def load(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> Session:
        if device not in devices:
            raise BackendError(
                f"backend {name!r} has no device {device!r}", fix=f"it has: {', '.join(devices)}"
            )
        if options:
            raise BackendError(f"backend {name!r} has no option {next(iter(options))!r}")
        session = sessions(files, device, execution)
        session.backend, session.device = name, device
        return session

    return BackendSpec(
        name=name,
        summary="Python functions instead of models, for tests.",
        formats=formats,
        probe=lambda: unusable,
        version=lambda: "1",
        devices=lambda: tuple(Device(name=device, detail="a Python function") for device in devices),
        open=load,
    )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _read_only(array: Tensor) -> Tensor:
    view = array.view()
    view.flags.writeable = False
    return view


def _poison(array: Tensor) -> Tensor:
    """Make a use of memory that is not the caller's visible in its results."""
    if array.dtype.kind in "iu":
        array.fill(np.iinfo(array.dtype).max)
    elif array.dtype.kind in "fc":
        array.fill(np.nan)
    return array
