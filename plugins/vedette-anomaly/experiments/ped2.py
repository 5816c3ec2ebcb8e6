"""UCSD Ped2: how well a next-frame network tells carts, bicycles and skaters from walkers.

    python experiments/ped2.py DATA OUT [--seed 0 --seed 1 --seed 2] [--set epochs=8] [--edge]

DATA has ``train/*.mp4``, ``test/*.mp4``, ``test_frame_labels.json`` and ``test_pixel_masks_packed.npz``. Prints JSON. A
run that was interrupted goes on. Everything is chosen on clips of ``train`` that are held back; those of ``test`` are
looked at once, at the end.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from measures import hit_rate, on_frames, roc_auc, within_clips
from numpy.typing import NDArray
from staged import staged

from vedette_anomaly.blocks import block_means
from vedette_anomaly.decoder import Params
from vedette_anomaly.recipes.footage import Footage, read_footage
from vedette_anomaly.recipes.next_frame import NextFrame, NextFrameSettings
from vedette_anomaly.recipes.reconstruction import CELL
from vedette_anomaly.recipes.scoring import cell_errors, raw_scores, smoothed
from vedette_torch.pictures import PictureLoader
from vedette_torch.train_command import parse_settings
from vedette_torch.training import Hardware, train

BLOCK = Params().block
TIME_S = 0.448
Cells = NDArray[np.float32]

STAGED = 1
"""Anomalies that are staged in each held-back clip."""
HELD_BACK = 0.1875
"""3 of the 16 clips."""


def clip_scores(cells: Cells, frames: int, rate_hz: float) -> NDArray[np.float64]:
    """Smoothed scores of a clip of ``frames``; those before the first that can be judged get its score."""
    scores = smoothed(raw_scores(cells, BLOCK), rate_hz, TIME_S)
    return np.concatenate([np.full(frames - len(scores), scores[0]), scores])


def frame_differences(footage: Footage) -> Cells:
    """The control: no network, but the last frame as the prediction of the next."""
    frames = np.stack(footage.frames)[:, 0].astype(np.float32)
    height, width = (side // CELL for side in frames.shape[1:])
    return np.abs(np.diff(frames, axis=0)).reshape(-1, height, CELL, width, CELL).mean(axis=(2, 4))


class Test:
    """The test clips, their labels by frame and by pixel."""

    def __init__(self, data: Path, settings: NextFrameSettings) -> None:
        loader = PictureLoader(NextFrame().inputs(settings))
        self.footage = read_footage(data / "test", loader, settings.temporal)
        labels = json.loads((data / "test_frame_labels.json").read_text())
        packed = np.load(data / "test_pixel_masks_packed.npz")
        names = [item.path.stem for item in self.footage]
        width, height = settings.size_wh
        self.abnormal = [np.array(labels[name], bool) for name in names]
        self.masks = [
            np.unpackbits(packed[name], axis=1).reshape(-1, height, width).astype(bool) for name in names
        ]
        self.size_wh, self.rate_hz = settings.size_wh, settings.rate_hz

    def measure(self, cells: list[Cells]) -> dict[str, Any]:
        """Figures of what a network gave for each clip."""
        scores = [
            clip_scores(item, len(truth), self.rate_hz)
            for item, truth in zip(cells, self.abnormal, strict=True)
        ]
        return self.of_frames(scores) | self.of_pixels(cells)

    def of_frames(self, scores: list[NDArray[np.float64]]) -> dict[str, Any]:
        truth = np.concatenate(self.abnormal)
        return {
            "frames": len(truth),
            "auc": round(roc_auc(truth, np.concatenate(scores)), 4),
            "auc_min_max_per_clip": round(roc_auc(truth, within_clips(scores)), 4),
        }

    def of_pixels(self, cells: list[Cells]) -> dict[str, Any]:
        """Of every fourth pixel of each axis, of the frames that were judged."""
        heat = [block_means(item, BLOCK) for item in cells]
        masks = [mask[-len(item) :] for mask, item in zip(self.masks, heat, strict=True)]
        truth = np.concatenate([mask[:, CELL // 2 :: CELL, CELL // 2 :: CELL].ravel() for mask in masks])
        values = np.concatenate([on_frames(item, self.size_wh, BLOCK, CELL).ravel() for item in heat])
        pairs = [hit_rate(item, mask, BLOCK, CELL) for item, mask in zip(heat, masks, strict=True)]
        hits, total = np.array(pairs).sum(axis=0)
        return {
            "pixel_auc": round(roc_auc(truth, values), 4),
            "hottest_block_on_the_anomaly": round(hits / total, 4),
            "abnormal_frames_judged": int(total),
        }


def staged_auc(footage: list[Footage], cells: Any, rate_hz: float) -> float:
    """By frame, of anomalies staged in normal footage."""
    truth, scores = [], []
    for clip, item in enumerate(footage):
        for number in range(STAGED):
            made, seen = staged(item, clip * STAGED + number)
            truth.append(seen)
            scores.append(clip_scores(cells(made), len(seen), rate_hz))
    return round(roc_auc(np.concatenate(truth), np.concatenate(scores)), 4)


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of the recipe.")
@click.option(
    "--choose", is_flag=True, help="Only what held-back clips of train say; the test is not looked at."
)
@click.option(
    "--edge", is_flag=True, help="Also the bundle of the first seed, float and int8, in a pipeline."
)
def main(
    data: Path, out: Path, seeds: tuple[int, ...], changes: tuple[str, ...], choose: bool, edge: bool
) -> None:
    """Train, and print figures as JSON."""
    recipe = NextFrame()
    given = (f"validation={HELD_BACK}", *changes)
    figures: dict[str, Any] = {"settings": given, "seeds": {}}
    test = None if choose else Test(data, parse_settings(NextFrameSettings, given))
    if test is not None:
        figures["control, no network"] = test.measure([frame_differences(item) for item in test.footage])
    for seed in seeds:
        settings = parse_settings(NextFrameSettings, (*given, f"seed={seed}"))
        folder = out / f"seed-{seed}"
        done = train(
            recipe,
            data / "train",
            folder,
            settings=settings,
            hardware=Hardware(accelerator="cpu", cache_mb=0),
            resume=True,
            say=partial(click.echo, err=True),
        )
        recipe.write(done.network, settings, (), folder)
        _, held = recipe.footage(data / "train", settings)
        cells = partial(_cells, recipe, done.network, past=settings.past)
        row = figures["seeds"][str(seed)] = {
            "held_back_psnr": round(done.history[-1]["val_psnr"], 3),
            "staged_auc": staged_auc(held, cells, settings.rate_hz),
            "staged_auc_control": staged_auc(held, frame_differences, settings.rate_hz),
        }
        if test is not None:
            row |= test.measure([cells(item) for item in test.footage])
        click.echo(json.dumps({seed: row}), err=True)
    if test is not None:
        for name in ("auc", "auc_min_max_per_clip", "pixel_auc", "hottest_block_on_the_anomaly"):
            figures[f"mean {name}"] = round(
                float(np.mean([row[name] for row in figures["seeds"].values()])), 4
            )
    if edge and test is not None:
        from edge import edge_figures

        settings = parse_settings(NextFrameSettings, (*given, f"seed={seeds[0]}"))
        figures["edge"] = edge_figures(data, out / f"seed-{seeds[0]}", settings, test)
    click.echo(json.dumps(figures, indent=2))


def _cells(recipe: NextFrame, network: Any, footage: Footage, *, past: int) -> Cells:
    return cell_errors(recipe, network, footage, past)


if __name__ == "__main__":
    main()
