"""Each part alone, on arrays; then the plugin as the host sees it."""

import numpy as np
import pytest

from vedette import (
    BackendError,
    Clock,
    ConfigError,
    Detections,
    Frame,
    Packed,
    Registry,
    Roi,
    StageInputs,
    TensorInfo,
)
from vedette_template.crowd import Crowd, CrowdParams
from vedette_template.peaks import PeaksParams, find_peaks
from vedette_template.standardize import Standardize, StandardizeParams

INPUT = TensorInfo(name="x", dtype="float32", shape=(1, 3, 8, 8))


@pytest.fixture
def registry(vedette_manager):
    vedette_manager.load(["vedette_template.plugin"])
    return Registry(vedette_manager)


def frame(pixels):
    h, w = pixels.shape[:2]
    return Frame(
        stream="s",
        epoch=0,
        ticket=0,
        seq=0,
        size_wh=(w, h),
        clock=Clock(mono_ns=0, wall_ns=0),
        image=Packed("bgr", pixels),
    )


def test_registers_its_three_parts(registry):
    assert "standardize" in registry.preprocessors
    assert "peaks" in registry.postprocessors
    assert "crowd" in registry.stages


def test_params_are_checked_by_the_host(registry):
    with pytest.raises(ConfigError, match=r"^stage\[0\]\.limit: .*>= 0"):
        registry.convert_params(registry.stages["crowd"], {"limit": -1}, "stage[0]")


def test_standardize():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    out = np.empty((3, 8, 8), np.float32)
    affine = Standardize(StandardizeParams(size_wh=(8, 8)), INPUT).write(
        frame(pixels), Roi.whole((24, 16)), out
    )
    np.testing.assert_allclose([out.mean(), out.std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(affine, [[3, 0, 0], [0, 2, 0]])


def test_standardize_a_picture_of_one_colour():
    out = np.empty((3, 8, 8), np.float32)
    grey = frame(np.full((8, 8, 3), 77, np.uint8))
    Standardize(StandardizeParams(size_wh=(8, 8)), INPUT).write(grey, Roi.whole((8, 8)), out)
    np.testing.assert_array_equal(out, 0)


def test_peaks_are_mapped_to_the_frame():
    maps = np.zeros((2, 1, 4, 5), np.float32)
    maps[0, 0, 1, 3] = 0.75
    maps[1, 0, 3, 0] = 0.5
    affines = np.array([[[1.0, 0, 0], [0, 1, 0]], [[2, 0, 100], [0, 2, 50]]])
    found = find_peaks({"heat": maps}, affines, (640, 480), PeaksParams(stride=4))
    np.testing.assert_allclose(found.points[:, 0], [[14, 6], [104, 78]])
    np.testing.assert_allclose(found.confidence[:, 0], [0.75, 0.5])
    assert found.source_row.tolist() == [0, 1]


def test_peaks_of_no_region():
    found = find_peaks(
        {"heat": np.zeros((0, 7, 4, 5), np.float32)}, np.zeros((0, 2, 3)), (640, 480), PeaksParams()
    )
    assert found.points.shape == (0, 7, 2)


def test_peaks_refuse_another_output():
    with pytest.raises(BackendError, match=r"\(1, 10\)"):
        find_peaks({"y": np.zeros((1, 10))}, np.zeros((1, 2, 3)), (640, 480), PeaksParams())


def test_crowd_starts_and_ends_once_it_lasts():
    stage = Crowd(CrowdParams(limit=1, hold=2))
    state = stage.start("s")
    picture = frame(np.zeros((4, 4, 3), np.uint8))
    kinds = []
    for count in (2, 1, 2, 2, 3, 0, 2, 0, 0, 0):
        boxes = Detections.of(np.zeros((count, 4)), np.ones(count), np.zeros(count))
        output = stage.process(StageInputs(frame=picture, results={"boxes": boxes}), state)
        kinds.append([event.kind for event in output.events])
    assert kinds == [[], [], [], ["crowd.started"], [], [], [], [], ["crowd.ended"], []]
