"""A sound backend, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import threading
from contextlib import suppress

import numpy as np
import pytest

from vedette import BackendError, BackendSpec, Device, ModelFiles, TensorInfo
from vedette.inference import find_max_batch, resolve_shapes
from vedette.testing.conformance import BackendCase, BackendConformance


class Session:
    """Doubles its input, on a thread for each request."""

    backend, device, execution_precision, placement = "double", "cpu", "f32", "numpy"

    def __init__(self, shape, execution):
        self.inputs = {"x": TensorInfo(name="x", dtype="float32", shape=shape)}
        self.outputs = {"y": TensorInfo(name="y", dtype="float32", shape=shape)}
        self.max_batch = find_max_batch(self.inputs, execution.batch)
        self.slots = execution.slots or 2
        self.free = threading.Semaphore(self.slots)
        self.running = []
        self.closed = False

    def acquire(self, shapes=None):
        if self.closed:
            raise BackendError("this session is closed")
        full = resolve_shapes(self.inputs, shapes, self.max_batch)
        return self.slot(full["x"]) if self.free.acquire(blocking=False) else None

    def slot(self, shape):
        return Slot(self, shape)

    def close(self):
        self.closed = True
        for thread in self.running:
            thread.join()


class Slot:
    def __init__(self, session, shape):
        self.session = session
        self.inputs = {"x": np.zeros(shape, np.float32)}
        self.outputs = {}
        self.released = False

    def submit(self, done):
        thread = threading.Thread(target=self.run, args=(done,), daemon=True)
        self.session.running.append(thread)
        thread.start()

    def run(self, done):
        self.outputs = {"y": self.inputs["x"] * 2}
        self.tell(done)

    def tell(self, done):
        with suppress(RuntimeError):
            done(self, None)

    def release(self):
        if self.released:
            raise BackendError("released already")
        self.released = True
        self.session.free.release()


class Suite(BackendConformance):
    session_type = Session

    @pytest.fixture
    def spec(self):
        return BackendSpec(
            name="double",
            summary="Doubles.",
            formats=("shape",),
            probe=lambda: None,
            version=lambda: "1",
            devices=lambda: (Device(name="cpu", detail="numpy"),),
            open=self.load,
        )

    def load(self, files, device, execution, options):
        for wanted, known in (
            (device, "cpu"),
            (execution.precision, "f32"),
            *((option, "") for option in options),
        ):
            if wanted != known:
                raise BackendError(f"no {wanted}")
        try:
            sizes = [int(word) for word in files.model.read_text().split()]
        except (OSError, ValueError) as error:
            raise BackendError(f"{files.model}: {error}") from error
        return self.session_type(tuple(size or None for size in sizes), execution)

    def make(self, folder, *shape, rows=1):
        path = folder / f"{'x'.join(map(str, shape))}.txt"
        path.write_text(" ".join(map(str, shape)))
        x = np.arange(rows * np.prod(shape[1:]), dtype=np.float32).reshape(rows, *shape[1:])
        return BackendCase(
            files=ModelFiles(format="shape", paths=(path,)), feeds={"x": x}, expected={"y": 2 * x}
        )

    @pytest.fixture
    def case(self, tmp_path):
        return self.make(tmp_path, 1, 3, 4, 4)

    @pytest.fixture
    def batch_case(self, tmp_path):
        return self.make(tmp_path, 0, 6, rows=3)

    @pytest.fixture
    def other_case(self, tmp_path):
        return self.make(tmp_path, 1, 5, 2)


class TestSound(Suite):
    pass


class OneOutputBuffer(Session):
    def slot(self, shape):
        self.buffer = getattr(self, "buffer", np.zeros(shape, np.float32))
        return SharedOutput(self, shape)


class SharedOutput(Slot):
    def run(self, done):
        np.multiply(self.inputs["x"], 2, out=self.session.buffer)
        self.outputs = {"y": self.session.buffer}
        self.tell(done)


class TestReusesItsOutputs(Suite):
    told = {"test_outputs_last_until_release": "makes one camera's result appear on another"}
    session_type = OneOutputBuffer


class OneInputBuffer(Session):
    def slot(self, shape):
        slot = Slot(self, shape)
        self.buffer = getattr(self, "buffer", slot.inputs["x"])
        slot.inputs = {"x": self.buffer}
        return slot


class TestSharesItsInputs(Suite):
    told = {"test_inputs_are_writable_and_its_own": "two slots share the memory of input 'x'"}
    session_type = OneInputBuffer


class Telling(Session):
    slot_type = Slot

    def slot(self, shape):
        return self.slot_type(self, shape)


class TellsTwice(Slot):
    def tell(self, done):
        super().tell(done)
        super().tell(done)


class TestTellsTwice(Suite):
    told = {"test_done_is_called_once": "`done` was called twice for one submit"}
    session_type = type("Session", (Telling,), {"slot_type": TellsTwice})


class NeverTells(Slot):
    def tell(self, done):
        pass


class TestNeverTells(Suite):
    told = {"test_done_is_called_once": "`done` was not called within 3 s of submit()"}
    session_type = type("Session", (Telling,), {"slot_type": NeverTells})


class TellsNothing(Slot):
    def tell(self, done):
        done(None, None)


class TestTellsNothing(Suite):
    told = {"test_done_is_called_once": "`done` was not given the slot that was submitted"}
    session_type = type("Session", (Telling,), {"slot_type": TellsNothing})


class RunsInSubmit(Slot):
    def submit(self, done):
        self.outputs = {"y": self.inputs["x"] * 2}
        done(self, None)


class TestLetsErrorsOut(Suite):
    told = {"test_a_callback_that_raises_harms_nobody": "an error of `done` comes out of submit()"}
    session_type = type("Session", (Telling,), {"slot_type": RunsInSubmit})


class TwoReleases(Slot):
    def release(self):
        self.session.free.release()


class TestTakesTwoReleases(Suite):
    told = {"test_a_slot_released_twice_is_not_leased_twice": "3 slots of 2 could be leased"}
    session_type = type("Session", (Telling,), {"slot_type": TwoReleases})


class Accumulates(Slot):
    def run(self, done):
        self.session.total = getattr(self.session, "total", 0) + self.inputs["x"]
        self.outputs = {"y": self.session.total}
        self.tell(done)


class TestAccumulates(Suite):
    told = {"test_outputs_last_until_release": "start each request from its inputs alone"}
    session_type = type("Session", (Telling,), {"slot_type": Accumulates})


class Blocks(Session):
    def acquire(self, shapes=None):
        resolve_shapes(self.inputs, shapes, self.max_batch)
        self.free.acquire(timeout=20)
        return Slot(self, self.inputs["x"].shape)


class TestBlocksInAcquire(Suite):
    told = {"test_as_many_slots_as_asked_for": "return None at once: the pipeline parks the frame"}
    session_type = Blocks


class Checks(Session):
    """Says that something is wrong, but not with what."""

    def acquire(self, shapes=None):
        try:
            return super().acquire(shapes)
        except BackendError:
            raise BackendError("wrong shape") from None


class TestDoesNotNameTheTensor(Suite):
    told = {"test_shapes_that_do_not_fit_are_refused": "the refusal does not name 'nonsense'"}
    session_type = Checks


class RaisesValueError(Session):
    def acquire(self, shapes=None):
        try:
            return super().acquire(shapes)
        except BackendError as error:
            raise ValueError(str(error)) from None


class TestRaisesValueError(Suite):
    told = {"test_shapes_that_do_not_fit_are_refused": "raises ValueError: there is no input 'nonsense'"}
    session_type = RaisesValueError


class DeclaresAnotherType(Session):
    def __init__(self, shape, execution):
        super().__init__(shape, execution)
        self.outputs = {"y": TensorInfo(name="y", dtype="float64", shape=shape)}


class TestDeclaresAnotherType(Suite):
    told = {"test_it_computes": "output 'y' is float32 (1, 3, 4, 4), but Session.outputs says float64"}
    session_type = DeclaresAnotherType


class ClosesOnce(Session):
    def close(self):
        if self.closed and not getattr(self, "told", False):
            self.told = True
            raise RuntimeError("closed already")
        super().close()


class TestClosesOnce(Suite):
    told = {"test_close_waits_and_can_be_repeated": "the second close() raises RuntimeError"}
    session_type = ClosesOnce


class StaysOpen(Session):
    def close(self):
        for thread in self.running:
            thread.join()


class TestStaysOpen(Suite):
    told = {"test_close_waits_and_can_be_repeated": "acquire() works on a closed session"}
    session_type = StaysOpen


class Hurries(Session):
    def close(self):
        self.closed = True


class Slow(Slot):
    def run(self, done):
        threading.Event().wait(0.5)
        super().run(done)


class TestDoesNotWait(Suite):
    told = {"test_close_waits_and_can_be_repeated": "close() returned before `done` of a request in flight"}
    session_type = type("Session", (Hurries,), {"slot": lambda self, shape: Slow(self, shape)})


class TestTakesAnyDevice(Suite):
    told = {"test_what_it_cannot_do_is_refused": "open() with the device 'nowhere' is accepted"}

    def load(self, files, device, execution, options):
        return super().load(files, "cpu", execution, options)


class TestTakesAnyOption(Suite):
    told = {"test_what_it_cannot_do_is_refused": "open() with the option 'no_such_option' is accepted"}

    def load(self, files, device, execution, options):
        return super().load(files, device, execution, {})


class BatchesTogether(Slot):
    def run(self, done):
        self.outputs = {"y": self.inputs["x"] * 2 + self.inputs["x"].mean()}
        self.tell(done)


class TestMixesRows(Suite):
    told = {"test_rows_of_a_batch_are_independent": "compute every row by itself"}
    session_type = type("Session", (Telling,), {"slot_type": BatchesTogether})


class SaysSomethingElse(Session):
    device = "gpu"


class TestReportsAnotherDevice(Suite):
    told = {
        "test_a_session_says_what_it_is": "Session.device is 'gpu', which is not among the devices ['cpu']"
    }
    session_type = SaysSomethingElse


class TestGivesNoModel(BackendConformance):
    told = {"test_it_computes": "define a pytest fixture `case` in the class"}
    spec = Suite.spec
    load = Suite.load
    session_type = Session
