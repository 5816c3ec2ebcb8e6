"""Run a session on arrays, and the checks of names, types and shapes that every backend shares."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue

import numpy as np

from vedette.errors import BackendError
from vedette.specs import Session, Slot, Tensor, TensorInfo, Tensors

FIRST_PAUSE_S, LAST_PAUSE_S = 0.0002, 0.005
"""While every slot is out, :func:`infer` asks again after a pause that doubles between these bounds."""

Shape = tuple[int, ...]


def infer(session: Session, feeds: Tensors, *, timeout_s: float | None = None) -> dict[str, Tensor]:
    """Run ``session`` once and wait for the answer. Safe to call from several threads.

    Parameters
    ----------
    feeds
        One array for each input of ``session.inputs``, of exactly its dtype and shape. They are copied, never changed.
    timeout_s
        Seconds to wait, for a free slot and the answer together; ``None`` waits as long as it takes.

    Returns
    -------
    dict of str to ndarray
        Every output by name. The arrays own their memory.

    Raises
    ------
    BackendError
        An input is missing, unknown, or of another dtype or shape; the session is closed; the run failed; or
        ``timeout_s`` has passed.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    _check_feeds(session, feeds)
    slot = _lease(session, _free_shapes(session, feeds), deadline)
    call = _Call()
    try:
        for name, array in feeds.items():
            np.copyto(slot.inputs[name], array)
        slot.submit(call.done)
    except BaseException:
        slot.release()
        raise
    try:
        error = call.wait(slot, deadline)
    except Empty:
        raise _too_late(session, "has not answered") from None
    try:
        if error is not None:
            raise error
        return {name: np.array(array) for name, array in slot.outputs.items()}
    finally:
        slot.release()


class _Call:
    """One request in flight. The slot of a caller who gave up waiting is given back by the answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._abandoned = False
        self._answer: SimpleQueue[Exception | None] = SimpleQueue()

    def done(self, slot: Slot, error: Exception | None) -> None:
        with self._lock:
            if not self._abandoned:
                self._answer.put(error)
                return
        slot.release()

    def wait(self, slot: Slot, deadline: float | None) -> Exception | None:
        try:
            return self._answer.get(
                timeout=None if deadline is None else max(0.0, deadline - time.monotonic())
            )
        except BaseException:  # Empty, and Ctrl-C in the main thread
            with self._lock:
                self._abandoned = self._answer.empty()
            if not self._abandoned:
                slot.release()
            raise


def _lease(session: Session, shapes: Mapping[str, Shape] | None, deadline: float | None) -> Slot:
    pause = FIRST_PAUSE_S
    while (slot := session.acquire(shapes)) is None:
        if deadline is not None and time.monotonic() > deadline:
            raise _too_late(session, f"had none of its {session.slots} slots free")
        time.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_S)
    return slot


def _too_late(session: Session, what: str) -> BackendError:
    return BackendError(
        f"{session.backend} on {session.device} {what} within timeout_s",
        fix="allow more time, or find out with `vedette bench` what the model needs",
    )


def _check_feeds(session: Session, feeds: Tensors) -> None:
    inputs = session.inputs
    check_names(inputs, feeds)
    for name, info in inputs.items():
        if name not in feeds:
            raise BackendError(f"input {name!r} is missing", fix=_takes(inputs))
        check_feed(info, feeds[name])


def _free_shapes(session: Session, feeds: Tensors) -> dict[str, Shape] | None:
    shapes = {name: feeds[name].shape for name, info in session.inputs.items() if None in info.shape}
    return shapes or None


# --- for backends -------------------------------------------------------------------------------------------------


def check_names(inputs: Mapping[str, TensorInfo], names: Iterable[str]) -> None:
    """Refuse a name that is not an input.

    Raises
    ------
    BackendError
        Naming it and every input that there is.
    """
    for name in names:
        if name not in inputs:
            raise BackendError(f"there is no input {name!r}", fix=_takes(inputs))


def check_feed(info: TensorInfo, array: Tensor) -> None:
    """Refuse an array that is not exactly of ``info``'s dtype and shape.

    Raises
    ------
    BackendError
        Naming the tensor, what it expects and what it was given.
    """
    if not isinstance(array, np.ndarray):
        raise BackendError(
            f"input {info.name!r} was given a {type(array).__name__}, not a numpy array",
            fix=f"it takes {describe(info)}",
        )
    if array.dtype != np.dtype(info.dtype) or not _fits(info, array.shape):
        given = f"{array.dtype} {shape_text(array.shape)}"
        raise BackendError(f"input {info.name!r} was given {given}", fix=f"it takes {describe(info)}")


def resolve_shapes(
    inputs: Mapping[str, TensorInfo], shapes: Mapping[str, Shape] | None, max_batch: int
) -> dict[str, Shape]:
    """The full shape of every input: the declared one, with its free dimensions filled from ``shapes``.

    Raises
    ------
    BackendError
        A shape is missing, does not fit, is for an unknown input, or has more than ``max_batch`` rows.
    """
    shapes = shapes or {}
    check_names(inputs, shapes)
    return {name: _resolve(info, shapes.get(name), max_batch) for name, info in inputs.items()}


def _resolve(info: TensorInfo, asked: Shape | None, max_batch: int) -> Shape:
    if asked is None:
        fixed = tuple(size for size in info.shape if size is not None)
        if len(fixed) < len(info.shape):
            raise BackendError(
                f"input {info.name!r} has free dimensions and no shape was given: {describe(info)}",
                fix=f"pass its full shape, as in acquire({{{info.name!r}: (...)}})",
            )
        return fixed
    if not _fits(info, asked):
        raise BackendError(
            f"input {info.name!r} cannot have shape {shape_text(asked)}", fix=f"it takes {describe(info)}"
        )
    if info.shape and info.shape[0] is None and asked[0] > max_batch:
        raise BackendError(
            f"input {info.name!r} was given a batch of {asked[0]}, but this session was opened for at most {max_batch}",
            fix=f"open it with Execution(batch={asked[0]}), or split the batch",
        )
    return tuple(asked)


def find_max_batch(inputs: Mapping[str, TensorInfo], asked: int) -> int:
    """The largest batch of a slot: the first axis of the graph's first input that has axes at all.

    A free axis takes the batch that was ``asked`` for in :class:`~vedette.specs.Execution`. A fixed one is the batch;
    asking for 1, the default, leaves it to the graph.

    Raises
    ------
    BackendError
        The batch is fixed and another one was asked for.
    """
    first = next((info for info in inputs.values() if info.shape), None)
    if asked < 1:
        raise BackendError(f"a batch of {asked} was asked for", fix="Execution.batch is at least 1")
    if first is None:
        return 1
    fixed = first.shape[0]
    if fixed is None:
        return asked
    if asked not in (1, fixed):
        raise BackendError(
            f"the graph has a fixed batch of {fixed}, and {asked} was asked for: {describe(first)}",
            fix=f"use Execution(batch={fixed}), or export the model with a free batch dimension",
        )
    return fixed


def describe(info: TensorInfo) -> str:
    """A tensor in words: ``images float32 (?, 3, 416, 416)``."""
    return f"{info.name} {info.dtype} {shape_text(info.shape)}"


def shape_text(shape: tuple[int | None, ...]) -> str:
    """A shape in words; a free dimension is ``?``."""
    return (
        "("
        + ", ".join("?" if size is None else str(size) for size in shape)
        + ("," * (len(shape) == 1))
        + ")"
    )


def _fits(info: TensorInfo, shape: Shape) -> bool:
    """Same rank, same fixed sizes, and at least 1 along each free dimension."""
    if len(shape) != len(info.shape):
        return False
    return all(
        size >= 1 if expected is None else size == expected
        for expected, size in zip(info.shape, shape, strict=True)
    )


def _takes(inputs: Mapping[str, TensorInfo]) -> str:
    return "the inputs are: " + "; ".join(describe(info) for info in inputs.values())
