"""What OpenVINO's Model API says of a model, in the model: the section ``model_info`` of ``rt_info`` in an IR, or of
the metadata of an ONNX file. OpenVINO Training Extensions (OTX) and the Open Model Zoo's tools write it.

Fields and their defaults are those of https://github.com/open-edge-platform/model_api (``docs/model-configuration.md``
and the class ``ParameterRegistry``). Model API takes pictures in the order blue, green, red.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vedette.specs import ModelFacts, Proposal

Recognise = Callable[[ModelFacts], Iterable[Proposal]]

EXPLAINING = ("saliency_map", "feature_vector")
"""Outputs that explain the others."""
RESIZE: Mapping[str, Mapping[str, Any]] = {
    "standard": {"resize": "stretch"},
    "fit_to_window": {"resize": "letterbox", "anchor": "top_left"},
    "fit_to_window_letterbox": {"resize": "letterbox", "anchor": "center"},
    "crop": {"resize": "crop", "crop_fraction": 1.0},
}
OF_YOLO = {
    "resize_type": "fit_to_window_letterbox",
    "pad_value": "114",
    "reverse_input_channels": "True",
    "scale_values": "255",
}
"""What Model API takes for granted of YOLOv5 and later."""
KERNELS = {"LINEAR": "bilinear", "NEAREST": "nearest"}


@dataclass(frozen=True)
class ModelInfo:
    """The entries of ``model_info``, read as Model API reads them."""

    entries: Mapping[str, str]

    @property
    def model_type(self) -> str:
        """Name of the wrapper, in small letters, as it is compared."""
        return self.entries.get("model_type", "").lower()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.entries.get("labels", "").split())

    def flag(self, name: str, default: bool = False) -> bool:
        return self.entries[name] in ("YES", "True") if name in self.entries else default

    def number(self, name: str, default: float) -> float:
        found = self.numbers(name)
        return found[0] if found else default

    def numbers(self, name: str) -> list[float]:
        """Empty where there are none, or what stands there are not numbers."""
        try:
            return [float(part) for part in self.entries.get(name, "").replace(",", " ").strip("[] ").split()]
        except ValueError:
            return []


def read_model_info(facts: ModelFacts) -> ModelInfo | None:
    """``model_info`` of a model, if it has one and Model API would read the picture as it is, without the scaling of
    intensities that it has for medical pictures."""
    entries = {
        key.removeprefix("model_info")[1:]: value
        for key, value in facts.metadata.items()
        if key.startswith(
            ("model_info/", "model_info ")
        )  # an IR; ONNX, where a space stands between the levels
    }
    usual = entries.get("intensity_mode", "none") == "none" and entries.get("input_dtype", "u8") == "u8"
    return ModelInfo(entries) if entries.get("model_type") and usual else None


def stated_first(stated: Recognise, by_sight: Recognise) -> Recognise:
    """What the file says, and only if it says nothing what its tensors look like."""

    def recognise(facts: ModelFacts) -> Iterable[Proposal]:
        return tuple(stated(facts)) or by_sight(facts)

    return recognise


def picture_of(info: ModelInfo, facts: ModelFacts) -> dict[str, Any]:
    """Fields of the picture input."""
    fields: dict[str, Any] = dict(RESIZE.get(info.entries.get("resize_type", "standard"), {}))
    if fields.get("resize") == "letterbox":
        fields["pad"] = [int(info.number("pad_value", 0))]
    kernel = KERNELS.get(info.entries.get("interpolation_mode", "LINEAR"))
    if kernel is not None:
        fields["kernel"] = kernel
    if info.flag("embedded_processing"):
        return {**fields, "colour": "bgr", **_inner_size(info)}
    fields["colour"] = "rgb" if info.flag("reverse_input_channels") else "bgr"
    if any(input_.dtype == "float32" and len(input_.shape) == 4 for input_ in facts.inputs.values()):
        fields["mean"] = info.numbers("mean_values") or [0]
        fields["scale"] = info.numbers("scale_values") or [1]
    return fields


def _inner_size(info: ModelInfo) -> dict[str, Any]:
    """Colours, resize and normalisation are part of the graph, which takes any size: a picture that comes in the size
    that it is resized to is not resized again."""
    sides = [int(info.number(name, 0)) for name in ("orig_width", "orig_height")]
    return {"size_wh": sides} if all(sides) else {}


def thresholds(info: ModelInfo, default: float = 0.5) -> dict[str, Any]:
    """0 is what OTX writes where nobody set one."""
    return {"confidence_threshold": info.number("confidence_threshold", default) or default}


# --- one function per decoder -------------------------------------------------------------------------------------


def classification(facts: ModelFacts) -> Iterator[Proposal]:
    """``Classification``. Model API looks at the numbers to see whether they are probabilities already; here the user
    says it, because it is not written down."""
    info = read_model_info(facts)
    if info is None or info.model_type != "classification" or info.flag("hierarchical"):
        return
    outputs = [output for name, output in facts.outputs.items() if name not in EXPLAINING]
    if len(outputs) != 1 or len(outputs[0].shape) < 2:
        return
    labels = info.labels
    if outputs[0].shape[1] == len(labels) + 1 > 1:
        labels = ("other", *labels)
    activation = {"activation": "sigmoid"} if info.flag("multilabel") else {}
    output = {"output": outputs[0].name} if len(facts.outputs) > 1 else {}
    picture = picture_of(info, facts)
    yield _proposal(info, "classification", {**activation, **output}, picture, labels=labels)


def ssd(facts: ModelFacts) -> Iterator[Proposal]:
    """``SSD`` with the list of a DetectionOutput layer. Class numbers count from the first label."""
    info = read_model_info(facts)
    if info is None or info.model_type != "ssd" or len(facts.outputs) != 1:
        return
    (output,) = facts.outputs.values()
    if len(output.shape) == 4 and output.shape[-1] == 7:
        params = {"first_class": 0, **thresholds(info)}
        picture = picture_of(info, facts)
        yield _proposal(info, "detection", params, picture, labels=info.labels, rows=(output.name,))


def boxes_labels(facts: ModelFacts) -> Iterator[Proposal]:
    """``SSD`` with outputs bboxes, labels and scores, boxes then relative; or one of five columns, in pixels, and
    labels. OTX writes both."""
    info = read_model_info(facts)
    if info is None or info.model_type != "ssd":
        return
    named = {
        word: [name for name in facts.outputs if word in name] for word in ("bboxes", "labels", "scores")
    }
    tables = [
        name
        for name, output in facts.outputs.items()
        if len(output.shape) in (2, 3) and output.shape[-1] == 5
    ]
    if all(len(names) == 1 for names in named.values()):
        (boxes,), (labels,), (scores,) = named.values()
        params: dict[str, Any] = {"boxes": boxes, "labels": labels, "scores": scores, "relative": True}
    elif len(tables) == 1 and len(named["labels"]) <= 1:
        boxes = tables[0]
        params = {"boxes": boxes, "labels": next(iter(named["labels"]), None)}
    else:
        return
    suppression = {"iou_threshold": info.number("iou_threshold", 0.5)} if info.flag("nms_execute") else {}
    agnostic = {"class_agnostic": True} if suppression and info.flag("agnostic_nms") else {}
    params = {**params, **thresholds(info), **suppression, **agnostic}
    yield _proposal(info, "detection", params, picture_of(info, facts), labels=info.labels, rows=(boxes,))


def yolox(facts: ModelFacts) -> Iterator[Proposal]:
    """``YOLOX``, which pads as that network wants it, whatever resize_type says."""
    info = read_model_info(facts)
    if info is not None and info.model_type == "yolox":
        params = {
            **thresholds(info),
            "iou_threshold": info.number("iou_threshold", 0.65),
            "class_agnostic": info.flag("agnostic_nms", default=True),
        }
        picture = {**picture_of(info, facts), **RESIZE["fit_to_window"], "pad": [114]}
        yield _proposal(info, "detection", params, picture, labels=info.labels)


def yolo(facts: ModelFacts) -> Iterator[Proposal]:
    """``YOLOv5`` (its later variant, ``u``), ``YOLOv8`` and ``YOLO11``: one table of boxes and classes."""
    found = read_model_info(facts)
    if found is None or found.model_type not in ("yolov5", "yolov8", "yolo11") or len(facts.outputs) != 1:
        return
    info = ModelInfo({**OF_YOLO, **found.entries})
    params = {
        "layout": "raw",
        **thresholds(info, default=0.25),
        "iou_threshold": info.number("iou_threshold", 0.7),
        "class_agnostic": info.flag("agnostic_nms"),
    }
    yield _proposal(info, "detection", params, picture_of(info, facts), labels=info.labels)


def _proposal(
    info: ModelInfo,
    task: str,
    params: Mapping[str, Any],
    picture: Mapping[str, Any],
    *,
    labels: tuple[str, ...],
    rows: tuple[str, ...] = (),
) -> Proposal:
    version = info.entries.get("otx_version")
    by = f" of OTX {version}" if version else ""
    return Proposal(
        task=task,
        params=params,
        image=picture,
        labels=labels,
        rows=rows,
        stated=True,
        why=f"model_info{by}: model_type {info.entries['model_type']}",
    )
