"""Differences of tensors."""

import math

import numpy as np
import pytest

from vedette.bundle.recording import pixel_half, tensor_half
from vedette.proof.judge import LARGEST, Gauge, levels, row_distances
from vedette.vision.spec import InputSpec


def gauged(*pairs, rows=False, least_range=0.0):
    gauge = Gauge(rows=rows)
    for golden, (given, expected) in enumerate(pairs):
        gauge.add(np.asarray(given, np.float32), np.asarray(expected, np.float32), golden)
    return gauge.difference(least_range)


def test_differences_are_parts_of_the_range_over_all_goldens():
    found = gauged(([0, 1, 2], [0, 1, 2]), ([3, 14], [4, 10]))
    assert found.worst == pytest.approx(4 / 10)
    assert found.mean == pytest.approx(5 / 5 / 10)
    assert found.rms == pytest.approx(math.sqrt(17 / 5) / 10)
    assert found.worst_at == 1


def test_an_output_without_a_range_is_measured_by_the_least_one():
    assert gauged(([0.5, 0.5], [0.5, 0.501])).worst == pytest.approx(1)
    assert gauged(([0.5, 0.5], [0.5, 0.501]), least_range=0.1).worst == pytest.approx(0.01, rel=1e-4)
    assert gauged(([1.5], [1])).worst == 0.5


@pytest.mark.parametrize(
    ("given", "expected"),
    [([math.nan], [1]), ([1], [math.nan]), ([math.inf], [1]), ([math.inf], [-math.inf]), ([1, 2], [1])],
)
def test_what_cannot_be_compared_is_infinitely_off(given, expected):
    assert gauged((given, expected), ([0, 1], [0, 1])).worst == LARGEST


def test_the_same_oddities_are_no_difference():
    odd = [math.nan, math.inf, -math.inf, 1]
    assert gauged((odd, odd)).worst == 0


def test_another_dtype_is_another_output():
    gauge = Gauge()
    gauge.add(np.zeros(3, np.float16), np.zeros(3, np.float32), 0)
    assert gauge.difference().worst == LARGEST


def test_records_are_compared_as_sets():
    table = np.array([[0, 10.0], [1, 30], [1, 20], [0, 0], [0, 0]])
    shuffled = table[[2, 0, 3, 1]]
    assert row_distances(shuffled, table).max() == 0
    assert gauged((shuffled[None, None], table[None, None]), rows=True).worst == 0
    moved = shuffled + np.array([0, 3])
    assert row_distances(moved, table).max() == pytest.approx(0.1)
    missing = np.array([[0, 10.0], [1, 20], [0, 0]])
    assert row_distances(missing, table).max() == pytest.approx(1 / 3)
    assert row_distances(table, missing).max() == pytest.approx(0.5)
    assert row_distances(np.zeros((0, 2)), np.zeros((0, 2))).size == 0
    assert row_distances(np.zeros((0, 2)), table).max() == math.inf
    assert row_distances(np.full((1, 2), math.nan), table).max() == math.inf


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_levels_undo_the_scale_of_each_channel(layout):
    spec = InputSpec(size_wh=(4, 3), layout=layout, mean=(1, 2, 3), scale=(10, -20, 50))
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3)).astype(np.uint8)
    tensor = tensor_half(pixels, spec)
    assert tensor.shape == (2, *spec.row_shape)
    np.testing.assert_array_equal(pixel_half(tensor, spec), pixels)
    brighter = tensor_half(pixels + np.uint8(1), spec)
    np.testing.assert_allclose(levels(brighter, tensor, spec), 1, atol=1e-4)
    assert levels(brighter[..., :1], tensor, spec).max() == math.inf


def test_without_a_specification_a_level_is_a_part_of_the_range():
    expected = np.array([[0.0, 2.55]])
    np.testing.assert_allclose(levels(expected + 0.02, expected, None), 2)
