"""How well ``clip_gru`` tells fights in surveillance footage (fight-detection-surv-dataset of Seymanur Akti).

``python plugins/vedette-rnn/models/fights.py PART [KEY=VALUE ...]`` prints JSON; VEDETTE_DATA names the folder of real
data. Clips of one source video never learn and judge at once. PART is one of

``choose``  four folds of the split ``train`` alone: what settings are chosen by;
``folds``   four folds of all clips;
``val``     learns from ``train`` and judges ``val``, which is for once, when all is chosen. The variable RUN
            names a folder to keep this training in, for ``vedette pack-recurrent``.

Every training has a fixed length: what it is judged by does not choose its epoch.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
import msgspec
import torch
from torchmetrics.functional.classification import binary_auroc

from vedette_rnn.recipes.clip_gru import ClipGru, ClipSettings, SampledClip, with_sampling
from vedette_rnn.recipes.sequence import at_end
from vedette_torch.data.reading import DataFolder, read_data
from vedette_torch.data.samples import ClipSample, Dataset
from vedette_torch.data.split import split_data
from vedette_torch.example import Batch, Example
from vedette_torch.export import export_run
from vedette_torch.metrics.figure import proportion
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Splits
from vedette_torch.train_command import parse_settings
from vedette_torch.training import Hardware, train

FOLDER = "datasets/fight_surveillance"
FOLDS = 4
FIGHT = 0
SETTINGS = ClipSettings(validation=0.0, precision="bf16-mixed")


class FightClips(ClipGru):
    """Learns from the clips that it is made with; what was decoded once is kept."""

    def __init__(self, clips: Sequence[ClipSample], labels: tuple[str, ...]) -> None:
        self._clips, self._labels = clips, labels

    def read(self, data: Path, settings: ClipSettings) -> Splits[SampledClip]:
        splits = Splits(train=self._clips, validation=(), labels=self._labels)
        return with_sampling(splits, settings)

    def load(self, sample: SampledClip, labels: tuple[str, ...], loader: PictureLoader) -> Example:
        key = (sample.path, str(sample.temporal), loader.names)
        if key not in _LOADED:
            _LOADED[key] = super().load(sample, labels, loader)
        return _LOADED[key]


_LOADED: dict[Any, Example] = {}


@cache
def clips_of(root: Path) -> DataFolder[ClipSample]:
    """All clips, read once."""
    return read_data(root, "clips")


def judge(
    root: Path,
    learn: Dataset[ClipSample],
    held: Dataset[ClipSample],
    settings: ClipSettings,
    keep: Path | None = None,
) -> Any:
    """For each clip that was held back how probable a fight is, and whether it is one. ``keep``: a folder for the run,
    which can then be packed."""
    recipe = FightClips(learn.samples, learn.labels)
    with tempfile.TemporaryDirectory() as scratch:
        run = keep or Path(scratch)
        done = train(recipe, root, run, settings=settings, hardware=Hardware(accelerator="cpu"))
        if keep is not None:
            export_run(recipe, settings, done)
    loader = PictureLoader(recipe.inputs(settings))
    samples = with_sampling(Splits(train=held.samples, validation=(), labels=held.labels), settings).train
    said = []
    for sample in samples:
        batch = Batch.of([recipe.load(sample, held.labels, loader)])
        with torch.no_grad():
            outputs = done.network(*recipe.prepare(batch.input, settings))
        said.append(at_end(outputs, batch.targets.length).softmax(dim=1)[0, FIGHT])
    return torch.stack(said), torch.tensor([sample.class_id == FIGHT for sample in samples])


def figures(said: torch.Tensor, true: torch.Tensor) -> dict[str, Any]:
    """Accuracy and recall of fights at 0.5 with intervals at 95 %, and the area under the curve."""
    right = (said > 0.5) == true
    accuracy = proportion(int(right.sum()), len(true))
    recall = proportion(int(right[true].sum()), int(true.sum()))
    return {
        "clips": len(true),
        "accuracy": f"{accuracy}",
        "recall": f"{recall}",
        "auc": round(float(binary_auroc(said, true.int())), 4),
    }


def folds_of(dataset: Dataset[ClipSample], root: Path, settings: ClipSettings) -> dict[str, Any]:
    """Every clip is judged by a network that saw nothing of its source."""
    parts = list(split_data(dataset, {str(fold): 1 / FOLDS for fold in range(FOLDS)}).values())
    said, true, each = [], [], []
    for fold, held in enumerate(parts):
        rest = [sample for other in parts if other is not held for sample in other.samples]
        learn = Dataset(samples=rest, labels=dataset.labels)
        ours, theirs = judge(root, learn, held, settings)
        each.append(round(float(((ours > 0.5) == theirs).float().mean()), 3))
        click.echo(f"fold {fold}: {figures(ours, theirs)}", err=True)
        said.append(ours)
        true.append(theirs)
    return {**figures(torch.cat(said), torch.cat(true)), "folds": each}


def main(part: str, changes: list[str]) -> None:
    """One part; ``changes`` are settings."""
    given = parse_settings(ClipSettings, changes)
    changed = {name: getattr(given, name) for name in (change.partition("=")[0] for change in changes)}
    settings = msgspec.structs.replace(SETTINGS, **changed)
    root = Path(os.environ["VEDETTE_DATA"]) / FOLDER
    begin = time.process_time()
    data = clips_of(root)
    if part == "val":
        keep = Path(os.environ["RUN"]) if "RUN" in os.environ else None
        found = figures(*judge(root, data.split("train"), data.split("val"), settings, keep))
    else:
        names = ("train",) if part == "choose" else ("train", "val")
        samples = [sample for name in names for sample in data.split(name).samples]
        found = folds_of(Dataset(samples=samples, labels=data.labels), root, settings)
    plain = {"part": part, **found, "changed": changed, "processor_s": round(time.process_time() - begin)}
    click.echo(json.dumps(plain, indent=2))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
