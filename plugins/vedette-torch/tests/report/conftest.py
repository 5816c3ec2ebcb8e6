"""A tiny run with its bundle and what was measured of both, for tests of reports and cards."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from vedette.cli import main


@pytest.fixture(scope="session")
def command(tiny):
    """Run ``vedette ...`` in this process; its standard output."""

    def run(*arguments, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["--plugin", "tiny_recipe", *map(str, arguments)])
        assert done.exit_code == code, done.output
        return done.output if code else done.stdout

    return run


@pytest.fixture(scope="session")
def measured(tiny, pictures, command, tmp_path_factory) -> SimpleNamespace:
    """``run``, ``bundle``, ``evaluation`` (with parity) and ``int8`` (files of JSON), ``pictures``."""
    folder = tmp_path_factory.mktemp("measured")
    run, bundle = folder / "run", folder / "tiny.vedette"
    command("train", "tiny", "--data", pictures, "--out", run, "--set", "epochs=3", "--accelerator", "cpu")
    command(
        *("pack", run / "model.onnx", "--task", "classification", "--decoder", "classification"),
        *("--param", "activation=softmax", "--param", "output=logits", "--input-size", "12x12"),
        *(
            "--resize",
            "stretch",
            "--kernel",
            "area",
            "--colour",
            "rgb",
            "--mean",
            "127",
            "--scale",
            "64,65,66",
        ),
        *("--labels", run / "labels.txt", "--licence", "Apache-2.0", "-o", bundle),
    )
    evaluation, int8 = folder / "evaluation.json", folder / "int8.json"
    against = ["--against", run, "--tolerance", "100", "--agreement", "0"]
    evaluation.write_text(
        command("evaluate", bundle, "--data", pictures, "--backend", "onnxruntime", *against, "--json")
    )
    int8.write_text(json.dumps(QUANTISED))
    return SimpleNamespace(run=run, bundle=bundle, evaluation=evaluation, int8=int8, pictures=pictures)


QUANTISED = {
    "output": "tiny.int8.vedette",
    "metric": "top1",
    "method": "static QDQ, u8s8, minmax",
    "variants": ["f32", "int8"],
    "layers": 4,
    "float_layers": ["head/Gemm"],
    "attempts": [{"float_layers": 1, "drops": {"openvino": 0.004}}],
    "backends": {
        "openvino": {
            "f32": {"value": 0.93, "interval": [0.9, 0.95], "n": 400},
            "int8": {"value": 0.926, "interval": [0.9, 0.95], "n": 400},
            "drop": 0.004,
            "drop_interval": [-0.001, 0.009],
            "refused": "",
            "speed": {"f32_hz": 1000.0, "int8_hz": 1750.0, "ratio": 1.75, "contended_rounds": 0},
        },
        "onnxruntime": {
            "f32": {"value": 0.93, "interval": None, "n": 400},
            "int8": {"value": 0.925, "interval": None, "n": 400},
            "drop": 0.005,
            "drop_interval": [0.0, 0.01],
            "refused": "worst difference 0.3",
            "speed": {"f32_hz": 1000.0, "int8_hz": 610.0, "ratio": 0.61, "contended_rounds": 1},
        },
    },
    "parity": 0.001,
    "bytes": {"f32": 1_200_000, "int8": 400_000},
    "sensitivity": {"head/Gemm": 0.1},
}
"""As ``vedette quantize --json`` prints it, with figures to look for. A test reads what it does print."""


@pytest.fixture
def card_text(tmp_path) -> Path:
    path = tmp_path / "card.toml"
    path.write_text(
        'intended_use = "Tell dark from light & striped."\nlimits = ["Only <12 pixels>.", "No | pipes."]\n'
        'data = "drawn"\ndata_licence = "CC0-1.0"\ncitation = "A. Author, 2026"\n'
    )
    return path
