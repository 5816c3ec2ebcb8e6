"""What sessions and slots of a backend must keep to: leases, memory, answers, closing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import ModelFiles, Session, Slot, Tensor
from vedette.testing.conformance.base import Conformance, demand, in_threads, patience_s, refuse, same, within

Open = Callable[..., Session]
_DONE_FIX = "call `done(slot, None)`, or `done(slot, error)`, exactly once for each submit, whatever happens"


@dataclass(frozen=True, kw_only=True, eq=False)
class BackendCase:
    """A model to test with.

    Attributes
    ----------
    files
        What ``open`` gets.
    feeds
        One array for each input, batch first.
    expected
        The outputs for ``feeds``, by name; those that are left out are not compared.
    """

    files: ModelFiles
    feeds: Mapping[str, Tensor]
    expected: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows ``feeds`` have."""
        return len(next(iter(self.feeds.values())))

    def free_shapes(self, session: Session) -> dict[str, tuple[int, ...]] | None:
        """What ``acquire`` needs to know for these feeds."""
        return {
            name: self.feeds[name].shape for name, info in session.inputs.items() if None in info.shape
        } or None


class SlotChecks(Conformance):
    """The part of :class:`~vedette.testing.conformance.BackendConformance` that is about leases."""

    def test_as_many_slots_as_asked_for(self, case: BackendCase, open_model: Open) -> None:
        """``acquire`` leases them one by one, then answers ``None`` at once."""
        session = open_model(case, slots=2)
        demand(
            session.slots == 2,
            f"opened with Execution(slots=2), the session has {session.slots}",
            "make as many requests as Execution.slots says; None leaves the number to you",
        )
        leased = [lease(session, case), lease(session, case)]
        waiting = within(
            patience_s(),
            "acquire(), while every slot is out,",
            "return None at once: the pipeline parks the frame and asks again; never wait in acquire()",
            lambda: session.acquire(case.free_shapes(session)),
        )
        demand(
            waiting is None,
            "acquire() gives a third slot out of two",
            "return None while all slots are out",
        )
        for slot in leased:
            slot.release()
        lease(session, case).release()

    def test_a_slot_released_twice_is_not_leased_twice(self, case: BackendCase, open_model: Open) -> None:
        """A second ``release`` is refused or does nothing."""
        session = open_model(case, slots=2)
        slot = lease(session, case)
        slot.release()
        with suppress(BackendError):
            slot.release()
        leased = [session.acquire(case.free_shapes(session)) for _ in range(3)]
        demand(
            leased[2] is None,
            "after a slot was released twice, 3 slots of 2 could be leased",
            "remember that a lease has ended, and refuse its second release",
        )
        for each in leased:
            if each is not None:
                each.release()

    def test_inputs_are_writable_and_its_own(self, case: BackendCase, open_model: Open) -> None:
        """As declared, and not shared by two slots."""
        session = open_model(case, slots=2)
        one, two = lease(session, case), lease(session, case)
        for name, info in session.inputs.items():
            array = one.inputs[name]
            demand(
                array.flags.writeable and array.dtype == np.dtype(info.dtype),
                f"Slot.inputs[{name!r}] is {array.dtype}, writable: {array.flags.writeable}",
                f"give a writable array of {info.dtype}",
            )
            demand(
                array.shape == case.feeds[name].shape,
                f"Slot.inputs[{name!r}] is {array.shape} for a request of {case.feeds[name].shape}",
                "give the array the shape that this request was leased with",
            )
            demand(
                not np.shares_memory(array, two.inputs[name]),
                f"two slots share the memory of input {name!r}",
                "give each slot arrays of its own: two requests are filled at the same time",
            )
        one.release()
        two.release()

    def test_done_is_called_once(self, case: BackendCase, open_model: Open) -> None:
        """For each submit, with the slot and no error; and ``submit`` does not wait for it."""
        session = open_model(case, slots=2)
        answers: SimpleQueue[tuple[Slot, Exception | None]] = SimpleQueue()
        answered: list[Slot] = []
        for _ in range(3):
            slot = fill(lease(session, case), case.feeds)
            within(
                6 * patience_s(),
                "submit()",
                "only start the request; run it on a thread of the runtime or your own",
                lambda slot=slot: slot.submit(lambda *answer: answers.put(answer)),  # type: ignore[misc]
            )
            given, error = _answer(answers)
            demand(
                all(given is not old for old in answered),
                "`done` was called twice for one submit",
                _DONE_FIX,
            )
            answered.append(slot)
            demand(
                given is slot,
                "`done` was not given the slot that was submitted",
                "call done(slot, error) with it",
            )
            demand(
                error is None,
                f"`done` was given {error!r} for sound inputs",
                "pass None when the request succeeded",
            )
            slot.release()
        session.close()
        time.sleep(0.1)
        demand(answers.empty(), "`done` was called twice for one submit", _DONE_FIX)

    def test_a_callback_that_raises_harms_nobody(self, case: BackendCase, open_model: Open) -> None:
        """The next request runs all the same."""
        session = open_model(case, slots=1)
        slot = fill(lease(session, case), case.feeds)
        called: SimpleQueue[bool] = SimpleQueue()

        def done(slot: Slot, error: Exception | None) -> None:
            slot.release()
            called.put(True)
            raise RuntimeError("this callback raises on purpose")

        try:
            slot.submit(done)
            _answer(called)
        except RuntimeError:
            refuse("an error of `done` comes out of submit()", "catch and log what the callback raises")
        run_once(session, case.feeds)

    def test_outputs_last_until_release(self, case: BackendCase, open_model: Open) -> None:
        """Another request in between must not write into them, nor give what an earlier one gave."""
        session = open_model(case, slots=2)
        first, second = _variants(case)
        one = run(session, case, first)
        kept = {name: array.copy() for name, array in one.outputs.items()}
        two = run(session, case, second)
        for name, array in one.outputs.items():
            demand(
                same(array, kept[name]),
                f"output {name!r} of a leased slot changed when another slot ran",
                "give each slot output arrays of its own, and hand them out again only after release(); a buffer that "
                "the session reuses makes one camera's result appear on another",
            )
            demand(
                not np.shares_memory(array, two.outputs[name]),
                f"two leased slots share the memory of output {name!r}",
                "give each slot output arrays of its own",
            )
        one.release()
        two.release()
        again = run_once(session, first)
        for name, array in again.items():
            demand(
                np.allclose(array, kept[name], rtol=1e-3, atol=1e-5, equal_nan=True),
                f"output {name!r} is another one when the same inputs are run again",
                "start each request from its inputs alone; keep nothing of the one before",
            )

    def test_sessions_are_independent(self, case: BackendCase, open_model: Open) -> None:
        """Two of one model: the leases of one do not count for the other, and closing one leaves the other open."""
        one, two = open_model(case, slots=1), open_model(case, slots=1)
        slot = lease(one, case)
        wanted = run_once(two, case.feeds)
        slot.release()
        one.close()
        for name, array in run_once(two, case.feeds).items():
            demand(
                same(array, wanted[name]),
                f"output {name!r} of a session changed when another one was closed",
                "share nothing between sessions that one of them frees",
            )

    def test_several_threads_share_a_session(self, case: BackendCase, open_model: Open) -> None:
        """Each gets the answer to its own question."""
        session = open_model(case, slots=2)
        variants = _variants(case)
        alone = [run_once(session, feeds) for feeds in variants]

        def work(index: int) -> bool:
            mine = index % 2
            found = [run_once(session, variants[mine]) for _ in range(10)]
            return all(
                np.allclose(array, alone[mine][name], rtol=1e-3, atol=1e-5, equal_nan=True)
                for outputs in found
                for name, array in outputs.items()
            )

        demand(
            all(in_threads(work)),
            "threads that share a session get each other's answers",
            "make acquire(), submit() and release() safe to call from several threads; share no arrays",
        )

    def test_close_waits_and_can_be_repeated(self, case: BackendCase, open_model: Open) -> None:
        """When it returns, every ``done`` has been called; afterwards nothing can be leased."""
        session = open_model(case, slots=2)
        answers: SimpleQueue[Any] = SimpleQueue()
        fill(lease(session, case), case.feeds).submit(lambda *answer: answers.put(answer))
        within(
            6 * patience_s(),
            "close() with a request in flight",
            "wait for the runtime, not for a release",
            session.close,
        )
        demand(
            not answers.empty(),
            "close() returned before `done` of a request in flight was called",
            "wait for the requests in flight; the pipeline frees what they use afterwards",
        )
        try:
            session.close()
        except Exception as error:
            refuse(
                f"the second close() raises {error!r}", "let close() do nothing when the session is closed"
            )
        try:
            session.acquire(case.free_shapes(session))
        except BackendError:
            return
        except Exception as error:
            refuse(f"acquire() on a closed session raises {error!r}", "raise a vedette.BackendError")
        refuse("acquire() works on a closed session", "raise a vedette.BackendError")


def lease(session: Session, case: BackendCase) -> Slot:
    """A slot of a session that has one."""
    slot = within(
        patience_s(),
        "acquire()",
        "return a slot, or None while all are out; never wait in acquire()",
        lambda: session.acquire(case.free_shapes(session)),
    )
    if slot is None:
        refuse("acquire() gives None although a slot is free", "give back in release() what acquire() took")
    return slot


def fill(slot: Slot, feeds: Mapping[str, Tensor]) -> Slot:
    """Write the inputs."""
    for name, array in feeds.items():
        slot.inputs[name][...] = array
    return slot


def run(session: Session, case: BackendCase, feeds: Mapping[str, Tensor]) -> Slot:
    """A slot that has run and is still leased."""
    slot = fill(lease(session, case), feeds)
    answers: SimpleQueue[tuple[Slot, Exception | None]] = SimpleQueue()
    slot.submit(lambda *answer: answers.put(answer))
    _, error = _answer(answers)
    if error is not None:
        raise error
    return slot


def run_once(session: Session, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs, copied."""
    return within(6 * patience_s(), "a request", _DONE_FIX, lambda: infer(session, feeds))


def _answer(answers: SimpleQueue[Any]) -> Any:
    try:
        return answers.get(timeout=patience_s())
    except Empty:
        refuse(f"`done` was not called within {patience_s():g} s of submit()", _DONE_FIX)


def _variants(case: BackendCase) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """The case's inputs, and others: the same values in another order."""
    return case.feeds, {name: np.ascontiguousarray(array[..., ::-1]) for name, array in case.feeds.items()}
