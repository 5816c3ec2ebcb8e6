"""A small bundle whose files need not be models, in both forms, and keys; nothing of this user's is touched."""

from pathlib import Path

import pytest

from vedette.bundle.keys import SecretKey, new_key, read_secret_key
from vedette.bundle.manifest import (
    Decoder,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    Variant,
)
from vedette.bundle.signing import sign_bundle
from vedette.bundle.trust_store import TrustStore
from vedette.bundle.write import write_bundle

CONTENTS = {
    "variants/f32/model.onnx": b"a network" * 20,
    "labels.txt": b"car\nbus\n",
    "goldens/0.jpg": b"\xff\xd8 picture",
    "a.txt": b"comes before the signature by name",
}
IMAGE = PreprocessFeed(
    name="image", params={"size_wh": [4, 2], "resize": "stretch", "scale": [1.0, 1.0, 1.0]}
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        schema=1,
        name="tiny",
        version="1.0.0",
        task="classification",
        licence="Apache-2.0",
        graphs={
            "model": Graph(
                inputs={"x": Input(dtype="float32", shape=(1, 3, 2, 4), feed=IMAGE)},
                outputs={"y": Output(dtype="float32", shape=(1, 2))},
            )
        },
        program=(Run(run="model"),),
        decoder=Decoder(name="classification"),
        variants={
            "f32": Variant(graphs={"model": GraphFiles(format="onnx", files=("variants/f32/model.onnx",))})
        },
        files={},
        labels="labels.txt",
    )


@pytest.fixture
def key(tmp_path) -> SecretKey:
    return read_secret_key(new_key("acme", tmp_path)[0])


@pytest.fixture
def trust_store() -> TrustStore:
    return TrustStore()


@pytest.fixture(params=["folder", "file"])
def unsigned(request, tmp_path, manifest) -> Path:
    name = "tiny" if request.param == "folder" else "tiny.vedette"
    return write_bundle(tmp_path / name, manifest, CONTENTS)


@pytest.fixture
def signed(unsigned, key) -> Path:
    sign_bundle(unsigned, key)
    return unsigned


@pytest.fixture
def trusted(signed, key, trust_store) -> Path:
    """Signed by a key that is trusted."""
    trust_store.trust(key.public.fingerprint, "acme")
    return signed
