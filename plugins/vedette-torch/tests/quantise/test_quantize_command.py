"""``vedette quantize``, from a float bundle to one with int8 that proves itself; and what must leave nothing behind."""

import json
import resource
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from tiny_onnx import classifier

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.samples import encode_png
from vedette.cli import main
from vedette.model.single import Model

CLASSES = ("a", "b", "c", "d")


def pack(folder: Path, **network) -> Path:
    onnx.save(classifier(**network), folder / "tiny.onnx")
    request = PackRequest(
        model=folder / "tiny.onnx",
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="Apache-2.0",
        labels=CLASSES,
        image={"colour": "rgb", "resize": "stretch", "kernel": "bilinear", "mean": [127.5], "scale": [60]},
    )
    return pack_model(request, folder / "tiny.vedette")


def fill(bundle: Path, folder: Path, count: int = 60) -> None:
    """Pictures in a folder for each class, labelled by the float model; of each class at least one."""
    random = np.random.default_rng(5)
    with Model(bundle, backend="onnxruntime") as model:
        for number in range(count):
            coarse = random.integers(0, 256, (4, 4, 3)).repeat(6, 0).repeat(6, 1)
            picture = (
                (coarse * random.uniform(0.3, 1) + random.normal(0, 10, coarse.shape))
                .clip(0, 255)
                .astype(np.uint8)
            )
            said = model(picture[..., ::-1].copy()).class_id[0, 0]
            path = folder / CLASSES[said] / f"{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(picture))


@pytest.fixture(scope="module")
def easy(tmp_path_factory):
    """A bundle that eight bits do not harm, and pictures."""
    folder = tmp_path_factory.mktemp("easy")
    bundle = pack(folder)
    fill(bundle, folder / "held-out")
    return bundle, folder / "held-out"


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    """A bundle with channels that are worlds apart, which eight bits per tensor cannot hold, and pictures."""
    folder = tmp_path_factory.mktemp("wild")
    bundle = pack(folder, wild=3000)
    fill(bundle, folder / "held-out")
    return bundle, folder / "held-out"


def quantize(bundle, pictures, output, *more):
    arguments = [
        "quantize",
        bundle,
        "--calibration",
        pictures,
        "--data",
        pictures,
        "-o",
        output,
        "--rounds",
        "0",
        *more,
    ]
    return CliRunner().invoke(main, [str(item) for item in arguments])


@pytest.fixture(scope="module")
def quantised(easy, tmp_path_factory):
    """What becomes of the easy bundle."""
    bundle, pictures = easy
    path = tmp_path_factory.mktemp("quantised") / "q.vedette"
    assert quantize(bundle, pictures, path, "--max-drop", "5").exit_code == 0
    return path


def test_int8_beside_float_measured_and_proved(easy, tmp_path):
    bundle, pictures = easy
    done = quantize(bundle, pictures, tmp_path / "q.vedette", "--max-drop", "5", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["float_layers"] == []
    assert told["bytes"]["int8"] < told["bytes"]["f32"] * 3
    with open_bundle(tmp_path / "q.vedette") as made:
        manifest = made.manifest
        assert list(manifest.variants) == ["f32", "int8"]
        assert manifest.variants["int8"].graphs["model"].storage == "int8"
        assert manifest.variants["int8"].oracle.kind == "literal"
        grades = {(item.variant, item.backend): item for item in manifest.grades if item.metric == "top1"}
        assert {variant for variant, _ in grades} == {"f32", "int8"}
        assert all(item.n == 60 and item.interval for item in grades.values())
        assert grades["f32", "onnxruntime"].value == 1.0  # they are its own answers
        listing = made.read("calibration.txt").decode().splitlines()
        assert len(listing) == 60
        assert "calibrated on 60 pictures of held-out" in " ".join(manifest.provenance.data)
        assert "onnxruntime" in manifest.provenance.recipe
    proved = CliRunner().invoke(main, ["verify", str(tmp_path / "q.vedette"), "--variant", "int8"])
    assert proved.exit_code == 0, proved.output
    float_too = CliRunner().invoke(main, ["verify", str(tmp_path / "q.vedette"), "--variant", "f32"])
    assert float_too.exit_code == 0, float_too.output


def test_the_same_input_gives_the_same_bytes(easy, quantised, tmp_path):
    bundle, pictures = easy
    assert quantize(bundle, pictures, tmp_path / "again.vedette", "--max-drop", "5").exit_code == 0
    assert (tmp_path / "again.vedette").read_bytes() == quantised.read_bytes()


def test_sensitive_layers_are_kept_in_float(wild, tmp_path):
    bundle, pictures = wild
    done = quantize(bundle, pictures, tmp_path / "q.vedette", "--max-drop", "3", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert 1 <= len(told["float_layers"]) <= 2
    assert told["attempts"][0]["drops"]["onnxruntime"] > 0.03  # all in int8
    assert all(found["drop"] <= 0.03 for found in told["backends"].values())
    ranking = list(told["sensitivity"])
    assert told["float_layers"] == ranking[: len(told["float_layers"])]
    with open_bundle(tmp_path / "q.vedette") as made:
        assert made.manifest.variants["int8"].graphs["model"].storage == "mixed"


def test_a_budget_that_cannot_be_met_writes_nothing(tmp_path):
    bundle = pack(tmp_path, wild=1e6)
    fill(bundle, tmp_path / "held-out")
    before = sorted(tmp_path.rglob("*"))
    done = quantize(bundle, tmp_path / "held-out", tmp_path / "q.vedette", "--max-drop", "0")
    assert done.exit_code == 1
    assert "int8 loses more than 0 points" in done.output
    assert "--max-drop" in done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_speed_is_measured_and_stated(easy, tmp_path):
    from vedette_torch.data.reading import read_data
    from vedette_torch.quantise.report import as_text
    from vedette_torch.quantise.run import Request, Source, quantise

    bundle, pictures = easy
    paths = sorted(pictures.rglob("*.png"))
    request = Request(
        source=Source(bundle=bundle),
        calibration=paths,
        calibration_origin="x",
        data=read_data(pictures).split(),
        data_origin="y",
        output=tmp_path / "q",
        max_drop=5,
        speed_rounds=2,
        speed_seconds=0.05,
    )
    report = quantise(request)
    assert all(speed.ratio > 0 for speed in report.speeds.values())
    assert report.speeds
    with open_bundle(tmp_path / "q") as made:
        recipe = made.manifest.provenance.recipe
        first = next(iter(made.manifest.variants))
    for backend, speed in report.speeds.items():
        assert f"{backend}: int8 at {speed.ratio:.2f} times the rate of f32" in recipe
    assert first == ("f32" if report.slower else "int8")
    assert ("SLOWER" in recipe) == ("SLOWER" in as_text(report)) == bool(report.slower)


def test_a_variant_that_is_slower_than_float_is_marked(easy, tmp_path):
    """In the table, in the provenance, and as a warning: whatever this machine makes of it."""
    from vedette_torch.data.reading import read_data
    from vedette_torch.quantise.measure import Speed
    from vedette_torch.quantise.report import as_plain, as_text
    from vedette_torch.quantise.run import Request, Source, quantise, recipe_of

    bundle, pictures = easy
    request = Request(
        source=Source(bundle=bundle),
        calibration=sorted(pictures.rglob("*.png")),
        calibration_origin="x",
        data=read_data(pictures).split(),
        data_origin="y",
        output=tmp_path / "q",
        max_drop=5,
        speed_rounds=0,
    )
    speeds = {
        "onnxruntime": Speed(f32_hz=200, int8_hz=100, ratio=0.5, contended=0),
        "openvino": Speed(f32_hz=100, int8_hz=200, ratio=2.0, contended=0),
    }
    report = replace(quantise(request), speeds=speeds)
    assert report.slower == ("onnxruntime",)
    text = as_text(report)
    assert "0.50  SLOWER" in text
    assert "int8 is slower than float on onnxruntime here (100 to 200 requests/s)" in text
    assert "onnxruntime: int8 at 0.50 times the rate of f32, SLOWER THAN FLOAT" in recipe_of(report)
    assert "openvino: int8 at 2.00 times the rate of f32," in recipe_of(report)
    assert as_plain(report)["backends"]["onnxruntime"]["speed"]["ratio"] == 0.5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "empty").mkdir(), "empty: there is no picture to calibrate by"),
        (lambda folder: _broken(folder / "empty"), "cut.png: no picture to calibrate by: "),
    ],
)
def test_calibration_pictures_that_are_none(easy, tmp_path, spoil, message):
    bundle, pictures = easy
    spoil(tmp_path)
    done = CliRunner().invoke(
        main,
        [
            "quantize",
            str(bundle),
            "--calibration",
            str(tmp_path / "empty"),
            "--data",
            str(pictures),
            "-o",
            str(tmp_path / "q"),
        ],
    )
    assert done.exit_code == 1
    assert message in done.output
    assert not (tmp_path / "q").exists()


def _broken(folder):
    folder.mkdir()
    (folder / "cut.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8))[:40])


def test_classes_that_do_not_fit(easy, tmp_path):
    bundle, _ = easy
    for name in ("a", "b", "z"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "x.png").write_bytes(encode_png(np.full((8, 8, 3), ord(name), np.uint8)))
    done = quantize(bundle, tmp_path / "data", tmp_path / "q")
    assert done.exit_code != 0
    assert "the model has 4 classes and the data 3, among them z" in done.output


def test_a_bundle_that_is_int8_already(easy, quantised, tmp_path):
    _, pictures = easy
    again = quantize(quantised, pictures, tmp_path / "r.vedette", "--max-drop", "5")
    assert "a variant 'int8' already" in again.output


def test_a_taken_output_is_refused_before_any_work(easy, tmp_path):
    bundle, pictures = easy
    (tmp_path / "q.vedette").write_bytes(b"mine")
    done = quantize(bundle, pictures, tmp_path / "q.vedette")
    assert "exists" in done.output
    assert (tmp_path / "q.vedette").read_bytes() == b"mine"


def test_a_full_disk_leaves_nothing(easy, tmp_path):
    bundle, pictures = easy
    most = 64 << 10  # bytes of a file: the models fit, the bundle does not
    done = subprocess.run(
        [sys.executable, "-m", "vedette", "quantize", bundle, "--calibration", pictures, "--data", pictures,
         "-o", tmp_path / "out" / "q.vedette", "--rounds", "0", "--max-drop", "5"],
        preexec_fn=partial(_limit, most),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "q.vedette: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.*"))


def _limit(most):
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
