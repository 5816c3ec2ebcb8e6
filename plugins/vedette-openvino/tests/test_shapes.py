"""Free dimensions, batches, several inputs and outputs, types other than float32, names."""

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import TensorInfo
from vedette_openvino.runtime import ov

ops = ov.opset13


def test_a_free_batch_up_to_the_one_asked_for(double_rows, load):
    session = load(double_rows, batch=3)
    assert session.max_batch == 3
    assert session.inputs["x"] == TensorInfo(name="x", dtype="float32", shape=(None, 4))
    assert session.outputs["y"].shape == (None, 4)
    for rows in (1, 3, 2, 3, 1):
        x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
        np.testing.assert_array_equal(infer(session, {"x": x})["y"], 2 * x)
    with pytest.raises(BackendError, match=r"input 'x'.*batch of 4.*at most 3"):
        session.acquire({"x": (4, 4)})


def test_a_batch_of_one_leaves_nothing_free(double_rows, load):
    session = load(double_rows)
    assert session.inputs["x"].shape == (1, 4)
    assert session.max_batch == 1
    slot = session.acquire()
    assert slot.inputs["x"].shape == (1, 4)
    slot.release()


def test_a_graph_that_cannot_run_with_the_batch_asked_for(save, load):
    """The batch looks free, but the graph goes on with exactly two rows."""
    x = ops.parameter([-1, 4], np.float32, name="x")
    path = save([x], {"y": ops.reshape(x, np.array([2, 2, 2]), False)})
    with pytest.raises(
        BackendError,
        match=r"model\.xml: the graph does not go with input 'x' as \(1, 4\): .*\n.*set the batch",
    ):
        load(path)
    assert infer(load(path, batch=2), {"x": np.ones((2, 4), np.float32)})["y"].shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        (None, r"input 'x' has free dimensions"),
        ({"x": (2, 5)}, r"input 'x' cannot have shape \(2, 5\)"),
        ({"x": (2,)}, r"input 'x' cannot have shape \(2,\)"),
        ({"z": (2, 4)}, r"there is no input 'z'"),
    ],
)
def test_a_shape_that_does_not_fit_costs_no_slot(double_rows, load, shapes, says):
    session = load(double_rows, batch=2, slots=1)
    for _ in range(2):
        with pytest.raises(BackendError, match=says):
            session.acquire(shapes)
    assert session.acquire({"x": (2, 4)}) is not None


def test_a_fixed_batch_refuses_another(double, load):
    with pytest.raises(
        BackendError, match=r"double\.xml: the graph has a fixed batch of 1, and 2 was asked for"
    ):
        load(double, batch=2)


def test_a_fixed_batch_is_the_batch(save, load):
    x = ops.parameter([4, 2], np.float32, name="x")
    session = load(save([x], {"y": ops.multiply(x, np.float32(2))}))
    assert session.max_batch == 4


def test_bounds_of_a_free_dimension_are_held(save, load):
    x = ops.parameter(ov.PartialShape([1, ov.Dimension(2, 5)]), np.float32, name="x")
    session = load(save([x], {"y": ops.multiply(x, np.float32(2))}), slots=1)
    assert session.inputs["x"].shape == (1, None)
    for size in (1, 6):
        with pytest.raises(
            BackendError, match=rf"input 'x' cannot have shape \(1, {size}\): axis 1 is bounded to 2..5"
        ):
            session.acquire({"x": (1, size)})
    assert infer(session, {"x": np.ones((1, 5), np.float32)}, timeout_s=10)["y"].shape == (1, 5)


def test_memory_is_kept_for_recent_shapes_only(double_rows, load):
    session = load(double_rows, batch=100, slots=1)
    kept = session._idle[0]._memory

    def use(rows):
        slot = session.acquire({"x": (rows, 4)})
        address = slot.inputs["x"].ctypes.data
        slot.release()
        return address

    first = use(1)
    for rows in (2, 3, 4):
        use(rows)
        assert use(1) == first
    use(5)
    assert [rows for ((rows, _),) in kept] == [3, 4, 1, 5]


def test_many_shapes_from_many_slots_give_right_answers(double_rows, load):
    session = load(double_rows, batch=9, slots=3, threads=2)
    random = np.random.default_rng(0)
    for _ in range(200):
        x = random.random((int(random.integers(1, 10)), 4), dtype=np.float32)
        np.testing.assert_array_equal(infer(session, {"x": x})["y"], 2 * x)


def test_several_inputs_and_outputs_keep_their_names(save, load):
    small = ops.parameter([1, 2], np.float32, name="small")
    large = ops.parameter([1, 2], np.float32, name="large")
    path = save([small, large], {"difference": ops.subtract(large, small), "sum": ops.add(large, small)})
    session = load(path)
    assert list(session.inputs) == ["small", "large"]
    assert list(session.outputs) == ["difference", "sum"]
    result = infer(session, {"large": np.float32([[5, 6]]), "small": np.float32([[1, 2]])})
    np.testing.assert_array_equal(result["difference"], [[4, 4]])
    np.testing.assert_array_equal(result["sum"], [[6, 8]])


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"],
)
def test_types(save, load, dtype):
    x = ops.parameter([1, 3], np.dtype(dtype), name="x")
    session = load(save([x], {"y": ops.concat([x, x], 1)}))
    assert session.inputs["x"].dtype == session.outputs["y"].dtype == dtype
    given = np.array([[0, 1, 0]]).astype(dtype)
    result = infer(session, {"x": given})["y"]
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, [[0, 1, 0, 0, 1, 0]])


def test_a_type_that_numpy_lacks_is_refused(save, load):
    x = ops.parameter([1, 3], ov.Type.bf16, name="x")
    path = save([x], {"y": ops.convert(x, "f32")})
    with pytest.raises(BackendError, match=r"input 'x' has type bf16"):
        load(path)


def test_a_scalar_input(save, load):
    x, gain = ops.parameter([1, 2], np.float32, name="x"), ops.parameter([], np.float32, name="gain")
    session = load(save([gain, x], {"y": ops.multiply(x, gain)}))
    result = infer(session, {"x": np.float32([[1, 2]]), "gain": np.array(3, np.float32)})
    np.testing.assert_array_equal(result["y"], [[3, 6]])


def test_integers_that_look_up_rows(save, load):
    token = ops.parameter([-1, -1], np.int64, name="token")
    table = np.arange(20, dtype=np.float32).reshape(10, 2)
    path = save([token], {"row": ops.gather(ops.constant(table), token, np.int64(0))})
    session = load(path, batch=2)
    asked = np.array([[1, 9, 0], [2, 2, 7]], np.int64)
    np.testing.assert_array_equal(infer(session, {"token": asked})["row"], table[asked])
    with pytest.raises(BackendError, match="input 'token' was given int32"):
        infer(session, {"token": asked.astype(np.int32)})


def test_a_recurrent_step_carries_its_state_outside(save, load):
    """One GRU step, (1, 2, 3) features and (1, 1, 4) state, against its formula in numpy."""
    features, hidden = 3, 4
    random = np.random.default_rng(1)
    w, r = (random.normal(size=(1, 3 * hidden, n)).astype(np.float32) for n in (features, hidden))
    b = random.normal(size=(1, 3 * hidden)).astype(np.float32)
    x = ops.parameter([1, 2, features], np.float32, name="x")
    h = ops.parameter([1, 1, hidden], np.float32, name="h")
    lengths = ops.constant(np.array([2], np.int32))
    gru = ops.gru_sequence(
        x, h, lengths, ops.constant(w), ops.constant(r), ops.constant(b), hidden, "forward"
    )
    sequence, last = ops.squeeze(gru.output(0), np.int64(1)), ops.multiply(gru.output(1), np.float32(1))
    session = load(save([x, h], {"sequence": sequence, "h_next": last}))

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    def step(value, state):
        (wz, wr, wh), (rz, rr, rh), (bz, br, bh) = (np.split(part[0], 3) for part in (w, r, b))
        z, gate = sigmoid(wz @ value + rz @ state + bz), sigmoid(wr @ value + rr @ state + br)
        return (1 - z) * np.tanh(wh @ value + rh @ (gate * state) + bh) + z * state

    state, expected = np.zeros((1, 1, hidden), np.float32), np.zeros(hidden)
    for _ in range(5):
        value = random.normal(size=(1, 2, features)).astype(np.float32)
        state = infer(session, {"x": value, "h": state})["h_next"]
        for row in value[0]:
            expected = step(row, expected)
        np.testing.assert_allclose(state[0, 0], expected, atol=1e-5)


def test_an_input_handed_through_as_an_output(save, load):
    x = ops.parameter([1, 3], np.float32, name="x")
    session = load(save([x], {"y": ops.relu(x), "x": x}))
    for value in ([[-1, 2, 3]], [[4, -5, 6]]):
        given = np.float32(value)
        result = infer(session, {"x": given})
        np.testing.assert_array_equal(result["y"], np.maximum(given, 0))
        np.testing.assert_array_equal(result["x"], given)


def test_names_of_tensors_that_have_none_or_several(tmp_path, load):
    """An unnamed one is called by its place: OpenVINO's own "Result_17" is another one in the next export."""
    first, second = ops.parameter([1, 3], np.float32), ops.parameter([1, 3], np.float32, name="second")
    named = ops.add(first, second)
    named.output(0).set_names({"scores:0", "scores"})
    path = tmp_path / "names.xml"
    ov.save_model(ov.Model([ops.sigmoid(first), named, named], [first, second]), path)
    session = load(path)
    assert list(session.inputs) == ["input_0", "second"]
    assert list(session.outputs) == ["output_0", "scores", "output_2"]
    ones = np.ones((1, 3), np.float32)
    result = infer(session, {"input_0": ones, "second": ones})
    np.testing.assert_array_equal(result["scores"], 2 * ones)
    np.testing.assert_array_equal(result["output_2"], 2 * ones)


def test_a_graph_without_a_fixed_rank_is_refused(save, load):
    x = ops.parameter(ov.PartialShape.dynamic(), np.float32, name="x")
    with pytest.raises(BackendError, match="'x' has no fixed number of dimensions"):
        load(save([x], {"y": ops.relu(x)}))
