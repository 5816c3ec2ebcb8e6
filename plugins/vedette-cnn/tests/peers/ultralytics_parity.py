"""Hold the decoders to what Ultralytics itself says of networks that it exported.

Runs in Vedette's environment, on what ``ultralytics_export.py`` recorded in the peer's: each file is recognised by its
metadata, the recorded raw outputs are decoded as the proposal says, and every finding is compared with the peer's. Then
the file runs on each backend, from the frame on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.bundle.facts import read_told
from vedette.bundle.foreign import find_model, open_foreign
from vedette.bundle.picture import complete
from vedette.errors import BackendError
from vedette.frame import Packed
from vedette.inference import infer
from vedette.model.feeds import still
from vedette.registry import Registry, load_plugins
from vedette.results import Classification, Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Roi, Tensors
from vedette.vision.nms import iou_matrix
from vedette.vision.preprocess import ImagePreprocess
from vedette.vision.spec import InputSpec

PIXELS, CONFIDENCE, MASK_IOU = 1e-3, 1e-5, 0.999
"""What is asked for."""
FIXTURES = ("small-",)


@dataclass
class Score:
    """How far one case is from the peer. ``input``: levels, of 255, by which the peer's own input differs from ours."""

    found: int = 0
    missing: int = 0
    extra: int = 0
    pixels: float = 0.0
    confidence: float = 0.0
    points: float = 0.0
    mask_iou: float = 1.0
    grid_iou: float = 1.0
    input: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        return (
            f"{self.input:5.2f}  {self.found:5} {self.missing:5} {self.extra:5}  {self.pixels:7.1e}"
            f"   {self.points:7.1e}     {self.confidence:7.1e}    {self.mask_iou:6.4f}"
            f"   {self.grid_iou:6.4f}  {self.note}"
        )

    @property
    def holds(self) -> bool:
        near = max(self.pixels, self.points) <= PIXELS and self.confidence <= CONFIDENCE
        return near and self.mask_iou >= MASK_IOU and not self.missing and not self.extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what ultralytics_export.py filled")
    parser.add_argument("--fixtures", type=Path, help="write the small cases there, for the tests")
    arguments = parser.parse_args()
    registry = load_plugins()
    versions = json.loads((arguments.folder / "versions.json").read_text())
    print(", ".join(f"{name} {value}" for name, value in versions.items()))
    print(
        f"{'case':<24} input  found  miss extra   box px  point px  confidence  mask IoU  on grid  whole path px"
    )
    failed = []
    for path in sorted(arguments.folder.glob("*.npz")):
        score = compare(path, registry)
        print(f"{path.stem:<24} {score}")
        if not score.holds:
            failed.append(path.stem)
        if arguments.fixtures and path.stem.startswith(FIXTURES):
            write_fixture(path, arguments.fixtures)
    sys.exit(f"beyond the bounds: {', '.join(failed)}" if failed else 0)


def compare(path: Path, registry: Registry) -> Score:
    recorded = dict(np.load(path))
    facts = facts_of(path, registry)
    decoder, proposal = recognised(facts, registry)
    decode = Decode(decoder, proposal, pair(recorded["frame_wh"]))
    tensors = recorded_outputs(facts, recorded)
    picture = np.zeros(decode.image.row_shape, np.float32)
    affine = ImagePreprocess(decode.image, next(iter(facts.inputs.values()))).write(
        frame_of(recorded), whole_of(recorded), picture
    )
    found = decode(tensors, affine[None])
    compare_found = compare_classes if decoder.name == "classification" else compare_boxes
    score = compare_found(found, recorded)
    score.input = float(np.abs(picture - recorded["input"][0]).max() * 255)
    if decoder.name == "classification":
        return score
    if "masks" in recorded:
        whole = whole_masks(decoder, proposal, tensors)
        score.mask_iou, score.grid_iou = compare_masks(found, whole, recorded, affine)
    score.note = " ".join(whole_path(path, registry, decode, recorded))
    return score


class Decode:
    """A decoder with the parameters of a proposal."""

    def __init__(
        self, decoder: PostprocessSpec, proposal: Proposal, frame_wh: tuple[int, int], **params: Any
    ) -> None:
        self.image = msgspec.convert(complete(dict(proposal.image)), InputSpec)
        own = {"input_wh": self.image.size_wh, "iou_threshold": 0.5, **params}
        known = decoder.params.__struct_fields__
        given = {**{name: value for name, value in own.items() if name in known}, **proposal.params}
        self._params = msgspec.convert(given, decoder.params)
        self._decode = decoder.build(proposal.labels)
        self._frame_wh = frame_wh

    def __call__(self, outputs: Tensors, affines: NDArray[np.float64]) -> Any:
        return self._decode(outputs, affines, self._frame_wh, self._params)


def facts_of(path: Path, registry: Registry) -> ModelFacts:
    folder = path.with_name(f"{path.stem}_openvino_model")
    model = find_model(next(folder.glob("*.xml")) if folder.is_dir() else path.with_suffix(".onnx"))
    _, session = open_foreign(model, registry, None)
    metadata, labels = read_told(model)
    try:
        return ModelFacts(
            format=model.format,
            inputs=session.inputs,
            outputs=session.outputs,
            metadata=metadata,
            labels=labels,
        )
    finally:
        session.close()


def recognised(facts: ModelFacts, registry: Registry) -> tuple[PostprocessSpec, Proposal]:
    """The one decoder that the file itself names."""
    stated = [
        (spec, proposal)
        for spec in registry.postprocessors.values()
        for proposal in spec.recognise(facts)
        if proposal.stated
    ]
    if len(stated) != 1:
        sys.exit(f"{len(stated)} decoders claim {facts}: {[spec.name for spec, _ in stated]}")
    return stated[0]


def recorded_outputs(facts: ModelFacts, recorded: dict[str, NDArray[Any]]) -> Tensors:
    """By the names in the file: the peer lists outputs in the file's order."""
    return {name: recorded[f"output{index}"] for index, name in enumerate(facts.outputs)}


def whole_path(
    path: Path, registry: Registry, decode: Decode, recorded: dict[str, NDArray[Any]]
) -> Iterator[str]:
    """Furthest box from the peer's, from the frame on, on each backend that reads the format."""
    folder = path.with_name(f"{path.stem}_openvino_model")
    model = find_model(next(folder.glob("*.xml")) if folder.is_dir() else path.with_suffix(".onnx"))
    for name in ("onnxruntime", "openvino"):
        if model.format not in registry.backends[name].formats:
            continue
        try:
            _, session = open_foreign(model, registry, name)
        except BackendError:
            yield f"not read by {name}"
            continue
        try:
            (info,) = session.inputs.values()
            tensor = np.zeros((1, *decode.image.row_shape), np.float32)
            affine = ImagePreprocess(decode.image, info).write(
                frame_of(recorded), whole_of(recorded), tensor[0]
            )
            found = decode(infer(session, {info.name: tensor}), affine[None])
        finally:
            session.close()
        yield f"{compare_boxes(found, recorded).pixels:.1e}"


def frame_of(recorded: dict[str, NDArray[Any]]) -> Any:
    return still(Packed("bgr", recorded["frame"]))


def whole_of(recorded: dict[str, NDArray[Any]]) -> Roi:
    return Roi.whole(pair(recorded["frame_wh"]))


def pair(values: NDArray[Any]) -> tuple[int, int]:
    width, height = map(int, values)
    return width, height


def compare_classes(found: Classification, recorded: dict[str, NDArray[Any]]) -> Score:
    expected = recorded["confidence"]
    best = np.argsort(-expected, kind="stable")[: found.class_id.shape[1]]
    score = Score(found=len(best), extra=int((found.class_id[0] != best).sum()))
    score.confidence = float(np.abs(found.confidence[0] - expected[best]).max())
    return score


def compare_boxes(found: Detections, recorded: dict[str, NDArray[Any]]) -> Score:
    """Each finding of the peer with the nearest one of ours, by class, confidence and place."""
    width, height = pair(recorded["frame_wh"])
    limit = np.array([width, height, width, height], np.float32)
    expected = recorded["xyxy"].reshape(-1, 4).clip(0, limit)
    visible = (expected[:, 2:] > expected[:, :2]).all(axis=1)  # the peer lists boxes beside the frame
    alike = found.class_id[:, None] == recorded["class_id"][visible]
    gap = np.abs(found.confidence[:, None] - recorded["confidence"][visible])
    gap += np.where(alike, 0, 10) + (1 - iou_matrix(found.xyxy, expected[visible]))
    ours = gap.argmin(axis=0) if len(found) else np.zeros(0, np.intp)
    paired = gap[ours, np.arange(len(ours))] < 0.05 if len(ours) else np.zeros(0, np.bool_)
    score = Score(found=int(paired.sum()), missing=int(visible.sum() - paired.sum()))
    unpaired = np.setdiff1d(np.arange(len(found)), ours[paired])
    if found.masks is not None:  # the peer leaves out boxes whose masks are empty
        unpaired = unpaired[(found.masks[unpaired] >= 128).any(axis=(1, 2))]
    score.extra = len(unpaired)
    ours, theirs = ours[paired], np.flatnonzero(visible)[paired]
    score.pixels = _furthest(found.xyxy[ours], expected[theirs])
    score.confidence = _furthest(found.confidence[ours], recorded["confidence"][theirs])
    if found.points is not None and "points" in recorded:
        score.points = compare_points(found, ours, recorded["points"][theirs], (width, height))
    return score


def compare_points(
    found: Detections, ours: NDArray[np.intp], expected: NDArray[np.float32], frame_wh: tuple[int, int]
) -> float:
    assert found.points is not None
    if expected.shape[1:] == (4, 2):  # corners of turned boxes, which the peer lists from another one
        return _furthest(found.points[ours], expected[:, [2, 1, 0, 3]])
    points = found.points[ours].clip(0, np.array(frame_wh, np.float32))  # the peer clips them
    sure = found.point_confidence
    apart = 0.0 if sure is None else _furthest(sure[ours], expected[..., 2]) * PIXELS / CONFIDENCE
    return max(_furthest(points, expected[..., :2]), apart)


def whole_masks(decoder: PostprocessSpec, proposal: Proposal, outputs: Tensors) -> Detections:
    """The masks of all candidates over the whole input, one cell per pixel: what the decoder gives if each box is the
    whole input and none is suppressed."""
    input_wh = proposal.image["size_wh"]
    decode = Decode(decoder, proposal, input_wh, mask_wh=input_wh, iou_threshold=1, max_detections=10_000)
    width, height = input_wh
    changed = {name: array.copy() for name, array in outputs.items()}
    (table,) = (array for array in changed.values() if array.ndim == 3)
    if proposal.params["layout"] == "raw":
        table[:, :4] = np.array([width / 2, height / 2, width, height])[:, None]
    else:
        table[..., :4] = (0, 0, width, height)
    return decode(changed, np.array([[[1.0, 0, 0], [0, 1, 0]]]))


def compare_masks(
    found: Detections, whole: Detections, recorded: dict[str, NDArray[Any]], affine: NDArray[np.float64]
) -> tuple[float, float]:
    """IoU of all masks together with the peer's, pixel by pixel of the input, over the pixels that lie wholly in the
    box (at its edge the peer asks for the left upper corner of a pixel, here it is the middle of a cell): of the masks
    over the whole input, and of those on the grids over the boxes."""
    assert found.masks is not None
    assert whole.masks is not None
    peer = recorded["masks"] > 0
    mine = np.abs(found.confidence[:, None] - recorded["confidence"]).argmin(axis=0)
    all_over = np.abs(whole.confidence[:, None] - recorded["confidence"]).argmin(axis=0)
    cells = []
    for axis in (0, 1):
        pixel = np.arange(peer.shape[2 - axis])
        edges = affine[axis, axis] * np.stack([pixel, pixel + 1]) + affine[axis, 2]
        low, high = found.xyxy[mine, axis, None], found.xyxy[mine, axis + 2, None]
        cell = ((edges.mean(axis=0) - low) / (high - low) * found.masks.shape[2 - axis]).astype(np.intp)
        cells.append(np.where((edges[0] >= low) & (edges[1] <= high), cell, -1))
    column, line = cells[0][:, None, :], cells[1][:, :, None]
    within = (column >= 0) & (line >= 0)
    on_grid = found.masks[mine[:, None, None], line, column]
    return _iou(whole.masks[all_over], peer, within), _iou(on_grid, peer, within)


def _iou(masks: NDArray[np.uint8], peer: NDArray[np.bool_], within: NDArray[np.bool_]) -> float:
    ours, theirs = (masks >= 128) & within, peer & within
    return float((ours & theirs).sum() / max(int((ours | theirs).sum()), 1)) if len(peer) else 1.0


def write_fixture(path: Path, folder: Path) -> None:
    """Raw outputs, what the peer says, and what the file told, without the network."""
    folder.mkdir(parents=True, exist_ok=True)
    registry = load_plugins()
    facts = facts_of(path, registry)
    kept = {name: value for name, value in np.load(path).items() if name not in ("input", "frame")}
    if "masks" in kept:
        kept["mask_shape"] = np.array(kept["masks"].shape)
        kept["masks"] = np.packbits(kept["masks"])
    told = {
        "metadata": dict(facts.metadata),
        "inputs": [(info.name, info.dtype, info.shape) for info in facts.inputs.values()],
        "outputs": [(info.name, info.dtype, info.shape) for info in facts.outputs.values()],
    }
    kept["facts"] = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez_compressed(folder / f"ultralytics-{path.stem.removeprefix('small-')}.npz", **kept)


def _furthest(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


if __name__ == "__main__":
    main()
