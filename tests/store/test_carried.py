"""Models that come with a distribution, by their names."""

import json
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.bundle.signing import sign_bundle
from vedette.bundle.trust import Trust
from vedette.bundle.trust_store import TrustStore
from vedette.cli import main
from vedette.errors import BundleError, PluginError
from vedette.manager import PluginManager
from vedette.model.named import carried, open_named
from vedette.model.single import Model
from vedette.registry import Registry

CARRIER = """
from pathlib import Path
from vedette import ModelSpec, hookimpl

@hookimpl
def vedette_models():
    here = Path(__file__).parent
    return [
        ModelSpec(name="tiny", summary="Says bus.", task="classification", locate=lambda: here / "tiny.vedette"),
        ModelSpec(name="lost", summary="Not packaged.", task="classification", locate=lambda: here / "lost.vedette"),
        ModelSpec(name="broken", summary="Raises.", task="classification", locate=lambda: 1 / 0),
    ]
"""
BLACK = np.zeros((2, 4, 3), np.uint8)


@pytest.fixture
def package(bundle, tmp_path, monkeypatch):
    """A folder on the path with a plugin ``carrying_plugin`` that carries version 1.0.0 of tiny, which says bus."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "carrying_plugin.py").write_text(CARRIER)
    shutil.copy(bundle("1.0.0", 1), folder / "tiny.vedette")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def registry(package):
    manager = PluginManager()
    manager.load(["carrying_plugin"])
    yield Registry(manager)
    import sys

    del sys.modules["carrying_plugin"]


def answer(model, registry, **options):
    with Model(model, registry=registry, backend="onnxruntime", threads=1, **options) as opened:
        return int(opened(BLACK).class_id[0, 0])


def vedette(*arguments):
    result = CliRunner().invoke(main, ["--plugin", "carrying_plugin", *map(str, arguments)])
    return result.exit_code, result.output


def test_by_name(registry):
    assert answer("tiny", registry) == 1
    assert answer("carrying_plugin:tiny", registry) == 1


def test_an_installed_one_goes_before_it_and_a_path_is_a_path(registry, store, bundle, tmp_path):
    store.install(bundle("1.1.0", 2))
    assert answer("tiny", registry) == 2
    assert answer("carrying_plugin:tiny", registry) == 1
    shutil.copytree(store.get("tiny").path, tmp_path / "tiny")
    store.remove("tiny")
    assert answer("tiny", registry) == 1
    assert answer("./tiny", registry) == 2
    assert carried(tmp_path / "tiny", registry) is None


def test_in_a_pipeline_and_on_the_command_line(registry, tmp_path):
    cv2.imwrite(str(tmp_path / "one.png"), BLACK)
    code, output = vedette("run", "tiny", "one.png", "--summary", "s.json", "--jsonl", "out.jsonl", "--quiet")
    assert code == 0, output
    summary = json.loads((tmp_path / "s.json").read_text())["stages"]["model"]
    assert summary["bundle"] == "tiny 1.0.0"
    assert "came with" in summary["signature"]
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])
    assert "tiny 1.0.0: classification" in vedette("inspect", "tiny")[1]
    assert vedette("verify", "lost")[0] == 1


def test_the_list(registry, store, bundle):
    lines = vedette("models", "list")[1].splitlines()
    (tiny,) = [line for line in lines if line.startswith("tiny ")]
    assert tiny.split()[1:5] == ["1.0.0", "-", "plugin", "'carrying_plugin'"]
    assert "unsigned; came with" in tiny
    assert any("lost.vedette') which is not there" in line.replace(",", "") for line in lines)
    assert any("ZeroDivisionError" in line for line in lines)
    store.install(bundle("1.1.0", 2))
    listed = json.loads(vedette("models", "list", "--json")[1])
    assert [model["version"] for model in listed["models"]] == ["1.1.0"]
    mine = {model["name"]: model for model in listed["carried"]}
    assert (mine["tiny"]["version"], mine["tiny"]["hidden"]) == ("1.0.0", True)
    assert mine["lost"]["problem"]


def test_what_the_policies_say(registry, package, key, caplog):
    assert answer("tiny", registry, trust=Trust("warn")) == 1
    assert "unsigned" not in caplog.text  # it came with code that runs here
    with pytest.raises(BundleError, match="refused: unsigned; came with plugin 'carrying_plugin'") as caught:
        open_named("tiny", registry, Trust("require"))
    assert "vedette sign COPY" in caught.value.fix
    sign_bundle(package / "tiny.vedette", key)
    with open_named("tiny", registry, Trust("warn")) as opened:
        assert opened.signature.state == "unknown"
        assert str(opened.signature).startswith(f"signed by {key.public.fingerprint}; came with")
    assert "not trusted" not in caplog.text
    TrustStore().trust(key.public.fingerprint, "acme")
    with open_named("tiny", registry, Trust("require")) as opened:
        assert str(opened.signature) == f"signed by 'acme', {key.public.fingerprint}"
    TrustStore().revoke(key.public.fingerprint)
    with open_named("tiny", registry, Trust("warn")):
        assert "revoked" in caplog.text
    with open_bundle(package / "tiny.vedette") as opened:  # by its path it is a file like any other
        assert opened.signature.carrier is None


def test_a_plugin_without_its_bundle(registry):
    with pytest.raises(PluginError, match=r"plugin 'carrying_plugin'.*lost.*which is not there"):
        open_named("lost", registry)
    with pytest.raises(PluginError, match="locate of model 'broken' raised ZeroDivisionError"):
        open_named("broken", registry)


def test_a_name_that_nothing_has(registry):
    with pytest.raises(BundleError, match="nor a model of this name; did you mean 'tiny'") as caught:
        open_named("tinny", registry)
    assert "tiny" in caught.value.fix
    with pytest.raises(BundleError, match="there is no such bundle") as caught:
        open_named("models/tinny", registry)
    assert "model of this name" not in caught.value.message
