"""The real pictures, decoded once, and models as a user opens them: from a bundle, with the installed plugins."""

import csv
import io
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for average_precision, which lies beside the tests

from average_precision import Boxes

from vedette.decoding import image_decoder
from vedette.frame import Encoded, Packed, Planar
from vedette.model.loading import Replace
from vedette.model.single import Model
from vedette.registry import load_plugins


@pytest.fixture(scope="session")
def registry():
    return load_plugins()


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request):
    return request.param


@pytest.fixture(scope="session")
def model(registry, packed):
    """``model("yolox_nano", "openvino", confidence_threshold=0.4)``: on the processor at f32, opened once."""
    opened = {}

    def open_model(name, backend, **params):
        key = name, backend, *params.items()
        if key not in opened:
            wanted = {"backend": backend, "device": "cpu", "precision": "f32"}
            opened[key] = Model(packed(name), registry=registry, parts=Replace(params=params), **wanted)
            (graph,) = opened[key].loaded.graphs
            assert (graph.session.backend, graph.session.execution_precision) == (backend, "f32")
        return opened[key]

    yield open_model
    for made in opened.values():
        made.close()


@pytest.fixture(scope="session")
def decoded():
    """A JPEG file as OpenCV decodes it."""
    return lambda jpeg: Packed("bgr", cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


@pytest.fixture(scope="session")
def picture(data, decoded):
    """A picture of the data folder, by name, as packed BGR pixels."""
    return lambda name: decoded((data / "images" / f"{name}.jpg").read_bytes())


@pytest.fixture(scope="session")
def coco(data):
    """coco128: JPEG files and label files, one pair per picture."""
    with zipfile.ZipFile(data / "datasets" / "coco128" / "coco128_train.zip") as archive:
        names = archive.namelist()
        pictures = sorted(name for name in names if name.endswith(".jpg"))
        labels = [name.replace("images/", "labels/").replace(".jpg", ".txt") for name in pictures]
        assert len(pictures) == 128
        return [
            (archive.read(picture), archive.read(label).decode() if label in names else "")
            for picture, label in zip(pictures, labels, strict=True)
        ]


@pytest.fixture(scope="session")
def coco_pictures(coco, decoded):
    """coco128 as packed BGR pixels."""
    return [decoded(jpeg) for jpeg, _ in coco]


@pytest.fixture(scope="session")
def coco_planes(coco, coco_pictures, registry):
    """coco128 as Vedette's own decoder gives it: not converted, 4:2:0."""
    decode = image_decoder(registry)
    found = [
        decode(Encoded("JPEG", jpeg, picture.size_wh))
        for (jpeg, _), picture in zip(coco, coco_pictures, strict=True)
    ]
    assert {(type(planes), planes.format) for planes in found} == {(Planar, "i420")}
    return found


@pytest.fixture(scope="session")
def coco_truth(coco, coco_pictures):
    """What is in coco128, in pixels."""
    return [_truth(text, picture.size_wh) for (_, text), picture in zip(coco, coco_pictures, strict=True)]


def _truth(text, size_wh):
    """From lines ``class cx cy w h``, relative to the picture."""
    table = np.loadtxt(io.StringIO(text), ndmin=2).reshape(-1, 5) if text.strip() else np.zeros((0, 5))
    centre, half = table[:, 1:3] * size_wh, table[:, 3:] * size_wh / 2
    xyxy = np.concatenate([centre - half, centre + half], axis=1)
    return Boxes(xyxy, table[:, 0].astype(int), np.ones(len(table)))


@pytest.fixture(scope="session")
def photos(data, decoded):
    """500 photos with their ImageNet classes."""
    with zipfile.ZipFile(data / "images" / "imagenet_sample_500.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
        assert len(rows) == 500
        return [(decoded(archive.read(row["file"])), int(row["class_index"])) for row in rows]
