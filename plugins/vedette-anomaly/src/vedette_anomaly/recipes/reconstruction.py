"""What recipes share whose networks give back what they are shown, or what comes next."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from vedette.bundle.manifest import Task, Temporal
from vedette.errors import VedetteError
from vedette.vision.spec import Colour, InputSpec
from vedette_anomaly.recipes.footage import Footage, WindowSample, hold_back, read_footage, windows
from vedette_anomaly.recipes.motion_crop import MotionCrop
from vedette_torch.augment import Augmentation, EveryFrame, Flip
from vedette_torch.example import Example, Targets
from vedette_torch.export import MODEL, export_graph
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import ExportPlan, LossSum, Recipe, Settings, Splits

FRAME, PAST, PAST_NEXT, ERROR = "frame", "past", "past_next", "error"
CELL = 4
"""Pixels of each side over which the graph takes the mean of the error."""
UNSEEN = -1.0
"""The error of a frame that has too little past to be judged."""
LEVELS = 256.0
"""Pixels are ``(value + 1) / 256``: above 0, so that a state of zeros says that nothing was seen yet."""


class ReconstructionSettings(Settings, frozen=True, kw_only=True):
    """Settings of a network that gives back what it is shown.

    Attributes
    ----------
    size_wh
        Of the picture that a frame becomes, multiples of the network's coarsest cell.
    rate_hz
        Frames per second, by their time stamps.
    windows
        Most windows of footage that an epoch goes through.
    checked
        Most windows of held-back footage on which an epoch is judged.
    crop
        Side of the squares that are learnt from, in pixels; 0: whole frames.
    tries
        Places among which that of the most motion is taken.
    loss
        ``absolute`` or ``squared`` difference of the pixels.
    """

    size_wh: tuple[int, int] = (360, 240)
    rate_hz: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 10.0
    windows: Annotated[int, msgspec.Meta(ge=1)] = 4096
    checked: Annotated[int, msgspec.Meta(ge=1)] = 24
    crop: Annotated[int, msgspec.Meta(ge=0)] = 0
    tries: Annotated[int, msgspec.Meta(ge=1)] = 4
    mirror: bool = True
    loss: Literal["absolute", "squared"] = "squared"

    @property
    def past(self) -> int:
        """Frames before the newest that the network is shown."""
        return 0

    @property
    def colour(self) -> Colour:
        """Of its pictures."""
        return "gray"

    @property
    def temporal(self) -> Temporal:
        """How video is sampled, here and on a box."""
        return Temporal(rate_hz=self.rate_hz, max_gap_ms=max(1000.0, 3000.0 / self.rate_hz))


SettingsT = TypeVar("SettingsT", bound=ReconstructionSettings)


class ReconstructionRecipe(Recipe[SettingsT, WindowSample]):
    """A network that learns normal footage by heart. What is left to say: the network, and of a window what it is
    shown.

    Data: videos, or pictures that follow each other, anywhere in a folder; with a folder ``train``, what lies in it.
    """

    task: Task = "anomaly"
    packer = "fit-site pack"
    stride: int
    """Width and height must be multiples of it."""

    def footage(self, data: Path, settings: SettingsT) -> tuple[list[Footage], list[Footage]]:
        """What is learnt from, and what is held back: ``settings.validation`` of it.

        Raises
        ------
        VedetteError
            As :func:`~vedette_anomaly.recipes.footage.read_footage`.
        """
        loader = PictureLoader(self.inputs(settings))
        return hold_back(read_footage(data, loader, settings.temporal), settings.validation)

    def read(self, data: Path, settings: SettingsT) -> Splits[WindowSample]:
        return self.splits(*self.footage(data, settings), settings)

    def splits(
        self, learnt: Sequence[Footage], held: Sequence[Footage], settings: SettingsT
    ) -> Splits[WindowSample]:
        """Windows of footage that was read already."""
        length = settings.past + 1
        train = windows(learnt, length, settings.windows)
        if not train:
            raise VedetteError(
                f"{learnt[0].path}: there is no footage of {length} frames at {settings.rate_hz:g} Hz in a row",
                fix="give longer footage, or a rate_hz that it has",
            )
        return Splits(train=train, validation=windows(held, length, settings.checked), labels=())

    def inputs(self, settings: SettingsT) -> Mapping[str, InputSpec]:
        if any(side % self.stride for side in settings.size_wh):
            raise VedetteError(
                f"size_wh is {settings.size_wh}, and {self.name} needs multiples of {self.stride}",
                fix=f"take {tuple(max(round(side / self.stride), 1) * self.stride for side in settings.size_wh)}",
            )
        channels = 1 if settings.colour == "gray" else 3
        spec = InputSpec(
            size_wh=settings.size_wh,
            resize="stretch",
            kernel="area",
            colour=settings.colour,
            mean=(-1.0,) * channels,
            scale=(LEVELS,) * channels,
        )
        return {FRAME: spec}

    def load(self, sample: WindowSample, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        return Example.of_itself(torch.from_numpy(sample.pixels()))

    def prepare(self, input: Tensor, settings: SettingsT) -> list[Tensor]:
        return [self.shown(normalised(input))]

    @abstractmethod
    def shown(self, clip: Tensor) -> Tensor:
        """What the network is shown of windows ``(n, t, c, h, w)``, normalised."""

    @abstractmethod
    def wanted(self, clip: Tensor) -> Tensor:
        """What it is to answer to :meth:`shown`."""

    def augmentation(self, settings: SettingsT) -> Sequence[Augmentation]:
        crop = [MotionCrop(size=settings.crop, tries=settings.tries)] if settings.crop else []
        return (*crop, *([EveryFrame(change=Flip())] if settings.mirror else []))

    def objective(self, settings: SettingsT, splits: Splits[WindowSample]) -> PixelObjective:
        return PixelObjective(self.wanted, settings.loss)

    def export(self, settings: SettingsT, labels: tuple[str, ...]) -> ExportPlan:
        outputs = (ERROR, PAST_NEXT) if settings.past else (ERROR,)
        return ExportPlan(outputs=outputs, decoder="anomaly_error", params={"cell": CELL, "output": ERROR})

    def write(self, network: nn.Module, settings: SettingsT, labels: tuple[str, ...], folder: Path) -> Path:
        """``model.onnx``: one step of a stream. It takes the newest frame and, of networks that look back, those
        before it, which it hands on; it gives the mean error of each cell of 4 x 4 pixels ``(n, h / 4, w / 4)``."""
        spec = self.inputs(settings)[FRAME]
        example = {FRAME: torch.zeros(2, *spec.row_shape)}
        if settings.past:
            channels, height, width = spec.row_shape
            example[PAST] = torch.zeros(2, settings.past * channels, height, width)
        model = folder / MODEL
        plan = self.export(settings, labels)
        export_graph(Streaming(self, network, spec.channels), example, plan.outputs, model)
        return model


def normalised(pixels: Tensor) -> Tensor:
    """0..255 as the network takes it: above 0, at most 1."""
    return (pixels + 1) / LEVELS


def pixels_of(values: Tensor) -> Tensor:
    """The way back: what a network answers as pixels, 0..255."""
    return (values * LEVELS - 1).clamp(0, 255)


class Streaming(nn.Module):
    """A network as one step over a stream of frames ``(n, c, h, w)``, in which ``past (n, p * c, h, w)`` holds the
    frames before, zeros for those that there were not yet."""

    def __init__(self, recipe: ReconstructionRecipe[Any], network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network = network
        self._recipe, self._channels = recipe, channels

    def forward(self, frame: Tensor, past: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """The error per cell, :data:`UNSEEN` where the past is too short; and the past of the next frame."""
        if past is None:
            return self._cells(frame)
        whole = torch.cat([past, frame], dim=1)
        seen = past[:, 0, :1, :1] > 0
        return torch.where(seen, self._cells(whole), UNSEEN), whole[:, self._channels :]

    def _cells(self, whole: Tensor) -> Tensor:
        clip = torch.unflatten(whole, 1, (-1, self._channels))
        answer, wanted = self.network(self._recipe.shown(clip)), self._recipe.wanted(clip)
        newest = -self._channels
        error = (answer[:, newest:] - wanted[:, newest:]).abs().mean(dim=1, keepdim=True)
        return avg_pool2d(error, CELL)[:, 0]


class PixelObjective:
    """Differences of pixels; what counts is the ``psnr`` in dB."""

    main = "psnr"

    def __init__(self, wanted: Any, loss: Literal["absolute", "squared"]) -> None:
        self._wanted, self._loss = wanted, loss

    def loss(self, outputs: Tensor, targets: Targets) -> LossSum:
        difference = outputs - self._wanted(normalised(targets.input))
        each = difference.abs() if self._loss == "absolute" else difference.square()
        return LossSum(total=each.flatten(1).mean(dim=1).sum(), count=len(targets))

    def measure(self) -> PixelMeasure:
        return PixelMeasure(self._wanted)


class PixelMeasure:
    """``psnr``: of the mean square difference over all pixels, in dB; ``absolute``: the mean difference, of 256."""

    def __init__(self, wanted: Any) -> None:
        self._wanted = wanted
        self._square = self._absolute = self._count = 0.0

    def update(self, outputs: Tensor, targets: Targets) -> None:
        difference = (outputs - self._wanted(normalised(targets.input))).double()
        self._square += float(difference.square().sum())
        self._absolute += float(difference.abs().sum())
        self._count += difference.numel()

    def compute(self) -> Mapping[str, float]:
        square = self._square / max(self._count, 1.0)
        return {
            "psnr": -10 * log10(max(square, 1e-12)),
            "absolute": LEVELS * self._absolute / max(self._count, 1.0),
        }
