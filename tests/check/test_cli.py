"""``vedette check`` and ``vedette pack --check``."""

import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from vedette.bundle.samples import encode_png
from vedette.cli import main
from vedette.decoding import image_decoder
from vedette.frame import Encoded, fourcc_of
from vedette.model.feeds import still

YUNET = "--task detection --decoder yunet --licence Apache-2.0 --resize letterbox --anchor top_left --kernel bilinear"
RIGHT = f"{YUNET} --colour bgr --mean 0 --scale 1 --pad 0".split()
WRONG = f"{YUNET} --colour bgr --mean 0 --scale 255 --pad 0".split()
WIDEST = 100


@pytest.fixture
def vedette(tmp_path, monkeypatch):
    """``vedette("check", ...)`` in a folder of its own: exit code and what is printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **options):
        done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False, **options)
        return done.exit_code, done.output

    return run


@pytest.fixture
def bundle(packed, tmp_path):
    return shutil.copy(packed("yunet_320"), tmp_path / "faces.vedette")


def pixels(path, registry):
    data = path.read_bytes()
    image = image_decoder(registry)(Encoded(fourcc_of(data), data, (0, 0)))
    return np.array(still(image).view("rgb"), int)


def test_what_is_found_is_listed_and_drawn(vedette, bundle, data, registry, tmp_path):
    code, text = vedette("check", bundle, data / "images" / "faces_2.jpg")
    assert code == 0
    assert "faces_2.jpg, 450 x 344: 2 found" in text
    assert "nothing that was tried is clearly better" in text
    drawn = tmp_path / "faces.check-faces_2.jpg"
    assert f"drawn: {drawn}" in text
    changed = np.abs(pixels(drawn, registry) - pixels(data / "images" / "faces_2.jpg", registry)).max(axis=2)
    assert 200 < (changed > 60).sum() < changed.size / 3  # two boxes and their labels


def test_tables_are_narrow(vedette, packed, data):
    """Even with long class names, many findings, and a path of any length."""
    for name, picture in (("mobilenet_v2", "owl"), ("yunet_320", "faces_crowd_50"), ("yolox_nano", "bus")):
        _, text = vedette("check", packed(name), data / "images" / f"{picture}.jpg", "-o", "drawn")
        lines = [line for line in text.splitlines() if line.startswith("  ") and "drawn:" not in line]
        assert len(lines) > 10
        assert max(map(len, lines)) <= WIDEST
    assert "... and" in vedette("check", packed("yunet_320"), data / "images" / "faces_crowd_50.jpg")[1]


def test_packed_wrongly_says_what_to_change(vedette, data, tmp_path):
    model, picture = data / "models" / "yunet_n_320.onnx", data / "images" / "faces_2.jpg"
    code, text = vedette("pack", model, *WRONG, "--check", picture, "-o", "y.vedette")
    assert code == 1
    assert "faces_2.jpg, 450 x 344: nothing found" in text
    assert "PACKED WRONGLY: values 0..255 (the graph normalises) is clearly better" in text
    assert "-> pack again with --mean 0 --scale 1\n" in text
    assert (tmp_path / "y.vedette").is_file()
    code, text = vedette("pack", model, *RIGHT, "--check", picture, "-o", "y.vedette", "--overwrite")
    assert code == 0
    assert "PACKED WRONGLY" not in text
    assert (tmp_path / "y.check-faces_2.jpg").is_file()


def test_without_a_sink_that_draws_the_table_alone(vedette, bundle, data, tmp_path, monkeypatch):
    """The distribution that draws decodes JPEG files, too: so the sink alone is taken away here."""
    monkeypatch.setattr("vedette.checking.drawing.SINK", "nobody-draws")
    code, text = vedette("check", bundle, data / "images" / "faces_2.jpg")
    assert code == 0
    assert "not drawn: no plugin here draws results; pip install vedette-video" in text
    assert "2 found" in text
    assert list(tmp_path.iterdir()) == [tmp_path / "faces.vedette"]


def test_pictures_of_one_name_do_not_overwrite_each_other(vedette, bundle, data, tmp_path):
    (tmp_path / "other").mkdir()
    shutil.copy(data / "images" / "face_1.jpg", tmp_path / "other" / "faces_2.jpg")
    vedette("check", bundle, data / "images" / "faces_2.jpg", tmp_path / "other", "-o", "drawn")
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["faces.check-faces_2-2.jpg", "faces.check-faces_2.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("no.jpg", None, "does not exist"), ("text.jpg", b"text", "not a picture")],
)
def test_bad_pictures_are_refused(vedette, bundle, tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, text = vedette("check", bundle, tmp_path / name)
    assert code != 0
    assert reason in text
    assert name in text


def test_of_many_pictures_the_numbers_alone(vedette, bundle, data, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(10):
        shutil.copy(data / "images" / "faces_2.jpg", tmp_path / "many" / f"{number}.jpg")
    _, text = vedette("check", bundle, tmp_path / "many", "-o", "drawn")
    assert text.count("450 x 344: 2 found") == 10
    assert "x0" not in text
    assert len(list((tmp_path / "drawn").iterdir())) == 10


def test_drawings_that_cannot_be_written_are_an_error(vedette, bundle, data, tmp_path):
    (tmp_path / "file").touch()
    code, text = vedette("check", bundle, data / "images" / "faces_2.jpg", "-o", tmp_path / "file" / "below")
    assert code == 1
    assert "cannot be written: Not a directory" in text


def test_an_empty_folder_is_refused(vedette, bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    code, text = vedette("check", bundle, tmp_path / "empty")
    assert code == 1
    assert "there is no picture to check it by" in text


def test_nothing_anywhere_says_so(vedette, bundle, tmp_path):
    (tmp_path / "grey.png").write_bytes(encode_png(np.full((120, 160, 3), 128, np.uint8)))
    code, text = vedette("check", bundle, tmp_path / "grey.png")
    assert code == 0
    assert "nothing is found that the mirrored picture confirms, whatever is tried" in text
