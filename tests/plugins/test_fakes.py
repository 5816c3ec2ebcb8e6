"""The fakes keep the contracts that they stand for: real threads, real slots, no use of memory after its release."""

import logging
import threading
from queue import Empty, SimpleQueue

import numpy as np
import pytest

from vedette import BackendError, EndOfStream, Execution, ModelFiles, Packed, SourceError, TensorInfo, infer
from vedette.testing.fakes import FakeClock, FakeSource
from vedette.testing.session import FunctionSession, function_backend

X = TensorInfo(name="x", dtype="float32", shape=(None, 3))
Y = TensorInfo(name="y", dtype="float32", shape=(None,))
IMAGE = Packed("gray8", np.zeros((2, 3), np.uint8))


def total(inputs):
    return {"y": inputs["x"].sum(axis=1)}


@pytest.fixture
def session():
    """Makes sessions that are closed at the end."""
    made = []

    def session(function=total, **rest):
        made.append(FunctionSession(function, {"x": X}, {"y": Y}, **rest))
        return made[-1]

    yield session
    for item in made:
        item.close()


class Answers:
    """Collects what ``done`` is told."""

    def __init__(self):
        self.queue = SimpleQueue()

    def __call__(self, slot, error):
        self.queue.put((slot, error, threading.current_thread()))

    def next(self):
        return self.queue.get(timeout=10)


def submitted(session, values, answers):
    slot = session.acquire({"x": np.shape(values)})
    slot.inputs["x"][...] = values
    slot.submit(answers)
    return slot


def test_runs_the_function_on_another_thread(session):
    answers = Answers()
    slot = submitted(session(max_batch=2), [[1, 2, 3], [4, 5, 6]], answers)
    finished, error, thread = answers.next()
    assert (finished, error) == (slot, None)
    assert thread is not threading.current_thread()
    assert slot.outputs["y"].tolist() == [6, 15]
    slot.release()


def test_infer(session):
    assert infer(session(), {"x": np.float32([[1, 2, 3]])})["y"].tolist() == [6]


def test_acquire_gives_none_when_all_slots_are_out(session):
    made = session(slots=2)
    first, second = (made.acquire({"x": (1, 3)}) for _ in range(2))
    assert made.acquire({"x": (1, 3)}) is None
    assert made.leased == 2
    second.release()
    assert made.acquire({"x": (1, 3)}) is not None
    first.release()
    assert made.leased == 1


def test_slots_run_at_the_same_time(session):
    meeting = threading.Barrier(3, timeout=10)

    def meet(inputs):
        meeting.wait()
        return total(inputs)

    made, answers = session(meet, slots=3), Answers()
    slots = [submitted(made, [[n, 0, 0]], answers) for n in range(3)]
    assert [answers.next()[1] for _ in slots] == [None] * 3
    assert [slot.outputs["y"].item() for slot in slots] == [0, 1, 2]


def test_threads_bound_what_runs_at_once(session):
    started = SimpleQueue()
    second_may_run = threading.Event()

    def hold_the_first(inputs):
        started.put(inputs["x"][0, 0])
        assert second_may_run.wait(10)
        return total(inputs)

    made, answers = session(hold_the_first, slots=2, threads=1), Answers()
    for n in range(2):
        submitted(made, [[n, 0, 0]], answers)
    assert started.get(timeout=10) == 0
    with pytest.raises(Empty):
        started.get(timeout=0.05)
    second_may_run.set()
    assert [answers.next()[1] for _ in range(2)] == [None, None]


def test_delay_shuffles_the_order_of_completion(session):
    first_may_end = threading.Event()
    holds = iter([True, False])

    def hold_the_first():
        if next(holds):
            assert first_may_end.wait(10)
        return 0.0

    made, answers = session(delay=hold_the_first), Answers()
    first = submitted(made, [[1, 0, 0]], answers)
    second = submitted(made, [[2, 0, 0]], answers)
    assert answers.next()[0] is second
    first_may_end.set()
    assert answers.next()[0] is first


def test_memory_of_a_released_slot_is_spoilt(session):
    made, answers = session(slots=1), Answers()
    slot = submitted(made, [[1, 2, 3]], answers)
    answers.next()
    x, y = slot.inputs["x"], slot.outputs["y"]
    slot.release()
    assert np.isnan(x).all()
    assert np.isnan(y).all()
    assert np.isnan(made.acquire({"x": (1, 3)}).inputs["x"]).all()  # who forgets to fill it sees it


def test_a_released_slot_refuses_everything(session):
    slot = session().acquire({"x": (1, 3)})
    slot.release()
    for use in (lambda: slot.inputs, lambda: slot.outputs, slot.release, lambda: slot.submit(Answers())):
        with pytest.raises(BackendError, match="while it is released"):
            use()


def test_a_request_in_flight_cannot_be_touched(session):
    go = threading.Event()

    def wait(inputs):
        go.wait(10)
        return total(inputs)

    answers = Answers()
    slot = submitted(session(wait), [[1, 2, 3]], answers)
    for use in (lambda: slot.inputs, lambda: slot.outputs, slot.release, lambda: slot.submit(answers)):
        with pytest.raises(BackendError, match="while it is submitted"):
            use()
    go.set()
    assert answers.next()[1] is None


def test_the_function_cannot_write_to_its_inputs(session):
    def write(inputs):
        inputs["x"][...] = 0

    with pytest.raises(BackendError, match="read-only"):
        infer(session(write), {"x": np.zeros((1, 3), np.float32)})


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda inputs: {"z": inputs["x"]}, r"gave \['z'\], not the outputs \['y'\]"),
        (lambda inputs: {"y": inputs["x"]}, r"'y' must be \(None,\) float32, not \(1, 3\) float32"),
        (lambda inputs: {"y": np.zeros(1)}, r"not \(1,\) float64"),
        (lambda inputs: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_failures_reach_done_and_the_slot_can_be_released(session, function, reason):
    made, answers = session(function), Answers()
    slot = submitted(made, [[1, 2, 3]], answers)
    error = answers.next()[1]
    with pytest.raises(BackendError, match=reason):
        raise error
    with pytest.raises(BackendError, match="no outputs"):
        _ = slot.outputs
    slot.release()
    assert made.leased == 0


def test_a_done_callback_that_raises_is_logged(session, caplog):
    def done(slot, error):
        raise RuntimeError("too much work")

    made = session()
    submitted(made, [[1, 2, 3]], done)
    made.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("shapes", [None, {"x": (1, 4)}, {"x": (3, 3)}, {"x": (1, 3), "z": (1,)}])
def test_shapes_are_checked(session, shapes):
    made = session(max_batch=2)
    with pytest.raises(BackendError, match=r"'[xz]'"):
        made.acquire(shapes)
    assert made.leased == 0


def test_close(session):
    go = threading.Event()

    def wait(inputs):
        go.wait(10)
        return total(inputs)

    made, answers = session(wait), Answers()
    slot, idle = submitted(made, [[1, 2, 3]], answers), made.acquire({"x": (1, 3)})
    threading.Timer(0.05, go.set).start()
    made.close()
    made.close()
    assert answers.next()[1] is None  # it waited for the request in flight
    assert slot.outputs["y"].item() == 6
    for use in (lambda: made.acquire({"x": (1, 3)}), lambda: idle.submit(answers)):
        with pytest.raises(BackendError, match="closed"):
            use()
    idle.release()


def test_function_backend(tmp_path):
    def sessions(files, device, execution):
        return FunctionSession(total, {"x": X}, {"y": Y}, slots=execution.slots, max_batch=execution.batch)

    spec = function_backend("fake", sessions, devices=("cpu", "npu"))
    files = ModelFiles(format="onnx", paths=(tmp_path / "m.onnx",))
    made = spec.open(files, "npu", Execution(slots=3, batch=5), {})
    assert (made.backend, made.device, made.slots, made.max_batch) == ("fake", "npu", 3, 5)
    made.close()
    assert spec.probe() is None
    assert [device.name for device in spec.devices()] == ["cpu", "npu"]
    assert function_backend("fake", sessions, unusable="no licence").probe() == "no licence"
    with pytest.raises(BackendError, match="'gpu'"):
        spec.open(files, "gpu", Execution(), {})
    with pytest.raises(BackendError, match="'turbo'"):
        spec.open(files, "cpu", Execution(), {"turbo": True})


def test_source_gives_what_it_was_told():
    clock = FakeClock(mono_ns=1000, wall_ns=2000)
    source = FakeSource([IMAGE, None, SourceError("cable"), IMAGE], rate_hz=10, clock=clock)
    assert (source.info.frames, source.info.size_wh) == (2, (3, 2))
    first = source.read(1.0)
    assert (first.image, first.seq, first.clock.mono_ns, first.clock.media_ns) == (IMAGE, 0, 1000, 0)
    assert source.read(0.5) is None
    with pytest.raises(SourceError, match="cable"):
        source.read(1.0)
    second = source.read(1.0)
    assert (second.seq, second.clock.media_ns, second.clock.wall_ns) == (1, 600_000_000, 600_002_000)
    with pytest.raises(EndOfStream):
        source.read(1.0)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read(1.0)
