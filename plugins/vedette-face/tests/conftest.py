"""Networks for faces as bundles, and the real pictures, looked at once for all tests."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.trust import Trust
from vedette.registry import load_plugins
from vedette_face.gallery import Gallery, MasterKey
from vedette_face.gallery.keys import write_key

NETWORKS = {
    **{
        f"yunet_{side}": PackRequest(
            model=Path(f"yunet_n_{side}.onnx"),
            task="detection",
            decoder="yunet",
            licence="Apache-2.0",
            image={
                "resize": "letterbox",
                "kernel": "bilinear",
                "anchor": "top_left",
                "colour": "bgr",
                "mean": [0],
                "scale": [1],
                "pad": [0],
            },
        )
        for side in (320, 640)
    },
    "retail_0005": PackRequest(
        model=Path("face-detection-retail-0005.xml"),
        task="detection",
        decoder="ssd",
        params={"first_class": 1},
        licence="Apache-2.0",
        image={"resize": "stretch", "kernel": "bilinear", "mean": [0], "scale": [1], "colour": "bgr"},
    ),
    "landmarks": PackRequest(
        model=Path("landmarks-regression-retail-0009.xml"),
        task="keypoints",
        decoder="landmarks",
        licence="Apache-2.0",
        image={"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [1]},
    ),
    "mobilefacenet": PackRequest(
        model=Path("mobilefacenet_112.onnx"),
        task="embedding",
        decoder="embedding",
        licence="MIT",
        image={
            "resize": "stretch",
            "kernel": "bilinear",
            "colour": "rgb",
            "mean": [127.5],
            "scale": [128],
        },
    ),
}


@pytest.fixture(scope="session")
def registry():
    return load_plugins()


@pytest.fixture(scope="session")
def packed(data, registry, tmp_path_factory):
    """``packed("yunet_320")`` is the path of a bundle of that network, made once."""
    folder = tmp_path_factory.mktemp("faces")

    def pack(name):
        path = folder / f"{name}.vedette"
        if not path.exists():
            wanted = NETWORKS[name]
            samples = [data / "images" / sample for sample in ("faces_5_scouts.jpg", "zidane.jpg")]
            wanted = replace(wanted, name=name, model=data / "models" / wanted.model, samples=samples)
            pack_model(wanted, path, registry=registry)
        return path

    return pack


@pytest.fixture
def gallery(packed, registry, tmp_path):
    """``gallery({"Ana": vectors})``: a gallery of these people, of MobileFaceNet; its folder and where its key is."""

    def make(people):
        write_key(tmp_path / "key", MasterKey.new())
        with open_bundle(packed("mobilefacenet"), Trust("off")) as bundle:
            digest = bundle.digest
        key = f"file:{tmp_path / 'key'}"
        made = Gallery.create(tmp_path / "gallery", key, model=digest, dimension=128)
        for name, vectors in people.items():
            made.enrol(name, np.stack(vectors), model=digest)
        return str(tmp_path / "gallery"), key

    return make
