"""Two processes that train together learn what one would."""

import csv

import pytest
import torch

from vedette_torch.training import Hardware, train

TOLERANCE = 2e-5
"""Of weights and losses after two epochs, which are of size 0.1 to 1: rounding in another order grows."""


def test_two_processes_are_as_good_as_one(tiny, pictures, tmp_path, vedette):
    settings = tiny.TinySettings(epochs=2, ema=0.9, optimiser="momentum", learning_rate=0.05, mix=True)
    options = [
        f"--set={name}={value}"
        for name, value in (
            ("epochs", 2),
            ("ema", 0.9),
            ("optimiser", "momentum"),
            ("learning_rate", 0.05),
            ("mix", "true"),
        )
    ]
    alone = train(
        tiny.Tiny(), pictures, tmp_path / "one", settings=settings, hardware=Hardware(accelerator="cpu")
    )
    done = vedette(
        *("train", "tiny", "--data", pictures, "--out", tmp_path / "two", "--accelerator", "cpu"),
        *("--devices", 2, *options),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch   1/2") == 1, "one process reports"

    one, two = (torch.load(tmp_path / run / "last.pt", weights_only=True) for run in ("one", "two"))
    fresh = tiny.Tiny().network(settings, alone.labels).state_dict()
    for part in ("network", "average"):
        for name, value in one[part].items():
            assert value.shape == two[part][name].shape
            torch.testing.assert_close(two[part][name], value, rtol=0, atol=TOLERANCE, msg=f"{part} {name}")
    moved = max(float((one["network"][name] - fresh[name]).abs().max()) for name in fresh)
    assert moved > 100 * TOLERANCE, "else the comparison says nothing"
    for left, right in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        for name in left.keys() - {"seconds", "waited_s"}:
            assert float(right[name]) == pytest.approx(float(left[name]), abs=TOLERANCE), name


def rows(run):
    with (run / "metrics.csv").open() as lines:
        return list(csv.DictReader(lines))
