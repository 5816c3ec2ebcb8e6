"""Heads built in torch so that they say known boxes, exported to ONNX, packed and run: from picture to boxes."""

import warnings

import encoded_heads
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.bundle.manifest import ConstantFeed
from vedette.bundle.pack import PackRequest, pack_model
from vedette.frame import Packed
from vedette.model.loading import Replace
from vedette.model.single import Model
from vedette.registry import load_plugins

torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
pytest.importorskip("vedette_openvino", reason="needs vedette-openvino")
pytest.importorskip("vedette_onnxruntime", reason="needs vedette-onnxruntime")

INPUT_WH = (416, 416)
FRAME_WH = (832, 416)
"""Stretched to the input: x is halved."""
BOXES = [Box((20, 30, 60, 80), 0.8, 1), Box((200, 30, 390, 240), 0.95, 0), Box((100, 300, 133, 371), 0.7, 2)]
LABELS = ("cat", "dog", "owl")
PICTURE = {"resize": "stretch", "kernel": "bilinear", "colour": "rgb", "mean": [0], "scale": [255]}


class Says(torch.nn.Module):
    """A network that sees the picture (its mean goes into every output, times 0) and says what it was built to say."""

    def __init__(self, outputs, activation=None):
        super().__init__()
        self.net = torch.nn.Conv2d(3, 4, 3, stride=8)
        self.activation = activation
        self.kept = torch.nn.ParameterList([torch.from_numpy(array) for array in outputs.values()])

    def forward(self, images):
        nothing = self.net(images).mean(dim=(1, 2, 3)) * 0
        return tuple(kept + nothing.reshape(-1, *[1] * (kept.dim() - 1)) for kept in self.kept)


class GflHead(torch.nn.Module):
    """The head of NanoDet-Plus as it is exported: scores through a sigmoid beside the logits of distances."""

    def __init__(self, output):
        super().__init__()
        self.raw = Says({"output": output})

    def forward(self, images):
        (raw,) = self.raw(images)
        return torch.cat([raw[..., : len(LABELS)].sigmoid(), raw[..., len(LABELS) :]], dim=2)


class RtDetr(torch.nn.Module):
    """RT-DETR with its post-processing: the best pairs of query and class, boxes in the size that is fed."""

    def __init__(self, outputs, top):
        super().__init__()
        self.raw, self.top, self.classes = Says(outputs), top, outputs["pred_logits"].shape[2]

    def forward(self, images, orig_target_sizes):
        logits, boxes = self.raw(images)
        centre, half = boxes[..., :2], boxes[..., 2:] / 2
        xyxy = torch.cat([centre - half, centre + half], dim=2) * orig_target_sizes.repeat(1, 2)[:, None]
        scores, index = torch.topk(logits.sigmoid().flatten(1), self.top)
        query = index // self.classes
        return index % self.classes, xyxy.gather(1, query[..., None].repeat(1, 1, 4)), scores


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture
def found(tmp_path, registry):
    """``found(module, outputs, decoder, **request)``: what both backends say of a picture, by backend."""

    def find(module, names, decoder, inputs=("images",), sizes=(), **request):
        path = tmp_path / "model.onnx"
        feeds = (torch.zeros(1, 3, INPUT_WH[1], INPUT_WH[0]), *sizes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own end, and of shapes that it fixes
            names = {"input_names": list(inputs), "output_names": list(names)}
            torch.onnx.export(module.eval(), feeds, path, dynamo=False, **names)
        bundle = pack_model(
            PackRequest(
                model=path, task="detection", decoder=decoder, licence="test", labels=LABELS, **request
            ),
            tmp_path / "model.vedette",
            registry=registry,
        )
        picture = Packed("bgr", np.full((FRAME_WH[1], FRAME_WH[0], 3), 60, np.uint8))
        results = {}
        for backend in ("onnxruntime", "openvino"):
            parts = Replace(params={"confidence_threshold": 0.5})
            with Model(bundle, registry=registry, parts=parts, backend=backend, precision="f32") as model:
                results[backend] = model(picture)
        return results

    return find


def assert_known(results):
    wanted = sorted(BOXES, key=lambda box: -box.confidence)
    for result in results.values():
        assert result.labels == LABELS
        assert result.class_id.tolist() == [box.class_id for box in wanted]
        np.testing.assert_allclose(result.confidence, [box.confidence for box in wanted], rtol=2e-6)
        np.testing.assert_allclose(
            result.xyxy, [np.array(box.xyxy) * (2, 1, 2, 1) for box in wanted], atol=1e-3
        )


def test_nanodet_plus(found):
    output = encoded_heads.gfl([BOXES], INPUT_WH)["output"]
    scores = output[..., : len(LABELS)].clip(1e-4, 1 - 1e-4)
    output[..., : len(LABELS)] = np.log(scores / (1 - scores))
    assert output.shape == (1, 3598, 3 + 32)
    results = found(GflHead(output), ["output"], "gfl", params={"cell_offset": 0}, image=PICTURE)
    assert_known(results)


def test_picodet(found):
    outputs = encoded_heads.picodet([BOXES], INPUT_WH)
    names = list(outputs)
    params = {"cell_offset": 0.5, "scores": names[:4], "boxes": names[4:]}
    assert_known(found(Says(outputs), names, "gfl", params=params, image=PICTURE))


def test_picodet_with_suppression_in_the_graph(found):
    outputs = encoded_heads.multiclass_nms([BOXES], INPUT_WH)
    counts = outputs.pop("counts")

    class PicoDet(torch.nn.Module):
        """Boxes of which the graph itself finds out how many there are; divided by the scale of the picture."""

        def __init__(self):
            super().__init__()
            self.raw = Says(outputs)

        def forward(self, image, scale_factor):
            (table,) = self.raw(image)
            table = table[torch.nonzero(table[:, 1] > 0.02)[:, 0]]
            boxes = torch.cat([table[:, :2], table[:, 2:] / scale_factor.flip(1).repeat(1, 2)], dim=1)
            return boxes, torch.full((1,), 0, dtype=torch.int32) + table.shape[0]

    assert counts.tolist() == [len(BOXES) + 1]
    results = found(
        PicoDet(),
        ["boxes", "count"],
        "multiclass_nms",
        inputs=["image", "scale_factor"],
        sizes=[torch.ones(1, 2)],
        params={"boxes": "boxes", "counts": "count"},
        feeds={"scale_factor": ConstantFeed(value=[1, 1])},
        image=PICTURE,
        rows=["boxes"],
    )
    assert_known(results)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_detr(found, activation):
    outputs = encoded_heads.detr([BOXES], INPUT_WH, queries=100, no_object=activation == "softmax")
    params = {"activation": activation}
    assert_known(found(Says(outputs), list(outputs), "detr", params=params, image=PICTURE))


def test_rt_detr_with_its_post_processing(found):
    outputs = encoded_heads.detr([BOXES], INPUT_WH, queries=30)
    results = found(
        RtDetr(outputs, top=5),
        ["labels", "boxes", "scores"],
        "boxes_labels",
        inputs=["images", "orig_target_sizes"],
        sizes=[torch.tensor([[640, 640]])],
        params={"scores": "scores"},
        feeds={"orig_target_sizes": ConstantFeed(value=list(INPUT_WH))},
        image=PICTURE,
    )
    assert_known(results)


def test_parameters_are_those_that_are_documented():
    """The commands of the documentation give them by these names."""
    assert {"cell_offset", "scores", "boxes", "reg_max"} <= set(_names("gfl"))
    assert {"activation", "logits", "boxes"} <= set(_names("detr"))


def _names(decoder):
    return [item.name for item in msgspec.structs.fields(load_plugins().postprocessors[decoder].params)]
