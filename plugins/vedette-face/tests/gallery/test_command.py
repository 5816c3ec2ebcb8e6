"""``vedette face`` on real pictures, from an empty folder to a forgotten person."""

import json
import re

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from vedette.cli import main
from vedette.errors import VedetteError
from vedette_face.gallery import Gallery, MasterKey


def run(*arguments):
    result = CliRunner().invoke(main, ["face", *map(str, arguments)], standalone_mode=False)
    if isinstance(result.exception, VedetteError):
        return str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.fixture
def box(data, packed, tmp_path, monkeypatch):
    """A folder of pictures, and the options said once."""
    monkeypatch.setenv("VEDETTE_FACE_KEY", f"file:{tmp_path / 'gallery.key'}")
    monkeypatch.setenv("VEDETTE_FACE_DETECTOR", str(packed("yunet_320")))
    monkeypatch.setenv("VEDETTE_FACE_EMBEDDING", str(packed("mobilefacenet")))
    return tmp_path


@pytest.fixture
def one(data):
    return data / "images" / "face_1.jpg"


def write(path, picture):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path


def test_from_an_empty_folder_to_a_forgotten_person(box, data, one):
    gallery = box / "staff"
    assert "made the key" in run("create", gallery, "--dimension", 128)
    men = cv2.imread(str(data / "images" / "faces_2.jpg"))
    left = write(box / "left.png", men[:, : men.shape[1] // 2])
    assert "enrolled Zoë/../é: 1 of 1 good faces, 1 templates in all" in run(
        "enrol", gallery, "Zoë/../é", one
    )
    assert "most similar to: Zoë/../é" in run("enrol", gallery, "left", left)
    assert "2 templates in all" in run("enrol", gallery, "left", left)

    assert "not calibrated" in run("identify", gallery, one)
    shown = run("identify", gallery, one, data / "images" / "faces_5_scouts.jpg", "--threshold", 0.5)
    assert re.search(r"face_1\.jpg .*Zoë/\.\./é +0\.99|face_1\.jpg .*Zoë/\.\./é +1\.0", shown)
    assert shown.count("unknown") == 5
    assert run("verify", gallery, "left", left, "--threshold", 0.5).startswith("yes")
    assert run("verify", gallery, "left", one, "--threshold", 0.5).startswith("no")

    listed = json.loads(run("list", gallery, "--json"))
    assert [(person["name"], person["templates"]) for person in listed["people"]] == [
        ("Zoë/../é", 1),
        ("left", 2),
    ]
    assert run("forget", gallery, "left") == "forgot left: 2 templates\n"
    assert "'left' is not enrolled" in run("forget", gallery, "left")
    log = run("audit", gallery)
    for what in ("create", "enrol", "identify", "verify", "list", "forget"):
        assert what in log
    assert "left" not in log
    assert run("audit", gallery, "--person", "left").count("forget") == 1
    assert not [path for path in gallery.rglob("*") if path.suffix in (".jpg", ".png")]


def test_poor_pictures_are_refused_with_the_reason(box, data, one):
    gallery = box / "staff"
    run("create", gallery, "--dimension", 128)
    sharp = cv2.imread(str(one))
    pictures = {
        "none.png": (np.full((300, 300, 3), 90, np.uint8), "no face"),
        "two.png": (cv2.imread(str(data / "images" / "faces_2.jpg")), "2 faces"),
        "small.png": (
            cv2.copyMakeBorder(
                cv2.resize(sharp, None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA),
                *[9] * 4,
                cv2.BORDER_REPLICATE,
            ),
            "no face|too small",
        ),
        "blurred.png": (cv2.GaussianBlur(sharp, None, 12), "blurred|no face"),
        "text.jpg": (None, "picture|image"),
    }
    for name, (picture, _) in pictures.items():
        write(box / "poor" / name, picture) if picture is not None else (box / "poor" / name).write_text(
            "hello"
        )
    said = run("enrol", gallery, "somebody", box / "poor")
    assert "none of the pictures is good enough" in said
    result = CliRunner().invoke(
        main, ["face", "enrol", str(gallery), "somebody", str(box / "poor"), str(one)]
    )
    for name, (_, reason) in pictures.items():
        (line,) = [line for line in result.output.splitlines() if name in line]
        assert re.search(reason, line.split(":", 1)[1]), line
    assert "enrolled somebody: 1 of 1 good faces" in result.output


def test_what_is_wrong_is_said(box, one, packed, monkeypatch):
    gallery = box / "staff"
    run("create", gallery, "--dimension", 128)
    run("enrol", gallery, "a", one)
    other = box / "other.key"
    other.write_text(MasterKey.new().text)
    other.chmod(0o600)
    assert "wrong key" in run("list", gallery, "--key", f"file:{other}")
    assert "another embedding model" in run("enrol", gallery, "b", one, "--embedding", packed("yunet_320"))
    assert "no detector of faces" in run("enrol", gallery, "b", one, "--detector", packed("retail_0005"))
    assert "too few for a rate of 0.01" in run("calibrate", gallery)
    record = next((gallery / "records").iterdir())
    record.write_bytes(record.read_bytes()[:-1])
    assert record.name in run("enrol", gallery, "b", one)
    assert record.name in run("forget", gallery, "--damaged")
    assert "nobody is enrolled" in run("list", gallery)


def test_calibrate_export_import_and_rekey(box, data, one, monkeypatch):
    gallery = box / "staff"
    run("create", gallery, "--dimension", 128)
    run("enrol", gallery, "a", one)
    men = cv2.imread(str(data / "images" / "faces_2.jpg"))
    (box / "probes").mkdir()
    for at, part in enumerate((men[:, : men.shape[1] // 2], men[:, men.shape[1] // 2 :], men[:, 150::-1])):
        write(box / "probes" / f"{at}.png", part)
    said = run("calibrate", gallery, "--probes", box / "probes", "--identify-rate", 0.4, "--verify-rate", 0.4)
    assert "measured with the pictures given" in said
    assert "identify" in said
    monkeypatch.setenv("WORDS", "correct horse battery")
    run("export", gallery, box / "copy", "--passphrase", "env:WORDS")
    assert "cannot be written" in run("export", gallery, box / "copy", "--passphrase", "env:WORDS")
    assert "templates of 128 numbers" in run("create", box / "second")
    assert "1 people are enrolled" in run("import", box / "second", box / "copy", "--passphrase", "env:WORDS")
    run("rekey", gallery, box / "new.key")
    assert "wrong key" in run("list", gallery)
    assert Gallery.open(gallery, f"file:{box / 'new.key'}").names == ("a",)
