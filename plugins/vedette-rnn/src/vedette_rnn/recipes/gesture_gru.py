"""A recipe for gestures: what a finger, a hand or any other point draws in a second or so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import cos, pi, sin
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from numpy.random import Generator
from torch import Tensor, nn

from vedette.bundle.manifest import Graph, Input, Output, ResultFeed, Temporal
from vedette.errors import VedetteError
from vedette.vision.spec import InputSpec
from vedette_rnn.recipes.gesture_network import GestureNetwork, TrackStep, WholeTrack
from vedette_rnn.recipes.sequence import Form, FormName, TemporalRecipe, stateful
from vedette_torch.augment import Augmentation, CropTime, DropFrames, Reverse, Speed
from vedette_torch.augment.time import relabelled
from vedette_torch.classifier import ClassifierSettings
from vedette_torch.data.reading import read_data
from vedette_torch.data.samples import SequenceSample
from vedette_torch.data.sequences import hold_back_blocks
from vedette_torch.example import Example
from vedette_torch.export import MODEL, export_graph
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Optimiser, Schedule, Splits

STEP = "step.onnx"
TRACK, POINT = "track", "point"


class GestureSettings(ClassifierSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    hidden
        Numbers that the GRU remembers.
    validation
        Share of each class that is held back in one piece, the last of its rows, as far as there is no split ``val``.
    guard
        Rows next to it that are left out: neighbouring rows are windows over the same points.
    mirror
        Pairs of classes that become each other in a mirror, as ``[[1, 2]]``; the others stay what they are. ``null``:
        tracks are not mirrored.
    backwards
        Likewise for tracks that are played backwards.
    degrees
        Tracks are turned by up to so much each way.
    speed
        They are played faster or slower by up to this share, at the cost of points at the end.
    drop
        Probability that a point is lost, and the one before stands still for it.
    window, rate_hz
        Points of a track on a box, and how many there are per second.
    shortest
        Tracks are cut to any number of points from this on; 0: they are not cut.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 25
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 128
    validation: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.2
    optimiser: Optimiser = "adamw"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 5e-3
    schedule: Schedule = "one_cycle"
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 1e-3
    clip_norm: Annotated[float, msgspec.Meta(gt=0)] | None = 1.0
    hidden: Annotated[int, msgspec.Meta(ge=1)] = 48
    guard: Annotated[int, msgspec.Meta(ge=0)] = 16
    mirror: tuple[tuple[int, int], ...] | None = None
    backwards: tuple[tuple[int, int], ...] | None = None
    degrees: Annotated[float, msgspec.Meta(ge=0, le=180)] = 180.0
    speed: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.15
    drop: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.03
    window: Annotated[int, msgspec.Meta(ge=2)] = 16
    rate_hz: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    shortest: Annotated[int, msgspec.Meta(ge=0)] = 0


class GestureGru(TemporalRecipe[GestureSettings, SequenceSample]):
    """Of tracks of one point, x and y in turn, in parts of the picture's sides: 7.9 k parameters at 48 numbers of
    memory.

    Data: the format ``sequences`` (``label,x,y,x,y ...``).
    """

    name = "gesture_gru"
    settings_type = GestureSettings

    def read(self, data: Path, settings: GestureSettings) -> Splits[SequenceSample]:
        found = read_data(data, "sequences")
        train = found.split("train" if "train" in found.splits else None)
        if len(train.samples[0].values) % 2:
            raise VedetteError(
                f"{data}: rows have {len(train.samples[0].values)} numbers, and a track has x and y in turn",
                fix="write label,x,y,x,y ...",
            )
        if settings.validation == 0:
            return Splits(train=train.samples, validation=(), labels=found.labels)
        if "val" in found.splits:
            return Splits(train=train.samples, validation=found.splits["val"].samples, labels=found.labels)
        parts = round(1 / settings.validation)
        kept, held = hold_back_blocks(train, parts, parts - 1, settings.guard)
        return Splits(train=kept, validation=held, labels=found.labels)

    def inputs(self, settings: GestureSettings) -> Mapping[str, InputSpec]:
        return {}

    def load(self, sample: SequenceSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        track = torch.from_numpy(sample.values.reshape(-1, 2).copy())
        return Example.of_class(track, sample.class_id, len(labels))

    def prepare(self, input: Tensor, settings: GestureSettings) -> list[Tensor]:
        return [input]

    def augmentation(self, settings: GestureSettings) -> Sequence[Augmentation]:
        changes: list[Augmentation] = [TurnTrack(degrees=settings.degrees)]
        if settings.mirror is not None:
            changes.append(MirrorTrack(becomes=_swapped(settings.mirror)))
        if settings.backwards is not None:
            changes.append(Reverse(becomes=_swapped(settings.backwards)))
        if settings.speed:
            changes.append(Speed(factor=(1 - settings.speed, 1 / (1 - settings.speed))))
        if settings.drop:
            changes.append(DropFrames(probability=settings.drop))
        if settings.shortest:
            changes.append(CropTime(least=settings.shortest))
        return changes

    def network(self, settings: GestureSettings, labels: tuple[str, ...]) -> nn.Module:
        return GestureNetwork(settings.hidden, len(labels), settings.dropout)

    def write(
        self, network: nn.Module, settings: GestureSettings, labels: tuple[str, ...], folder: Path
    ) -> Path:
        """``model.onnx``, a track of ``window`` points, and ``step.onnx``, one point and the state."""
        assert isinstance(network, GestureNetwork)
        model = folder / MODEL
        export_graph(WholeTrack(network), {TRACK: torch.zeros(2, settings.window, 2)}, ("logits",), model)
        state = _state(settings)
        example = {name: torch.zeros(2, *row) for name, row in {POINT: (2,), **state}.items()}
        outputs = ("logits", *(f"{name}_next" for name in state))
        export_graph(TrackStep(network), example, outputs, folder / STEP)
        return model

    def form(self, settings: GestureSettings, labels: tuple[str, ...], name: FormName) -> Form:
        feed = ResultFeed(stage=POINT, field="xy")
        temporal = Temporal(
            rate_hz=settings.rate_hz, window=settings.window, max_gap_ms=4000 / settings.rate_hz
        )
        if name == "clip":
            track = Input(dtype="float32", shape=(None, settings.window, 2), feed=feed, clip=True)
            logits = Output(dtype="float32", shape=(None, len(labels)))
            graph = Graph(inputs={TRACK: track}, outputs={"logits": logits})
            return Form(graphs={"model": graph}, files={"model": MODEL}, temporal=temporal)
        point = Input(dtype="float32", shape=(None, 2), feed=feed)
        graph = stateful({POINT: point}, {"logits": len(labels)}, _state(settings))
        return Form(graphs={"step": graph}, files={"step": STEP}, temporal=temporal)


def _state(settings: GestureSettings) -> dict[str, tuple[int, ...]]:
    return {"origin": (2,), "last": (2,), "begun": (1,), "memory": (settings.hidden,)}


@dataclass(frozen=True, kw_only=True)
class TurnTrack:
    """Turns a track ``(t, 2)`` about its beginning by up to ``degrees`` each way."""

    degrees: float

    def __call__(self, example: Example, rng: Generator) -> Example:
        angle = rng.uniform(-1, 1) * self.degrees * pi / 180
        turn = torch.tensor([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]])
        return replace(example, input=example.input @ turn)


@dataclass(frozen=True, kw_only=True)
class MirrorTrack:
    """Mirrors a track left to right with probability ``probability``. ``becomes`` as in
    :class:`~vedette_torch.augment.Reverse`."""

    becomes: Mapping[int, int | None]
    probability: float = 0.5

    def __call__(self, example: Example, rng: Generator) -> Example:
        chance = rng.random()
        classes = relabelled(example.classes, self.becomes)
        if chance >= self.probability or classes is None:
            return example
        return replace(example, input=example.input * torch.tensor([-1.0, 1.0]), classes=classes)


def _swapped(pairs: Sequence[tuple[int, int]]) -> dict[int, int | None]:
    return {**dict(pairs), **{second: first for first, second in pairs}}
