"""A small network from training to the edge: judged on both sides, and held against itself."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs torch: make setup-server")

from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.samples import encode_png
from vedette.cli import main
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.frame import Packed
from vedette.model.feeds import still
from vedette.registry import load_plugins
from vedette_torch.data.errors import DataError
from vedette_torch.data.reading import read_data
from vedette_torch.evaluation.edge import EdgePredictor
from vedette_torch.evaluation.evaluate import evaluate, judge, observe
from vedette_torch.evaluation.parity import Tolerance, compare
from vedette_torch.metrics.figure import Resampling

FEW = Resampling(count=100)
RIGHT = {
    "size_wh": [12, 12],
    "resize": "stretch",
    "mean": [127],
    "scale": [64, 65, 66],
    "kernel": "bilinear",
    "colour": "rgb",
}


@pytest.fixture(scope="module")
def run(tiny, pictures, tmp_path_factory):
    """A folder of a run, with its exported network."""
    from vedette_torch.export import export_run
    from vedette_torch.training import train

    settings = tiny.TinySettings(epochs=2)
    done = train(tiny.Tiny(), pictures, tmp_path_factory.mktemp("runs") / "run", settings=settings)
    export_run(tiny.Tiny(), settings, done)
    return done.run.path


@pytest.fixture(scope="module")
def registry(tiny):
    return load_plugins(["tiny_recipe"])


@pytest.fixture(scope="module")
def bundle(run, registry, tmp_path_factory):
    """``bundle(mean=[0])`` is a bundle of the run with other preprocessing."""

    def pack(**image):
        path = tmp_path_factory.mktemp("bundle") / "tiny.vedette"
        request = PackRequest(
            name="tiny",
            model=run / "model.onnx",
            task="classification",
            decoder="classification",
            params={"activation": "softmax"},
            labels=run / "labels.txt",
            licence="MIT",
            image=RIGHT | image,
        )
        pack_model(request, path, registry=registry)
        return path

    return pack


@pytest.fixture(scope="module")
def good(bundle):
    return bundle()


def invoke(*arguments):
    return CliRunner().invoke(main, ["--plugin", "tiny_recipe", "evaluate", *map(str, arguments)])


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_what_is_trained_is_what_is_served(good, run, pictures, backend):
    done = invoke(good, "--data", pictures, "--backend", backend, "--against", run, "--json")
    assert done.exit_code == 0, done.output
    plain = json.loads(done.stdout)
    parity = plain["parity"]
    assert (parity["passed"], parity["agreement"]["value"], parity["agreement"]["n"]) == (True, 1.0, 96)
    assert parity["difference"]["value"] == 0
    assert len(parity["samples"]) == 96
    assert max(sample["confidence"] for sample in parity["samples"]) < 0.01
    assert plain["evaluation"]["subject"]["how"]["backend"].startswith(backend)
    assert plain["reference"]["subject"]["kind"] == "torch"
    assert plain["evaluation"]["figures"]["accuracy"]["value"] > 0.5


def test_wrong_preprocessing_is_found(bundle, run, pictures):
    done = invoke(bundle(mean=[255]), "--data", pictures, "--against", run)
    assert done.exit_code == 1
    assert "parity with tiny in run" in done.output
    assert "FAILED" in done.output
    assert "findings agree, less than 99.00%" in done.output


def test_the_worst_pictures_come_first(bundle, good, pictures, registry):
    data, decode = read_data(pictures).split(), image_decoder(registry)
    sides = []
    for path in (good, bundle(mean=[140])):
        with EdgePredictor(path, registry=registry) as predictor:
            sides.append(observe(predictor, data, decode))
    same = compare(sides[0], sides[0], resampling=FEW)
    assert (same.passed, same.difference.interval) == (True, (0.0, 0.0))
    parity = compare(*sides, Tolerance(points=100, agreement=1.0), FEW)
    differing = [item.total - item.agreeing for item in parity.samples]
    assert differing == sorted(differing, reverse=True)
    right = [
        [r.class_id[0, 0] == s.class_id for r, s in zip(o.results, o.samples, strict=True)] for o in sides
    ]
    assert parity.difference.value == pytest.approx(np.mean(right[1]) - np.mean(right[0]))
    assert parity.values == tuple(judge(o, resampling=FEW).headline[1].value for o in sides)


def test_the_grade_of_a_bundle(good, pictures, registry):
    data = read_data(pictures).split()
    with EdgePredictor(good, registry=registry, backend="onnxruntime") as predictor:
        found = evaluate(predictor, data, image_decoder(registry), resampling=FEW)
    grade = found.grade()
    assert (grade.variant, grade.precision, grade.backend, grade.metric, grade.n) == (
        "f32",
        "f32",
        "onnxruntime",
        "top1",
        96,
    )
    assert grade.interval[0] < grade.value <= grade.interval[1]


def test_classes_are_brought_together_by_name(good, tmp_path, pictures, registry):
    for name in ("striped", "dark"):
        (tmp_path / name).mkdir()
        for path in sorted((pictures / "train" / name).iterdir())[:5]:
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    with EdgePredictor(good, registry=registry) as predictor:
        seen = observe(predictor, read_data(tmp_path).split(), image_decoder(registry))
    assert {seen.labels[s.class_id] for s in seen.samples} == {"dark", "striped"}
    assert all(seen.labels[s.class_id] == s.path.parent.name for s in seen.samples)


def test_what_does_not_fit_is_refused(good, run, pictures, tmp_path, registry):
    noise = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(encode_png(noise + np.uint8(number)))
    done = invoke(good, "--data", tmp_path)
    assert (done.exit_code, "3 classes and the data 2, among them a, b" in done.output) == (1, True)
    done = invoke(run, "--data", pictures, "--backend", "openvino")
    assert (done.exit_code, "--backend does not apply" in done.output) == (1, True)
    done = invoke(good, "--data", pictures, "--split", "test")
    assert (done.exit_code, "has no split 'test'" in done.output) == (1, True)
    done = invoke(good, "--data", pictures, "--param", "nonsense")
    assert (done.exit_code, "not KEY=VALUE" in done.output) == (2, True)
    with (
        EdgePredictor(good, registry=registry) as predictor,
        pytest.raises(DataError, match="no samples"),
    ):
        observe(predictor, type(read_data(pictures).split())(samples=(), labels=()), image_decoder(registry))
    with pytest.raises(VedetteError, match="'nowhere'"):
        EdgePredictor(good, registry=registry, backend="nowhere")


def test_an_edge_predictor_is_the_model(good, registry):
    frame = still(Packed("rgb", np.full((14, 16, 3), 200, np.uint8)))
    with EdgePredictor(good, registry=registry) as predictor:
        assert predictor(frame).class_id.shape == (1, 3)
        assert predictor.subject.how["precision"] == "f32"
        assert predictor.threshold is None
        predictor.close()
