"""Judge one model on a data set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from vedette.bundle.manifest import Grade
from vedette.errors import VedetteError
from vedette.frame import Decode
from vedette.results import Classification, Detections, Result
from vedette.specs import Precision
from vedette_torch.data.errors import DataError
from vedette_torch.data.pictures import Progress
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample
from vedette_torch.evaluation.classes import in_classes_of
from vedette_torch.evaluation.predictor import Predictor, Subject, predict
from vedette_torch.metrics.classification import ClassificationFigures, classification_figures
from vedette_torch.metrics.detection import DetectionFigures, detection_figures
from vedette_torch.metrics.figure import Figure, Resampling

Task = Literal["classification", "detection"]
NO_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model, judged. ``seconds``: for all pictures, reading them included."""

    subject: Subject
    task: Task
    data: str
    figures: ClassificationFigures | DetectionFigures
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> tuple[str, Figure]:
        """The one figure that models are compared by: ``top1`` or ``mAP50``."""
        if isinstance(self.figures, ClassificationFigures):
            return "top1", self.figures.accuracy
        return "mAP50", self.figures.map50

    def grade(self) -> Grade:
        """The headline as a bundle's manifest states it; only of an edge model."""
        name, figure = self.headline
        return Grade(
            variant=self.subject.how["variant"],
            precision=cast(Precision, self.subject.how["precision"]),
            backend=self.subject.how["backend"].split()[0],
            metric=name,
            value=figure.value or 0.0,
            n=figure.n,
            interval=figure.interval,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What a model says of the samples of a data set, whose classes are numbered as the model does."""

    predictor: Predictor
    samples: Sequence[ImageSample | BoxesSample]
    labels: tuple[str, ...]
    results: Sequence[Result]
    seconds: float
    notes: tuple[str, ...] = ()


def evaluate(
    predictor: Predictor,
    dataset: Dataset[Any],
    decode: Decode,
    *,
    data: str = "",
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Evaluation:
    """Have a model look at every picture of a data set, and judge what it says.

    Parameters
    ----------
    predictor
        For example an :class:`~vedette_torch.evaluation.edge.EdgePredictor`.
    decode
        :func:`vedette.decoding.image_decoder`.
    data
        What to call the data set in the report.

    Raises
    ------
    DataError
        The data is not for such a model, or their classes do not fit.
    VedetteError
        A picture cannot be read, or the model fails.
    """
    return judge(observe(predictor, dataset, decode, progress), data, resampling)


def observe(
    predictor: Predictor, dataset: Dataset[Any], decode: Decode, progress: Progress | None = None
) -> Observed:
    """Run a model over a data set. Raises as :func:`evaluate`."""
    task_of(predictor.result, dataset)
    samples, labels, notes = in_classes_of(predictor.labels, dataset)
    begin = time.monotonic()
    results = predict(predictor, samples, decode, progress)
    return Observed(
        predictor=predictor,
        samples=samples,
        labels=labels,
        results=results,
        seconds=time.monotonic() - begin,
        notes=(*predictor.subject.notes, *notes),
    )


def judge(
    observed: Observed,
    data: str = "",
    resampling: Resampling = Resampling(),  # noqa: B008 - frozen
) -> Evaluation:
    """Judge what a model said."""
    figures: ClassificationFigures | DetectionFigures
    task: Task = "classification" if issubclass(observed.predictor.result, Classification) else "detection"
    if task == "classification":
        truth, said, confidence = classes_said(observed)
        figures = classification_figures(truth, said, confidence, observed.labels, resampling)
    else:
        truth_boxes = cast(Sequence[BoxesSample], observed.samples)
        found = cast(Sequence[Detections], observed.results)
        threshold = observed.predictor.threshold or NO_THRESHOLD
        figures = detection_figures(truth_boxes, found, observed.labels, threshold, resampling)
    return Evaluation(
        subject=observed.predictor.subject,
        task=task,
        data=data,
        figures=figures,
        seconds=round(observed.seconds, 3),
        notes=observed.notes,
    )


def classes_said(observed: Observed) -> tuple[Any, Any, Any]:
    """``truth (n,)``, and ``class_id (n, k)`` and ``confidence (n, k)`` of the ``k`` best that the classifier told.

    Raises
    ------
    VedetteError
        It did not tell one row of each picture.
    """
    results = cast(Sequence[Classification], observed.results)
    for sample, result in zip(observed.samples, results, strict=True):
        if len(result) != 1 or result.class_id.shape[1] == 0:
            raise VedetteError(f"{observed.predictor.subject.name} says nothing of {sample.path}")
    truth = np.array([cast(ImageSample, sample).class_id for sample in observed.samples], np.int32)
    said = np.concatenate([result.class_id for result in results])
    return truth, said, np.concatenate([result.confidence for result in results])


def task_of(result: type[Result], dataset: Dataset[Any]) -> Task:
    """What is to be judged.

    Raises
    ------
    DataError
        There are no samples, or they are not for results of this type.
    """
    if not dataset.samples:
        raise DataError("there are no samples to judge the model by")
    boxes = isinstance(dataset.samples[0], BoxesSample)
    if issubclass(result, Classification) and not boxes:
        return "classification"
    if issubclass(result, Detections) and boxes:
        return "detection"
    have = "boxes" if boxes else "a class for each picture"
    raise DataError(
        f"the model gives results of type {result.type!r}, the data has {have}",
        fix="classifiers are judged by pictures in folders of classes, detectors by boxes (yolo, voc, coco, deeppcb)",
    )
