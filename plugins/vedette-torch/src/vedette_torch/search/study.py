"""The study in its SQLite file: begun, or gone on with."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vedette.errors import VedetteError

if TYPE_CHECKING:
    import optuna

Pruning = Literal["median", "hyperband", "none"]
"""When a trial is given up: ``median``, if it is worse than half of the others were at that epoch; ``hyperband``, by
successive halving (Li et al. 2018)."""
RUN = "run"
"""Attribute of a trial: the name of its run folder."""
PROBLEM = "problem"
"""Attribute of a trial: why it failed. One that failed without was cut off."""
_WHAT = "what"
_NAME = "search"


def open_study(path: Path, what: Mapping[str, Any], seed: int, pruning: Pruning, epochs: int) -> optuna.Study:
    """Open ``study.db``, and begin it if it is new.

    Parameters
    ----------
    what
        What makes the search what it is, in plain values; it cannot change later.
    epochs
        Of the longest trial.

    Raises
    ------
    VedetteError
        Optuna is missing, the file cannot be used, or it is another search.
    """
    library = _import_optuna()
    try:
        storage = library.storages.RDBStorage(f"sqlite:///{path}")
        study: optuna.Study = library.create_study(
            storage=storage,
            study_name=_NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=_pruner(library, pruning, epochs),
        )
    except Exception as error:  # SQLAlchemy's and alembic's, which have no common ancestor
        raise VedetteError(
            f"{path}: cannot be used: {error}", fix="give --out another folder, or make room on the disk"
        ) from error
    # Where a seed alone is given, a search that goes on would draw the same values again.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
        study.sampler = library.samplers.TPESampler(seed=seed + len(study.trials), multivariate=True)
    plain = json.loads(json.dumps(what))
    before = study.user_attrs.get(_WHAT)
    if before is None:
        study.set_user_attr(_WHAT, plain)
    elif changed := [name for name in plain if before.get(name) != plain[name]]:
        raise VedetteError(
            f"{path.parent} holds another search: {', '.join(changed)} differ",
            fix="go on with what it was begun with, or give --out another folder",
        )
    return study


def run_of(trial: optuna.trial.FrozenTrial) -> str:
    """The name of its run folder."""
    name: str = trial.user_attrs.get(RUN, f"{trial.number:04}")
    return name


def of_each_run(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials without those whose run was taken up again by a later one."""
    return list({run_of(trial): trial for trial in study.get_trials(deepcopy=False)}.values())


def take_up_again(study: optuna.Study) -> None:
    """Put those trials in the queue again that were cut off: with their values, and in their run folders. Nobody else
    runs any: the folder is locked."""
    states = _import_optuna().trial.TrialState
    for trial in of_each_run(study):
        if trial.state == states.RUNNING:
            study.tell(trial.number, state=states.FAIL)
        if trial.state == states.RUNNING or (trial.state == states.FAIL and PROBLEM not in trial.user_attrs):
            study.enqueue_trial(trial.params, user_attrs={RUN: run_of(trial)})


def _pruner(optuna: Any, pruning: Pruning, epochs: int) -> Any:
    if pruning == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 10))
    if pruning == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
    return optuna.pruners.NopPruner()


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise VedetteError(
            f"a search needs optuna: {error}", fix="pip install 'vedette-torch[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # what fails is told by the search
    return optuna
