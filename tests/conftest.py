"""Bundles of the networks in the data folder, for every test that runs one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vedette.bundle.pack import PackRequest, pack_model
from vedette.registry import load_plugins

LETTERBOX = {
    "resize": "letterbox",
    "kernel": "bilinear",
    "anchor": "top_left",
    "colour": "bgr",
    "mean": [0],
    "scale": [1],
}
STRETCH = {"resize": "stretch", "kernel": "bilinear", "mean": [0], "scale": [1]}

KNOWN = {
    "yolox_nano": PackRequest(
        model=Path("yolox_nano_coco_416.onnx"),
        task="detection",
        decoder="yolox",
        licence="Apache-2.0",
        labels=Path("coco80.names"),
        image={**LETTERBOX, "pad": [114]},
    ),
    "fastestdet": PackRequest(
        model=Path("fastestdet_coco_352.onnx"),
        task="detection",
        decoder="fastestdet",
        licence="BSD-3-Clause",
        labels=Path("coco80.names"),
        image={**STRETCH, "colour": "bgr", "scale": [255]},
    ),
    "ultraface": PackRequest(
        model=Path("ultraface_rfb_320.onnx"),
        task="detection",
        decoder="ultraface",
        licence="MIT",
        image={**STRETCH, "colour": "rgb", "mean": [127], "scale": [128]},
    ),
    **{
        f"yunet_{side}": PackRequest(
            model=Path(f"yunet_n_{side}.onnx"),
            task="detection",
            decoder="yunet",
            licence="Apache-2.0",
            image={**LETTERBOX, "pad": [0]} | ({"size_wh": [320, 320]} if side == "dynamic" else {}),
        )
        for side in (320, 640, "dynamic")
    },
    "retail_0005": PackRequest(
        model=Path("face-detection-retail-0005.xml"),
        task="detection",
        decoder="ssd",
        params={"first_class": 1},
        licence="Apache-2.0",
        image={**STRETCH, "colour": "bgr"},
    ),
    "mobilenet_v2": PackRequest(
        model=Path("mobilenet_v2_1.0_224_fq.onnx"),
        task="classification",
        decoder="classification",
        params={"activation": "none", "first_class": 1},
        licence="Apache-2.0",
        labels=Path("imagenet_labels_1001.txt"),
        storage="mixed",
        image={
            "resize": "crop",
            "crop_fraction": 224 / 256,
            "kernel": "bilinear",
            "colour": "rgb",
            "mean": [127.5],
            "scale": [127.5],
        },
    ),
}
"""The settings that the README of the data folder gives, by name of the bundle. Paths are relative to ``models``."""


SAMPLES = {
    "detection": ("bus.jpg", "dog.jpg"),
    "faces": ("faces_5_scouts.jpg", "zidane.jpg"),
    "classification": ("owl.jpg", "parrot.jpg", "cat_720p.jpg"),
}
"""Pictures with something to find, by what finds it."""


def pytest_generate_tests(metafunc):
    """A test that asks for ``known`` runs once for each of the networks."""
    if "known" in metafunc.fixturenames:
        metafunc.parametrize("known", KNOWN)


@pytest.fixture(scope="session")
def request_for(data, tmp_path_factory) -> Callable[[str], PackRequest]:
    """What is asked of ``pack_model`` for a network, with paths in the data folder."""
    models = data / "models"

    def request(name: str) -> PackRequest:
        wanted = KNOWN[name]
        labels = wanted.labels and models / wanted.labels
        if "first_class" in wanted.params and labels:  # the file names the background, too
            lines = labels.read_text().splitlines()[wanted.params["first_class"] :]
            labels = tmp_path_factory.mktemp("labels") / "labels.txt"
            labels.write_text("\n".join(lines))
        kind = wanted.task if wanted.labels else "faces"
        samples = [data / "images" / sample for sample in SAMPLES[kind]]
        return replace(wanted, name=name, model=models / wanted.model, labels=labels, samples=samples)

    return request


@pytest.fixture(scope="session")
def packed(request_for, tmp_path_factory) -> Callable[[str], Path]:
    """``packed("yolox_nano")`` is the path of a bundle of that network, made once per session."""
    folder = tmp_path_factory.mktemp("packed")
    registry = load_plugins()

    def pack(name: str) -> Path:
        path = folder / f"{name}.vedette"
        if not path.exists():
            pack_model(request_for(name), path, registry=registry)
        return path

    return pack
