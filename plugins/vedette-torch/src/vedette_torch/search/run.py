"""Trials one after the other, each of them a training."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vedette.errors import VedetteError
from vedette_torch.recipe import Recipe, Settings
from vedette_torch.search.space import Space, check_space, settings_with
from vedette_torch.search.study import PROBLEM, RUN, Pruning, of_each_run, open_study, run_of, take_up_again
from vedette_torch.search.trials import Trial, write_best, write_trials
from vedette_torch.training import Hardware, train
from vedette_torch.training.begin import describe_run
from vedette_torch.training.position import Row
from vedette_torch.training.run_folder import RunFolder

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger("vedette.torch.search")
HOPELESS = 3
"""If so many trials have failed and none has not, more of them will."""
_SECONDS = "seconds"
_STATES = {"COMPLETE": "complete", "PRUNED": "given up", "FAIL": "failed"}


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """All trials in their order, the best of those that ran to their end, and its ``settings``."""

    trials: tuple[Trial, ...]
    best: Trial
    settings: Settings


def search(
    recipe: Recipe[Any, Any],
    data: Path,
    out: Path,
    space: Space,
    *,
    trials: int,
    fixed: Mapping[str, Any] | None = None,
    seed: int = 0,
    pruning: Pruning = "median",
    hardware: Hardware | None = None,
    say: Callable[[str], None] = logger.info,
) -> SearchResult:
    """Search settings by the tree-structured Parzen estimator (Bergstra et al. 2011; Falkner et al. 2018).

    The same folder goes on where it was, also after it was killed: the trial that was cut off goes on from its last
    checkpoint. The choice of values after that is another one than without the interruption.

    Parameters
    ----------
    out
        Folder of the study: ``study.db``, ``trials/NNNN`` (run folders), ``trials.csv``, ``best.toml``.
    trials
        How many there shall be in the end, those that were given up early or failed included.
    fixed
        Settings that all trials have, other than the recipe's defaults.
    hardware
        For each training, of one process.

    Raises
    ------
    ConfigError
        A setting is unknown, or does not take a value of the space.
    VedetteError
        The folder is in use or holds another search, the data cannot be used, nothing is validated, or all trials
        failed.
    """
    fixed = fixed or {}
    hardware = hardware or Hardware()
    check_space(space, recipe.settings_type, fixed)
    basis = settings_with(recipe.settings_type, fixed)
    if basis.validation == 0 or hardware.devices > 1:
        what = "a validation: set validation above 0" if basis.validation == 0 else "one process: devices = 1"
        raise VedetteError(f"a search needs {what}")
    with RunFolder(out).locked():
        splits = recipe.read(data, basis)  # what is wrong with the data is said once, not by each trial
        described = {
            "recipe": recipe.name,
            "data": describe_run(recipe.name, basis, data, splits).data_digest,
            "fixed": msgspec.to_builtins(fixed),
            "space": msgspec.to_builtins(dict(space)),
            "seed": seed,
            "pruning": pruning,
        }
        epochs = int(max(space["epochs"].ends())) if "epochs" in space else basis.epochs
        study = open_study(out / "study.db", described, seed, pruning, epochs)
        take_up_again(study)
        attempt = _Attempt(recipe, data, out, space, fixed, hardware, say)
        while len(ended := _ended(study, out)) < trials:
            _give_up_if_hopeless(ended)
            say(f"trial {len(ended) + 1} of {trials}")
            study.optimize(attempt, n_trials=1, catch=(VedetteError,))
            write_trials(out / "trials.csv", _ended(study, out))
        return _result(ended, out, recipe, fixed)


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A trial: settings from the study, a training, and after each epoch the question whether to go on."""

    recipe: Recipe[Any, Any]
    data: Path
    out: Path
    space: Space
    fixed: Mapping[str, Any]
    hardware: Hardware
    say: Callable[[str], None]

    def __call__(self, trial: optuna.Trial) -> float:
        if RUN not in trial.user_attrs:
            trial.set_user_attr(RUN, f"{trial.number:04}")
        chosen = {name: values.suggest(trial, name) for name, values in self.space.items()}
        run = self.out / "trials" / trial.user_attrs[RUN]
        self.say("  " + "  ".join(f"{name}={value}" for name, value in chosen.items()))
        try:
            settings = settings_with(self.recipe.settings_type, {**self.fixed, **chosen})
            return self._train(trial, run, settings)
        except VedetteError as error:
            trial.set_user_attr(PROBLEM, error.message)
            self.say(f"  failed: {error.message}")
            raise

    def _train(self, trial: optuna.Trial, run: Path, settings: Settings) -> float:
        seen: list[Row] = []
        figures: list[float] = []

        def watch(row: Row, column: str) -> None:
            if column not in row:
                raise VedetteError("nothing is validated", fix="set validation above 0")
            seen.append(row)
            figures.append(row[column])
            trial.report(row[column], int(row["epoch"]))
            trial.set_user_attr(_SECONDS, sum(one["seconds"] for one in seen))
            if trial.should_prune():
                from optuna import TrialPruned

                self.say(f"  given up after epoch {len(seen)}")
                raise TrialPruned

        train(
            self.recipe,
            self.data,
            run,
            settings=settings,
            hardware=self.hardware,
            resume=True,
            say=lambda line: self.say(f"  {line}"),
            watch=watch,
        )
        return max(figures)


def _ended(study: optuna.Study, out: Path) -> list[Trial]:
    """The trials that are through, in the order of their runs."""
    return [
        Trial(
            number=int(run_of(one)),
            state=_STATES[one.state.name],
            value=max(one.intermediate_values.values(), default=None),
            epochs=len(one.intermediate_values),
            seconds=one.user_attrs.get(_SECONDS, 0.0),
            values={name: json.loads(v) if isinstance(v, str) else v for name, v in one.params.items()},
            run=out / "trials" / run_of(one),
            problem=one.user_attrs.get(PROBLEM, ""),
        )
        for one in of_each_run(study)
        if one.state.is_finished()
    ]


def _give_up_if_hopeless(ended: Sequence[Trial]) -> None:
    if len(ended) >= HOPELESS and all(trial.state == "failed" for trial in ended):
        raise VedetteError(
            f"all of the first {len(ended)} trials failed: {ended[-1].problem}",
            fix="narrow the space, or see that the recipe trains (`vedette train`), and begin with another --out",
        )


def _result(
    ended: Sequence[Trial], out: Path, recipe: Recipe[Any, Any], fixed: Mapping[str, Any]
) -> SearchResult:
    complete = [trial for trial in ended if trial.state == "complete"]
    if not complete:
        problem = next(
            (trial.problem for trial in reversed(ended) if trial.problem), "all were given up early"
        )
        raise VedetteError(f"no trial came to its end: {problem}", fix="more --trials, or --pruning none")
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))
    chosen = {**fixed, **best.values}
    write_best(out / "best.toml", best, chosen)
    return SearchResult(trials=tuple(ended), best=best, settings=settings_with(recipe.settings_type, chosen))
