"""Thirty real people (AT&T/ORL): who is enrolled is found, and who is not is unknown, as often as was asked for."""

import zipfile

import cv2
import numpy as np
import pytest

from vedette.model.single import Model
from vedette_face.alignment import align
from vedette_face.gallery import Gallery, MasterKey
from vedette_face.gallery.calibration import open_set_trial

BORDER = 60
PICTURES = 10


@pytest.fixture(scope="module")
def orl(data, packed, registry):
    """``(300, 128)`` embeddings and ``(300,)`` whose they are, ten pictures each in their order."""
    vectors, person = [], []
    archive = zipfile.ZipFile(data / "datasets" / "orl_faces" / "orl_faces_s1_s30.zip")
    names = {name.split("s")[-1]: name for name in archive.namelist() if name.endswith(".pgm")}
    with (
        archive,
        Model(packed("yunet_320"), registry=registry) as detector,
        Model(packed("mobilefacenet"), registry=registry) as embedding,
    ):
        for subject in range(1, 31):
            for picture in range(1, PICTURES + 1):
                (name,) = [name for name in names.values() if name.endswith(f"s{subject}/{picture}.pgm")]
                found, frame = look(detector, archive.read(name))
                vectors.append(embedding(frame, found).vector[0])
                person.append(subject)
    return np.stack(vectors), np.array(person)


def look(detector, raw):
    """The best face of an upscaled picture, as the model stage is told where it is."""
    from vedette.specs import Roi

    gray = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE)
    large = cv2.resize(gray, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    wide = cv2.copyMakeBorder(large, *[BORDER] * 4, cv2.BORDER_REPLICATE)
    frame = detector.frame(cv2.cvtColor(wide, cv2.COLOR_GRAY2BGR))
    found = detector(frame)
    best = found.confidence.argmax()
    return [Roi(affine=align(found.points[best : best + 1])[0], size_wh=(112, 112))], frame


def test_strangers_are_unknown_as_often_as_was_asked(orl, measured):
    embeddings, person = orl
    trial = open_set_trial(embeddings, person, folds=3, rate=0.01)
    measured("ORL: false identification at 1 %", trial.false_rate, "<= 0.02")
    measured("ORL: its 95 % interval, low", trial.false_low, "-")
    measured("ORL: its 95 % interval, high", trial.false_high, "-")
    measured("ORL: true identification", trial.true_rate, "-")
    assert trial.impostors == 300
    assert trial.false_rate <= 0.02
    assert trial.true_rate >= 0.9
    assert trial.rank_1 == 1.0


def test_everybody_is_nearest_to_themselves(orl, measured, tmp_path):
    embeddings, person = orl
    gallery = Gallery.create(tmp_path / "orl", MasterKey.new(), model="ab" * 32, dimension=128)
    first = np.arange(0, 300, PICTURES)
    for row in first:
        gallery.enrol(f"s{person[row]}", embeddings[row : row + 1], model="ab" * 32)
    rest = np.setdiff1d(np.arange(300), first)
    found = gallery.search(embeddings[rest], threshold=-1.0)
    rank_1 = np.mean([name == f"s{who}" for name, who in zip(found.name, person[rest], strict=True)])
    measured("ORL: rank 1, 270 probes", rank_1, "1.0000")
    assert rank_1 == 1.0
