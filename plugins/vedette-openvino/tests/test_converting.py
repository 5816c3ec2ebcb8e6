"""Models of Keras and TensorFlow, made by Keras, become bundles that answer the same."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.foreign import find_model
from vedette.bundle.opened import open_model
from vedette.bundle.pack import PackRequest, pack_model
from vedette.errors import BackendError, BundleError
from vedette.inference import infer
from vedette.manager import PluginManager
from vedette.registry import Registry, load_plugins
from vedette.specs import Execution
from vedette_openvino import converting
from vedette_openvino.converting import convert_keras, convert_saved_model

MAKE = """
import sys
import keras
import numpy as np
from keras import layers

folder = sys.argv[1]
keras.utils.set_random_seed(3)
model = keras.Sequential([
    keras.Input((24, 32, 3)),
    layers.Rescaling(1 / 127.5, -1),
    layers.Conv2D(8, 3, strides=2, activation="relu"),
    layers.DepthwiseConv2D(3, padding="same"),
    layers.BatchNormalization(),
    layers.Activation("swish"),
    layers.GlobalAveragePooling2D(),
    layers.Dense(5, activation="softmax"),
])
model.layers[3].set_weights([np.random.default_rng(4).uniform(0.5, 2, 8) for _ in range(4)])
pixels = np.random.default_rng(5).integers(0, 256, (2, 24, 32, 3)).astype(np.float32)
np.savez(f"{folder}/known.npz", pixels=pixels, scores=model.predict(pixels, verbose=0))
model.save(f"{folder}/net.keras")
model.export(f"{folder}/saved", verbose=False)
outside = keras.Sequential([keras.Input((4, 4, 3)), layers.Lambda(lambda x: x + 1), layers.Flatten()])
outside.save(f"{folder}/lambda.keras")
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a model in both forms, and what Keras itself answers. TensorFlow runs in its own process."""
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
        pytest.skip("needs keras and tensorflow: pip install 'vedette-openvino[keras]'")
    folder = tmp_path_factory.mktemp("keras")
    quiet = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def registry():
    return load_plugins()


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("saved", r"converted from saved_model by OpenVINO 20\S+, "),
        ("net.keras", r"converted from keras by Keras 3\S+, TensorFlow 2\S+, OpenVINO 20\S+, "),
    ],
)
def test_the_bundle_answers_what_keras_answers(made, registry, tmp_path, name, by):
    pytest.importorskip("vedette_cnn", reason="needs vedette-cnn")
    request = PackRequest(
        model=made / name,
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="MIT",
        image={"colour": "rgb", "resize": "stretch", "kernel": "bilinear", "mean": [0], "scale": [1]},
    )
    with open_bundle(pack_model(request, tmp_path / "x.vedette", registry=registry)) as bundle:
        manifest, known = bundle.manifest, np.load(made / "known.npz")
        assert manifest.name == name.partition(".")[0]
        assert re.search(by, manifest.provenance.recipe)
        (entry,) = manifest.graphs["model"].inputs.values()
        assert entry.shape == (None, 24, 32, 3)
        session = registry.backends["openvino"].open(
            bundle.graph_files("f32", "model"), "cpu", Execution(batch=2), {}
        )
        (scores,) = infer(session, dict.fromkeys(session.inputs, known["pixels"])).values()
        session.close()
    np.testing.assert_allclose(scores, known["scores"], atol=1e-4)
    assert "tensorflow" not in sys.modules, "it stays in a process of its own"


def test_what_lies_beside_a_saved_model_is_read(made, registry, tmp_path):
    """Ultralytics writes ``metadata.yaml`` into the folder."""
    shutil.copytree(made / "saved", tmp_path / "saved")
    (tmp_path / "saved" / "metadata.yaml").write_text("task: detect\nstride: 32\nnames:\n  0: car\n")
    with open_model(PackRequest(model=tmp_path / "saved"), registry) as opened:
        assert opened.facts.metadata["task"] == "detect"
        assert opened.facts.format == "openvino"


def test_code_in_a_file_is_not_run(made, tmp_path):
    with pytest.raises(BackendError, match=r"lambda\.keras: Keras cannot export it: .*Lambda"):
        convert_keras(made / "lambda.keras", tmp_path)


def test_a_damaged_keras_file(made, tmp_path):
    (tmp_path / "x.keras").write_bytes((made / "net.keras").read_bytes()[:-300])
    with pytest.raises(BackendError, match=r"x\.keras: Keras cannot export it: "):
        convert_keras(tmp_path / "x.keras", tmp_path)


def test_a_damaged_saved_model(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"nothing of the kind")
    with pytest.raises(BackendError, match=r"openvino cannot convert the SavedModel .*saved"):
        convert_saved_model(tmp_path / "saved", tmp_path)


def test_what_cannot_be_converted_is_one_message_and_nothing_is_left(tmp_path, registry, monkeypatch):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"nothing of the kind")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with pytest.raises(
        BackendError, match=r"saved: cannot be converted\n  openvino: openvino cannot convert"
    ):
        pack_model(PackRequest(model=tmp_path / "saved"), tmp_path / "x", registry=registry)
    assert not list((tmp_path / "tmp").iterdir())
    assert not (tmp_path / "x").exists()


def test_keras_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "x.keras").write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BackendError, match=r"keras and tensorflow.*\n  -> pip install 'vedette-openvino\[keras\]'"
    ):
        convert_keras(tmp_path / "x.keras", tmp_path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.abort()", "exit code -6"),
        ("print('{\"versions\":')", "exit code 0"),
        (f"print({json.dumps(json.dumps({'error': 'no'}))})", "no"),
    ],
)
def test_a_child_that_fails(tmp_path, monkeypatch, script, reason):
    child = tmp_path / "child.py"
    child.write_text(script)
    monkeypatch.setattr(converting.export_keras, "__file__", str(child))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    with pytest.raises(BackendError, match=f"Keras cannot export it: {reason}"):
        convert_keras(tmp_path / "x.keras", tmp_path)


def test_nobody_converts(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(BackendError, match="no backend here reads saved_model files"):
        pack_model(PackRequest(model=tmp_path), tmp_path / "x", registry=Registry(PluginManager()))
    with pytest.raises(BundleError, match=r"a folder without a SavedModel \(saved_model\.pb\)"):
        find_model(tmp_path.parent)
