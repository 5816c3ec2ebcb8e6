"""Faces of real people: aligned and told apart."""

import csv
import io
import zipfile

import cv2
import numpy as np
import pytest

from vedette.frame import Packed
from vedette.model.single import Model
from vedette_face.alignment import align, alignable
from vedette_face.results import AlignedFaces

THRESHOLD = 0.31
"""Cosine above which two pictures show the same person, as published with the data."""
BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(scope="session")
def embed(packed, registry):
    """``embed("openvino")(pixels)``: the vector of the face in the middle of a picture, by YuNet-320, alignment and
    MobileFaceNet."""
    opened = []

    def on(backend):
        wanted = {"backend": backend, "device": "cpu", "precision": "f32", "registry": registry}
        detector, network = (Model(packed(name), **wanted) for name in ("yunet_320", "mobilefacenet"))
        opened.extend([detector, network])

        def look(pixels):
            frame = detector.frame(Packed("bgr", pixels))
            found = detector(frame)
            sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
            middle = found.xyxy[:, :2] + sides / 2 - np.array(frame.size_wh) / 2
            best = found.select(np.array([np.argmin(np.hypot(*middle.T) - sides.max(axis=1))]))
            assert alignable(best.points).all()
            faces = AlignedFaces(
                xyxy=best.xyxy,
                confidence=best.confidence,
                class_id=best.class_id,
                points=best.points,
                affine=align(best.points),
            )
            return network(frame, faces.rois()).vector[0]

        return look

    yield on
    for model in opened:
        model.close()


@pytest.fixture(scope="module")
def lfw(data):
    """Pixels by file, and the pairs: ``(file, file, same)``."""
    with zipfile.ZipFile(data / "datasets" / "lfw_subset" / "lfw_subset_6ids.zip") as archive:
        pictures = {
            name: _decoded(archive.read(name)) for name in archive.namelist() if name.endswith(".jpg")
        }
        rows = list(csv.DictReader(io.StringIO(archive.read("pairs.csv").decode())))
    assert (len(pictures), len(rows)) == (60, 1770)
    return pictures, [(row["file_a"], row["file_b"], row["same"] == "1") for row in rows]


@pytest.mark.parametrize("backend", BACKENDS)
def test_lfw_pairs_are_told_apart(lfw, embed, backend, measured):
    pictures, pairs = lfw
    look = embed(backend)
    vectors = {name: look(pixels) for name, pixels in pictures.items()}
    cosine = np.array([vectors[a] @ vectors[b] for a, b, _ in pairs])
    same = np.array([truth for _, _, truth in pairs])

    fixed = ((cosine > THRESHOLD) == same).mean()
    measured(f"LFW pairs, {backend}: accuracy at {THRESHOLD}", fixed, "0.995 at least")
    chosen = _cross_validated(cosine, same, [(a.split("/")[0], b.split("/")[0]) for a, b, _ in pairs])
    measured(
        f"LFW pairs, {backend}: accuracy, threshold chosen without the people asked", chosen, "0.99 at least"
    )
    assert fixed >= 0.995
    assert chosen >= 0.99


def _cross_validated(cosine, same, people):
    """Each person's pairs by the threshold that was best for pairs of the others."""
    names = sorted({name for pair in people for name in pair})
    of = np.array([[name in pair for pair in people] for name in names])
    right = []
    for pairs in of:
        thresholds = np.sort(cosine[~pairs])
        accuracy = [((cosine[~pairs] > value) == same[~pairs]).mean() for value in thresholds]
        best = np.flatnonzero(np.array(accuracy) == max(accuracy))
        right.append(((cosine[pairs] > thresholds[best].mean()) == same[pairs]).mean())
    return float(np.mean(right))


def test_orl_is_recognised_from_one_picture(data, embed, measured):
    """Gallery: picture 1 of 30 people. Small pictures that show little more than the face are enlarged and framed."""
    look = embed("openvino")
    with zipfile.ZipFile(data / "datasets" / "orl_faces" / "orl_faces_s1_s30.zip") as archive:
        vectors = {
            name: look(_framed(archive.read(name))) for name in archive.namelist() if name.endswith(".pgm")
        }
    people = sorted({name.split("/")[0] for name in vectors})
    gallery = np.stack([vectors[f"{person}/1.pgm"] for person in people])
    probes = [name for name in vectors if not name.endswith("/1.pgm")]
    assert (len(people), len(probes)) == (30, 270)
    right = [people[int((gallery @ vectors[name]).argmax())] == name.split("/")[0] for name in probes]
    measured("ORL: rank-1 of 270 probes", np.mean(right), "1.000")
    assert all(right)


def _framed(raw):
    gray = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(gray, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(cv2.copyMakeBorder(large, *[60] * 4, cv2.BORDER_REPLICATE), cv2.COLOR_GRAY2BGR)


def _decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
