"""``vedette fit-site``: from normal video of one camera to a model of what is usual there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec

from vedette.cli import current_registry
from vedette.errors import VedetteError
from vedette_anomaly.recipes.next_frame import NextFrameSettings
from vedette_anomaly.recipes.reconstruction import ReconstructionRecipe
from vedette_anomaly.site.finish import Learnt, finish
from vedette_anomaly.site.fit import Request, fit, install, site_size
from vedette_torch.train_command import find_recipe, parse_settings
from vedette_torch.training.checkpoint import load_weights
from vedette_torch.training.run_folder import RunFolder


@click.group(name="fit-site")
def fit_site() -> None:
    """Learn what is usual in front of one camera."""


@fit_site.command()
@click.option(
    "--video",
    "videos",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    required=True,
    help="Normal footage of the camera, nothing else; may be given several times.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the result.  [default: site-NAME]")
@click.option("--name", help="Of the bundle.  [default: the first video's]")
@click.option("--install", "installed", is_flag=True, help="Also install it on this machine, under its name.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Use so much of each video.")
@click.option(
    "--false-alarms-per-day",
    "per_day",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
)
@click.option(
    "--width",
    type=click.IntRange(min=32),
    default=320,
    show_default=True,
    help="The widest picture, in pixels.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Frames per second.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the training; `vedette train next_frame --settings` lists them.",
)
def anomaly(
    videos: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    installed: bool,
    minutes: float | None,
    per_day: float,
    width: int,
    rate: float,
    changes: tuple[str, ...],
) -> None:
    r"""From normal video to a bundle that finds the unusual, proved on this machine.

    \b
    vedette fit-site anomaly --video normal.mp4 --install
    vedette run site-normal/pipeline.toml

    An hour of footage with the usual comings and goings is a good beginning. A quarter of it is held back: by it the
    limit is found above which there is an alarm. Interrupted, the same command goes on where it was.
    """
    name = name or slug(videos[0].stem)
    size = site_size(videos[0], width)
    given = ("validation=0.25", *changes, f"rate_hz={rate}", f"size_wh=[{size[0]},{size[1]}]")
    request = Request(
        videos=videos,
        folder=out or Path(f"site-{name}"),
        name=name,
        settings=parse_settings(NextFrameSettings, given),
        minutes=minutes,
        per_day=per_day,
    )
    registry = current_registry()
    fitted = fit(request, registry, click.echo)
    if installed:
        install(fitted, registry, click.echo)
    click.echo(f"\n{fitted.bundle}\nto try it: vedette run {fitted.pipeline}")


@fit_site.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--name", help="Of the bundle.  [default: the folder's]")
@click.option(
    "--false-alarms-per-day",
    "per_day",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
)
def pack(run: Path, name: str | None, per_day: float) -> None:
    """Make a bundle of RUN, the folder of a `vedette train next_frame` or `frame_autoencoder` that has ended.

    The limit is found on the footage that the training held back, which is read again.
    """
    registry, folder = current_registry(), RunFolder(run)
    info = folder.read_info()
    recipe = find_recipe(registry, info.recipe)
    if not isinstance(recipe, ReconstructionRecipe):
        raise VedetteError(
            f"{run} is a run of {info.recipe}, which learns something else", fix="use vedette pack"
        )
    settings = msgspec.convert(info.settings, recipe.settings_type)
    network = recipe.network(settings, ())
    load_weights(folder.best, network)
    _, held = recipe.footage(Path(info.data), settings)
    learnt = Learnt(
        recipe=recipe, settings=settings, network=network.eval(), held=held, videos=(Path(info.data).name,)
    )
    click.echo(str(finish(learnt, run, name or slug(run.resolve().name), per_day, registry, click.echo)))


def slug(text: str) -> str:
    """A name for a bundle."""
    return re.sub(r"[^a-z0-9_.-]+", "-", text.lower()).strip("-._")[:64] or "site"
