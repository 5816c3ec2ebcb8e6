"""``vedette train``: from a recipe and a folder of data to a run folder with an exported model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from vedette.cli import current_registry
from vedette.errors import ConfigError
from vedette_torch.export import export_run, pack_command
from vedette_torch.recipe import Settings, SettingsT
from vedette_torch.trained import find_recipe as find_recipe
from vedette_torch.training import Hardware, train
from vedette_torch.training.start import Start

FOLDER = click.Path(path_type=Path)


@click.command(name="train")
@click.argument("recipe")
@click.option("--data", type=FOLDER, help="Folder of the data; `vedette data` says what is read.")
@click.option("--out", type=FOLDER, help="Folder of the run.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting; `--settings` lists them. VALUE is JSON or text.",
)
@click.option("--resume", is_flag=True, help="Go on with the run that is in --out, if there is one.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="Begin with these weights: the folder of a run, or a file.",
)
@click.option(
    "--new-head",
    is_flag=True,
    help="With --from: a fresh last layer where the classes are others.",
)
@click.option(
    "--accelerator", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
)
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes, each with its GPU if any.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes that load pictures.",
)
@click.option(
    "--cache-mb",
    type=click.IntRange(min=0),
    default=2048,
    show_default=True,
    help="Memory for pictures as loaded.",
)
@click.option(
    "--checkpoint-s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds between checkpoints within an epoch; 0: after every step.",
)
@click.option("--tensorboard", is_flag=True, help="Write logs for TensorBoard as well.")
@click.option("--settings", "listed", is_flag=True, help="List the settings of RECIPE and end.")
def train_command(
    recipe: str,
    data: Path | None,
    out: Path | None,
    changes: tuple[str, ...],
    resume: bool,
    source: Path | None,
    new_head: bool,
    listed: bool,
    **hardware: Any,
) -> None:
    r"""Train RECIPE; `vedette plugins` lists the recipes.

    \b
    vedette train cifar_classifier --data cifar10 --out runs/cifar
    vedette train cifar_classifier --data cifar10 --out runs/cifar --resume
    vedette train cifar_classifier --data mine --out runs/mine --from runs/cifar --new-head --set learning_rate=0.02
    torchrun --nproc-per-node 4 -m vedette train cifar_classifier --data cifar10 --out runs/cifar

    A run may be killed at any moment, and goes on with --resume, which may be said from the beginning. In its folder:
    run.json, environment.json, metrics.csv, last.pt, best.pt, and at the end model.onnx and labels.txt.
    """
    chosen = find_recipe(current_registry(), recipe)
    if listed:
        click.echo("\n".join(list_settings(chosen.settings_type)))
        return
    if data is None or out is None:
        raise click.UsageError("--data and --out are needed")
    if new_head and source is None:
        raise click.UsageError("--new-head says something of --from, which is not given")
    settings = parse_settings(chosen.settings_type, changes)
    done = train(
        chosen,
        data,
        out,
        settings=settings,
        hardware=Hardware(**hardware),
        resume=resume,
        start=None if source is None else Start(source=source, new_head=new_head),
        say=click.echo,
    )
    if not done.first_process:
        return
    click.echo("".join(f"\n{finding}" for finding in done.findings))
    model = export_run(chosen, settings, done)
    click.echo(f"\nexported {model}; to make a bundle of it:\n{pack_command(chosen, settings, done)}")


def parse_settings(
    settings_type: type[SettingsT], changes: Iterable[str], base: SettingsT | None = None
) -> SettingsT:
    """The defaults, or ``base``, with some settings changed: ``epochs=20``, ``milestones=[30,40]``, ``patience=null``.

    Raises
    ------
    ConfigError
        Something is not ``KEY=VALUE``, said twice, unknown, or of the wrong kind.
    """
    given: dict[str, Any] = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or key in given:
            raise ConfigError(f"--set {change}: {'said twice' if key in given else 'not KEY=VALUE'}")
        if key not in settings_type.__struct_fields__:
            raise ConfigError(
                f"--set {change}: there is no setting {key!r}",
                fix=f"there are {', '.join(settings_type.__struct_fields__)}",
            )
        given[key] = _value(text)
    try:
        known = {} if base is None else msgspec.to_builtins(base)
        return msgspec.convert({**known, **given}, settings_type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--set: {error}", fix="`vedette train RECIPE --settings` lists settings") from None


def list_settings(settings_type: type[Settings]) -> Iterator[str]:
    """Lines ``key=default``, as ``--set`` takes them."""
    for name, value in msgspec.to_builtins(settings_type()).items():
        yield f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
