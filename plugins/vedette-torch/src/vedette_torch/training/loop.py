"""The loop: epochs of steps, judged, written down, and always ready to be killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from vedette.errors import VedetteError
from vedette_torch.example import Example
from vedette_torch.optim import build_optimiser, learning_rate
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Recipe, SampleT, SettingsT, Splits
from vedette_torch.training.average import WeightAverage
from vedette_torch.training.batches import LoadedExamples, TrainingBatches, plain_batches
from vedette_torch.training.begin import check_same_run, describe_run
from vedette_torch.training.board import Board
from vedette_torch.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from vedette_torch.training.diagnosis import Finding, diagnose
from vedette_torch.training.distributed import share_batch_norm
from vedette_torch.training.hardware import Hardware, is_first_process, start_fabric
from vedette_torch.training.judging import judge
from vedette_torch.training.position import Position, Row, as_row, best_epoch, out_of_patience
from vedette_torch.training.progress import epoch_line, progress_bar
from vedette_torch.training.run_folder import RunFolder
from vedette_torch.training.start import Start
from vedette_torch.training.step import Learner, StepResult, seed_all, take_step

logger = logging.getLogger("vedette.torch.training")
PROBE_SEED = 1
Watch = Callable[[Row, str], None]
"""Is given each epoch's row, once it is on the disk, and the column that decides; first the rows that a resumed run has
already. What it raises ends the training, which can go on later."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedRun:
    """What came of a training: the network with the weights of its best epoch, on the CPU and in ``eval`` mode.

    ``first_process`` tells whether this process owns the run: of several, only one reports.
    """

    run: RunFolder
    network: nn.Module
    labels: tuple[str, ...]
    history: Sequence[Row]
    best_epoch: int | None
    findings: Sequence[Finding]
    first_process: bool


def train(
    recipe: Recipe[SettingsT, SampleT],
    data: Path,
    out: Path,
    *,
    settings: SettingsT | None = None,
    hardware: Hardware | None = None,
    resume: bool = False,
    start: Start | None = None,
    say: Callable[[str], None] = logger.info,
    watch: Watch | None = None,
) -> TrainedRun:
    """Train ``recipe`` on ``data`` in the run folder ``out``, from fresh weights or those of ``start``.

    With ``resume`` a run that was interrupted, by whatever, goes on from its last checkpoint; on one CPU process its
    result is to the bit that of a run that was not. A run that is complete stays as it is. ``say`` gets a line per
    epoch, ``watch`` its numbers.

    Raises
    ------
    VedetteError
        The data or the settings cannot be used; the folder is in use, holds a run already (without ``resume``) or
        another one (with it), or cannot be written; the weights of ``start`` do not fit; the loss or the gradient is
        not finite.
    """
    settings = settings if settings is not None else recipe.settings_type()
    hardware = hardware or Hardware()
    folder = RunFolder(out)
    with folder.locked() if is_first_process() else nullcontext():
        splits = recipe.read(data, settings)
        info = describe_run(recipe.name, settings, data, splits, start)
        if is_first_process():
            check_same_run(folder, info, resume)
        fabric = start_fabric(hardware, settings.precision, settings.batch_size)
        if fabric.is_global_zero:
            folder.write_info(info)
            folder.write_environment()
        loop = _build_loop(recipe, settings, hardware, splits, fabric, folder, start, say)
        loop.run(watch)
        fabric.barrier()
        network = recipe.network(settings, splits.labels)
        load_weights(folder.best, network)
    return TrainedRun(
        run=folder,
        network=network.eval(),
        labels=splits.labels,
        history=loop.history,
        best_epoch=best_epoch(loop.history, loop.column),
        findings=diagnose(loop.history, loop.learner.objective.main, len(splits.train)),
        first_process=fabric.is_global_zero,
    )


class Loop:
    """A training in one process: the walk through the epochs.

    ``learner`` learns from ``batches`` and is judged on all of ``validation``, and on as many of ``training``, which
    are the same pictures in every epoch.
    """

    def __init__(
        self,
        learner: Learner,
        batches: TrainingBatches,
        training: LoadedExamples,
        validation: LoadedExamples,
        folder: RunFolder,
        hardware: Hardware,
        say: Callable[[str], None],
    ) -> None:
        self.learner = learner
        self.column = f"val_{learner.objective.main}"
        self._batches, self._training, self._validation = batches, training, validation
        self._folder, self._hardware, self._say = folder, hardware, say
        self._fabric, self._settings = learner.fabric, learner.settings
        self._position = Position()
        self._saved_at = time.monotonic()

    @property
    def history(self) -> list[Row]:
        """A row per finished epoch."""
        return self._position.history

    def run(self, watch: Watch | None = None) -> None:
        """From the last checkpoint to the end. Only the first process watches."""
        learner, settings = self.learner, self._settings
        self._position = load_checkpoint(self._folder, learner.network, learner.optimiser, learner.average)
        if (
            self.history and self._fabric.is_global_zero
        ):  # it may have been killed before it wrote the last row
            self._folder.write_metrics(self.history)
        if not self._fabric.is_global_zero or watch is None:
            watch = _nobody
        for row in self.history:
            watch(row, self.column)
        with Board(self._folder.path, self._hardware.tensorboard and self._fabric.is_global_zero) as board:
            while self._position.epoch < settings.epochs and not out_of_patience(
                self.history, self.column, settings.patience
            ):
                self._learn()
                row = self._judge_epoch()
                self._position = self._position.next_epoch(row)
                self._write_epoch(row)
                board.write(row)
                watch(row, self.column)

    def _learn(self) -> None:
        """The rest of the current epoch."""
        position, shown = self._position, self._fabric.is_global_zero
        batches = self._batches.of_epoch(position.epoch, position.step)
        self.learner.wrapped.train()
        label = f"epoch {position.epoch + 1}/{self._settings.epochs}"
        with progress_bar(label, self._batches.steps, position.step, shown) as advance:
            for step in range(position.step, self._batches.steps):
                begin = time.perf_counter()
                batch = next(batches)
                waited = time.perf_counter() - begin
                at = position.epoch * self._batches.steps + step
                rate = learning_rate(self._settings, at, self._batches.steps)
                result = take_step(self.learner, batch, rate, position.epoch, step)
                if not result.finite:
                    raise self._not_finite(result)
                position.step = step + 1
                position.loss_total += result.total
                position.loss_count += result.count
                position.gradient_norm += result.gradient_norm
                position.waited_s += waited
                position.seconds += time.perf_counter() - begin
                advance(f"loss {result.loss:.3f}")
                if time.monotonic() - self._saved_at >= self._hardware.checkpoint_s:
                    self._save()

    def _judge_epoch(self) -> Row:
        position, steps = self._position, self._batches.steps
        row = as_row(
            epoch=position.epoch,
            learning_rate=learning_rate(self._settings, (position.epoch + 1) * steps - 1, steps),
            train_loss=position.loss_total / max(position.loss_count, 1.0),
            gradient_norm=position.gradient_norm / steps,
        )
        n = len(self._validation)
        if n:
            rng = np.random.default_rng([self._settings.seed, PROBE_SEED])
            probe = rng.permutation(len(self._training))[:n].tolist()
            for name, loaded, indices in (
                ("val", self._validation, list(range(n))),
                ("probe", self._training, probe),
            ):
                numbers = self._judge(loaded, indices)
                row |= {f"{name}_{what}": number for what, number in numbers.items()}
        return row | as_row(seconds=position.seconds, waited_s=position.waited_s)

    def _judge(self, loaded: LoadedExamples, indices: list[int]) -> dict[str, float]:
        fabric, learner = self._fabric, self.learner
        mine = indices[fabric.global_rank :: fabric.world_size]
        size = max(self._settings.batch_size // fabric.world_size, 1)
        batches = plain_batches(loaded, mine, size, self._hardware.workers)
        return judge(fabric, learner.judged, learner.prepare, learner.objective, batches)

    def _write_epoch(self, row: Row) -> None:
        if not self._fabric.is_global_zero:
            return
        history = self._position.history
        if best_epoch(history, self.column) in (None, len(history) - 1):
            save_weights(self._folder, self.learner.judged)
        self._save()
        self._folder.write_metrics(history)
        self._say(epoch_line(row, self._settings.epochs))

    def _save(self) -> None:
        if self._fabric.is_global_zero:
            learner = self.learner
            save_checkpoint(self._folder, learner.network, learner.optimiser, learner.average, self._position)
        self._saved_at = time.monotonic()

    def _not_finite(self, result: StepResult) -> VedetteError:
        position = self._position
        files = self._batches.files(position.epoch, position.step)
        what = "loss" if not np.isfinite(result.total) else "norm of the gradient"
        value = result.total if what == "loss" else result.gradient_norm
        if self._fabric.is_global_zero:
            listing = {"epoch": position.epoch, "step": position.step, "what": what, "pictures": files}
            self._folder.write("not_finite.json", msgspec.json.format(msgspec.json.encode(listing), indent=2))
        kept = (
            f"{self._folder.last} is from before it"
            if self._folder.last.exists()
            else "there was no checkpoint yet"
        )
        return VedetteError(
            f"the {what} is {value} at step {position.step + 1} of epoch {position.epoch + 1}, whose pictures are "
            f"listed in {self._folder.path / 'not_finite.json'} ({files[0]} ...); {kept}",
            fix="lower learning_rate, set clip_norm (1.0), or warm up for longer; if it is always the same pictures, "
            "look at them",
        )


def _nobody(row: Row, column: str) -> None:
    """Watches nothing."""


def _build_loop(
    recipe: Recipe[SettingsT, SampleT],
    settings: SettingsT,
    hardware: Hardware,
    splits: Splits[SampleT],
    fabric: Fabric,
    folder: RunFolder,
    start: Start | None,
    say: Callable[[str], None],
) -> Loop:
    loader = PictureLoader(recipe.inputs(settings))
    training = _loaded(recipe, splits.train, splits.labels, loader, hardware)
    validation = _loaded(recipe, splits.validation, splits.labels, loader, hardware)
    batches = TrainingBatches(
        settings,
        training,
        [sample.path for sample in splits.train],
        recipe.sampling_weights(settings, splits),
        recipe.augmentation(settings),
        recipe.mixing(settings),
        hardware.workers,
        fabric.global_rank,
        fabric.world_size,
    )
    begin_with = None if start is None or folder.last.exists() else start
    learner = _build_learner(recipe, settings, splits, fabric, begin_with, say)
    return Loop(learner, batches, training, validation, folder, hardware, say)


def _loaded(
    recipe: Recipe[SettingsT, SampleT],
    samples: Sequence[SampleT],
    labels: tuple[str, ...],
    loader: PictureLoader,
    hardware: Hardware,
) -> LoadedExamples:
    def load(index: int) -> Example:
        return recipe.load(samples[index], labels, loader)

    examples = LoadedExamples(load, len(samples), hardware.cache_mb)
    if hardware.workers:
        examples.fill()
    return examples


def _build_learner(
    recipe: Recipe[SettingsT, SampleT],
    settings: SettingsT,
    splits: Splits[SampleT],
    fabric: Fabric,
    start: Start | None,
    say: Callable[[str], None],
) -> Learner:
    seed_all(settings.seed)
    network = recipe.network(settings, splits.labels)
    for note in start.fill(network, splits.labels) if start is not None else ():
        if fabric.is_global_zero:
            say(note)
    for parameter in network.parameters():
        if parameter.ndim == 4:  # convolutions then work in this order of memory, which is the faster one
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    if fabric.world_size > 1:
        network = share_batch_norm(network, fabric.device)
    optimiser = build_optimiser(network, settings)
    wrapped, wrapped_optimiser = fabric.setup(network, optimiser)
    return Learner(
        fabric=fabric,
        settings=settings,
        prepare=partial(recipe.prepare, settings=settings),
        network=network,
        wrapped=wrapped,
        optimiser=optimiser,
        wrapped_optimiser=wrapped_optimiser,
        average=WeightAverage(network, settings.ema) if settings.ema else None,
        objective=recipe.objective(settings, splits),
    )
