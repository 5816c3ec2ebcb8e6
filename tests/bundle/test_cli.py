"""``vedette pack`` and ``vedette inspect``, as they are typed."""

import hashlib
import json
import re

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from onnx import helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Manifest
from vedette.bundle.pack import PackRequest, pack_model
from vedette.cli import main

ANSWERS = {
    "--task": "classification",
    "--decoder": "classification",
    "--licence": "MIT",
    "--param activation": "none",
    "--input-size": "32x24",
    "--layout": "nchw",
    "--colour": "bgr",
    "--resize": "letterbox",
    "--kernel": "area",
    "--anchor": "top_left",
    "--pad": "114",
    "--mean": "1,2,3",
    "--scale": "57.5",
}
"""What a user would answer to each option that is asked for."""


def vedette(*arguments) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def answers(output: str) -> list[str]:
    """The options that an error asks for, with values."""
    given = []
    for option, key in re.findall(r"^ +(--[a-z-]+)(?: ([a-z_]+)=VALUE)? ", output, re.MULTILINE):
        value = ANSWERS[f"{option} {key}".strip()]
        given += [option, f"{key}={value}" if key else value]
    return given


def test_following_the_errors_leads_to_a_bundle(classifier, registry, tmp_path):
    model, path = classifier(shape=("n", 3, "h", "w")), tmp_path / "x.vedette"
    options: list[str] = []
    for _ in range(3):  # the decoder and the resize rule ask for more
        code, output = vedette("pack", model, "--output", path, *options)
        options += answers(output)
    assert code == 0
    assert output.startswith(f"wrote {path}\n")
    image = {"size_wh": [32, 24], "resize": "letterbox", "kernel": "area", "anchor": "top_left", "pad": [114]}
    request = PackRequest(
        model=model,
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="MIT",
        image={**image, "colour": "bgr", "mean": [1, 2, 3], "scale": [57.5]},
    )
    assert pack_model(request, tmp_path / "same.vedette", registry=registry).read_bytes() == path.read_bytes()


@pytest.fixture
def options(classifier, tmp_path):
    """All that the classifier needs, on the command line."""
    image = ["--colour", "rgb", "--resize", "stretch", "--kernel", "area", "--mean", "0", "--scale", "255"]
    needed = [
        "--task",
        "classification",
        "--decoder",
        "classification",
        "--licence",
        "MIT",
        "-o",
        tmp_path / "x",
    ]
    return [classifier(), *needed, *image, "--param", "activation=none"]


def test_parameters_are_typed_as_the_decoder_declares_them(options, tmp_path):
    """An output may be called ``758``, as in FastestDet, and ``top_k`` is a number."""
    assert vedette("pack", *options, "--param", "top_k=2", "--param", "output=scores")[0] == 0
    with open_bundle(tmp_path / "x") as bundle:
        assert bundle.manifest.decoder.params["top_k"] == 2
        assert bundle.manifest.decoder.params["output"] == "scores"
    code, output = vedette("pack", *options, "--overwrite", "--param", "output=758")
    assert code == 1
    assert "there is no output '758'" in output


@pytest.mark.parametrize(
    ("wrong", "code", "reason"),
    [
        (["--mean", "a,b"], 2, "'a,b' is not one number, or several with commas"),
        (["--mean", "1,"], 2, "'1,' is not one number, or several with commas"),
        (["--pad", "1.5"], 1, "image.pad[0]: Expected `int`, got `float`"),
        (["--mean", "nan"], 1, "image: mean must be finite"),
        (["--input-size", "32"], 2, "'32' is not WIDTHxHEIGHT"),
        (["--input-size", "-1x5"], 2, "'-1x5' is not WIDTHxHEIGHT"),
        (["--input-size", "64x64"], 1, "is 32 x 24 pixels, not 64 x 64"),
        (["--resize", "fill"], 2, "'fill' is not one of 'letterbox', 'stretch', 'crop'"),
        (["--task", "magic"], 2, "'magic' is not one of"),
        (["--crop-fraction", "x"], 2, "'x' is not a valid float"),
        (["--param", "top_k"], 2, "'top_k' is not of the form KEY=VALUE"),
        (["--param", "activation=none"], 2, "'activation' is given twice"),
        (["--param", "top_k=many"], 1, "decoder classification.top_k: Expected `int`, got `str`"),
        (["--feed", "pixels"], 2, "'pixels' is not of the form INPUT=SOURCE"),
        (
            ["--feed", "pixels=nothing"],
            2,
            "'nothing' is none of image, preprocess:NAME, reference:FILE and constant:VALUE",
        ),
        (["--feed", "pixels=constant:[1,"], 2, "'[1,' is not JSON"),
        (["--decoder", "yolo"], 1, "there is no postprocessor 'yolo'"),
        (["--labels", "missing.txt"], 1, "missing.txt: cannot be read"),
    ],
)
def test_one_error_for_each_wrong_value(options, wrong, code, reason):
    given, output = vedette("pack", *options, *wrong)
    assert (given, output.count(reason)) == (code, 1), output
    assert "Traceback" not in output


def test_feeds_and_state(network, tmp_path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Sum", ["features", "bias", "h"], ["h_next"]),
        helper.make_node("Softmax", ["h_next"], ["scores"]),
    ]
    inputs = {"pixels": ("FLOAT", (1, 3, 8, 8)), "bias": ("FLOAT", (1, 3)), "h": ("FLOAT", (1, 3))}
    model = network(nodes, inputs, {"scores": ("FLOAT", (1, 3)), "h_next": ("FLOAT", (1, 3))}, {})
    code, output = vedette(
        *[
            "pack",
            model,
            "--task",
            "clip",
            "--decoder",
            "classification",
            "--licence",
            "MIT",
            "-o",
            tmp_path / "x",
        ],
        *["--colour", "rgb", "--resize", "stretch", "--kernel", "area", "--mean", "0", "--scale", "255"],
        *["--param", "activation=none", "--param", "output=scores"],
        *["--feed", "bias=constant:[0, 0.5, 1]", "--feed", "pixels=image", "--state", "h=h_next"],
    )
    assert code == 0, output
    assert "constant [0, 0.5, 1]" in output
    assert "h_next becomes h; starts at 0, again after gap" in output


def test_a_folder_of_samples(options, tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    for name, value in (("b.png", 10), ("a.png", 200)):
        cv2.imwrite(str(samples / name), np.full((20, 30, 3), value, np.uint8))
    code, output = vedette("pack", *options, "--sample", samples)
    assert code == 0, output
    assert "grade f32 at f32: reference 1 (n = 8)" in output
    assert "goldens: 2 sample, 6 derived; give 8 samples" in output
    with open_bundle(tmp_path / "x") as bundle:
        assert [bundle.read(golden.image) for golden in bundle.manifest.goldens[:2]] == [
            (samples / name).read_bytes() for name in ("a.png", "b.png")
        ]
    (samples / "notes.txt").write_text("not a picture")
    code, output = vedette("pack", *options, "--overwrite", "--sample", samples)
    assert (code, "notes.txt: not a picture" in output) == (1, True)


# --- inspect ------------------------------------------------------------------------------------------------------


def test_inspect_shows_everything(folder):
    code, output = vedette("inspect", folder.path)
    assert code == 0
    digest = hashlib.sha256((folder.path / "manifest.json").read_bytes()).hexdigest()
    model = hashlib.sha256((folder.path / "variants/f32/cnn.onnx").read_bytes()).hexdigest()
    for part in (
        "two-graphs 1.2.0: clip\n",
        f"sha256 {digest}\n",
        "unsigned: the manifest itself is unprotected",
        "licence     Apache-2.0\n",
        "files       7, 0.02 MB, all match their hashes\n",
        "program cnn > step\n",
        "input   pixels  float32 (?, 3, 24, 32)\n          from the picture by image: size_wh [32,24], resize stretch",
        "input   x  float32 (?, 16)\n          from output features of graph cnn\n",
        "input   h.in  float32 (?, 8)\n          from the state\n",
        "output  scores  float32 (?, 3)\n",
        "state   h.out becomes h.in; starts at 0, again after gap\n",
        "decoder classification\n  top_k = 1\n",
        "labels 3: car, person, bücher bus\n",
        f"  cnn  onnx, weights f32\n    variants/f32/cnn.onnx  0.01 MB  sha256 {model}\n",
        "    variants/f32/step.bin  5,120 B  sha256 ",
        "grade f32 at f32: top1 0.9 (n = 100, 95 % 0.85 to 0.94)\n",
        "goldens 1\n  goldens/0.jpg  goldens/0.npz\n",
        "provenance not told\n",
    ):
        assert part in output, f"{part!r} is not in\n{output}"


def test_inspect_as_json(archive):
    code, output = vedette("inspect", "--json", archive.path)
    shown = json.loads(output)
    with open_bundle(archive.path) as bundle:
        assert code == 0
        assert msgspec.convert(shown.pop("manifest"), Manifest) == bundle.manifest
        assert shown == {
            "path": str(archive.path),
            "digest": bundle.digest,
            "signature": dict.fromkeys(("fingerprint", "name", "reason", "carrier")) | {"state": "unsigned"},
            "labels": ["car", "person", "bücher bus"],
        }


def test_inspect_needs_no_plugin(folder, monkeypatch):
    monkeypatch.setattr("vedette.cli.load_plugins", lambda *_: pytest.fail("plugins were loaded"))
    assert vedette("inspect", folder.path)[0] == 0


def test_inspect_finds_a_changed_file(folder):
    (folder.path / "card.md").write_bytes(b"")
    target = folder.path / "variants/f32/step.bin"
    target.write_bytes(target.read_bytes()[::-1])
    code, output = vedette("inspect", folder.path)
    assert code == 1
    assert "'variants/f32/step.bin' is not what the manifest says" in output
    assert "two-graphs" not in output


def test_a_manifest_cannot_write_to_the_terminal(folder):
    folder.edit(lambda tree: tree.update(licence="MIT\x1b[2J\x1b]0;owned\x07\nsignature valid"))
    output = vedette("inspect", folder.path)[1]
    assert "licence     MIT�[2J�]0;owned��signature valid\n" in output


def test_what_is_not_a_bundle(tmp_path, classifier):
    assert vedette("inspect", tmp_path / "missing")[0] == 1
    code, output = vedette("inspect", classifier())
    assert (code, "vedette pack" in output) == (1, True)
