"""The similarity of five points: exact where there is one, best where there is none, in batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.frame import Packed
from vedette.results import Detections, Keypoints
from vedette.specs import NoParams, Roi, StageInputs
from vedette.testing.conformance import StageConformance
from vedette.testing.conformance.samples import frame, noise
from vedette.vision.geometry import apply
from vedette_face.alignment import TEMPLATE, align, alignable, similarity
from vedette_face.results import AlignedFaces
from vedette_face.stages.align import FACE_ALIGN, FACE_ALIGN_LANDMARKS, Align

angle = st.floats(-np.pi, np.pi)
scale = st.floats(0.05, 20)
shift = st.floats(-2000, 2000)


def moved(turn, size, dx, dy, points=TEMPLATE):
    linear = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ linear.T + (dx, dy)


def umeyama(source, target):
    """Umeyama 1991, as written: by singular values, for points of any dimension."""
    mean, goal = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - goal).T @ (source - mean) / len(source)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    turn = u @ sign @ vt
    size = np.trace(np.diag(d) @ sign) / ((source - mean) ** 2).sum(axis=1).mean()
    return np.column_stack([size * turn, goal - size * turn @ mean])


@settings(deadline=None)
@given(angle, scale, shift, shift)
def test_a_turned_face_is_brought_back(turn, size, dx, dy):
    points = moved(turn, size, dx, dy)
    (affine,) = align(points[None])
    np.testing.assert_allclose(apply(affine, TEMPLATE), points, atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_is_umeyamas(seed):
    random = np.random.default_rng(seed)
    points = np.stack([moved(*random.uniform(0.5, 3, 4)) + random.normal(0, 5, (5, 2)) for _ in range(4)])
    together = similarity(points, TEMPLATE)
    for row in range(4):
        np.testing.assert_allclose(together[row], umeyama(points[row], TEMPLATE), atol=1e-9)
        np.testing.assert_allclose(together[row], similarity(points[row : row + 1], TEMPLATE)[0], atol=1e-12)


def test_what_cannot_be_aligned_is_refused():
    one_place, nan, mirrored = np.full((5, 2), 7.0), TEMPLATE.copy(), TEMPLATE * (-1, 1)
    nan[2, 0] = np.nan
    rows = np.stack([TEMPLATE, one_place, nan, mirrored, TEMPLATE * 3])
    np.testing.assert_array_equal(alignable(rows), [True, False, False, False, True])
    with pytest.raises(ValueError, match="apart"):
        align(rows)
    with pytest.raises(ValueError, match=r"\(n, 5, 2\)"):
        align(np.zeros((1, 6, 2)))
    assert align(np.zeros((0, 5, 2))).shape == (0, 2, 3)


# --- as a stage -----------------------------------------------------------------------------------------------------


def faces(*points, tracks=None):
    boxes = [(*p.min(axis=0), *p.max(axis=0)) for p in points]
    return Detections.of(
        boxes,
        [0.9] * len(points),
        [0] * len(points),
        points=np.array(points, np.float32).reshape(-1, 5, 2),
        track_id=tracks,
    )


def looked(boxes, points=None, stages=("faces", "landmarks")):
    results = {"boxes": boxes} if points is None else {"boxes": boxes, "points": points}
    return StageInputs(
        frame=frame(Packed("bgr", noise(0, (64, 48))), ticket=0),
        results=results,
        stages=dict(zip(("boxes", "points"), stages, strict=True)),
    )


def test_rows_keep_their_box_and_track():
    found = faces(TEMPLATE * 2, np.full((5, 2), 3.0), TEMPLATE + 100, tracks=np.array([7, 8, 9], np.int64))
    aligned = Align(NoParams()).process(looked(found), None)
    assert aligned.source == "faces"
    assert aligned.source_row.tolist() == [0, 2]
    assert aligned.track_id.tolist() == [7, 9]
    first, second = aligned.rois()
    assert isinstance(first, Roi)
    assert first.size_wh == (112, 112)
    np.testing.assert_allclose(second.affine, [[1, 0, 100], [0, 1, 100]], atol=1e-5)


def test_landmarks_of_another_model_do_as_well():
    found = Detections.of([[0, 0, 9, 9], [100, 100, 212, 212]], [0.9, 0.8], [0, 0])
    points = Keypoints(
        points=(TEMPLATE[None] + 100).astype(np.float32),
        confidence=np.ones((1, 5), np.float32),
        source="faces",
        source_row=np.array([1], np.int32),
    )
    aligned = Align(NoParams()).process(looked(found, points), None)
    assert aligned.source_row.tolist() == [1]
    np.testing.assert_allclose(aligned.affine[0], [[1, 0, 100], [0, 1, 100]], atol=1e-5)


@pytest.mark.parametrize(
    ("boxes", "points", "said"),
    [
        (Detections.of([[0, 0, 9, 9]], [0.9], [0]), None, "have no points"),
        (
            Detections.of([[0, 0, 9, 9]], [0.9], [0], points=np.zeros((1, 3, 2), np.float32)),
            None,
            "5 points, not 3",
        ),
        (
            Detections.of([[0, 0, 9, 9]], [0.9], [0]),
            Keypoints.empty(),
            "look at rows of 'frame'",
        ),
    ],
)
def test_it_says_what_is_wrong_with_its_inputs(boxes, points, said):
    with pytest.raises(Exception, match=said):
        Align(NoParams()).process(looked(boxes, points), None)


def test_nobody_is_nobody():
    aligned = Align(NoParams()).process(looked(Detections.empty()), None)
    assert isinstance(aligned, AlignedFaces)
    assert len(aligned) == 0


class TestFaceAlign(StageConformance):
    @pytest.fixture
    def spec(self):
        return FACE_ALIGN

    @pytest.fixture
    def inputs(self):
        return [looked(faces(*[TEMPLATE + 10 * at for at in range(count)])) for count in (0, 2, 1, 3, 0, 1)]


class TestFaceAlignLandmarks(StageConformance):
    @pytest.fixture
    def spec(self):
        return FACE_ALIGN_LANDMARKS

    @pytest.fixture
    def inputs(self):
        return [_with_landmarks(count) for count in (0, 2, 1, 3, 0, 1)]


def _with_landmarks(count):
    found = faces(*[TEMPLATE + 10 * at for at in range(count)])
    points = Keypoints(
        points=found.points.copy(),
        confidence=np.ones((count, 5), np.float32),
        source="faces",
        source_row=np.arange(count, dtype=np.int32),
    )
    return looked(found, points)
