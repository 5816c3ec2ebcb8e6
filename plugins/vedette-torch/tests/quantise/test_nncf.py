"""The IR that NNCF makes, for OpenVINO alone."""

import importlib.util
import json
import subprocess
import sys

import pytest
from test_quantize_command import fill, pack

from vedette.bundle.bundle import open_bundle

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nncf") is None, reason="needs pip install 'vedette-torch[nncf]'"
)


def vedette(*arguments):
    """In a process of its own: NNCF warns while it is imported, and stays."""
    return subprocess.run(
        [sys.executable, "-m", "vedette", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_an_ir_beside_float_measured_and_proved(tmp_path):
    bundle = pack(tmp_path)
    fill(bundle, tmp_path / "held-out", 40)
    done = vedette(
        *("quantize", bundle, "--calibration", tmp_path / "held-out", "--data", tmp_path / "held-out"),
        *("--method", "nncf", "--max-drop", "6", "--rounds", "0", "--json", "-o", tmp_path / "q.vedette"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)  # and nothing else: NNCF would print
    assert list(told["backends"]) == ["openvino"]
    with open_bundle(tmp_path / "q.vedette") as made:
        variant = made.manifest.variants["int8-openvino"]
        assert variant.graphs["model"].format == "openvino"
        assert variant.oracle.kind == "self"
        assert made.read(variant.graphs["model"].files[0]).count(b'type="FakeQuantize"') >= 4
    proved = vedette("verify", tmp_path / "q.vedette", "--variant", "int8-openvino")
    assert proved.returncode == 0, proved.stdout
