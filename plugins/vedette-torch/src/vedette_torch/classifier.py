"""What recipes of image classifiers share: their data, their loss, what is measured, how they are read on the edge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from vedette.bundle.manifest import Task
from vedette_torch.data.samples import ImageSample
from vedette_torch.example import Example, Targets
from vedette_torch.losses import cross_entropy, focal_cross_entropy
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import BelowOne, ExportPlan, LossSum, NotNegative, Recipe, Settings, Splits
from vedette_torch.sampling import balanced_weights, class_weights
from vedette_torch.splits import read_splits

Imbalance = Literal["ignore", "class_weights", "balanced_sampling", "focal"]


class ClassifierSettings(Settings, frozen=True, kw_only=True):
    """Settings of a classifier.

    Attributes
    ----------
    label_smoothing
        Share of certainty that is spread evenly over the classes.
    imbalance
        What is done about classes of different size: their errors weigh more (``class_weights``), their pictures are
        drawn more often (``balanced_sampling``), or what is sure already counts less (``focal``, with ``focal_gamma``).
    """

    label_smoothing: BelowOne = 0.0
    imbalance: Imbalance = "ignore"
    focal_gamma: NotNegative = 2.0
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


ClassifierSettingsT = TypeVar("ClassifierSettingsT", bound=ClassifierSettings)


class ClassifierRecipe(Recipe[ClassifierSettingsT, ImageSample]):
    """A classifier of whole pictures. What is left to say: the name, the input, the network, which takes one tensor and
    gives logits ``(n, classes)``, and the augmentation.

    Data: ``train/CLASS/picture``, and ``val/CLASS/picture`` if there is a validation split.
    """

    task: Task = "classification"

    def read(self, data: Path, settings: ClassifierSettingsT) -> Splits[ImageSample]:
        return read_splits(data, "folders", settings)

    def load(self, sample: ImageSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        pixels, _ = loader.load(sample.path, loader.names[0])
        return Example.of_class(pixels, sample.class_id, len(labels))

    def objective(self, settings: ClassifierSettingsT, splits: Splits[ImageSample]) -> ClassifierObjective:
        counts = np.bincount([sample.class_id for sample in splits.train], minlength=len(splits.labels))
        return ClassifierObjective(settings, counts.tolist())

    def sampling_weights(
        self, settings: ClassifierSettingsT, splits: Splits[ImageSample]
    ) -> NDArray[np.float64] | None:
        if settings.imbalance != "balanced_sampling":
            return None
        return balanced_weights(np.array([sample.class_id for sample in splits.train]))

    def export(self, settings: ClassifierSettingsT, labels: tuple[str, ...]) -> ExportPlan:
        return ExportPlan(
            outputs=("logits",),
            decoder="classification",
            params={"activation": "softmax", "output": "logits"},
        )


class ClassifierObjective:
    """Cross-entropy, or focal loss; what counts is the share of right answers."""

    main = "top1"

    def __init__(self, settings: ClassifierSettings, counts: list[int]) -> None:
        self._settings = settings
        self._classes = len(counts)
        weighted = settings.imbalance == "class_weights"
        self._weight = torch.tensor(class_weights(counts), dtype=torch.float32) if weighted else None

    def loss(self, outputs: Tensor, targets: Targets) -> LossSum:
        smoothing = self._settings.label_smoothing
        if self._settings.imbalance == "focal":
            total = focal_cross_entropy(
                outputs, targets.classes, gamma=self._settings.focal_gamma, smoothing=smoothing
            )
        else:
            weight = None if self._weight is None else self._weight.to(outputs.device)
            total = cross_entropy(outputs, targets.classes, smoothing=smoothing, weight=weight)
        return LossSum(total=total, count=len(targets))

    def measure(self) -> ClassifierMeasure:
        return ClassifierMeasure(self._classes)


class ClassifierMeasure:
    """``top1``, ``top5`` where there are more than five classes, and ``balanced``: the mean of the recalls of
    classes that occur or are answered."""

    def __init__(self, classes: int) -> None:
        metrics: dict[str, Metric | MetricCollection] = {
            "top1": MulticlassAccuracy(classes, average="micro"),
            "balanced": MulticlassAccuracy(classes, average="macro"),
        }
        if classes > 5:
            metrics["top5"] = MulticlassAccuracy(classes, average="micro", top_k=5)
        self._metrics = MetricCollection(metrics, compute_groups=False)

    def update(self, outputs: Tensor, targets: Targets) -> None:
        self._metrics.to(outputs.device)
        self._metrics.update(outputs.float(), targets.classes.argmax(dim=1))

    def compute(self) -> Mapping[str, float]:
        return {name: float(value) for name, value in self._metrics.compute().items()}
