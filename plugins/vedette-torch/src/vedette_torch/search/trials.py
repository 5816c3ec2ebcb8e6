"""What came of trials: as a table, as CSV, and the best of them as settings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.bundle.atomic import replace_file
from vedette.cli.report import table


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training of a search. ``state``: ``complete``, ``given up`` or ``failed``; ``problem`` says why it failed.
    ``value``: the best validation figure of its ``epochs``, ``None`` where it came to none. ``values``: what was
    searched."""

    number: int
    state: str
    value: float | None
    epochs: int
    seconds: float
    values: Mapping[str, Any]
    run: Path
    problem: str = ""


def trials_text(trials: Sequence[Trial]) -> str:
    """The best first."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    rows = [
        [
            f"{trial.number:04}",
            trial.state,
            "-" if trial.value is None else f"{trial.value:.4f}",
            trial.epochs,
            f"{trial.seconds:.0f} s",
            *(_short(trial.values.get(name, "")) for name in names),
        ]
        for trial in sorted(
            trials, key=lambda trial: -1.0 if trial.value is None else trial.value, reverse=True
        )
    ]
    return "\n".join(table(["trial", "state", "value", "epochs", "steps took", *names], rows))


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """``trials.csv``, in their order."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", "state", "value", "epochs", "seconds", *names, "problem"])
    for trial in trials:
        value = "" if trial.value is None else trial.value
        chosen = [plain(trial.values[name]) if name in trial.values else "" for name in names]
        writer.writerow(
            [trial.number, trial.state, value, trial.epochs, f"{trial.seconds:.1f}", *chosen, trial.problem]
        )
    replace_file(path, out.getvalue().encode())


def write_best(path: Path, best: Trial, settings: Mapping[str, Any]) -> None:
    """``best.toml``: the settings of a trial that differ from the recipe's defaults. One that is ``null`` is a comment,
    because TOML has no such value."""
    lines = [f"# trial {best.number:04}: {best.value}, of {best.epochs} epochs"]
    lines += [
        f"# {name} = null" if value is None else f"{name} = {_toml(value)}"
        for name, value in settings.items()
    ]
    replace_file(path, "".join(f"{line}\n" for line in lines).encode())


def _toml(value: Any) -> str:
    """Scalars and lists of them: JSON but for numbers, which JSON may write as 1e-05, as TOML does too."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def plain(value: Any) -> str:
    """As ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else plain(value)
