"""What recipes of classifiers share that look at something which goes on in time: what counts is the last answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedette.bundle.manifest import Graph, Input, Output, StateFeed, StatePair, Task, Temporal
from vedette_torch.classifier import ClassifierMeasure, ClassifierObjective, ClassifierSettings
from vedette_torch.data.samples import ClipSample, SequenceSample
from vedette_torch.example import Targets
from vedette_torch.recipe import ExportPlan, LossSum, Recipe, Splits
from vedette_torch.sampling import balanced_weights

SettingsT = TypeVar("SettingsT", bound=ClassifierSettings)
FormName = Literal["clip", "stream"]
"""``clip``: the latest ``temporal.window`` samples, again and again; ``stream``: one sample, and a state."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A way to run a network: its graphs in the order in which they run, the ONNX file of each in a run's folder, and
    how samples are taken."""

    graphs: Mapping[str, Graph]
    files: Mapping[str, str]
    temporal: Temporal


SampleT = TypeVar("SampleT", bound=ClipSample | SequenceSample)


class TemporalRecipe(Recipe[SettingsT, SampleT]):
    """A classifier of clips or sequences: its network gives logits ``(n, t, classes)``, of each step without knowing a
    later one, and learns from those of the last step of each example."""

    task: Task = "clip"
    packer = "pack-recurrent"

    def objective(self, settings: SettingsT, splits: Splits[SampleT]) -> EndObjective:
        counts = np.bincount([sample.class_id for sample in splits.train], minlength=len(splits.labels))
        return EndObjective(settings, counts.tolist())

    def sampling_weights(self, settings: SettingsT, splits: Splits[SampleT]) -> NDArray[np.float64] | None:
        if settings.imbalance != "balanced_sampling":
            return None
        return balanced_weights(np.array([sample.class_id for sample in splits.train]))

    def export(self, settings: SettingsT, labels: tuple[str, ...]) -> ExportPlan:
        params = {"activation": "softmax", "output": "logits"}
        return ExportPlan(outputs=("logits",), decoder="clip-scores", params=params)

    @abstractmethod
    def form(self, settings: SettingsT, labels: tuple[str, ...], name: FormName) -> Form:
        """One of the two ways in which a box runs the network, of the files that :meth:`write` wrote."""


class EndObjective(ClassifierObjective):
    """As of any classifier, by what it says when an example has ended, however long it was."""

    def loss(self, outputs: Tensor, targets: Targets) -> LossSum:
        return super().loss(at_end(outputs, targets.length), targets)

    def measure(self) -> EndMeasure:
        return EndMeasure(self._classes)


class EndMeasure(ClassifierMeasure):
    """Numbers of a classifier, of what it said at the end."""

    def update(self, outputs: Tensor, targets: Targets) -> None:
        super().update(at_end(outputs, targets.length), targets)


def at_end(outputs: Tensor, length: Tensor) -> Tensor:
    """``(n, classes)``: of answers ``(n, t, classes)`` those at the last of the ``length (n,)`` steps of each."""
    return outputs[torch.arange(len(outputs), device=outputs.device), length - 1]


def stateful(
    inputs: Mapping[str, Input], outputs: Mapping[str, int], state: Mapping[str, tuple[int, ...]]
) -> Graph:
    """A graph that carries state, zero before the first step: ``outputs`` by their width, ``state`` by the shape of a
    row. What ``memory`` becomes is the output ``memory_next``."""
    carried = {
        name: Input(dtype="float32", shape=(None, *row), feed=StateFeed()) for name, row in state.items()
    }
    results = {name: Output(dtype="float32", shape=(None, width)) for name, width in outputs.items()}
    becomes = {f"{name}_next": Output(dtype="float32", shape=(None, *row)) for name, row in state.items()}
    return Graph(
        inputs={**inputs, **carried},
        outputs={**results, **becomes},
        state=tuple(StatePair(input=name, output=f"{name}_next") for name in state),
    )
