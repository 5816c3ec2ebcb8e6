"""``vedette quantize`` on the folder of a run: int8 after training, or by training on with rounding."""

import json
import shutil

import pytest
import torch

from vedette.bundle.bundle import open_bundle
from vedette_torch.export import export_run
from vedette_torch.quantise.qat import begin_rounding, end_rounding, fold_batch_norm
from vedette_torch.training import Hardware, train


@pytest.fixture(scope="module")
def run(tiny, pictures, tmp_path_factory):
    """A finished training that is good at its task."""
    path = tmp_path_factory.mktemp("run") / "tiny"
    settings = tiny.TinySettings(epochs=6)
    done = train(tiny.Tiny(), pictures, path, settings=settings, hardware=Hardware(accelerator="cpu"))
    export_run(tiny.Tiny(), settings, done)
    return path


@pytest.fixture
def quantize(vedette, run, pictures, tmp_path):
    def invoke(*more, source=run):
        return vedette(
            *("quantize", source, "--calibration", pictures / "train", "--data", pictures, "--rounds", 0),
            *("--max-drop", 5, "-o", tmp_path / "q.vedette", "--overwrite", *more),
        )

    return invoke


def test_a_run_becomes_a_bundle_with_both(quantize, pictures, tmp_path):
    done = quantize("--licence", "MIT", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(backend["f32"]["value"] > 0.8 for backend in told["backends"].values())
    with open_bundle(tmp_path / "q.vedette") as made:
        assert list(made.manifest.variants) == ["f32", "int8"]
        assert (made.manifest.name, made.manifest.licence) == ("tiny", "MIT")
        assert made.labels == ("dark", "light", "striped")
        assert made.manifest.provenance.data[-1].endswith(f"96 pictures of {pictures.name}, train")


def test_rounding_is_learned_in_a_run_of_its_own_and_goes_on(quantize, run, tmp_path):
    shutil.rmtree(run / "qat", ignore_errors=True)
    options = ("--licence", "MIT", "--method", "qat", "--set", "epochs=2", "--json")
    done = quantize(*options)
    assert done.returncode == 0, done.stderr
    assert "epoch   2/2" in done.stderr
    assert (
        "after quantisation-aware training of 2 epochs at 0.0001, seed 0" in json.loads(done.stdout)["method"]
    )
    assert json.loads((run / "qat" / "run.json").read_text())["recipe"] == "tiny+qat"
    with open_bundle(tmp_path / "q.vedette") as made:
        int8 = made.read("variants/int8/model.onnx")
        f32 = made.read("variants/f32/model.onnx")
        assert "seed 0" in made.manifest.provenance.recipe
    assert f32 == (run / "model.onnx").read_bytes()  # what is compared with is the run's own
    learned = (run / "qat" / "model.onnx").read_bytes()
    assert learned != f32
    again = quantize(*options)
    assert again.returncode == 0, again.stderr
    assert "epoch   2/2" not in again.stderr  # it was complete
    with open_bundle(tmp_path / "q.vedette") as made:
        assert made.read("variants/int8/model.onnx") == int8
    other = quantize("--licence", "MIT", "--method", "qat", "--set", "epochs=3")
    assert "holds another run: epochs differ" in other.stderr


def test_ranges_are_part_of_the_weights(tiny):
    """So that a checkpoint holds them, and an average of weights takes them along."""
    settings = tiny.TinySettings(width=2)
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        network = fold_batch_norm(tiny.Tiny().network(settings, ("a", "b")))
        begin_rounding(network)
        networks.append(network)
    first, second = networks
    first.train()(torch.randn(4, 3, 12, 12) * 5)
    second.load_state_dict(first.state_dict())
    picture = torch.randn(1, 3, 12, 12)
    torch.testing.assert_close(second.eval()(picture), first.eval()(picture), rtol=0, atol=0)
    rounded = first(picture)
    end_rounding(first)
    assert not any("rounded_input" in name or "original" in name for name in first.state_dict())
    assert 0 < (first(picture) - rounded).abs().max() < 0.2


def test_what_belongs_to_runs_alone_is_refused_for_bundles(quantize, tmp_path, run):
    assert quantize("--licence", "MIT").returncode == 0
    shutil.copy(tmp_path / "q.vedette", tmp_path / "made.vedette")
    for more in (("--licence", "MIT"), ("--method", "qat"), ("--set", "epochs=1")):
        done = quantize(*more, source=tmp_path / "made.vedette")
        assert done.returncode == 2
        assert "is for the folder of a run" in done.stderr


def test_what_a_run_lacks_is_said(quantize, run, tmp_path):
    assert "licence" in quantize().stderr
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    (unfinished / "model.onnx").unlink()
    done = quantize("--licence", "MIT", source=unfinished)
    assert done.returncode == 1
    assert "has no model.onnx: its training has not come to its end" in done.stderr
    assert "--resume" in done.stderr
