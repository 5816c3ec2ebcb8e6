"""The decoder: errors of cells become a map in pixels of the frame, and a score that is 1 at the alarm."""

import numpy as np
import pytest

from vedette.errors import ResultError
from vedette.testing.conformance import PostprocessConformance
from vedette_anomaly import decoder
from vedette_anomaly.blocks import block_means
from vedette_anomaly.decoder import Params, decode

IDENTITY = np.array([[[1.0, 0, 0], [0, 1, 0]]])


class TestConformance(PostprocessConformance):
    @pytest.fixture
    def spec(self):
        return decoder.SPEC

    @pytest.fixture
    def labels(self):
        return ()

    @pytest.fixture
    def outputs(self):
        return {"error": np.random.default_rng(0).uniform(size=(3, 12, 20)).astype(np.float32)}


def one_hot_block(value=0.5):
    error = np.zeros((1, 16, 24), np.float32)
    error[0, 4:7, 9:12] = value
    return error


def test_the_block_with_the_largest_mean_gives_the_score_and_lies_where_the_error_is():
    found = decode({"error": one_hot_block()}, IDENTITY, (96, 64), Params(cell=4, block=3))
    assert found.score.tolist() == [0.5]
    y, x = np.unravel_index(found.heat[0].argmax(), found.heat[0].shape)
    left, top, right, bottom = found.xyxy[0]
    cell = (right - left) / found.heat.shape[2]
    assert cell == 4
    assert left + (x + 0.5) * cell == (9 + 1.5) * 4
    assert top + (y + 0.5) * cell == (4 + 1.5) * 4
    assert (right, bottom) == (96 - left, 64 - top)


def test_places_are_pixels_of_the_frame():
    to_frame = np.array([[[2.0, 0, 10], [0, 3, 20]]])
    found = decode({"error": one_hot_block()}, to_frame, (300, 300), Params(cell=4, block=3))
    assert found.xyxy[0].tolist() == [2 * 4 + 10, 3 * 4 + 20, 2 * 92 + 10, 3 * 60 + 20]


def test_zero_is_the_mean_of_normal_footage_and_one_the_alarm():
    params = Params(block=3, mean=0.1, deviation=0.05, alarm=4.0)
    for raw, score in ((0.1, 0.0), (0.3, 1.0), (0.5, 2.0)):
        found = decode({"error": np.full((1, 8, 8), raw, np.float32)}, IDENTITY, (32, 32), params)
        assert found.score[0] == pytest.approx(score, abs=1e-6)
        assert found.heat.max() == pytest.approx(score, abs=1e-6)


def test_a_frame_that_cannot_be_judged_yet_is_no_row():
    error = np.stack([np.full((8, 8), -1, np.float32), np.full((8, 8), 0.2, np.float32)])
    found = decode({"error": error}, np.repeat(IDENTITY, 2, axis=0), (32, 32), Params())
    assert found.source_row.tolist() == [1]
    none = decode({"error": error[:1]}, IDENTITY, (32, 32), Params())
    assert len(none) == 0


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"other": np.zeros((1, 8, 8), np.float32)}, "no output 'error'"),
        ({"error": np.zeros((1, 8), np.float32)}, r"must be \(1, h, w\) of floats, not \(1, 8\)"),
        ({"error": np.full((1, 8, 8), np.nan, np.float32)}, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(outputs, message):
    with pytest.raises(ResultError, match=message):
        decode(outputs, IDENTITY, (32, 32), Params())


def test_block_means_are_means_of_blocks():
    cells = np.random.default_rng(1).normal(size=(2, 7, 9))
    found = block_means(cells, 3)
    assert found.shape == (2, 5, 7)
    for y, x in ((0, 0), (4, 6), (2, 3)):
        np.testing.assert_allclose(
            found[:, y, x], cells[:, y : y + 3, x : x + 3].mean(axis=(1, 2)), rtol=1e-5
        )
    np.testing.assert_allclose(block_means(cells, 20)[:, 0, 0], cells.mean(axis=(1, 2)), rtol=1e-5)
