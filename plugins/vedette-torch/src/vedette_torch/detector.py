"""What recipes of anchor-free detectors share: their data, which cell learns which box, the loss, what is measured, how
they are read on the edge.

The network gives one feature map as YOLOX does (Ge et al. 2021, "YOLOX: Exceeding YOLO Series in 2021"): for every cell
of ``stride`` pixels a box, how sure it is that there is something, and of which class that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from vedette.bundle.manifest import Task
from vedette.registry import load_plugins
from vedette.results import Detections
from vedette_torch.augment import Augmentation, CropAround, Flip, QuarterTurn
from vedette_torch.augment.boxes import IGNORED
from vedette_torch.data.reading import Format, detect_format
from vedette_torch.data.samples import BoxesSample
from vedette_torch.evaluation.edge import LOW
from vedette_torch.example import Example, Targets
from vedette_torch.losses import box_iou, focal_binary, giou_loss
from vedette_torch.metrics.detection import map50_draws
from vedette_torch.metrics.figure import Resampling
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Count, ExportPlan, LossSum, NotNegative, Positive, Recipe, Settings, Splits
from vedette_torch.splits import read_splits
from vedette_torch.training.distributed import gather_over_processes

BOX, OBJECTNESS, CLASSES = slice(0, 4), 4, slice(5, None)
"""Columns of the network's output."""
DECODER, OUTPUT = "yolox", "boxes"
FRAGMENT, WHOLE = 0.1, 0.6
"""Of a box at the edge of a crop: below the first share of its area it is gone, from the second on it is to be found,
and in between it is ignored, because what made it a finding may have been cut off."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Side = Annotated[int, msgspec.Meta(ge=32, le=4096)]


class DetectorSettings(Settings, frozen=True, kw_only=True):
    """Settings of a detector.

    Attributes
    ----------
    format
        Of the data; ``auto`` tells by its files.
    size_wh
        Width and height of the network's input. Pictures are fitted into it; take the size that they have.
    crop
        Side of the square pieces that are learnt from.
    crops
        Pieces of every picture per epoch; its pixels take as much memory so many times (``Hardware.cache_mb``).
    positive
        Share of pieces that are cut around a box; the others lie anywhere.
    templates
        Whether the flawless pictures beside those with findings, where the data has any, are learnt from as well, one
        piece per epoch: there is nothing to be found in them.
    radius
        How far from the middle of a box, in cells, cells learn it (Tian et al. 2019, "FCOS", centre sampling).
    box_weight
        Of the loss of boxes in relation to the others.
    confidence_threshold, iou_threshold
        Of the decoder, as the bundle will have them.
    """

    format: Format | Literal["auto"] = "auto"
    size_wh: tuple[Side, Side] = (640, 640)
    crop: Side = 192
    crops: Count = 6
    positive: Share = 0.9
    templates: bool = True
    radius: Positive = 1.5
    box_weight: NotNegative = 2.0
    confidence_threshold: Share = 0.3
    iou_threshold: Share = 0.5


DetectorSettingsT = TypeVar("DetectorSettingsT", bound=DetectorSettings)
Decoded = Callable[[Tensor, tuple[int, int]], Detections]
"""Boxes in an output ``(n, cells, 5 + classes)`` for pictures of this width and height."""


class DetectorRecipe(Recipe[DetectorSettingsT, BoxesSample]):
    """A detector of what is in single pictures. What is left to say: the name, the one input, ``stride``, and the
    network.

    The network takes one tensor, whose sides are multiples of ``stride``, and gives ``(n, cells, 5 + classes)``, row by
    row: x, y of the middle of the box from the cell's corner, in cells; logarithms of its width and height in cells;
    the logit that there is something; and a logit for each class.

    Data: pictures with boxes in any format that ``vedette data`` reads, in folders ``train`` and, if there is a
    validation split, ``val``. A ``test`` split is not touched.
    """

    task: Task = "detection"
    stride: int

    def read(self, data: Path, settings: DetectorSettingsT) -> Splits[BoxesSample]:
        format = detect_format(data) if settings.format == "auto" else settings.format
        splits: Splits[BoxesSample] = read_splits(data, format, settings)
        train = [sample for sample in splits.train for _ in range(settings.crops)]
        if settings.templates:
            train += templates_of(splits.train)
        return Splits(train=train, validation=splits.validation, labels=splits.labels)

    def load(self, sample: BoxesSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        pixels, affine = loader.load(sample.path, loader.names[0])
        corners = sample.xyxy.reshape(-1, 2) @ affine[:, :2].T + affine[:, 2]
        return Example.of_boxes(
            pixels,
            torch.from_numpy(corners.reshape(-1, 4).astype(np.float32)),
            torch.from_numpy(known_classes(sample)),
        )

    def augmentation(self, settings: DetectorSettingsT) -> Sequence[Augmentation]:
        piece = CropAround(
            size_wh=(settings.crop, settings.crop),
            positive=settings.positive,
            min_left=FRAGMENT,
            whole=WHOLE,
        )
        return (piece, QuarterTurn(), Flip(horizontal=0.5))

    def objective(self, settings: DetectorSettingsT, splits: Splits[BoxesSample]) -> DetectorObjective:
        return DetectorObjective(
            settings,
            splits.labels,
            self.stride,
            edge_decoder(self.export(settings, splits.labels), splits.labels),
        )

    def export(self, settings: DetectorSettingsT, labels: tuple[str, ...]) -> ExportPlan:
        return ExportPlan(
            outputs=(OUTPUT,),
            decoder=DECODER,
            params={
                "input_wh": settings.size_wh,
                "strides": (self.stride,),
                "activation": "sigmoid",
                "confidence_threshold": settings.confidence_threshold,
                "iou_threshold": settings.iou_threshold,
            },
        )


def templates_of(samples: Sequence[BoxesSample]) -> list[BoxesSample]:
    """The flawless pictures that belong to samples, each once, with nothing in them."""
    groups = {sample.template: sample.group for sample in samples if sample.template is not None}
    return [
        BoxesSample(
            path=path,
            xyxy=np.zeros((0, 4), np.float32),
            class_id=np.zeros(0, np.int32),
            template=path,
            group=group,
        )
        for path, group in groups.items()
    ]


def known_classes(sample: BoxesSample) -> np.ndarray[Any, np.dtype[np.int64]]:
    """``(n,) int64``: the class of each box; :data:`~vedette_torch.augment.boxes.IGNORED` for ignored ones and
    crowds."""
    ids = sample.class_id.astype(np.int64)
    for flags in (sample.ignore, sample.crowd):
        if flags is not None:
            ids[flags] = IGNORED
    return ids


def edge_decoder(plan: ExportPlan, labels: tuple[str, ...]) -> Decoded:
    """The decoder of a plan, for a network in training: from the lowest confidence that an evaluation asks for, and for
    pictures of any size."""
    registry = load_plugins()
    spec = registry.postprocessors[plan.decoder]
    decode = spec.build(labels)

    def decoded(output: Tensor, size_wh: tuple[int, int]) -> Detections:
        given = {**plan.params, "input_wh": size_wh, "confidence_threshold": LOW}
        params = registry.convert_params(spec, given, f"decoder {spec.name!r}")
        same = np.repeat(np.eye(2, 3)[None], len(output), axis=0)
        found = decode({plan.outputs[0]: output.float().cpu().numpy()}, same, size_wh, params)
        assert isinstance(found, Detections)
        return found

    return decoded


class DetectorObjective:
    """How sure a cell is, learns to be the overlap of its box with the true one, by focal loss (Li et al. 2020,
    "Generalized Focal Loss": quality focal loss); the cells that learn a box learn its class by cross-entropy, and its
    sides by GIoU. What counts is mAP50."""

    main = "map50"

    def __init__(
        self, settings: DetectorSettings, labels: tuple[str, ...], stride: int, decoded: Decoded
    ) -> None:
        self._settings, self._labels, self._stride, self._decoded = settings, labels, stride, decoded

    def loss(self, outputs: Tensor, targets: Targets) -> LossSum:
        outputs = outputs.float()
        middles = cell_middles(targets.input.shape[-2:], self._stride, outputs.device)
        given = torch.stack(
            [
                assign(middles, self._stride * self._settings.radius, xyxy, class_id)
                for xyxy, class_id in zip(targets.xyxy, targets.class_id, strict=True)
            ]
        )
        picture, cell = (given >= 0).nonzero(as_tuple=True)
        truth, class_id = _taught(targets, picture, given[picture, cell])
        said = outputs[picture, cell]
        boxes = decoded_boxes(said[:, BOX], middles[cell], self._stride)
        quality = torch.zeros_like(outputs[..., OBJECTNESS])
        quality[picture, cell] = box_iou(boxes.detach(), truth)
        known = given != IGNORED_CELL
        # alpha 0.5 weighs yes and no alike: twice the sum is the plain focal loss
        total = 2 * focal_binary(outputs[..., OBJECTNESS][known], quality[known], alpha=0.5)
        wanted = one_hot(class_id, len(self._labels)).float()
        total = total + binary_cross_entropy_with_logits(said[:, CLASSES], wanted, reduction="sum")
        total = total + self._settings.box_weight * giou_loss(boxes, truth)
        return LossSum(total=total, count=float(len(cell)))

    def measure(self) -> DetectorMeasure:
        return DetectorMeasure(self._labels, self._decoded)


NO_BOX, IGNORED_CELL = -1, -2
"""Of a cell: there is nothing to be found; or whatever it says is neither right nor wrong."""


def cell_middles(size_hw: Sequence[int], stride: int, device: torch.device) -> Tensor:
    """``(cells, 2)``: x, y of the middle of each cell in pixels, row by row."""
    y, x = (torch.arange(side // stride, device=device) for side in size_hw)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return (torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5) * stride


def assign(middles: Tensor, radius: float, xyxy: Tensor, class_id: Tensor) -> Tensor:
    """``(cells,) int64``: the number of the box that each cell learns, or :data:`NO_BOX` or :data:`IGNORED_CELL`.

    A cell learns a box if its middle lies in the box and not farther than ``radius`` pixels (in x and in y) from the
    box's middle; of several the smallest one. The cell nearest to the middle of a box learns it in any case, so that no
    box is too small to be learnt. Boxes of class :data:`~vedette_torch.augment.boxes.IGNORED` are learnt by none; the
    cells in them, and the nearest one, are ignored if they learn no other box.
    """
    given = middles.new_full((len(middles),), NO_BOX, dtype=torch.int64)
    if not len(xyxy):
        return given
    inside = (middles[:, None] > xyxy[:, :2]).all(dim=2) & (middles[:, None] < xyxy[:, 2:]).all(dim=2)
    away = (middles[:, None] - (xyxy[:, :2] + xyxy[:, 2:]) / 2).abs().amax(dim=2)
    nearest = away == away.amin(dim=0)
    learns = (inside & (away <= radius)) | nearest
    ignored = class_id == IGNORED
    given[((inside | nearest) & ignored).any(dim=1)] = IGNORED_CELL
    size = (xyxy[:, 2:] - xyxy[:, :2]).prod(dim=1)
    smallest, box = torch.where(learns & ~ignored, size, torch.inf).min(dim=1)
    return torch.where(smallest < torch.inf, box, given)


def decoded_boxes(raw: Tensor, middles: Tensor, stride: int) -> Tensor:
    """``(n, 4)`` left, top, right, bottom in pixels of ``raw (n, 4)`` at cells with these ``middles (n, 2)``."""
    centre = middles + (raw[:, :2] - 0.5) * stride
    half = raw[:, 2:].clamp(max=_LARGEST).exp() * (stride / 2)
    return torch.cat([centre - half, centre + half], dim=1)


class DetectorMeasure:
    """``map50``, of what the edge's decoder makes of the outputs."""

    def __init__(self, labels: tuple[str, ...], decoded: Decoded) -> None:
        self._labels, self._decoded = labels, decoded
        self._pairs: list[tuple[BoxesSample, Detections]] = []

    def update(self, outputs: Tensor, targets: Targets) -> None:
        height, width = targets.input.shape[-2:]
        found = self._decoded(outputs, (width, height))
        for row, (xyxy, class_id) in enumerate(zip(targets.xyxy, targets.class_id, strict=True)):
            truth = _truth(xyxy, class_id, len(self._labels))
            self._pairs.append((truth, found.select(found.source_row == row)))

    def compute(self) -> Mapping[str, float]:
        pairs = gather_over_processes(self._pairs)
        truth, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return {"map50": map50_draws(truth, found, self._labels, Resampling(count=1))[0]}


_LARGEST = 8.0
"""Boxes of more than exp(8) cells are none; beyond it a fresh network's outputs would overflow."""


def _taught(targets: Targets, picture: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Box ``(n, 4)`` and class ``(n,)`` that each of ``n`` cells learns: the number ``box`` of its ``picture``."""
    counts = [len(xyxy) for xyxy in targets.xyxy]
    first = torch.tensor([0, *counts[:-1]], device=picture.device).cumsum(0)
    row = first[picture] + box
    return torch.cat(list(targets.xyxy))[row], torch.cat(list(targets.class_id))[row]


def _truth(xyxy: Tensor, class_id: Tensor, classes: int) -> BoxesSample:
    """What is to be found; what is ignored is a crowd of every class."""
    boxes, ids = xyxy.cpu().numpy(), class_id.cpu().numpy()
    real, crowds = boxes[ids != IGNORED], boxes[ids == IGNORED]
    crowd = np.repeat([False, True], [len(real), len(crowds) * classes])
    return BoxesSample(
        path=Path(),
        xyxy=np.concatenate([real, crowds.repeat(classes, axis=0)]),
        class_id=np.append(ids[ids != IGNORED], np.tile(np.arange(classes), len(crowds))).astype(np.int32),
        crowd=crowd,
    )
