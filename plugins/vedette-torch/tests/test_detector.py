"""A detector of two inputs fits the contract: boxes are loaded, augmented, learnt and measured."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vedette.bundle.samples import encode_png
from vedette.vision.spec import InputSpec
from vedette_torch.augment import CropAround, Flip
from vedette_torch.data.samples import BoxesSample
from vedette_torch.example import Example, Targets
from vedette_torch.losses import box_iou, focal_binary, giou_loss
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import ExportPlan, LossSum, Recipe, Settings, Splits
from vedette_torch.training import Hardware, train

STRIDE = 8


class SpotSettings(Settings, frozen=True, kw_only=True):
    epochs: int = 12
    batch_size: int = 8
    learning_rate: float = 0.01
    crop: int = 32


class Spots(Recipe[SpotSettings, BoxesSample]):
    """Finds what is on a picture and not on its template: one box per cell, distances from the middle of the cell."""

    name, task, settings_type = "spots", "detection", SpotSettings

    def read(self, data: Path, settings: SpotSettings) -> Splits[BoxesSample]:
        samples = [
            BoxesSample(
                path=data / f"{name}.png",
                template=data / "template.png",
                xyxy=np.array(boxes, np.float32).reshape(-1, 4),
                class_id=np.zeros(len(boxes), np.int32),
            )
            for name, boxes in msgspec.json.decode((data / "boxes.json").read_bytes()).items()
        ]
        return Splits(train=samples[8:], validation=samples[:8], labels=("spot",))

    def inputs(self, settings: SpotSettings) -> Mapping[str, InputSpec]:
        grey = InputSpec(size_wh=(48, 48), colour="gray", mean=(128.0,), scale=(64.0,))
        return {"image": grey, "reference": grey}

    def load(self, sample: BoxesSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        image, affine = loader.load(sample.path, "image")
        reference, _ = loader.load(sample.template, "reference")
        corners = sample.xyxy.reshape(-1, 2) @ affine[:, :2].T + affine[:, 2]
        xyxy = torch.tensor(corners.reshape(-1, 4), dtype=torch.float32)
        return Example.of_boxes(torch.cat([image, reference]), xyxy, torch.tensor(sample.class_id).long())

    def augmentation(self, settings: SpotSettings):
        return (CropAround(size_wh=(settings.crop, settings.crop)), Flip(vertical=0.5))

    def network(self, settings: SpotSettings, labels: tuple[str, ...]) -> nn.Module:
        return Net()

    def objective(self, settings: SpotSettings, splits: Splits[BoxesSample]) -> "SpotObjective":
        return SpotObjective()

    def export(self, settings: SpotSettings, labels: tuple[str, ...]) -> ExportPlan:
        return ExportPlan(outputs=("score", "sides"), decoder="none")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers, before = [], 3
        for width in (16, 32, 32):
            layers += [nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.body, self.head = nn.Sequential(*layers), nn.Conv2d(before, 5, 1)

    def forward(self, image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        out = self.head(self.body(torch.cat([image, reference, image - reference], dim=1)))
        return out[:, 0], STRIDE * out[:, 1:].exp()


def cells(targets: Targets, shape, device):
    """Whose cell holds the middle of a box: mask ``(n, h, w)`` and the box there."""
    mask, boxes = torch.zeros(shape, dtype=torch.bool), torch.zeros(*shape, 4)
    for row, xyxy in enumerate(targets.xyxy):
        for box in xyxy.cpu():
            x, y = ((box[:2] + box[2:]) / 2 / STRIDE).long().tolist()
            mask[row, min(y, shape[1] - 1), min(x, shape[2] - 1)] = True
            boxes[row, min(y, shape[1] - 1), min(x, shape[2] - 1)] = box
    return mask.to(device), boxes.to(device)


def decoded(sides: Tensor) -> Tensor:
    y, x = torch.meshgrid(*(torch.arange(n) for n in sides.shape[2:]), indexing="ij")
    middle = (torch.stack([x, y], dim=-1) + 0.5) * STRIDE
    sides = sides.permute(0, 2, 3, 1)
    return torch.cat([middle - sides[..., :2], middle + sides[..., 2:]], dim=-1)


class SpotObjective:
    main = "mean_iou"

    def loss(self, outputs: tuple[Tensor, Tensor], targets: Targets) -> LossSum:
        score, sides = outputs
        mask, boxes = cells(targets, score.shape, score.device)
        total = focal_binary(score, mask.float()) + 2 * giou_loss(decoded(sides)[mask], boxes[mask])
        return LossSum(total=total, count=float(mask.sum()))

    def measure(self) -> "MeanIou":
        return MeanIou()


class MeanIou:
    """Of the most certain cell with the box of its picture."""

    def __init__(self) -> None:
        self.ious: list[float] = []

    def update(self, outputs: tuple[Tensor, Tensor], targets: Targets) -> None:
        score, sides = outputs
        boxes = decoded(sides).flatten(1, 2)
        best = score.flatten(1).argmax(dim=1)
        for row, xyxy in enumerate(targets.xyxy):
            self.ious.append(float(box_iou(boxes[row, best[row]][None], xyxy[:1])))

    def compute(self) -> Mapping[str, float]:
        return {"mean_iou": float(np.mean(self.ious))}


@pytest.fixture(scope="module")
def boards(tmp_path_factory) -> Path:
    root, rng = tmp_path_factory.mktemp("boards"), np.random.default_rng(0)
    template = rng.integers(0, 2, (6, 6, 1)).repeat(8, 0).repeat(8, 1).repeat(3, 2) * 120 + 40
    (root / "template.png").write_bytes(encode_png(template.astype(np.uint8)))
    boxes = {}
    for number in range(72):
        w, h = rng.integers(7, 14, 2).tolist()
        x, y = int(rng.integers(0, 48 - w)), int(rng.integers(0, 48 - h))
        picture = template.copy()
        picture[y : y + h, x : x + w] = 255 - picture[y : y + h, x : x + w]
        (root / f"{number:02}.png").write_bytes(encode_png(picture.astype(np.uint8)))
        boxes[f"{number:02}"] = [[x, y, x + w, y + h]]
    (root / "boxes.json").write_bytes(msgspec.json.encode(boxes))
    return root


def test_a_detector_learns(boards, tmp_path):
    done = train(Spots(), boards, tmp_path, hardware=Hardware(accelerator="cpu"))
    assert done.history[0]["val_mean_iou"] < 0.3
    assert max(row["val_mean_iou"] for row in done.history) > 0.5
    assert done.history[-1]["train_loss"] < 0.5 * done.history[0]["train_loss"]
