"""``vedette models``, as it is typed."""

import json
import shutil

import msgspec
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.write import write_bundle
from vedette.cli import main


def vedette(*arguments) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def with_goldens(bundle, tmp_path, registry):
    """A bundle that was packed here, answers included."""
    with open_bundle(bundle("1.0.0", 1)) as opened:
        opened.copy_to(tmp_path / "tiny")
    request = PackRequest(
        model=tmp_path / "tiny/variants/f32/model.onnx",
        name="tiny",
        task="classification",
        decoder="classification",
        params={"activation": "softmax"},
        licence="Apache-2.0",
        image={"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [255]},
    )
    return pack_model(request, tmp_path / "golden", registry=registry)


def test_install_list_go_back_and_remove(bundle, home):
    assert "tiny" not in vedette("models", "list")[1]
    for version in ("1.0.0", "1.1.0"):
        code, output = vedette("models", "install", bundle(version))
        assert code == 0
        assert "proof of f32 on " in output
        assert f"installed tiny {version} (unsigned: " in output
    lines = vedette("models", "list")[1].splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("tiny")] == [["tiny", "1.1.0", "1.0.0"]]
    assert "tiny 1.1.0: classification" in vedette("inspect", "tiny")[1]
    code, output = vedette("models", "rollback", "tiny")
    assert code == 0
    assert "tiny 1.0.0" in output
    (shown,) = json.loads(vedette("models", "list", "--json")[1])["models"]
    assert (shown["version"], shown["previous"], shown["problem"]) == ("1.0.0", None, None)
    assert shown["signature"]["state"] == "unsigned"
    assert vedette("models", "remove", "tiny") == (0, "removed tiny\n")
    code, output = vedette("models", "remove", "tiny")
    assert code == 1
    assert "error: there is no model 'tiny'" in output


def test_a_damaged_model_is_listed_with_what_is_wrong(bundle, store):
    vedette("models", "install", bundle("1.0.0"), "--no-proof")
    (store.get("tiny").path / "labels.txt").write_text("another\n")
    code, output = vedette("models", "list")
    assert code == 0
    assert "'labels.txt' has 8 bytes, the manifest says" in output


def test_policy(bundle):
    code, output = vedette("models", "install", bundle("1.0.0"), "--policy", "require")
    assert code == 1
    assert "refused: unsigned" in output
    assert vedette("models", "install", bundle("1.0.0"), "--policy", "off", "--no-proof")[0] == 0


def test_proof(with_goldens, tmp_path, store):
    code, output = vedette("models", "install", with_goldens)
    assert code == 0
    assert ": passed\ninstalled tiny 1.0.0" in output

    shutil.copytree(with_goldens, tmp_path / "other")
    path = tmp_path / "other/variants/f32/model.onnx"
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.array([[4, 0, 0]], np.float32), model.graph.initializer[0].name)
    )
    with open_bundle(with_goldens) as opened:
        contents = {name: opened.read(name) for name in opened.manifest.files}
        manifest = msgspec.structs.replace(opened.manifest, version="2.0.0")
    contents["variants/f32/model.onnx"] = model.SerializeToString()
    liar = write_bundle(tmp_path / "liar.vedette", manifest, contents)
    code, output = vedette("models", "install", liar)
    assert code == 1
    assert "tiny 2.0.0 is not installed" in output
    assert "proof failed" in output
    assert store.get("tiny").previous is None
    code, output = vedette("models", "install", liar, "--no-proof")
    assert code == 0
    assert "proof" not in output
