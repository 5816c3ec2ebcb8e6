"""Where several decoders could read a model, pictures are shown, and the user is asked."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.cli import main
from vedette.decoding import image_decoder
from vedette.frame import Encoded

HERE = Path(__file__).parent


@pytest.fixture
def pack(data, tmp_path, monkeypatch):
    """Pack YOLOX with decoders installed that claim it, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)

    def run(*arguments, **options):
        command = ["--plugin", "rivals", "pack", data / "models" / "yolox_nano_coco_416.onnx"]
        command += ["--licence", "Apache-2.0", *arguments]
        return CliRunner().invoke(main, list(map(str, command)), **options)

    return run


def test_each_reading_is_shown_and_named(pack, data, tmp_path, registry):
    done = pack("--check", data / "images" / "bus.jpg", "--check", data / "images" / "dog.jpg")
    assert done.exit_code == 1
    text = done.output
    assert "3 decoders could read it" in text
    assert "fails: these are not my columns" in text
    assert "-> say which. One of" in text
    assert "--decoder yolox" in text.partition("say which")[2]
    assert "--decoder plain-boxes" in text.partition("say which")[2]
    assert "refusing" not in text.partition("say which")[2]
    (sheet,) = tmp_path.iterdir()
    assert f"side by side: {sheet.name}" in text
    pixels = image_decoder(registry)(Encoded("JPEG", sheet.read_bytes(), (0, 0)))
    assert np.prod(pixels.size_wh) > 4 * 300 * 400  # two readings of two pictures


def test_the_right_reading_has_the_evidence(pack, data):
    text = pack("--check", data / "images" / "bus.jpg").output
    evidence = {
        row.split()[1]: float(row.split()[-1])
        for row in text.splitlines()
        if row.split()[1:2] in (["yolox"], ["plain-boxes"]) and row.split()[0].isdecimal()
    }
    assert evidence["yolox"] > 2 > 4 * evidence["plain-boxes"]


def test_samples_will_do(pack, data):
    assert "say which. One of" in pack("--sample", data / "images" / "bus.jpg").output


def test_without_pictures_it_is_said_how(pack, tmp_path):
    done = pack()
    assert done.exit_code == 1
    assert "or show it a picture (--check PICTURE)" in done.output
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_the_user_is_asked(pack, data, tmp_path, monkeypatch):
    numbers = {"plain-boxes": None, "yolox": None}
    for line in pack("--check", data / "images" / "bus.jpg").output.splitlines():
        if line.split()[1:2] and line.split()[1] in numbers and line.split()[0].isdecimal():
            numbers[line.split()[1]] = line.split()[0]
    monkeypatch.setattr("vedette.cli.choosing._is_terminal", lambda: True)
    done = pack("--check", data / "images" / "bus.jpg", input=f"{numbers['yolox']}\n")
    assert done.exit_code == 0
    assert "which one" in done.output
    with open_bundle(tmp_path / "yolox_nano_coco_416-1.0.0.vedette") as bundle:
        assert bundle.manifest.decoder.name == "yolox"


def test_the_only_one_that_does_not_fail_is_taken(pack, data, tmp_path, monkeypatch):
    import rivals

    monkeypatch.setattr(rivals, "decode_plainly", rivals.refuse)
    done = pack("--check", data / "images" / "bus.jpg")
    assert done.exit_code == 0
    assert "the model fails with the others" in done.output
    assert (tmp_path / "yolox_nano_coco_416-1.0.0.vedette").is_file()


def test_one_that_lacks_options_may_still_be_right(data, tmp_path, monkeypatch):
    """OSNet's vector could be classes, too; only these need another parameter."""
    monkeypatch.chdir(tmp_path)
    command = ["pack", data / "models" / "osnet_x0_25_msmt17.onnx", "--check", data / "images" / "person.jpg"]
    options = "--licence MIT --colour rgb --resize stretch --kernel bilinear --mean 124 --scale 58"
    done = CliRunner().invoke(main, [*map(str, command), *options.split()])
    assert done.exit_code == 1
    assert "cannot be tried" in done.output
    assert "--param activation=VALUE" in done.output
    options = done.output.partition("say which. One of")[2]
    assert "--decoder classification" in options
    assert "--decoder embedding" in options
