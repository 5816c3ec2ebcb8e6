"""How well ``gesture_gru`` does on the finger tracks of Kazuhito Takahashi's hand-gesture-recognition-using-mediapipe.

``python plugins/vedette-rnn/models/gestures.py [KEY=VALUE ...]`` prints JSON. Protocol: contiguous fifths of each
class with 16 rows left out on both sides of the one that judges; five trainings of a fixed length, none of which sees
what it is judged by, nor chooses its epoch by it. VEDETTE_DATA names the folder of real data.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import click
import msgspec
import torch

from vedette_rnn.recipes.gesture_gru import GestureGru, GestureSettings
from vedette_rnn.recipes.sequence import at_end
from vedette_torch.data.reading import read_data
from vedette_torch.data.samples import SequenceSample
from vedette_torch.data.sequences import hold_back_blocks
from vedette_torch.example import Batch
from vedette_torch.pictures import PictureLoader
from vedette_torch.recipe import Splits
from vedette_torch.train_command import parse_settings
from vedette_torch.training import Hardware, train

FOLDS, GUARD = 5, 16
TABLE = "datasets/hand_gesture_sequences/point_history.csv"
LABELS = ("stop", "clockwise", "counter-clockwise", "move")
SETTINGS = GestureSettings(validation=0.0, mirror=((1, 2),))


class FoldOfGestures(GestureGru):
    """All that one fold learns from."""

    def __init__(self, fold: int) -> None:
        self._fold = fold

    def read(self, data: Path, settings: GestureSettings) -> Splits[SequenceSample]:
        dataset = read_data(data, "sequences").split()
        kept, _ = hold_back_blocks(dataset, FOLDS, self._fold, GUARD)
        return Splits(train=kept, validation=(), labels=LABELS)


def run_fold(table: Path, fold: int, settings: GestureSettings) -> tuple[int, int]:
    """Right answers and rows."""
    recipe = FoldOfGestures(fold)
    with tempfile.TemporaryDirectory() as folder:
        done = train(recipe, table, Path(folder), settings=settings, hardware=Hardware(accelerator="cpu"))
    _, held = hold_back_blocks(read_data(table, "sequences").split(), FOLDS, fold, GUARD)
    loader = PictureLoader({})
    batch = Batch.of([recipe.load(sample, LABELS, loader) for sample in held])
    with torch.no_grad():
        said = at_end(done.network(batch.input), batch.targets.length).argmax(dim=1)
    return int((said == batch.targets.classes.argmax(dim=1)).sum()), len(held)


def main(changes: list[str]) -> None:
    """All folds; ``changes`` are settings."""
    given = parse_settings(GestureSettings, changes)
    settings = msgspec.structs.replace(
        SETTINGS, **{change.partition("=")[0]: getattr(given, change.partition("=")[0]) for change in changes}
    )
    table = Path(os.environ["VEDETTE_DATA"]) / TABLE
    begin = time.process_time()
    counts = [run_fold(table, fold, settings) for fold in range(FOLDS)]
    accuracies = [right / rows for right, rows in counts]
    plain = {
        "settings": msgspec.to_builtins(settings),
        "folds": [round(value, 4) for value in accuracies],
        "mean": round(sum(accuracies) / FOLDS, 4),
        "worst": round(min(accuracies), 4),
        "rows": sum(rows for _, rows in counts),
        "processor_s": round(time.process_time() - begin, 1),
    }
    click.echo(json.dumps(plain, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
