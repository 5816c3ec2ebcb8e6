"""``infer``: one synchronous call on top of slots."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import TensorInfo
from vedette.testing.session import FunctionSession

IMAGES = TensorInfo(name="images", dtype="float32", shape=(2, 3))
COUNT = TensorInfo(name="count", dtype="int64", shape=())
STEPS = TensorInfo(name="steps", dtype="float32", shape=(None, None, 2))
SUM = TensorInfo(name="sum", dtype="float32", shape=(2, 3))
LENGTH = TensorInfo(name="length", dtype="int64", shape=())


def add(inputs):
    return {"sum": inputs["images"] + np.float32(inputs["count"])}


@pytest.fixture
def make_session():
    sessions = []

    def make(function=add, inputs=(IMAGES, COUNT), outputs=(SUM,), **more):
        named = ({info.name: info for info in infos} for infos in (inputs, outputs))
        sessions.append(FunctionSession(function, *named, **more))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def feeds(value=1.0, count=3):
    return {"images": np.full((2, 3), value, np.float32), "count": np.array(count)}


def test_outputs_by_name_and_inputs_unchanged(make_session):
    given = feeds()
    outputs = infer(make_session(), given)
    assert list(outputs) == ["sum"]
    np.testing.assert_array_equal(outputs["sum"], np.full((2, 3), 4, np.float32))
    np.testing.assert_array_equal(given["images"], np.ones((2, 3)))


def test_outputs_own_their_memory(make_session):
    session = make_session(slots=1)
    first = infer(session, feeds(1))["sum"]
    infer(session, feeds(100))
    assert first.flags.owndata
    assert first.flags.writeable
    np.testing.assert_array_equal(first, np.full((2, 3), 4, np.float32))


def test_arrays_that_are_not_contiguous(make_session):
    images = np.arange(6, dtype=np.float32).reshape(3, 2).T
    outputs = infer(make_session(), {"images": images, "count": np.array(0)})
    np.testing.assert_array_equal(outputs["sum"], images)


def test_free_dimensions_follow_the_arrays(make_session):
    def total(inputs):
        return {"length": np.array(inputs["steps"].shape[0] * 100 + inputs["steps"].shape[1])}

    session = make_session(total, inputs=(STEPS,), outputs=(LENGTH,), max_batch=4)
    for batch, steps in ((1, 7), (4, 1), (2, 3)):
        outputs = infer(session, {"steps": np.zeros((batch, steps, 2), np.float32)})
        assert outputs["length"] == batch * 100 + steps


def test_more_callers_than_slots_all_get_their_own_answer(make_session):
    session = make_session(slots=2, delay=lambda: 0.002)
    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(lambda value: infer(session, feeds(value))["sum"][0, 0], range(40)))
    assert results == [value + 3 for value in range(40)]
    assert session.leased == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 3))}, r"'images' was given float64 \(2, 3\)"),
        ({"images": np.zeros((2, 4), np.float32)}, r"'images' was given float32 \(2, 4\)"),
        ({"images": np.zeros((1, 2, 3), np.float32)}, r"'images' was given float32 \(1, 2, 3\)"),
        ({"images": [[1.0, 2.0, 3.0]] * 2}, "'images' was given a list"),
        ({"images": np.zeros((2, 3), ">f4")}, "'images' was given >f4"),
        ({"count": np.array([3])}, r"'count' was given int64 \(1,\)"),
        ({"image": np.zeros((2, 3), np.float32)}, "no input 'image'"),
    ],
)
def test_a_wrong_array_is_refused_by_name(make_session, change, message):
    session = make_session()
    with pytest.raises(BackendError, match=message) as refused:
        infer(session, feeds() | change)
    assert ("count int64 ()" if "count" in change else "images float32 (2, 3)") in str(refused.value)
    assert session.leased == 0


def test_a_missing_input_is_named_and_all_are_listed(make_session):
    with pytest.raises(BackendError, match="input 'count' is missing") as refused:
        infer(make_session(), {"images": feeds()["images"]})
    assert refused.value.fix == "the inputs are: images float32 (2, 3); count int64 ()"


@pytest.mark.parametrize("shape", [(5, 1, 2), (0, 1, 2), (1, 0, 2)])
def test_a_free_dimension_has_bounds(make_session, shape):
    session = make_session(inputs=(STEPS,), outputs=(LENGTH,), max_batch=4)
    with pytest.raises(BackendError, match="input 'steps'"):
        infer(session, {"steps": np.zeros(shape, np.float32)})


def test_the_failure_of_a_run_is_raised_and_the_slot_comes_back(make_session):
    def fail(inputs):
        if inputs["count"] == 7:
            raise ZeroDivisionError("seven")
        return add(inputs)

    session = make_session(fail, slots=1)
    with pytest.raises(BackendError, match="seven"):
        infer(session, feeds(count=7))
    assert infer(session, feeds())["sum"][0, 0] == 4


def test_a_closed_session_is_refused(make_session):
    session = make_session()
    session.close()
    with pytest.raises(BackendError, match="closed"):
        infer(session, feeds())


def test_no_slot_within_the_time(make_session):
    session = make_session(slots=1)
    lease = session.acquire()
    with pytest.raises(BackendError, match="none of its 1 slots free"):
        infer(session, feeds(), timeout_s=0.01)
    lease.release()
    assert infer(session, feeds(), timeout_s=60)["sum"][0, 0] == 4


def test_no_answer_within_the_time_and_the_slot_comes_back_with_it(make_session):
    answer = threading.Event()

    def wait(inputs):
        answer.wait()
        return add(inputs)

    session = make_session(wait, slots=1)
    with pytest.raises(BackendError, match="has not answered"):
        infer(session, feeds(), timeout_s=0.01)
    assert session.leased == 1  # the runtime still writes into it
    answer.set()
    assert infer(session, feeds(), timeout_s=60)["sum"][0, 0] == 4
    assert session.leased == 0


def test_a_slot_that_becomes_free_is_taken(make_session):
    session = make_session(slots=1)
    lease = session.acquire()
    threading.Thread(target=lambda: (time.sleep(0.02), lease.release())).start()
    assert infer(session, feeds())["sum"][0, 0] == 4
