"""Inputs and outputs: types, free dimensions, batches, state."""

import graphs
import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import TensorInfo
from vedette_onnxruntime.session import SHAPES_KEPT


def info(name, dtype, *shape):
    return TensorInfo(name=name, dtype=dtype, shape=shape)


def test_several_inputs_and_outputs_of_several_types(open_graph):
    session = open_graph(graphs.several(), batch=4)
    assert session.inputs == {"a": info("a", "float32", None, 3), "b": info("b", "int64", None, 3)}
    assert session.outputs == {
        "sum": info("sum", "float32", None, 3),
        "larger": info("larger", "bool", None, 3),
        "size": info("size", "int64", 2),
    }
    a = np.array([[1, 5, 3], [0, 0, -9]], np.float32)
    b = np.array([[2, 2, 2], [-1, 0, 1]])
    outputs = infer(session, {"b": b, "a": a})
    np.testing.assert_array_equal(outputs["sum"], (a + b).astype(np.float32))
    np.testing.assert_array_equal(outputs["larger"], a > b)
    np.testing.assert_array_equal(outputs["size"], [2, 3])
    assert {name: array.dtype.name for name, array in outputs.items()} == {
        name: one.dtype for name, one in session.outputs.items()
    }


def test_non_image_inputs_and_a_scalar(open_graph):
    session = open_graph(graphs.lookup())
    assert session.inputs == {"tokens": info("tokens", "int64", 1, None), "scale": info("scale", "float32")}
    for tokens in ([3, 1, 4], [9]):
        y = infer(session, {"tokens": np.array([tokens]), "scale": np.array(0.5, np.float32)})["y"]
        np.testing.assert_array_equal(y[0], [[token, token + 0.5] for token in tokens])


def test_outputs_whose_shape_depends_on_the_values(open_graph):
    session = open_graph(graphs.nonzero(), slots=1)
    x = np.zeros((2, 3), np.float32)
    for hits in ([(1, 2)], [], [(0, 0), (0, 1), (1, 1)]):
        x[...] = 0
        for at in hits:
            x[at] = 1
        assert list(zip(*infer(session, {"x": x})["y"], strict=True)) == hits


# --- batch --------------------------------------------------------------------------------------------------------


def test_a_free_batch_up_to_what_was_asked(open_graph):
    session = open_graph(graphs.double(("n", 4)), batch=3)
    assert session.max_batch == 3
    assert session.inputs["x"].shape == (None, 4)
    for rows in (3, 1, 2):
        x = np.arange(4 * rows, dtype=np.float32).reshape(rows, 4)
        np.testing.assert_array_equal(infer(session, {"x": x})["y"], 2 * x)
    with pytest.raises(BackendError, match="batch of 4, but this session was opened for at most 3"):
        session.acquire({"x": (4, 4)})


def test_each_row_of_a_batch_equals_its_own_run(open_graph, save, open_file):
    path = save(graphs.convolution("n"))
    pictures = np.random.default_rng(0).random((3, 3, 5, 7), np.float32)
    together = infer(open_file(path, batch=3), {"image": pictures})["y"]
    alone = [infer(open_file(path), {"image": picture[None]})["y"][0] for picture in pictures]
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("symbol", ["n", None])
def test_without_a_batch_a_free_first_dimension_is_1(open_graph, symbol):
    session = open_graph(graphs.double((symbol, 4)))
    assert (session.max_batch, session.inputs["x"].shape) == (1, (1, 4))
    slot = session.acquire()  # needs no shapes
    assert slot.inputs["x"].shape == (1, 4)
    slot.release()
    assert infer(session, {"x": np.ones((1, 4), np.float32)})["y"].shape == (1, 4)


def test_a_named_batch_of_1_makes_outputs_static_too(open_graph):
    session = open_graph(graphs.several())
    assert session.outputs["sum"].shape == (1, 3)
    assert session.acquire().inputs["b"].shape == (1, 3)


@pytest.mark.parametrize("asked", [1, 4])
def test_a_fixed_batch_is_that_of_the_graph(open_graph, asked):
    assert open_graph(graphs.double((4, 2)), batch=asked).max_batch == 4


def test_another_batch_than_the_fixed_one_is_refused(open_graph):
    with pytest.raises(
        BackendError, match=r"model\.onnx: the graph has a fixed batch of 4, and 2 was asked for"
    ):
        open_graph(graphs.double((4, 2)), batch=2)


# --- free dimensions ----------------------------------------------------------------------------------------------


def test_a_missing_or_wrong_shape_is_refused_by_name(open_graph):
    session = open_graph(graphs.lookup())
    for shapes, message in (
        (None, "input 'tokens' has free dimensions"),
        ({"tokens": (2, 5)}, "input 'tokens' cannot have shape"),
        ({"token": (1, 5)}, "no input 'token'"),
        ({"tokens": (1, 5), "scale": (1,)}, "input 'scale' cannot have shape"),
    ):
        with pytest.raises(BackendError, match=message):
            session.acquire(shapes)
    assert session.acquire({"tokens": (1, 5)}).inputs["tokens"].shape == (1, 5)


def test_a_slot_keeps_the_arrays_of_the_last_shapes(open_graph):
    session = open_graph(graphs.lookup(), slots=1)

    def array(length):
        slot = session.acquire({"tokens": (1, length)})
        tokens = slot.inputs["tokens"]
        slot.release()
        return tokens

    kept = [array(length) for length in range(1, SHAPES_KEPT + 1)]
    assert [array(length) is tokens for length, tokens in enumerate(kept, 1)] == [True] * SHAPES_KEPT
    array(99)
    assert array(1) is not kept[0]
    assert array(SHAPES_KEPT) is kept[-1]


# --- recurrent state ----------------------------------------------------------------------------------------------


def test_steps_with_carried_state_equal_the_whole_sequence(save, open_file):
    whole = open_file(save(graphs.gru(steps=12), "whole.onnx"), batch=2)
    step = open_file(save(graphs.gru(steps=1), "step.onnx"), batch=2)
    x = np.random.default_rng(5).normal(size=(2, 12, 3)).astype(np.float32)
    state = np.zeros((2, 5), np.float32)
    expected = infer(whole, {"x": x, "h": state})
    for at in range(12):
        outputs = infer(step, {"x": x[:, at : at + 1], "h": state})
        state = outputs["h_out"]
    np.testing.assert_allclose(state, expected["h_out"], atol=1e-6)
    np.testing.assert_allclose(outputs["y"], expected["y"], atol=1e-6)
    assert np.ptp(state) > 0.1


def test_float16_inputs_stay_and_are_mentioned(open_graph):
    session = open_graph(graphs.convolution(element=graphs.FLOAT16))
    assert session.inputs["image"].dtype == "float16"
    assert session.execution_precision == "f32"
    assert session.placement.endswith("; inputs in float16: image")
    y = infer(session, {"image": np.ones((1, 3, 5, 7), np.float16)})["y"]
    assert y.dtype == np.float16
