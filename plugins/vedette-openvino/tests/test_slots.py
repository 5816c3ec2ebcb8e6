"""The life of a slot: lease, submit, answer, release; from many threads; and past the end of the session."""

import gc
import queue
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import Execution, ModelFiles
from vedette_openvino.plugin import BACKEND
from vedette_openvino.runtime import ov

ops = ov.opset13


def finish(slot, timeout=10):
    """Submit and wait; the error, or None."""
    answers = queue.SimpleQueue()
    slot.submit(lambda slot, error: answers.put((slot, error)))
    answered, error = answers.get(timeout=timeout)
    assert answered is slot
    return error


def test_arrays_are_shared_with_the_runtime_not_copied(double, load):
    session = load(double)
    slot = session.acquire()
    slot.inputs["x"][...] = [[1, 2, 3, 4]]
    assert finish(slot) is None
    first = slot.outputs["y"]
    np.testing.assert_array_equal(first, [[2, 4, 6, 8]])
    address = slot.inputs["x"].ctypes.data, first.ctypes.data
    slot.release()
    addresses = set()
    for _ in range(session.slots):
        slot = session.acquire()
        assert finish(slot) is None
        addresses.add((slot.inputs["x"].ctypes.data, slot.outputs["y"].ctypes.data))
    assert address in addresses
    assert len(addresses) == session.slots


def test_outputs_are_read_only_and_inputs_cannot_be_replaced(double, load):
    slot = load(double).acquire()
    with pytest.raises(TypeError):
        slot.inputs["x"] = np.zeros((1, 4), np.float32)
    assert finish(slot) is None
    with pytest.raises(ValueError, match="read-only"):
        slot.outputs["y"][0, 0] = 1


def test_no_slot_is_none_until_one_is_released(double, load):
    session = load(double, slots=2)
    first, second = session.acquire(), session.acquire()
    assert session.acquire() is None
    first.release()
    third = session.acquire()
    assert third is not None
    assert session.acquire() is None
    second.release()
    third.release()


@pytest.mark.parametrize(
    ("misuse", "says"),
    [
        (lambda slot: slot.outputs, "has not been submitted: it has no outputs"),
        (lambda slot: (finish(slot), finish(slot)), "is done: it can be submitted once"),
        (lambda slot: (slot.release(), slot.release()), "has been released: it can be released once"),
        (lambda slot: (slot.release(), finish(slot)), "has been released: it can be submitted once"),
        (lambda slot: (slot.release(), slot.inputs), "has been released: its inputs belong to somebody else"),
        (lambda slot: (finish(slot), slot.release(), slot.outputs), "has been released: it has no outputs"),
    ],
)
def test_misuse_is_named(double, load, misuse, says):
    session = load(double, slots=1)
    with pytest.raises(BackendError, match=says) as caught:
        misuse(session.acquire())
    assert "double.xml" in str(caught.value)


def test_a_slot_released_twice_does_not_give_away_the_next_lease(double, load):
    session = load(double, slots=1)
    stale = session.acquire()
    stale.release()
    current = session.acquire()
    with pytest.raises(BackendError, match="released"):
        stale.release()
    assert session.acquire() is None
    current.release()


def test_eight_threads_get_their_own_answers(save, load):
    x = ops.parameter([1, 64], np.float32, name="x")
    path = save([x], {"y": ops.multiply(x, np.float32(3)), "last": ops.add(x, np.float32(1))})
    session = load(path, threads=2, slots=3)
    wrong, answers, left = [], queue.SimpleQueue(), iter(range(2000))

    def work():
        for number in left:
            while (slot := session.acquire()) is None:
                time.sleep(0.0001)
            slot.inputs["x"][...] = number
            slot.submit(lambda slot, error, number=number: answers.put((slot, error, number)))
            slot, error, asked = answers.get(timeout=20)
            y, last = slot.outputs["y"], slot.outputs["last"]
            if error is not None or not ((y == 3 * asked).all() and (last == asked + 1).all()):
                wrong.append((asked, error))
            slot.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert next(left, None) is None
    assert answers.empty()


def test_done_may_lease_and_submit_the_next(double, load):
    session = load(double, slots=1)
    values, finished = [], threading.Event()

    def done(slot, error):
        values.append(float(slot.outputs["y"][0, 0]))
        slot.release()
        if len(values) == 50:
            finished.set()
            return
        again = session.acquire()
        again.inputs["x"][...] = len(values)
        again.submit(done)

    first = session.acquire()
    first.inputs["x"][...] = 0
    first.submit(done)
    assert finished.wait(10)
    assert values == [2.0 * number for number in range(50)]


def test_a_done_that_raises_is_logged_and_harms_nobody(double, load, caplog):
    session = load(double, slots=1)
    called = threading.Event()

    def done(slot, error):
        slot.release()
        called.set()
        raise RuntimeError("a mistake of the caller")

    session.acquire().submit(done)
    assert called.wait(10)
    np.testing.assert_array_equal(infer(session, {"x": np.ones((1, 4), np.float32)})["y"], [[2, 2, 2, 2]])
    assert "a mistake of the caller" in caplog.text
    assert "double.xml" in caplog.text


# --- closing ------------------------------------------------------------------------------------------------------


def test_a_closed_session_refuses_and_closes_again(double, load):
    session = load(double)
    session.close()
    session.close()
    for use in (session.acquire, session.operators):
        with pytest.raises(BackendError, match=r"double\.xml: the session is closed\n.*open the model again"):
            use()


def test_close_waits_for_what_is_in_flight(double, load):
    session = load(double, slots=3)
    answered = []

    def done(slot, error):
        time.sleep(0.05)
        answered.append((error, slot.outputs["y"].tolist()))
        slot.release()

    for value in range(3):
        slot = session.acquire()
        slot.inputs["x"][...] = value
        slot.submit(done)
    closers = [threading.Thread(target=session.close) for _ in range(2)]
    for thread in closers:
        thread.start()
    for thread in closers:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(answered) == [(None, [[2.0 * value] * 4]) for value in range(3)]


def test_a_slot_that_is_out_when_the_session_closes(double, load):
    session = load(double, slots=2)
    waiting, finished = session.acquire(), session.acquire()
    finished.inputs["x"][...] = 5
    assert finish(finished) is None
    session.close()
    with pytest.raises(BackendError, match="the session is closed"):
        finish(waiting)
    waiting.release()
    view = finished.outputs["y"]
    np.testing.assert_array_equal(view, [[10, 10, 10, 10]])
    finished.release()


def test_done_may_close_the_session(double, load):
    session = load(double)
    closed = threading.Event()

    def done(slot, error):
        slot.release()
        session.close()
        closed.set()

    session.acquire().submit(done)
    assert closed.wait(10)
    with pytest.raises(BackendError, match="closed"):
        session.acquire()


def test_a_session_that_nobody_holds_ends_its_threads(double):
    before = threading.active_count()
    session = BACKEND.open(
        ModelFiles(format="openvino", paths=(double, double.with_suffix(".bin"))),
        "cpu",
        Execution(slots=2),
        {},
    )
    infer(session, {"x": np.zeros((1, 4), np.float32)})
    assert threading.active_count() == before + 2
    del session
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise KeyError('the program failed')"])
def test_a_program_that_ends_with_requests_in_flight_ends_cleanly(save, ending):
    x = ops.parameter([1, 32, 128, 128], np.float32, name="x")
    weights = np.ones((32, 32, 3, 3), np.float32)
    node = x
    for _ in range(8):
        node = ops.convolution(node, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    path = save([x], {"y": node})
    code = f"""
import sys
from pathlib import Path
from vedette.specs import Execution, ModelFiles
from vedette_openvino.plugin import BACKEND
path = Path({str(path)!r})
files = ModelFiles(format="openvino", paths=(path, path.with_suffix(".bin")))
session = BACKEND.open(files, "cpu", Execution(slots=4), {{}})
for _ in range(4):
    session.acquire().submit(lambda slot, error: print("answered", error))
{ending}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == {"": 0, "sys.exit(3)": 3}.get(ending, 1), done.stderr
    assert done.stdout.count("answered None") == 4
