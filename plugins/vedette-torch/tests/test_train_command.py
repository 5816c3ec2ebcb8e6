"""``vedette train``, and that what it exports gives on the edge what it gave in training."""

import json
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from vedette.bundle.bundle import open_bundle
from vedette.errors import ConfigError, VedetteError
from vedette.model.single import Model
from vedette.vision.reference import tensor as reference_tensor
from vedette.vision.spec import InputSpec
from vedette_torch.export import export_onnx, export_run, pack_command
from vedette_torch.pictures import PictureLoader, normalise
from vedette_torch.recipe import ExportPlan
from vedette_torch.train_command import parse_settings
from vedette_torch.training import Hardware, train


@pytest.fixture(scope="module")
def trained(tiny, pictures, tmp_path_factory):
    settings = tiny.TinySettings(epochs=6)
    done = train(
        tiny.Tiny(),
        pictures,
        tmp_path_factory.mktemp("run"),
        settings=settings,
        hardware=Hardware(accelerator="cpu"),
    )
    return settings, done


def test_it_learns(trained):
    _, done = trained
    assert done.history[-1]["val_top1"] > 0.9
    assert done.history[-1]["train_loss"] < done.history[0]["train_loss"]


def test_the_bundle_answers_as_the_network(trained, tiny, pictures, tmp_path):
    settings, done = trained
    recipe = tiny.Tiny()
    export_run(recipe, settings, done)
    from vedette.cli import main

    command = shlex.split(pack_command(recipe, settings, done))
    sample = pictures / "train" / "striped" / "00.png"
    out = tmp_path / "tiny.vedette"
    packed = CliRunner().invoke(
        main, [*command[1:], "--licence", "Apache-2.0", "--sample", str(sample), "--output", str(out)]
    )
    assert packed.exit_code == 0, packed.output
    with open_bundle(out) as bundle:
        assert bundle.labels == ("dark", "light", "striped")

    loader = PictureLoader(recipe.inputs(settings))
    pixels, _ = loader.load(sample, "image")
    with torch.no_grad():
        logits = done.network(*normalise(pixels[None].float(), recipe.inputs(settings)))
    expected = torch.softmax(logits[0], 0).numpy()
    with Model(out) as model:
        answer = model(sample.read_bytes())
    np.testing.assert_allclose(answer.confidence[0], np.sort(expected)[::-1], atol=1e-4)
    assert answer.class_id[0, 0] == expected.argmax()


@pytest.mark.parametrize(
    "spec",
    [
        InputSpec(size_wh=(10, 8), resize="letterbox", pad=(1, 2, 3), mean=(5.0, 6, 7), scale=(2.0, 3, 4)),
        InputSpec(size_wh=(12, 12), resize="crop", kernel="area", colour="bgr"),
        InputSpec(size_wh=(6, 5), resize="stretch", kernel="bilinear_antialias", colour="gray"),
    ],
    ids=["letterbox", "crop", "gray"],
)
def test_training_sees_the_reference_pixels(pictures, spec):
    path = pictures / "train" / "striped" / "00.png"
    pixels, _ = PictureLoader({"image": spec}).load(path, "image")
    [tensor] = normalise(pixels[None].float(), {"image": spec})
    from vedette.decoding import image_decoder
    from vedette.registry import load_plugins
    from vedette_torch.data.pictures import read_frame

    format = {"rgb": "rgb", "bgr": "bgr", "gray": "gray8"}[spec.colour]
    view = read_frame(path, image_decoder(load_plugins())).view(format)
    step = 1.0 / min(spec.scale) + 1e-5  # the fast path may round a pixel otherwise
    np.testing.assert_allclose(tensor[0].numpy(), reference_tensor(spec, view), atol=step, rtol=0)


def test_several_inputs_are_told_apart():
    grey = InputSpec(size_wh=(2, 2), colour="gray", mean=(10.0,), scale=(2.0,))
    colour = InputSpec(size_wh=(2, 2))
    pixels = torch.arange(16, dtype=torch.float32).reshape(1, 4, 2, 2)
    first, second = normalise(pixels, {"image": grey, "reference": colour})
    torch.testing.assert_close(first, (pixels[:, :1] - 10) / 2)
    torch.testing.assert_close(second, pixels[:, 1:])


def test_inputs_that_cannot_be_trained_are_refused():
    with pytest.raises(VedetteError, match="'image' of the recipe must be float32 and nchw"):
        PictureLoader({"image": InputSpec(size_wh=(2, 2), dtype="uint8")})
    with pytest.raises(VedetteError, match="one size"):
        PictureLoader({"a": InputSpec(size_wh=(2, 2)), "b": InputSpec(size_wh=(4, 2))})


def test_the_exporter_leaves_no_traces_of_this_machine(tmp_path):
    network, plan = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()), ExportPlan(outputs=("y",), decoder="x")
    export_onnx(network, {"image": InputSpec(size_wh=(4, 4))}, plan, tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    assert b"site-packages" not in content
    assert b"stack_trace" not in content


def test_an_operation_that_cannot_be_exported_is_named(tmp_path):
    class Sorted(nn.Module):
        def forward(self, x):
            return torch.linalg.eigvals(x)

    with pytest.raises(VedetteError, match=r"cannot be exported to ONNX: .*linalg_eig"):
        export_onnx(
            Sorted(),
            {"image": InputSpec(size_wh=(4, 4))},
            ExportPlan(outputs=("y",), decoder="x"),
            tmp_path / "m",
        )
    assert not list(tmp_path.iterdir())


def test_settings_are_parsed_and_refused(tiny):
    parsed = parse_settings(
        tiny.TinySettings, ["epochs=7", "schedule=constant", "milestones=[1,2]", "patience=null"]
    )
    assert (parsed.epochs, parsed.schedule, parsed.milestones) == (7, "constant", (1, 2))
    for change, message in (
        ("epochs", "not KEY=VALUE"),
        ("epoch=3", "there is no setting 'epoch'"),
        ("epochs=many", r"epochs"),
        ("schedule=linear", r"schedule"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_settings(tiny.TinySettings, [change])
    with pytest.raises(ConfigError, match="said twice"):
        parse_settings(tiny.TinySettings, ["epochs=3", "epochs=4"])


def test_the_command(tiny, pictures, tmp_path):
    from vedette.cli import main

    runner = CliRunner()
    listed = runner.invoke(main, ["--plugin", "tiny_recipe", "train", "tiny", "--settings"])
    assert "learning_rate=0.01\n" in listed.output
    assert listed.exit_code == 0
    run = tmp_path / "run"
    arguments = ["--plugin", "tiny_recipe", "train", "tiny", "--data", str(pictures), "--out", str(run)]
    trained = runner.invoke(main, [*arguments, "--set", "epochs=1", "--accelerator", "cpu", "--tensorboard"])
    assert trained.exit_code == 0, trained.output
    assert "epoch   1/1  train_loss" in trained.output
    assert f"vedette pack {run}/model.onnx --task classification --decoder classification" in trained.output
    assert (run / "labels.txt").read_text() == "dark\nlight\nstriped\n"
    assert list((run / "tensorboard").iterdir())
    assert json.loads((run / "run.json").read_text())["settings"]["epochs"] == 1
    again = runner.invoke(main, [*arguments, "--set", "epochs=1", "--accelerator", "cpu", "--resume"])
    assert again.exit_code == 0, again.output
    needed = runner.invoke(main, ["--plugin", "tiny_recipe", "train", "tiny", "--data", str(pictures)])
    assert needed.exit_code == 2
    unknown = runner.invoke(main, [*arguments[:3], "huge", *arguments[4:]])
    assert "there is no recipe 'huge'" in unknown.output


def test_the_example_of_a_small_network(pictures, tmp_path, monkeypatch, capsys):
    example = Path(__file__).parents[3] / "examples" / "05_small_network.py"
    monkeypatch.setattr(sys, "argv", [str(example), str(pictures), str(tmp_path / "run")])
    runpy.run_path(str(example), run_name="__main__")
    assert "vedette pack" in capsys.readouterr().out
    session = ort.InferenceSession(tmp_path / "run" / "model.onnx", providers=["CPUExecutionProvider"])
    [logits] = session.run(None, {"image": np.zeros((3, 1, 28, 28), np.float32)})
    assert logits.shape == (3, 3)
