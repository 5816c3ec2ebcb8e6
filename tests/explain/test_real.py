"""Real pictures: what speaks for the answer lies on the object."""

import numpy as np
import pytest

from vedette.explain.occlusion import Occlusion
from vedette.explain.single import explain
from vedette.model.single import Model
from vedette.specs import Roi

OBJECTS = {
    "owl": (160, 13, 333, 373),
    "cat_720p": (120, 75, 907, 720),
    "bus": (13, 231, 801, 732),
}
"""Boxes around the owl, the cat and the bus, in pixels."""

DENSITY = {"owl": 2.0, "cat_720p": 1.5, "bus": 2.0}
"""How much more a pixel of the object holds than one beside it, at least. Measured: 2.8 and 4.4, 3.0 and 2.1, 2.8 and
3.0 on ONNX Runtime and OpenVINO."""

CELLS = Occlusion(cells=8)
OWL = "great grey owl, great gray owl, Strix nebulosa"


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def mobilenet(request, packed, registry):
    with Model(
        packed("mobilenet_v2"), registry=registry, backend=request.param, threads=2, proof="off"
    ) as model:
        yield model


def density(found, xyxy) -> float:
    """Mass per pixel inside of a box over mass per pixel outside of it, where the map lies."""
    x0, y0, x1, y1 = found.extent
    left, top, right, bottom = max(x0, xyxy[0]), max(y0, xyxy[1]), min(x1, xyxy[2]), min(y1, xyxy[3])
    part = (right - left) * (bottom - top) / ((x1 - x0) * (y1 - y0))
    share = found.share_inside(xyxy)
    return share / part / ((1 - share) / (1 - part))


@pytest.mark.parametrize("name", OBJECTS)
def test_more_lies_on_the_object_than_beside_it(mobilenet, data, name, measured):
    target = OWL if name == "owl" else None
    found = explain(mobilenet, (data / "images" / f"{name}.jpg").read_bytes(), target=target, occlusion=CELLS)
    value = density(found, OBJECTS[name])
    backend = mobilenet.loaded.candidate.backend
    measured(f"occlusion, {name}, {backend}: mass per pixel on over beside", value, f"> {DENSITY[name]}")
    assert value > DENSITY[name]


def test_a_wrong_answer_is_seen_to_rest_on_the_background(mobilenet, data):
    """The model takes the owl for a ruffed grouse, by the meadow that it stands in. Measured: 0.90 and 0.67."""
    found = explain(mobilenet, (data / "images" / "owl.jpg").read_bytes(), occlusion=CELLS)
    assert found.target.label.startswith("ruffed grouse")
    assert density(found, OBJECTS["owl"]) < 1


def test_of_two_things_in_a_picture_each_has_its_place(packed, registry, data):
    """The detector's bus and one of its persons, each by its own map."""
    with Model(packed("yolox_nano"), registry=registry, backend="openvino", threads=2, proof="off") as model:
        frame = model.frame((data / "images" / "bus.jpg").read_bytes())
        seen = model(frame)
        for row in range(2):
            found = explain(model, frame, row=row, occlusion=Occlusion(cells=8))
            assert density(found, seen.xyxy[row]) > 2.5
            assert found.inferences < 65, "the letterbox is left out"


def test_a_crop_is_explained_as_the_whole_picture_would_be(mobilenet, data):
    """A box of a frame, as a classifier behind a detector looks at: the same map, moved."""
    picture = mobilenet.frame((data / "images" / "owl.jpg").read_bytes()).view("bgr")
    wide = np.full((400, 700, 3), 90, np.uint8)
    wide[8:392, 100:612] = picture
    settings = Occlusion(cells=4)
    alone = explain(mobilenet, np.array(picture), occlusion=settings)
    within = explain(mobilenet, wide, roi=Roi.box((100, 8, 612, 392)), occlusion=settings)
    assert np.abs(alone.heat - within.heat).max() < 1e-6
    assert within.extent[0] == pytest.approx(alone.extent[0] + 100)
