"""Raw outputs of networks that Ultralytics exported, with what its own postprocessing says of them.

The fixtures are written by ``make peer-ultralytics`` from networks of random weights, a few cells large; that target
compares many more. Equal means: the same boxes, to 1e-3 pixels; the same classes; confidences to 1e-5.
"""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.specs import ModelFacts, TensorInfo
from vedette.vision.geometry import scale_translate
from vedette_cnn.decoders import DECODERS

FOLDER = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FOLDER.glob("ultralytics-*.npz"))


class Recorded:
    """A fixture, and its outputs as the decoder that the file names decodes them."""

    def __init__(self, name):
        self.arrays = dict(np.load(FOLDER / f"{name}.npz"))
        told = json.loads(self.arrays["facts"].tobytes())
        self.facts = ModelFacts(
            format="onnx",
            inputs=tensors(told["inputs"]),
            outputs=tensors(told["outputs"]),
            metadata=told["metadata"],
        )
        found = [(spec, p) for spec in DECODERS for p in spec.recognise(self.facts) if p.stated]
        ((self.decoder, self.proposal),) = found
        self.input_wh = self.proposal.image["size_wh"]
        self.frame_wh = tuple(self.arrays["frame_wh"].tolist())

    @property
    def affine(self):
        """The letterbox, in whole pixels as the peer's."""
        (w, h), (width, height) = self.frame_wh, self.input_wh
        factor = min(width / w, height / h)
        new_w, new_h = round(w * factor), round(h * factor)
        x, y = (width - new_w) // 2, (height - new_h) // 2
        return scale_translate(w / new_w, h / new_h, -x * w / new_w, -y * h / new_h)

    def decode(self, **params):
        known = self.decoder.params.__struct_fields__
        given = {"input_wh": self.input_wh, "iou_threshold": 0.5, **self.proposal.params, **params}
        given = {key: value for key, value in given.items() if key in known}
        outputs = {name: self.arrays[f"output{i}"] for i, name in enumerate(self.facts.outputs)}
        build = self.decoder.build(self.proposal.labels)
        return build(outputs, self.affine[None], self.frame_wh, msgspec.convert(given, self.decoder.params))

    def boxes(self):
        """What the peer says, most confident first, without boxes beside the frame; and which rows these are."""
        limit = np.array([*self.frame_wh, *self.frame_wh], np.float32)
        xyxy = self.arrays["xyxy"].clip(0, limit)
        kept = np.flatnonzero((xyxy[:, 2:] > xyxy[:, :2]).all(axis=1))
        kept = kept[np.argsort(-self.arrays["confidence"][kept], kind="stable")]
        return xyxy[kept], kept


def tensors(listed):
    return {n: TensorInfo(name=n, dtype=dtype, shape=tuple(shape)) for n, dtype, shape in listed}


def test_there_is_a_fixture_for_every_head():
    kinds = {name.split("-")[1] for name in NAMES}
    assert kinds == {"detect", "segment", "pose", "obb", "classify"}
    assert {"ultralytics-detect-nms", "ultralytics-detect-end2end", "ultralytics-obb-nms"} <= set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if "classify" not in name])
def test_boxes_are_the_peers(name):
    recorded = Recorded(name)
    found = recorded.decode()
    xyxy, kept = recorded.boxes()
    assert len(found) == len(kept) >= 3, "a fixture must have something to find"
    np.testing.assert_allclose(found.xyxy, xyxy, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.confidence, recorded.arrays["confidence"][kept], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.class_id, recorded.arrays["class_id"][kept])
    assert found.labels == tuple(f"thing {i}" for i in range(len(found.labels)))


@pytest.mark.parametrize("name", [name for name in NAMES if "obb" in name])
def test_corners_are_the_peers(name):
    """It lists them from the opposite corner, the other way round."""
    recorded = Recorded(name)
    _, kept = recorded.boxes()
    np.testing.assert_allclose(
        recorded.decode().points, recorded.arrays["points"][kept][:, [2, 1, 0, 3]], rtol=0, atol=1e-3
    )


def test_points_are_the_peers():
    """It clips them to the frame."""
    recorded = Recorded("ultralytics-pose")
    found = recorded.decode()
    _, kept = recorded.boxes()
    points = recorded.arrays["points"][kept]
    np.testing.assert_allclose(found.points.clip(0, recorded.frame_wh), points[..., :2], rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.point_confidence, points[..., 2], rtol=0, atol=1e-5)


def test_masks_are_the_peers():
    """Fine masks, looked up at the middles of those pixels of the input that lie wholly in the box."""
    recorded = Recorded("ultralytics-segment")
    found = recorded.decode(mask_wh=(512, 512))
    _, kept = recorded.boxes()
    shape = recorded.arrays["mask_shape"]
    peer = np.unpackbits(recorded.arrays["masks"])[: shape.prod()].reshape(shape)[kept] > 0
    affine, both, either = recorded.affine, 0, 0
    for mask, theirs, (x0, y0, x1, y1) in zip(found.masks >= 128, peer, found.xyxy, strict=True):
        lines, columns = np.indices(theirs.shape)
        left, top = affine[0, 0] * columns + affine[0, 2], affine[1, 1] * lines + affine[1, 2]
        within = (left >= x0) & (top >= y0) & (left + affine[0, 0] <= x1) & (top + affine[1, 1] <= y1)
        x, y = left[within] + affine[0, 0] / 2, top[within] + affine[1, 1] / 2
        ours = mask[((y - y0) / (y1 - y0) * 512).astype(int), ((x - x0) / (x1 - x0) * 512).astype(int)]
        both += (ours & theirs[within]).sum()
        either += (ours | theirs[within]).sum()
    assert either > 100
    assert both / either > 0.98


def test_classes_are_the_peers():
    recorded = Recorded("ultralytics-classify")
    found = recorded.decode()
    expected = recorded.arrays["confidence"]
    best = np.argsort(-expected, kind="stable")[:5]
    np.testing.assert_array_equal(found.class_id[0], best)
    np.testing.assert_allclose(found.confidence[0], expected[best], rtol=0, atol=1e-5)
