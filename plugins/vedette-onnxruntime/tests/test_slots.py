"""Leases of slots: their order, their arrays, errors, closing."""

import gc
import threading
import weakref
from queue import SimpleQueue

import graphs
import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette_onnxruntime.pool import POOL


def run(slot):
    """Submit and wait; the slot stays leased."""
    answers = SimpleQueue()
    slot.submit(lambda given, error: answers.put((given, error)))
    given, error = answers.get(timeout=60)
    assert given is slot
    return error


def test_inputs_are_read_and_outputs_written_where_they_are(open_graph):
    session = open_graph(graphs.double())
    slot = session.acquire()
    x, address = slot.inputs["x"], None
    for value in (1, 5):
        x[...] = value
        assert run(slot) is None
        y = slot.outputs["y"]
        np.testing.assert_array_equal(y, np.full((1, 4), 2 * value, np.float32))
        slot.release()
        slot = session.acquire()
        assert slot.inputs["x"] is x  # the same request's memory again
        assert address in (None, y.ctypes.data)
        address = y.ctypes.data
    assert not y.flags.writeable
    with pytest.raises(TypeError):
        slot.inputs["x"] = np.ones((1, 4), np.float32)  # it is to be filled, not replaced


def test_two_slots_do_not_share_memory(open_graph):
    session = open_graph(graphs.double(), slots=2)
    one, two = session.acquire(), session.acquire()
    one.inputs["x"][...] = 1
    two.inputs["x"][...] = 2
    assert run(one) is None
    assert run(two) is None
    assert (one.outputs["y"][0, 0], two.outputs["y"][0, 0]) == (2, 4)


def test_no_slot_while_all_are_out(open_graph):
    session = open_graph(graphs.double(), slots=2)
    one, two = session.acquire(), session.acquire()
    assert session.acquire() is None
    two.release()
    assert session.acquire() is not None
    assert session.acquire() is None
    one.release()
    assert session.acquire() is not None


@pytest.mark.parametrize(
    ("execution", "slots"),
    [({}, 2), ({"threads": 3}, 4), ({"threads": 4, "threads_per_request": 2}, 3), ({"slots": 7}, 7)],
)
def test_the_number_of_slots(open_graph, execution, slots):
    session = open_graph(graphs.double(), **execution)
    assert session.slots == slots
    leased = [session.acquire() for _ in range(slots)]
    assert None not in leased
    assert session.acquire() is None


def test_a_slot_refuses_a_wrong_order(open_graph):
    session = open_graph(graphs.double())
    slot = session.acquire()
    with pytest.raises(BackendError, match="this slot is leased"):
        _ = slot.outputs
    assert run(slot) is None
    with pytest.raises(BackendError, match="this slot is done"):
        slot.submit(lambda *_: None)
    slot.release()
    for use in (
        lambda: slot.inputs,
        lambda: slot.outputs,
        slot.release,
        lambda: slot.submit(lambda *_: None),
    ):
        with pytest.raises(BackendError, match="this slot is released"):
            use()
    # the stale lease took nothing away from the next ones
    assert [session.acquire() is not None for _ in range(3)] == [True, True, False]


def test_a_slot_in_flight_is_not_touched(open_graph):
    session = open_graph(graphs.double())
    entered, leave = threading.Event(), threading.Event()
    for _ in range(POOL.budget):  # keep every thread busy
        POOL.submit(1, lambda: (entered.set(), leave.wait(60)))
    entered.wait(60)
    slot = session.acquire()
    answers = SimpleQueue()
    slot.submit(lambda given, error: answers.put(error))  # does not block
    for use in (
        lambda: slot.inputs,
        lambda: slot.outputs,
        slot.release,
        lambda: slot.submit(lambda *_: None),
    ):
        with pytest.raises(BackendError, match="this slot is running"):
            use()
    leave.set()
    assert answers.get(timeout=60) is None


def test_done_is_called_once_for_each_request(open_graph):
    session = open_graph(graphs.double(), threads=2, slots=3)
    answers = SimpleQueue()
    for _ in range(200):
        while (slot := session.acquire()) is None:
            answers.get(timeout=60)
        slot.submit(lambda slot, error: (slot.release(), answers.put(error)))
    session.close()
    left = [answers.get(timeout=60) for _ in range(answers.qsize())]
    assert set(left) <= {None}


def test_a_callback_that_raises_is_logged_and_harms_nobody(open_graph, caplog):
    session = open_graph(graphs.double())
    session.acquire().submit(lambda slot, error: 1 / 0)
    assert infer(session, {"x": np.ones((1, 4), np.float32)})["y"][0, 0] == 2
    session.close()
    assert "the callback of a request raised" in caplog.text


def test_the_failure_of_a_run_names_file_operator_and_reason(open_graph, capfd):
    reshape = graphs.model(
        [graphs.node("Reshape", ["x", "shape"], ["y"], name="to_rows")],
        [graphs.tensor("x", (1, 4)), graphs.tensor("shape", (2,), graphs.INT64)],
        [graphs.tensor("y", ("rows", "columns"))],
    )
    session = open_graph(reshape, slots=1)
    slot = session.acquire()
    slot.inputs["shape"][...] = (3, 3)
    error = run(slot)
    assert isinstance(error, BackendError)
    assert error.__cause__ is not None
    for word in ("model.onnx", "onnxruntime", "Reshape", "to_rows"):
        assert word in error.message
    assert "[ONNXRuntimeError]" not in error.message
    with pytest.raises(BackendError, match="has no outputs"):
        _ = slot.outputs
    slot.release()
    feeds = {"x": np.arange(4, dtype=np.float32)[None], "shape": np.array([2, 2])}
    np.testing.assert_array_equal(infer(session, feeds)["y"], [[0, 1], [2, 3]])
    assert capfd.readouterr() == ("", "")  # the runtime would print the error too


def test_closing_waits_for_requests_in_flight_and_can_be_repeated(open_graph):
    session = open_graph(graphs.matmul(200, 20), threads=2, slots=4)
    finished = []
    for _ in range(4):
        session.acquire().submit(lambda slot, error: finished.append(error))
    session.close()
    assert finished == [None] * 4
    session.close()


def test_a_closed_session_takes_no_requests(open_graph):
    session = open_graph(graphs.double(), slots=2)
    slot = session.acquire()
    session.close()
    with pytest.raises(BackendError, match=r"model\.onnx: this session is closed"):
        session.acquire()
    with pytest.raises(BackendError, match="this session is closed"):
        slot.submit(lambda *_: None)
    slot.release()


def test_closing_frees_the_model(open_graph):
    session = open_graph(graphs.double())
    infer(session, {"x": np.ones((1, 4), np.float32)})
    runtime = weakref.ref(session._runtime)
    session.close()
    gc.collect()
    assert runtime() is None


def test_several_threads_share_a_session(open_graph):
    session = open_graph(graphs.double(), threads=2, slots=2)
    wrong = []

    def call(value):
        for _ in range(30):
            y = infer(session, {"x": np.full((1, 4), value, np.float32)})["y"]
            if not (y == 2 * value).all():
                wrong.append((value, y))

    callers = [threading.Thread(target=call, args=(value,)) for value in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
