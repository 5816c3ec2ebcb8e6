"""``vedette pack-recurrent``: from the folder of a training to a bundle."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vedette.bundle.bundle import parse_labels
from vedette.bundle.documents import Documents
from vedette.cli import current_registry
from vedette.errors import VedetteError
from vedette.registry import Registry
from vedette_rnn.packing.int8 import GRAPH, cost_of_int8, quantise_features
from vedette_rnn.packing.run import Told, TrainedModel, pack_run, read_run
from vedette_rnn.recipes.clip_gru import ClipGru, with_sampling
from vedette_torch.data.reading import read_data
from vedette_torch.recipe import Splits

FILE = click.Path(path_type=Path, exists=True)


@click.command(name="pack-recurrent")
@click.argument("run", type=FILE)
@click.option("--licence", required=True, help="The model's licence, for example Apache-2.0.")
@click.option(
    "--form",
    type=click.Choice(["clip", "stream"]),
    default="stream",
    show_default=True,
    help="The latest samples, again and again; or one sample and a state.",
)
@click.option("--name", help="Default: the recipe's.")
@click.option("--version", default="1.0.0", show_default=True)
@click.option(
    "--labels", type=FILE, help="A text file with one class name per line; default: those of the data."
)
@click.option("--origin", default="", help="Where the model comes from.")
@click.option("--card", type=FILE, help="Markdown for people.")
@click.option(
    "--int8", "clips", type=FILE, help="Clips: `train` calibrates convolutions, `val` says what it costs."
)
@click.option("--most", default=40, show_default=True, help="Clips that calibrate.")
@click.option("--max-drop", default=0.5, show_default=True, help="Points of accuracy that int8 may cost.")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Default: NAME-VERSION.vedette.")
@click.option("--overwrite", is_flag=True)
def pack_recurrent(
    run: Path,
    clips: Path | None,
    most: int,
    max_drop: float,
    output: Path | None,
    overwrite: bool,
    **told: Any,
) -> None:
    """Make a bundle of RUN, the folder of a training by clip_gru or gesture_gru.

    Its goldens are recorded from drawn tracks or scenes, as one stream that begins in the initial state.
    """
    registry = current_registry()
    model = read_run(run, registry)
    form = told.pop("form")
    known = _told(model, **told)
    if clips is not None and form != "stream":
        raise VedetteError(
            "--int8 is for --form stream", fix="convolutions and GRU are two graphs only there"
        )
    int8 = {}
    if clips is not None:
        quantised, known = _quantise(model, clips, most, max_drop, known, registry)
        int8 = {GRAPH: quantised}
    name = output or Path(f"{known.name or model.recipe.name.replace('_', '-')}-{known.version}.vedette")
    path = pack_run(model, form, name, known, int8=int8, registry=registry, overwrite=overwrite)
    click.echo(f"{path}\n`vedette verify {path}` proves it on this box, `vedette sign` signs it")


def _told(model: TrainedModel, labels: Path | None, card: Path | None, **rest: Any) -> Told:
    names = None if labels is None else parse_labels(labels.read_bytes(), str(labels))
    return Told(labels=names, documents=Documents(card=card), data=(), **rest)


def _quantise(
    model: TrainedModel, root: Path, most: int, max_drop: float, told: Told, registry: Registry
) -> tuple[bytes, Told]:
    """int8 within the budget, and what is told with what was measured."""
    if not isinstance(model.recipe, ClipGru):
        raise VedetteError(
            f"recipe {model.recipe.name!r} has no convolutions to quantise", fix="leave --int8 out"
        )
    data = read_data(root, "clips")
    train, held = data.split("train").samples, data.split("val").samples
    known = with_sampling(Splits(train=train, validation=held, labels=data.labels), model.settings)
    spread = known.train[:: max(len(known.train) // most, 1)][:most]
    int8 = quantise_features(model, spread)
    with tempfile.TemporaryDirectory() as folder:
        cost = cost_of_int8(model, int8, known.validation, Path(folder), registry)
    for variant, by_backend in cost.right.items():
        for backend, right in by_backend.items():
            click.echo(f"{variant} on {backend}: {right} of {cost.clips} right")
    if 100 * cost.drop > max_drop:
        raise VedetteError(
            f"int8 loses {100 * cost.drop:.2f} points, {max_drop:g} are allowed: nothing was written",
            fix="allow more (--max-drop), calibrate by more clips (--most), or pack it in float",
        )
    calibrated = f"calibrated by {len(spread)} clips of {root.name}"
    return int8, replace(told, data=(*told.data, calibrated), grades=cost.grades())
