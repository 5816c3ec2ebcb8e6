"""``vedette search``: good settings for a recipe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import get_args

import click
import msgspec

from vedette.cli import current_registry
from vedette_torch.search.run import search as search_settings
from vedette_torch.search.space import read_space
from vedette_torch.search.study import Pruning
from vedette_torch.search.trials import plain, trials_text
from vedette_torch.train_command import find_recipe, parse_settings
from vedette_torch.training import Hardware

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("recipe")
@click.option("--data", type=FOLDER, required=True, help="Folder of the data, as for `vedette train`.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the study.")
@click.option(
    "--space",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="TOML: a table for each setting, with low and high (log, step), or choices.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Trainings in all, also of earlier calls.",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting that all trials have.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search.")
@click.option(
    "--pruning",
    type=click.Choice(get_args(Pruning)),
    default="median",
    show_default=True,
    help="How bad trials are given up early, by their validation after each epoch.",
)
@click.option(
    "--accelerator", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes that load pictures.",
)
def search(
    recipe: str,
    data: Path,
    out: Path,
    space: Path,
    trials: int,
    changes: tuple[str, ...],
    seed: int,
    pruning: Pruning,
    accelerator: str,
    workers: int,
) -> None:
    r"""Search settings for RECIPE: the same command again goes on, also after a crash.

    \b
    vedette search cifar_classifier --data cifar10 --out studies/cifar --space space.toml --trials 30 --set epochs=15

    Each trial is a run folder below STUDY/trials. In the end there are trials.csv and best.toml.
    """
    chosen = find_recipe(current_registry(), recipe)
    parsed = msgspec.to_builtins(parse_settings(chosen.settings_type, changes))
    fixed = {name: parsed[name] for name in (change.partition("=")[0] for change in changes)}
    hardware = msgspec.convert({"accelerator": accelerator, "workers": workers}, Hardware)
    found = search_settings(
        chosen,
        data,
        out,
        read_space(space),
        trials=trials,
        fixed=fixed,
        seed=seed,
        pruning=pruning,
        hardware=hardware,
        say=click.echo,
    )
    options = shlex.join(
        f"--set={name}={plain(value)}" for name, value in {**fixed, **found.best.values}.items()
    )
    click.echo(f"\n{trials_text(found.trials)}\n\nbest: {found.best.run}, {out / 'best.toml'}")
    click.echo(
        f"to train with it:\nvedette train {recipe} --data {shlex.quote(str(data))} --out RUN {options}"
    )
