"""Export networks with Ultralytics and record what its own postprocessing says of them.

Runs in an environment of its own (``requirements.txt`` beside). Each case becomes ``NAME.onnx`` (or an OpenVINO folder)
and ``NAME.npz``: the letterboxed input, the raw outputs, and the peer's results in pixels of the frame. The networks
have random weights; their last layers are scaled so that there is something to find.
"""

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_AUTOINSTALL"] = "false"

import numpy as np
import torch
from stand_in import make_torchvision_work

STAND_IN = make_torchvision_work()

import cv2  # noqa: E402  (what follows needs the environment and torchvision as they are now)
import openvino  # noqa: E402
import ultralytics  # noqa: E402
from ultralytics import YOLO  # noqa: E402
from ultralytics.data.augment import LetterBox  # noqa: E402
from ultralytics.utils import ROOT, YAML  # noqa: E402

THRESHOLDS = {"conf": 0.25, "iou": 0.5}
PASSING = 0.97
"""Part of the class scores that stays below the threshold."""


@dataclass(frozen=True)
class Case:
    name: str
    yaml: str
    frame_wh: tuple[int, int] = (301, 170)
    classes: int = 6
    input_hw: tuple[int, int] = (160, 224)
    options: dict = field(default_factory=dict)


EVEN = (280, 150)
"""A frame that the letterbox scales by the same factor both ways: 0.8. Else rounding makes the factors a little unlike,
under which a turned box does not stay a rectangle; the peer keeps its angle, Vedette maps its corners."""
SMALL = {"frame_wh": (101, 45), "classes": 3, "input_hw": (32, 64)}
FINISHED = {"nms": True, **THRESHOLDS}
END_TO_END = {"nms": False}
"""Asks for the head that needs no suppression, where a network has one."""
CASES = [
    Case("v5u-detect", "yolov5n.yaml"),
    Case("v8-detect", "yolov8n.yaml"),
    Case("v8-detect-80", "yolov8n.yaml", classes=80),
    Case("v8-detect-nms", "yolov8n.yaml", options=FINISHED),
    Case("v8-detect-dynamic", "yolov8n.yaml", options={"dynamic": True}),
    Case("v8-detect-openvino", "yolov8n.yaml", options={"format": "openvino"}),
    Case("v9-detect", "yolov9t.yaml"),
    Case("v10-detect", "yolov10n.yaml"),
    Case("v10-detect-end2end", "yolov10n.yaml", options=END_TO_END),
    Case("11-detect", "yolo11n.yaml"),
    Case("12-detect", "yolo12n.yaml"),
    Case("26-detect", "yolo26n.yaml"),
    Case("26-detect-end2end", "yolo26n.yaml", options=END_TO_END),
    Case("v8-segment", "yolov8n-seg.yaml"),
    Case("v8-segment-openvino", "yolov8n-seg.yaml", options={"format": "openvino"}),
    Case("11-segment", "yolo11n-seg.yaml"),
    Case("11-segment-nms", "yolo11n-seg.yaml", options=FINISHED),
    Case("26-segment", "yolo26n-seg.yaml"),
    Case("26-segment-end2end", "yolo26n-seg.yaml", options=END_TO_END),
    Case("v8-pose", "yolov8n-pose.yaml"),
    Case("v8-pose-openvino", "yolov8n-pose.yaml", options={"format": "openvino"}),
    Case("11-pose", "yolo11n-pose.yaml"),
    Case("11-pose-nms", "yolo11n-pose.yaml", options=FINISHED),
    Case("26-pose", "yolo26n-pose.yaml"),
    Case("26-pose-end2end", "yolo26n-pose.yaml", options=END_TO_END),
    Case("v8-obb", "yolov8n-obb.yaml", frame_wh=EVEN),
    Case("v8-obb-openvino", "yolov8n-obb.yaml", frame_wh=EVEN, options={"format": "openvino"}),
    Case("11-obb", "yolo11n-obb.yaml", frame_wh=EVEN),
    Case("11-obb-nms", "yolo11n-obb.yaml", frame_wh=EVEN, options=FINISHED),
    Case("26-obb", "yolo26n-obb.yaml", frame_wh=EVEN),
    Case("26-obb-end2end", "yolo26n-obb.yaml", frame_wh=EVEN, options=END_TO_END),
    Case("v8-classify", "yolov8n-cls.yaml", input_hw=(64, 64)),
    Case("11-classify", "yolo11n-cls.yaml", input_hw=(64, 64)),
    Case("11-classify-openvino", "yolo11n-cls.yaml", input_hw=(64, 64), options={"format": "openvino"}),
    Case("small-detect", "yolov8n.yaml", **SMALL),
    Case("small-detect-nms", "yolov8n.yaml", options=FINISHED, **SMALL),
    Case("small-detect-end2end", "yolo26n.yaml", options=END_TO_END, **SMALL),
    Case("small-segment", "yolov8n-seg.yaml", **SMALL),
    Case("small-pose", "yolov8n-pose.yaml", **{**SMALL, "classes": 1}),
    Case("small-obb", "yolov8n-obb.yaml", **{**SMALL, "frame_wh": (80, 30)}),
    Case("small-obb-nms", "yolov8n-obb.yaml", options=FINISHED, **{**SMALL, "frame_wh": (80, 30)}),
    Case("small-classify", "yolov8n-cls.yaml", **{**SMALL, "input_hw": (64, 64)}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the cases to make")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    compute_in_f32()
    versions = {"ultralytics": ultralytics.__version__, "torch": torch.__version__, "stand_in": STAND_IN}
    (arguments.folder / "versions.json").write_text(json.dumps(versions))
    for case in CASES:
        if arguments.only in case.name:
            record(case, arguments.folder)


def compute_in_f32() -> None:
    """On processors with units for bf16 OpenVINO computes in that, unless it is told not to."""
    compile_model = openvino.Core.compile_model

    def in_f32(core, model, device_name="CPU", config=None):
        return compile_model(core, model, "CPU", {**(config or {}), "INFERENCE_PRECISION_HINT": "f32"})

    openvino.Core.compile_model = in_f32


def record(case: Case, folder: Path) -> None:
    """Build, export, run, save."""
    torch.manual_seed(0)
    frame = picture(case.frame_wh)
    model = YOLO(small_yaml(case, folder / "yaml"))
    model.model.names = {i: f"thing {i}" for i in range(case.classes)}
    stir(model.model, case.input_hw, frame)
    if model.task == "classify":
        model.model.model[-1].linear.weight.data *= 40
    weights = folder / f"{case.name}.pt"
    model.ckpt_path = model.model.pt_path = str(weights)
    made = Path(model.export(imgsz=list(case.input_hw), **{"format": "onnx", **case.options}))
    placed = folder / (case.name + ("_openvino_model" if made.is_dir() else ".onnx"))
    if made.resolve() != placed.resolve():
        shutil.rmtree(placed, ignore_errors=True)
        shutil.move(made, placed)
    seen = predict(placed, model.task, frame, case)
    np.savez(folder / f"{case.name}.npz", **seen)
    print(f"{case.name}: {len(seen['confidence'])} found", file=sys.stderr)


def small_yaml(case: Case, folder: Path) -> str:
    """The peer's description of the network with another number of classes; its name, which says the scale, stays."""
    folder = folder / str(case.classes)
    folder.mkdir(parents=True, exist_ok=True)
    letter = next(letter for letter in "nt" if letter in Path(case.yaml).stem.replace("-segment", "")[5:8])
    plain = case.yaml.replace(letter, "", 1) if letter == "n" else case.yaml
    found = next(path for name in (case.yaml, plain) for path in (ROOT / "cfg/models").rglob(name))
    described = YAML.load(found)
    described["nc"] = case.classes
    YAML.save(folder / case.yaml, described)
    return str(folder / case.yaml)


def picture(size_wh: tuple[int, int]) -> np.ndarray:
    """Blots of colour."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 20, 3), np.uint8)
    return cv2.resize(noise, size_wh, interpolation=cv2.INTER_CUBIC)


def stir(network: torch.nn.Module, input_hw: tuple[int, int], frame: np.ndarray) -> None:
    """Let the network's normalisation know the picture. Scale the last layer of each branch of the head, so that each
    of its outputs has mean 0 and deviation 2 over the picture; class scores so that few pass the threshold, and boxes
    that are not a distribution so that most have an area."""
    head = network.model[-1]
    ends = {
        layer: name
        for name, branch in head.named_modules()
        for layer in list(branch.children())[-1:]
        if isinstance(branch, torch.nn.Sequential) and isinstance(layer, torch.nn.Conv2d)
    }
    seen = LetterBox(input_hw, auto=False)(image=frame)[..., ::-1].copy()
    image = torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.cat([image, image.flip(2), image.flip(3)]))
    network.eval()
    for layer, name in ends.items():
        taken = []
        hook = layer.register_forward_hook(lambda _module, _given, output, taken=taken: taken.append(output))
        with torch.no_grad():
            network(image)
        hook.remove()
        if not taken:
            continue
        spread, mean = taken[0].std(dim=(0, 2, 3)), taken[0].mean(dim=(0, 2, 3))
        factor = 2 / spread.clamp(min=1e-6)
        bias = 0 if layer.bias is None else layer.bias.data
        layer.weight.data *= factor[:, None, None, None]
        layer.bias = torch.nn.Parameter((bias - mean) * factor)
        if "cv3" in name:
            scores = (taken[0] - mean[:, None, None]) * factor[:, None, None]
            layer.bias.data -= scores.flatten().quantile(PASSING) + 1.1
        elif "cv2" in name and head.reg_max == 1:
            layer.bias.data += 3


def predict(path: Path, task: str, frame: np.ndarray, case: Case) -> dict[str, np.ndarray]:
    """What the peer says of the exported file."""
    model = YOLO(path, task=task)
    seen: dict[str, np.ndarray] = {}

    class Recording(model._smart_load("predictor")):
        def inference(self, im, *args, **kwargs):
            outputs = super().inference(im, *args, **kwargs)
            listed = outputs if isinstance(outputs, list | tuple) else [outputs]
            seen.update({f"output{i}": output.numpy().copy() for i, output in enumerate(listed)})
            seen["input"] = im.numpy().copy()
            return outputs

    (result,) = model.predict(
        frame,
        predictor=Recording,
        imgsz=list(case.input_hw),
        rect=False,
        verbose=False,
        save=False,
        **THRESHOLDS,
    )
    seen |= {"frame": frame, "frame_wh": np.array(case.frame_wh)}
    if task == "classify":
        return {**seen, "confidence": result.probs.data.numpy()}
    if task == "obb":
        found = result.obb
        seen["points"] = found.xyxyxyxy.numpy()
        seen["xyxy"] = found.xyxy.numpy()
    else:
        found = result.boxes
        seen["xyxy"] = found.xyxy.numpy()
    if task == "pose":
        seen["points"] = result.keypoints.data.numpy()
    if task == "segment":
        masks = result.masks.data.numpy() if result.masks is not None else np.zeros((0, *case.input_hw))
        seen["masks"] = masks.astype(np.uint8)
    return {**seen, "confidence": found.conf.numpy(), "class_id": found.cls.numpy().astype(np.int32)}


if __name__ == "__main__":
    main()
