"""Which exports are known, by their metadata or by the shape of their outputs, and what is read from them."""

import json

import pytest

from vedette.specs import ModelFacts, TensorInfo
from vedette_cnn.decoders import DECODERS
from vedette_cnn.decoders.ultralytics_metadata import MOST_CHARACTERS, read_export

NAMES = {i: f"thing {i}" for i in range(80)}
LABELS = tuple(NAMES.values())
ANCHORS = 8400
HEADS = {
    "ultralytics_detect",
    "ultralytics_segment",
    "ultralytics_pose",
    "ultralytics_obb",
    "yolov5",
    "classification",
}


def metadata(task="detect", names=NAMES, **more):
    """As the exporter writes it into ONNX files."""
    args = {"batch": 1, "dynamic": False, "nms": None}
    plain = {
        "version": "8.4.0",
        "stride": 32,
        "task": task,
        "imgsz": [480, 640],
        "names": names,
        "args": args,
        **more,
    }
    return {key: str(value) for key, value in plain.items()}


def tensors(shapes, dtype="float32"):
    return {name: TensorInfo(name=name, dtype=dtype, shape=shape) for name, shape in shapes.items()}


def model(table, metadata=None, prototypes=None, picture=(1, 3, 640, 640), dtype="float32", **rest):
    outputs = {"output0": table} | ({"output1": prototypes} if prototypes else {})
    return ModelFacts(
        **{"format": "onnx", **rest},
        inputs=tensors({"images": picture}, dtype),
        outputs=tensors(outputs),
        metadata=metadata or {},
    )


def claims(facts):
    return {
        spec.name: proposal for spec in DECODERS if spec.name in HEADS for proposal in spec.recognise(facts)
    }


def the_claim(facts):
    ((name, proposal),) = claims(facts).items()
    return name, proposal


# --- by metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "table", "prototypes", "params"),
    [
        ("detect", (1, 84, ANCHORS), None, {"layout": "raw"}),
        ("detect", (1, 84, None), None, {"layout": "raw"}),
        ("detect", (None, 84, ANCHORS), None, {"layout": "raw"}),
        ("detect", (1, 300, 6), None, {"layout": "records"}),
        ("segment", (1, 116, ANCHORS), (1, 32, 160, 160), {"layout": "raw"}),
        ("segment", (1, 300, 38), (1, 32, 160, 160), {"layout": "records"}),
        ("pose", (1, 135, ANCHORS), None, {"layout": "raw", "points": 17, "point_values": 3}),
        ("pose", (1, 300, 57), None, {"layout": "records", "points": 17, "point_values": 3}),
        ("obb", (1, 85, ANCHORS), None, {"layout": "raw"}),
        ("obb", (1, 300, 7), None, {"layout": "records"}),
    ],
)
@pytest.mark.parametrize("nms", [None, True, False])
def test_each_head_and_layout(task, table, prototypes, params, nms):
    """Whatever the metadata say of suppression: older exporters wrote nothing, or False for heads that need none."""
    args = {"nms": nms}
    more = {"kpt_shape": [17, 3]} if task == "pose" else {}
    name, found = the_claim(model(table, metadata(task, args=args, **more), prototypes))
    assert name == f"ultralytics_{task}"
    assert found.params == params
    assert found.stated
    assert found.labels == LABELS
    assert found.rows == (("output0",) if params["layout"] == "records" else ())
    assert found.task == ("keypoints" if task == "pose" else "detection")
    assert found.image == {
        "colour": "rgb",
        "mean": [0],
        "scale": [255],
        "size_wh": (640, 640),
        "resize": "letterbox",
        "anchor": "center",
        "kernel": "bilinear",
        "pad": [114],
    }
    assert "Ultralytics 8.4.0" in found.why
    assert f"task {task}" in found.why


def test_the_size_of_a_picture_of_any_size_is_the_one_of_the_export():
    _, found = the_claim(model((None, 84, None), metadata(), picture=(None, 3, None, None)))
    assert found.image["size_wh"] == (640, 480), "imgsz is height, width"
    _, found = the_claim(model((None, 84, None), metadata(imgsz=320), picture=(None, 3, None, None)))
    assert found.image["size_wh"] == (320, 320)
    _, found = the_claim(model((None, 84, None), metadata(imgsz="big"), picture=(None, 3, None, None)))
    assert "size_wh" not in found.image


def test_points_of_two_numbers():
    facts = model((1, 4 + 1 + 8, ANCHORS), metadata("pose", {0: "hand"}, kpt_shape=[4, 2]))
    assert the_claim(facts)[1].params == {"layout": "raw", "points": 4, "point_values": 2}


def test_grey_pictures_and_pixels():
    _, found = the_claim(model((1, 84, ANCHORS), metadata(), picture=(1, 1, 640, 640)))
    assert found.image["colour"] == "gray"
    _, found = the_claim(model((1, 84, ANCHORS), metadata(), picture=(1, 640, 640, 3), dtype="uint8"))
    assert "scale" not in found.image


def test_a_classifier():
    name, found = the_claim(model((1, 80), metadata("classify"), picture=(1, 3, 224, 224)))
    assert name == "classification"
    assert found.params == {"activation": "none"}
    assert found.image == {
        "colour": "rgb",
        "mean": [0],
        "scale": [255],
        "size_wh": (224, 224),
        "resize": "crop",
        "crop_fraction": 1.0,
        "kernel": "bilinear_antialias",
    }
    _, found = the_claim(model((1, 80), metadata("classify"), picture=(1, 3, 224, 320)))
    assert (found.image["resize"], "crop_fraction" in found.image) == ("stretch", False)


@pytest.mark.parametrize(
    ("picture", "table", "prototypes", "params"),
    [
        (
            (1, 640, 640, 3),
            (1, 116, ANCHORS),
            (1, 160, 160, 32),
            {"unit": "fraction", "prototype_layout": "nhwc"},
        ),
        ((1, 3, 640, 640), (1, 116, ANCHORS), (1, 32, 160, 160), {"unit": "fraction"}),
        ((1, 3, 640, 640), (1, 300, 38), (1, 32, 160, 160), {}),
    ],
)
def test_tflite_counts_in_fractions_of_the_input(picture, table, prototypes, params):
    _, found = the_claim(model(table, metadata("segment"), prototypes, picture, format="tflite"))
    layout = "raw" if table[1] == 116 else "records"
    assert found.params == {"layout": layout, **params}


def test_metadata_as_json():
    """TFLite files have JSON, whose keys are texts."""
    plain = {
        "stride": 32,
        "task": "detect",
        "imgsz": [640, 640],
        "names": {str(k): v for k, v in NAMES.items()},
    }
    facts = model((1, 84, ANCHORS), {key: json.dumps(value).strip('"') for key, value in plain.items()})
    assert the_claim(facts)[1].labels == LABELS


@pytest.mark.parametrize(
    ("table", "prototypes", "decoder"),
    [
        ((1, 84, ANCHORS), None, "ultralytics_detect"),
        ((1, 85, ANCHORS), None, "ultralytics_obb"),
        ((1, 135, ANCHORS), None, "ultralytics_pose"),
        ((1, 116, ANCHORS), (1, 32, 160, 160), "ultralytics_segment"),
        ((1, 300, 6), None, "ultralytics_detect"),
        ((1, 25200, 85), None, "yolov5"),
    ],
)
@pytest.mark.parametrize(
    "told",
    [
        {"stride": "32", "names": str(list(LABELS))},
        {"model_info/model_type": "YOLO", "model_info/labels": " ".join(LABELS).replace("thing ", "thing_")},
    ],
)
def test_metadata_without_a_task(table, prototypes, decoder, told):
    """YOLOv5 and YOLOv9 write the names alone; an IR without its metadata.yaml has those of rt_info."""
    name, found = the_claim(model(table, told, prototypes))
    assert name == decoder
    assert found.stated
    assert len(found.labels) == 80


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (model((1, 300, 6), metadata(head="RTDETRDecoder")), "RT-DETR: other boxes"),
        (model((1, 300, 84), metadata()), "RT-DETR of older exporters"),
        (model((1, 85, ANCHORS), metadata()), "a column too many"),
        (model((1, 84, ANCHORS), metadata("depth")), "another task"),
        (model((1, 84, ANCHORS), metadata("classify")), "no vector"),
        (model((1, 81), metadata("classify")), "a class too many"),
        (model((1, 116, ANCHORS), metadata("segment")), "no prototypes"),
        (model((1, 116, ANCHORS), metadata("segment"), (1, 31, 160, 160)), "too few prototypes"),
        (model((1, 135, ANCHORS), metadata("pose", kpt_shape=[16, 3])), "too few points"),
        (model((1, 84, ANCHORS), metadata(), picture=(1, 4, 640, 640)), "four channels"),
        (model((1, 84, ANCHORS), metadata(), picture=(1, 3)), "no picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_left_alone(facts, why):
    assert not any(proposal.stated for proposal in claims(facts).values())


# --- by shape -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "prototypes", "decoders"),
    [
        ((1, 84, ANCHORS), None, {"ultralytics_detect"}),  # COCO
        ((1, 56, ANCHORS), None, {"ultralytics_pose"}),  # persons
        ((1, 20, ANCHORS), None, {"ultralytics_obb"}),  # DOTA
        ((1, 10, ANCHORS), None, {"ultralytics_detect", "ultralytics_obb"}),
        ((1, 60, 34000), None, {"ultralytics_detect", "ultralytics_obb"}),  # with P2
        ((1, 5, ANCHORS), None, {"ultralytics_detect"}),
        ((1, 116, ANCHORS), (1, 32, 160, 160), {"ultralytics_segment"}),
        ((1, 300, 6), None, {"ultralytics_detect"}),
        ((1, 300, 7), None, {"ultralytics_obb"}),
        ((1, 300, 57), None, {"ultralytics_pose"}),
        ((1, 300, 38), (1, 32, 160, 160), {"ultralytics_segment"}),
        ((1, 25200, 85), None, {"yolov5"}),
        ((1, 84, 8401), None, set()),
        ((1, 4, ANCHORS), None, set()),
        ((1, 84, None), None, set()),
        ((1, 300, 84), None, set()),
        ((1, 25201, 85), None, set()),
        ((1, 25200, 5), None, set()),
        ((1, ANCHORS, 85), None, set()),  # YOLOX
    ],
)
def test_what_could_read_a_file_without_metadata(table, prototypes, decoders):
    found = claims(model(table, None, prototypes))
    assert set(found) == decoders
    assert not any(proposal.stated for proposal in found.values())
    assert all("output0" in proposal.why for proposal in found.values())


def test_labels_beside_the_file_tell_one_from_the_other():
    assert set(claims(model((1, 84, ANCHORS), labels=LABELS))) == {"ultralytics_detect"}
    assert set(claims(model((1, 85, ANCHORS), labels=LABELS))) == {"ultralytics_obb"}
    assert set(claims(model((1, 135, ANCHORS), labels=LABELS))) == {"ultralytics_pose"}


# --- metadata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        "",
        "{}",
        "[]",
        "person, car",
        "{0: 'a', 2: 'b'}",
        "{'x': 'a'}",
        "{0: 'a', '0': 'b'}",
        "5",
        "None",
        "__import__('os').system('true')",
        "[0" * 10_000,
        "-" * 100_000 + "1",
        "1" + "+1" * 100_000,
        "{" * 100_000,
        f"['{'x' * MOST_CHARACTERS}']",
        "\x00",
    ],
    ids=lambda names: names[:12],
)
def test_names_that_are_none(names):
    assert read_export({"stride": "32", "names": names}) is None


def test_names_are_put_in_the_order_of_the_classes():
    assert read_export({"stride": "32", "names": "{1: 'b', 0: 'a'}"}).labels == ("a", "b")


def test_many_names_are_read():
    names = {i: f"a class whose name is of a common length, number {i}" for i in range(10_000)}
    assert len(read_export({"stride": "32", "names": str(names)}).labels) == 10_000


@pytest.mark.parametrize(
    "value", ["[640]", "[640, -1]", "[640, '640']", "[1.5, 2]", "{}", "[True, True]", "(" * 999]
)
def test_sizes_that_are_none(value):
    export = read_export({**metadata(), "imgsz": value, "kpt_shape": value})
    assert (export.size_wh, export.points) == (None, None)


def test_other_tools_are_left_alone():
    assert read_export({}) is None
    assert read_export({"model_info/model_type": "YOLOX", "model_info/labels": "a b"}) is None
    assert read_export({"names": "['a']"}) is None
