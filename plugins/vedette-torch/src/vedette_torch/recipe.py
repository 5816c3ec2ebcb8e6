"""The contract of a recipe: what a model plugin says, once, so that its model can be trained, judged and exported.

A recipe holds no state. What it is asked depends on its arguments alone, so that processes that train together, and a
run that goes on after an interruption, all see the same thing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vedette.bundle.manifest import Task
from vedette.vision.spec import InputSpec
from vedette_torch.augment.base import Augmentation, Mixing
from vedette_torch.data.samples import Sample
from vedette_torch.example import Example, Targets
from vedette_torch.pictures import PictureLoader, normalise

Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
BelowOne = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Optimiser = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
Schedule = Literal["constant", "cosine", "step", "one_cycle"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides how a training goes. A recipe adds its own by a subclass, and gives all of them its defaults.

    Everything that a result depends on is here; how fast it comes is
    :class:`~vedette_torch.training.hardware.Hardware`.

    Attributes
    ----------
    epochs
        How often each training picture is seen.
    batch_size
        Pictures per step, over all processes. What does not fill a batch at the end of an epoch waits for another one.
    accumulate
        Parts that each process computes its share of a batch in, one after the other, for batches that do not fit into
        memory. Gradients are those of the whole batch, but batch normalisation sees one part at a time.
    validation
        Share of the training data that is held out, where the data set has no validation split; 0: no validation.
    optimiser
        ``sgd`` is plain; ``momentum`` and ``nesterov`` are SGD with ``momentum``.
    learning_rate
        The highest of the schedule.
    schedule
        After ``warmup_epochs``, in which the rate rises linearly: ``constant``; ``cosine`` down to ``final_rate`` of
        it; ``step``: times ``milestone_factor`` at the beginning of each of ``milestones`` (epochs, from 0);
        ``one_cycle`` (Smith and Topin 2018): up from 1/25 in the first 0.3 of the training, down to 1/250000, and no
        warm-up.
    weight_decay
        Of weights with two axes or more: norms and biases are not decayed. L2 for SGD and Adam, decoupled for AdamW.
    ema
        Decay per step of a moving average of the weights (and buffers), which is then what is validated and exported;
        0: none.
    clip_norm
        Largest norm of the gradient; larger ones are scaled down.
    precision
        ``32``, or ``bf16-mixed``: convolutions and matrix products in bfloat16.
    seed
        Of everything random.
    patience
        Stop when the validation has not got better for so many epochs.
    """

    epochs: Count = 30
    batch_size: Count = 64
    accumulate: Count = 1
    validation: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.1
    optimiser: Optimiser = "adamw"
    learning_rate: Positive = 1e-3
    momentum: BelowOne = 0.9
    schedule: Schedule = "cosine"
    warmup_epochs: NotNegative = 0.0
    milestones: tuple[Annotated[int, msgspec.Meta(ge=0)], ...] = ()
    milestone_factor: Positive = 0.1
    final_rate: NotNegative = 0.01
    weight_decay: NotNegative = 0.0
    ema: BelowOne = 0.0
    clip_norm: Positive | None = None
    precision: Literal["32", "bf16-mixed"] = "32"
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    patience: Count | None = None

    def __post_init__(self) -> None:
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"batch_size {self.batch_size} has no {self.accumulate} equal parts (accumulate)"
            )
        if self.schedule == "step" and not self.milestones:
            raise ValueError("schedule 'step' needs milestones: the epochs at which the rate falls")
        if self.schedule == "one_cycle" and self.warmup_epochs:
            raise ValueError("schedule 'one_cycle' warms up by itself: warmup_epochs must be 0")
        if self.patience is not None and self.validation == 0:
            raise ValueError("patience needs a validation: set validation above 0")


SettingsT = TypeVar("SettingsT", bound=Settings)
SampleT = TypeVar("SampleT", bound=Sample)


@dataclass(frozen=True, kw_only=True)
class Splits(Generic[SampleT]):
    """What is learnt from and what it is validated on; ``labels`` are the class names by ``class_id``."""

    train: Sequence[SampleT]
    validation: Sequence[SampleT]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class LossSum:
    """A loss as a sum, and what it is to be divided by: pictures, or whatever it is counted in (matched anchors ...).

    Apart, they give the mean over all processes that train together, however unevenly the count falls on them.
    ``total`` is a scalar with its graph.
    """

    total: Tensor
    count: float


class Measure(Protocol):
    """Judges a network's outputs over a split: torchmetrics' protocol, with numbers by name as its result."""

    def update(self, outputs: Any, targets: Targets) -> None:
        """Take a batch."""
        ...

    def compute(self) -> Mapping[str, float]:
        """Over all batches of all processes; called in every process."""
        ...


class Objective(Protocol):
    """What a network is to become good at.

    ``main`` names the number of :class:`Measure` that decides which epoch is the best; the higher the better.
    """

    main: str

    def loss(self, outputs: Any, targets: Targets) -> LossSum:
        """Of a batch; ``outputs`` are what the network gave."""
        ...

    def measure(self) -> Measure:
        """A fresh one."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """What the exported graph gives and how it is read: ``outputs`` in the order of the network's, the decoder's name
    and its parameters."""

    outputs: tuple[str, ...]
    decoder: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Recipe(ABC, Generic[SettingsT, SampleT]):
    """A way to train a model. See :class:`~vedette_torch.classifier.ClassifierRecipe` for what classifiers share."""

    name: str
    """As in its :class:`~vedette.specs.RecipeSpec`."""
    task: Task
    settings_type: type[SettingsT]
    packer: str | None = None
    """The subcommand of ``vedette`` that makes a bundle of a run's folder; ``None``: ``pack`` does, of the model."""

    @abstractmethod
    def read(self, data: Path, settings: SettingsT) -> Splits[SampleT]:
        """Find the samples. The same data must give the same samples in the same order."""

    @abstractmethod
    def inputs(self, settings: SettingsT) -> Mapping[str, InputSpec]:
        """The picture inputs of the graph by name, in order, as the bundle will declare them: all floating point,
        ``nchw``, of one size. The network takes one tensor per input, normalised, if :meth:`prepare` is not told
        otherwise. None for a network that sees no pictures."""

    @abstractmethod
    def load(self, sample: SampleT, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        """Make an example, ``uint8``, of a sample; ``loader`` gives exactly the pixels that an edge box would."""

    @abstractmethod
    def network(self, settings: SettingsT, labels: tuple[str, ...]) -> nn.Module:
        """A network with fresh weights."""

    @abstractmethod
    def objective(self, settings: SettingsT, splits: Splits[SampleT]) -> Objective:
        """What it is trained for."""

    @abstractmethod
    def export(self, settings: SettingsT, labels: tuple[str, ...]) -> ExportPlan:
        """How its outputs are read on the edge."""

    def write(self, network: nn.Module, settings: SettingsT, labels: tuple[str, ...], folder: Path) -> Path:
        """Export a trained network, on the CPU and in ``eval`` mode, into the folder of its run; returns the file to
        pack. A recipe whose network becomes several graphs writes them here.

        Raises
        ------
        VedetteError
            The network cannot be exported, or the files cannot be written.
        """
        from vedette_torch.export import export_picture_network

        return export_picture_network(self, network, settings, labels, folder)

    def references(self, settings: SettingsT) -> tuple[str, ...]:
        """Those of :meth:`inputs` that take a flawless picture of the scene, which a bundle stores: the ``template`` of
        a sample."""
        return ()

    def prepare(self, input: Tensor, settings: SettingsT) -> list[Tensor]:
        """What the network is given of a batch's ``input (n, ...) float32``: of pictures, 0..255, one tensor per input,
        normalised."""
        return normalise(input, self.inputs(settings))

    def augmentation(self, settings: SettingsT) -> Sequence[Augmentation]:
        """What happens to training pictures, in order."""
        return ()

    def mixing(self, settings: SettingsT) -> Mixing | None:
        """How two augmented training pictures become one."""
        return None

    def sampling_weights(self, settings: SettingsT, splits: Splits[SampleT]) -> NDArray[np.float64] | None:
        """``(len(splits.train),)``: how often each training sample is drawn, in relation; ``None``: each once per
        epoch."""
        return None
