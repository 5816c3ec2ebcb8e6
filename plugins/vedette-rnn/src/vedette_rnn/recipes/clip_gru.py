"""A recipe for what happens in a video: a small network per frame, at ease in int8, and a GRU in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import msgspec
import torch
from numpy.random import Generator
from torch import Tensor, nn

from vedette.bundle.manifest import Graph, Input, Output, PreprocessFeed, Temporal, TensorFeed
from vedette.vision.spec import InputSpec
from vedette_rnn.recipes.clip_network import ClipNetwork, FrameFeatures, RecurrentStep, WholeClip
from vedette_rnn.recipes.sequence import Form, FormName, TemporalRecipe, stateful
from vedette_torch.augment import (
    Augmentation,
    Colour,
    CropTime,
    DropFrames,
    EveryFrame,
    Flip,
    Noise,
    Reverse,
    Speed,
    Turn,
)
from vedette_torch.classifier import ClassifierSettings, Imbalance
from vedette_torch.data.footage import read_clip, sampled
from vedette_torch.data.samples import ClipSample
from vedette_torch.example import Example
from vedette_torch.export import MODEL, export_graph
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Optimiser, Schedule, Splits
from vedette_torch.splits import read_splits

FRAME, CLIP = "frame", "clip"
SHARPER = 0.7
"""Part of the clips that are turned and zoomed: resampling takes noise away, and motion is seen in front of noise."""
FEATURES, STEP = "features.onnx", "step.onnx"


class ClipSettings(ClassifierSettings, frozen=True, kw_only=True):
    """Settings and their defaults.

    Attributes
    ----------
    size_wh
        Of the grey picture that a frame becomes.
    rate_hz
        Frames per second, of every video, by its time stamps.
    width, hidden, memory
        Channels of the convolutions, of which the first has half as many, numbers that the GRU remembers, and steps
        that its mean goes back.
    window
        Steps of a clip that is looked at as a whole on a box.
    shortest, longest
        Steps of a clip in training: cut to any number between the two, where it is long enough.
    speed
        Clips are played faster or slower by up to this share.
    drop
        Probability that a frame is lost, and the one before stands still for it.
    backwards
        Probability that a clip is played backwards; ``only_forwards`` are the classes that would be something else
        then.
    zoom, move, degrees, light
        Of all frames alike: how much larger they become at most, how far they are moved (part of the sides) and turned
        each way, and by how much contrast and brightness change.
    noise
        The largest standard deviation of noise, in levels of 0..255.
    """

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 40
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 16
    validation: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.2
    optimiser: Optimiser = "adamw"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 3e-3
    schedule: Schedule = "one_cycle"
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 1e-2
    clip_norm: Annotated[float, msgspec.Meta(gt=0)] | None = 1.0
    label_smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    imbalance: Imbalance = "class_weights"
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
    size_wh: tuple[int, int] = (96, 72)
    rate_hz: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    width: Annotated[int, msgspec.Meta(ge=1)] = 16
    hidden: Annotated[int, msgspec.Meta(ge=1)] = 64
    memory: Annotated[int, msgspec.Meta(ge=2)] = 32
    window: Annotated[int, msgspec.Meta(ge=2)] = 16
    shortest: Annotated[int, msgspec.Meta(ge=2)] = 12
    longest: Annotated[int, msgspec.Meta(ge=2)] = 20
    speed: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.3
    drop: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
    backwards: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    only_forwards: tuple[int, ...] = ()
    zoom: Annotated[float, msgspec.Meta(ge=1)] = 1.5
    move: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    degrees: Annotated[float, msgspec.Meta(ge=0, le=180)] = 10.0
    light: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.3
    noise: Annotated[float, msgspec.Meta(ge=0)] = 4.0

    @property
    def temporal(self) -> Temporal:
        """How a video is sampled, here and on a box."""
        return Temporal(rate_hz=self.rate_hz, window=self.window, stride=max(self.window // 4, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledClip(ClipSample):
    """A clip and how it is sampled."""

    temporal: Temporal

    def facts(self) -> bytes:
        """Its class, and which frames of it are seen."""
        return super().facts() + repr(self.temporal).encode()


class ClipGru(TemporalRecipe[ClipSettings, SampledClip]):
    """Of clips of any length, by the motion in them: 27 k parameters at the defaults.

    Data: the format ``clips``. A validation that is split off keeps footage together, where a table names its source.
    """

    name = "clip_gru"
    settings_type = ClipSettings

    def read(self, data: Path, settings: ClipSettings) -> Splits[SampledClip]:
        return with_sampling(read_splits(data, "clips", settings), settings)

    def inputs(self, settings: ClipSettings) -> Mapping[str, InputSpec]:
        spec = InputSpec(
            size_wh=settings.size_wh,
            resize="stretch",
            kernel="area",
            colour="gray",
            mean=(0.0,),
            scale=(255.0,),
        )
        return {FRAME: spec}

    def load(self, sample: SampledClip, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        runs: list[list[Tensor]] = []
        for frame, anew in sampled(read_clip(sample.path), sample.temporal):
            if anew:
                runs.append([])
            runs[-1].append(loader.view(frame, FRAME)[0])
        return Example.of_class(torch.stack(max(runs, key=len)), sample.class_id, len(labels))

    def prepare(self, input: Tensor, settings: ClipSettings) -> list[Tensor]:
        return [held_to_the_end(input) / 255]

    def augmentation(self, settings: ClipSettings) -> Sequence[Augmentation]:
        backwards = dict.fromkeys(settings.only_forwards, None)
        moved = Turn(degrees=settings.degrees, scale=(1.0, settings.zoom), move=settings.move)
        return (
            Speed(factor=(1 - settings.speed, 1 / (1 - settings.speed)), least=settings.shortest),
            CropTime(least=settings.shortest, most=settings.longest),
            DropFrames(probability=settings.drop),
            Reverse(becomes=backwards, probability=settings.backwards),
            EveryFrame(change=Flip()),
            EveryFrame(change=moved, probability=SHARPER),
            EveryFrame(change=Colour(brightness=settings.light, contrast=settings.light)),
            Noise(most=settings.noise),
            Invert(),
        )

    def network(self, settings: ClipSettings, labels: tuple[str, ...]) -> nn.Module:
        return ClipNetwork(settings.width, settings.hidden, settings.memory, len(labels), settings.dropout)

    def write(
        self, network: nn.Module, settings: ClipSettings, labels: tuple[str, ...], folder: Path
    ) -> Path:
        """``model.onnx``, a clip of ``window`` frames; ``features.onnx`` and ``step.onnx``, one frame and the state."""
        assert isinstance(network, ClipNetwork)
        w, h = settings.size_wh
        model = folder / MODEL
        clip = torch.zeros(2, settings.window, 1, h, w)
        export_graph(WholeClip(network), {CLIP: clip}, ("logits",), model)
        for module, state, given, outputs, file in (
            (FrameFeatures(network), _frame_state(settings), {FRAME: (1, h, w)}, "features", FEATURES),
            (
                RecurrentStep(network),
                _step_state(settings),
                {"features": (2 * settings.width,)},
                "logits",
                STEP,
            ),
        ):
            example = {name: torch.zeros(2, *row) for name, row in {**given, **state}.items()}
            export_graph(module, example, (outputs, *(f"{name}_next" for name in state)), folder / file)
        return model

    def form(self, settings: ClipSettings, labels: tuple[str, ...], name: FormName) -> Form:
        image = self.inputs(settings)[FRAME]
        feed = PreprocessFeed(name="image", params=msgspec.to_builtins(image))
        if name == "clip":
            shape = (None, settings.temporal.window, *image.row_shape)
            clip = Input(dtype="float32", shape=shape, feed=feed, clip=True)
            logits = Output(dtype="float32", shape=(None, len(labels)))
            graph = Graph(inputs={CLIP: clip}, outputs={"logits": logits})
            return Form(graphs={"model": graph}, files={"model": MODEL}, temporal=settings.temporal)
        width = 2 * settings.width
        frame = Input(dtype="float32", shape=(None, *image.row_shape), feed=feed)
        features = Input(
            dtype="float32", shape=(None, width), feed=TensorFeed(graph="features", output="features")
        )
        graphs = {
            "features": stateful({FRAME: frame}, {"features": width}, _frame_state(settings)),
            "step": stateful({"features": features}, {"logits": len(labels)}, _step_state(settings)),
        }
        return Form(graphs=graphs, files={"features": FEATURES, "step": STEP}, temporal=settings.temporal)


def _frame_state(settings: ClipSettings) -> dict[str, tuple[int, ...]]:
    w, h = settings.size_wh
    return {"last": (1, h, w), "begun": (1,)}


def _step_state(settings: ClipSettings) -> dict[str, tuple[int, ...]]:
    return {"memory": (settings.hidden,), "mean": (settings.hidden,), "steps": (1,)}


@dataclass(frozen=True, kw_only=True)
class Invert:
    """Turns light into dark with probability ``probability``: the sign of what moves says nothing of what it does."""

    probability: float = 0.5

    def __call__(self, example: Example, rng: Generator) -> Example:
        return replace(example, input=255 - example.input) if rng.random() < self.probability else example


def with_sampling(splits: Splits[ClipSample], settings: ClipSettings) -> Splits[SampledClip]:
    """The same clips, sampled as the settings say."""

    def told(samples: Sequence[ClipSample]) -> list[SampledClip]:
        return [
            SampledClip(path=item.path, class_id=item.class_id, group=item.group, temporal=settings.temporal)
            for item in samples
        ]

    return Splits(train=told(splits.train), validation=told(splits.validation), labels=splits.labels)


def held_to_the_end(clips: Tensor) -> Tensor:
    """Clips ``(n, t, c, h, w)`` that were filled up with zeros, with their last frame in place of these: a cut to black
    would be seen as motion, and by the norms of the convolutions too."""
    there = clips.flatten(2).amax(dim=2) > 0
    step = torch.arange(clips.shape[1], device=clips.device)
    last = (step * there).amax(dim=1, keepdim=True)
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips[rows, torch.minimum(step[None], last)]
