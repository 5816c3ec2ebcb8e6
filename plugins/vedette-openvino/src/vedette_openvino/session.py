"""One compiled model: leases its requests and runs them."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from queue import SimpleQueue
from typing import Any

from vedette.errors import BackendError
from vedette.inference import resolve_shapes
from vedette.specs import Precision, Slot, Tensor, TensorInfo
from vedette_openvino.messages import essence
from vedette_openvino.request import Request

logger = logging.getLogger("vedette.openvino")

_NO_WORK = ("Const", "Input", "Output")
"""Layers of a compiled graph that compute nothing."""

_LAST_RUNS_S = 10.0
"""How long the end of a program waits for requests in flight. A thread that comes back from OpenVINO after the
interpreter is gone aborts the process."""

Done = Callable[[Slot, Exception | None], None]


class OpenVINOSession:
    """A :class:`~vedette.specs.Session`.

    A worker, a thread of this session, hands a request to OpenVINO's own threads, waits, and calls ``done``. OpenVINO's
    callbacks are not used: none comes after a request that fails, and one that is let go of while the interpreter ends
    aborts the process.

    Parameters
    ----------
    compiled
        OpenVINO's compiled model.
    name
        What messages call the model.
    at_once
        How many requests OpenVINO runs at a time. One more is handed to it, to begin without waiting for Python.
    """

    backend = "openvino"

    def __init__(
        self,
        compiled: Any,
        *,
        name: str,
        device: str,
        execution_precision: Precision,
        placement: str,
        max_batch: int,
        slots: int,
        at_once: int,
        inputs: Mapping[str, TensorInfo],
        outputs: Mapping[str, TensorInfo],
    ) -> None:
        self.name = name
        self.device = device
        self.execution_precision = execution_precision
        self.placement = placement
        self.max_batch = max_batch
        self.slots = slots
        self.inputs = inputs
        self.outputs = outputs
        self._compiled = compiled
        self._fixed = not any(None in info.shape for info in inputs.values())
        self._idle = deque(Request(compiled, inputs, outputs) for _ in range(slots))
        if self._fixed:
            for request in self._idle:
                request.bind(resolve_shapes(inputs, None, max_batch))
        self._closed = False
        self._closing = threading.Lock()
        self._submitted: SimpleQueue[Lease | None] = SimpleQueue()
        self._workers = [
            threading.Thread(target=_serve, args=(self._submitted,), name="vedette-openvino", daemon=True)
            for _ in range(min(slots, at_once + 1))
        ]
        for worker in self._workers:
            worker.start()
        self._stop = weakref.finalize(self, _stop, self._submitted, self._workers)

    def acquire(self, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Lease | None:
        """Lease a slot; see :class:`~vedette.specs.Session`."""
        self._check_open()
        full = None if self._fixed and shapes is None else resolve_shapes(self.inputs, shapes, self.max_batch)
        try:
            request = self._idle.pop()
        except IndexError:
            return None
        try:
            if full is not None:
                request.bind(full)
        except BaseException:
            self._idle.append(request)
            raise
        return Lease(self, request)

    def close(self) -> None:
        """Free the model; see :class:`~vedette.specs.Session`.

        Returns when every ``done`` has returned. Slots that are out can still be read and released.
        """
        with self._closing:
            self._closed = True
        self._stop()
        _join(self._workers)
        self._idle.clear()
        self._compiled = None

    def operators(self) -> Counter[str]:
        """How many operators of the compiled graph work in each type, as ``{"f32": 120, "u8": 52}``, constants aside.

        Read from the graph as OpenVINO has really compiled it, which takes some milliseconds.

        Raises
        ------
        BackendError
            The session is closed.
        """
        self._check_open()
        infos = [operator.get_rt_info() for operator in self._compiled.get_runtime_model().get_ops()]
        return Counter(
            str(info["runtimePrecision"].value) for info in infos if info["layerType"].value not in _NO_WORK
        )

    def submit(self, lease: Lease) -> None:
        """Run ``lease`` as soon as a worker is free."""
        with self._closing:  # else it might queue up behind the end of the workers
            self._check_open()
            self._submitted.put(lease)

    def take_back(self, request: Request) -> None:
        """Lease ``request`` to somebody else."""
        if not self._closed:
            self._idle.append(request)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendError(f"{self.name}: the session is closed", fix="open the model again")


def _serve(submitted: SimpleQueue[Lease | None]) -> None:
    while (lease := submitted.get()) is not None:
        lease.run()
        del lease  # it would keep its session from being collected


def _stop(submitted: SimpleQueue[Lease | None], workers: Sequence[threading.Thread]) -> None:
    """Let the workers finish what was submitted. At the latest this happens when the program ends."""
    for _ in workers:
        submitted.put(None)
    _join(workers, _LAST_RUNS_S)


def _join(workers: Sequence[threading.Thread], timeout_s: float | None = None) -> None:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    for worker in workers:
        if worker is not threading.current_thread():
            worker.join(None if deadline is None else max(0.0, deadline - time.monotonic()))


class _State(Enum):
    LEASED = "has not been submitted"
    RUNNING = "is still running"
    DONE = "is done"
    FAILED = "has failed"
    RELEASED = "has been released"


class Lease:
    """One use of a request: a :class:`~vedette.specs.Slot`."""

    __slots__ = ("_done", "_outputs", "_request", "_session", "_state")

    def __init__(self, session: OpenVINOSession, request: Request) -> None:
        self._session = session
        self._request = request
        self._state = _State.LEASED

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        if self._state is _State.RELEASED:
            raise self._misused("its inputs belong to somebody else now")
        return self._request.inputs

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        if self._state is not _State.DONE:
            raise self._misused("it has no outputs")
        if not hasattr(self, "_outputs"):
            self._outputs = self._request.read_outputs()
        return self._outputs

    def submit(self, done: Done) -> None:
        """Start the request; see :class:`~vedette.specs.Slot`.

        Raises
        ------
        BackendError
            It was submitted before, or the session is closed. ``done`` is then not called.
        """
        if self._state is not _State.LEASED:
            raise self._misused("it can be submitted once")
        self._done = done
        self._state = _State.RUNNING
        try:
            self._session.submit(self)
        except BackendError:
            self._state = _State.LEASED
            raise

    def run(self) -> None:
        """Called by a worker of the session."""
        failure = None
        try:
            self._request.run()
            self._state = _State.DONE
        except Exception as error:
            failure = self._failure(error)
            self._state = _State.FAILED
        try:
            self._done(self, failure)
        except BaseException:  # a worker must not end before its session
            logger.exception("%s: the function to call when a request is done raised", self._session.name)

    def release(self) -> None:
        """Give the slot back; see :class:`~vedette.specs.Slot`.

        Raises
        ------
        BackendError
            The request is still running, or was released before.
        """
        if self._state in (_State.RUNNING, _State.RELEASED):
            raise self._misused("it can be released once, when it is done")
        self._state = _State.RELEASED
        self._session.take_back(self._request)

    def _failure(self, error: Exception) -> BackendError:
        failure = BackendError(
            f"{self._session.name}: a request failed in openvino on {self._session.device}: {essence(error)}",
            fix="check the shapes and values that were fed, or try another backend",
        )
        failure.__cause__ = error
        return failure

    def _misused(self, why: str) -> BackendError:
        return BackendError(
            f"{self._session.name}: this slot {self._state.value}: {why}",
            fix="acquire, fill inputs, submit, read outputs in or after done, release: each once, in this order",
        )
