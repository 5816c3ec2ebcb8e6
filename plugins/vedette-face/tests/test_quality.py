"""Pose from points, measures of pictures whose answer is known, and gates that say why."""

import numpy as np
import pytest

from vedette.frame import Packed
from vedette.specs import NoParams, StageInputs
from vedette.testing.conformance.samples import frame
from vedette_face.alignment import TEMPLATE, align
from vedette_face.pose import HEAD, pose
from vedette_face.quality import REASONS, Gates, assess, sharpness
from vedette_face.results import AlignedFaces
from vedette_face.stages.quality import Gate, Quality


def turned(yaw=0.0, pitch=0.0, roll=0.0, size=1.0):
    """The mean face, turned: first nodded, then turned sideways, then tilted."""
    a, b, c = np.radians([yaw, pitch, roll])
    sideways = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return ((HEAD - HEAD.mean(axis=0)) @ (tilt @ sideways @ nod).T)[:, :2] * size + 200


@pytest.mark.parametrize("roll", [-40, 0, 25])
@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-30, 0), (0, 20), (0, -20), (20, 10)])
def test_pose_is_found_again(yaw, pitch, roll):
    found = pose(np.stack([turned(yaw, pitch, roll), turned(yaw, pitch, roll, 5)]))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[0], (yaw, pitch, roll), atol=4)


def test_the_signs_are_as_said():
    """The nose moves to where the head turns."""
    points = TEMPLATE.copy()
    points[2] += (8, 0)
    assert pose(points[None])[0, 0] > 10
    points = TEMPLATE.copy()
    points[2] -= (0, 8)
    assert pose(points[None])[0, 1] > 10


def test_sharpness_is_the_variance_of_the_laplacian():
    checks = np.indices((20, 20)).sum(axis=0) % 2 * np.float32(255)
    assert sharpness(checks[None])[0] == pytest.approx(1020**2, rel=1e-5)
    ramp = np.add.outer(np.arange(20), np.arange(20)).astype(np.float32)
    assert sharpness(ramp[None])[0] == 0


def drawn(low, high, points=TEMPLATE * 3):
    """A striped picture and the one face in it."""
    gray = np.where(np.arange(400) // 6 % 2, high, low).astype(np.uint8)
    picture = Packed("bgr", np.repeat(np.broadcast_to(gray, (400, 400))[..., None], 3, axis=2).copy())
    points = np.asarray(points, np.float32)[None]
    faces = AlignedFaces(
        xyxy=np.array([[0, 0, 9, 9]], np.float32),
        confidence=np.ones(1, np.float32),
        class_id=np.zeros(1, np.int32),
        points=points,
        affine=align(points),
        source="faces",
    )
    return frame(picture, ticket=0), faces


@pytest.mark.parametrize(
    ("low", "high", "points", "reason"),
    [
        (80, 170, TEMPLATE * 3, "good"),
        (80, 170, TEMPLATE * 0.2, "too small"),
        (80, 170, turned(yaw=60, size=3), "turned sideways"),
        (80, 170, turned(pitch=55, size=3), "turned up or down"),
        (80, 170, turned(roll=80, size=2), "tilted"),
        (120, 120, TEMPLATE * 3, "blurred"),
        (5, 40, TEMPLATE * 3, "too dark"),
        (235, 255, TEMPLATE * 3, "too bright"),
        (125, 132, TEMPLATE * 3, "flat"),
    ],
)
def test_the_reason_is_said(low, high, points, reason):
    quality = assess(*drawn(low, high, points), Gates(min_sharpness=1.0))
    assert quality.labels == REASONS
    assert quality.labels[quality.reason[0]] == reason


def test_brightness_and_contrast_are_shares():
    quality = assess(*drawn(51, 204), Gates())
    assert quality.brightness[0] == pytest.approx(0.5, abs=0.05)
    assert quality.contrast[0] == pytest.approx(0.3, abs=0.03)
    assert quality.size[0] == pytest.approx(3 * 40.6, abs=1)


def test_the_gate_lets_through_what_is_good():
    image, faces = drawn(80, 170)
    poor = drawn(80, 170, TEMPLATE * 0.2)[1]
    columns = {
        name: np.concatenate([getattr(poor, name), getattr(faces, name)])
        for name in ("xyxy", "confidence", "class_id", "points", "affine")
    }
    both = AlignedFaces(**columns, source="tracks", source_row=np.array([4, 2], np.int32))
    stages = {"boxes": "aligned", "quality": "quality"}
    quality = Quality(Gates()).process(StageInputs(frame=image, results={"boxes": both}, stages=stages), None)
    assert quality.source == "aligned"
    results = {"boxes": both, "quality": quality}
    kept = Gate(NoParams()).process(StageInputs(frame=image, results=results, stages=stages), None)
    assert kept.source == "tracks"
    assert kept.source_row.tolist() == [2]
    with pytest.raises(Exception, match="not of 'other'"):
        Gate(NoParams()).process(
            StageInputs(frame=image, results=results, stages={**stages, "boxes": "other"}), None
        )
