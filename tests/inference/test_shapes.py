"""The checks of shapes that every backend shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import BackendError
from vedette.inference import describe, find_max_batch, resolve_shapes
from vedette.specs import TensorInfo


def info(*shape, name="x"):
    return TensorInfo(name=name, dtype="float32", shape=shape)


def named(*infos):
    return {one.name: one for one in infos}


def test_static_inputs_need_no_shapes():
    inputs = named(info(1, 3, name="a"), info(name="b"))
    assert resolve_shapes(inputs, None, 1) == {"a": (1, 3), "b": ()}
    assert resolve_shapes(inputs, {"a": (1, 3)}, 1) == {"a": (1, 3), "b": ()}


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=5))
def test_every_shape_that_fits_is_taken_as_it_is(dims):
    shape = tuple(size for size, _ in dims)
    declared = info(*(None if free else size for size, free in dims))
    assert resolve_shapes(named(declared), {"x": shape}, 9) == {"x": shape}


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=5), st.data())
def test_one_fixed_size_off_is_refused(dims, data):
    axis = data.draw(st.integers(0, len(dims) - 1))
    declared = info(*(None if free and at != axis else size for at, (size, free) in enumerate(dims)))
    shape = tuple(size + (at == axis) for at, (size, _) in enumerate(dims))
    with pytest.raises(BackendError, match="input 'x' cannot have shape"):
        resolve_shapes(named(declared), {"x": shape}, 9)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (None, "input 'x' has free dimensions and no shape was given"),
        ({"y": (1, 3)}, "there is no input 'y'"),
        ({"x": (1, 3, 1)}, r"cannot have shape \(1, 3, 1\)"),
        ({"x": (1, 4)}, r"cannot have shape \(1, 4\)"),
        ({"x": (0, 3)}, r"cannot have shape \(0, 3\)"),
        ({"x": (3, 3)}, r"batch of 3, but this session was opened for at most 2"),
    ],
)
def test_what_does_not_fit_is_named(shapes, message):
    with pytest.raises(BackendError, match=message) as refused:
        resolve_shapes(named(info(None, 3)), shapes, 2)
    assert refused.value.fix


def test_only_the_first_axis_is_a_batch():
    assert resolve_shapes(named(info(1, None)), {"x": (1, 50)}, 1) == {"x": (1, 50)}


@pytest.mark.parametrize(
    ("shapes", "asked", "batch"),
    [
        ([(None, 3)], 8, 8),
        ([(4, 3)], 1, 4),
        ([(4, 3)], 4, 4),
        ([(), (None, 3)], 5, 5),
        ([(None, 3), (2, 7)], 6, 6),
        ([()], 1, 1),
        ([], 1, 1),
    ],
)
def test_the_batch_of_a_graph(shapes, asked, batch):
    inputs = named(*(info(*shape, name=f"x{index}") for index, shape in enumerate(shapes)))
    assert find_max_batch(inputs, asked) == batch


@pytest.mark.parametrize("asked", [0, -1, 3])
def test_another_batch_than_the_fixed_one_is_refused(asked):
    with pytest.raises(BackendError, match=f"{asked} was asked for"):
        find_max_batch(named(info(4, 3)), asked)


def test_a_tensor_in_words():
    assert describe(info(None, 3, name="images")) == "images float32 (?, 3)"
    assert describe(info(5, name="images")) == "images float32 (5,)"
    assert describe(info(name="images")) == "images float32 ()"
