"""``vedette explain``: pictures of what speaks for a model's answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vedette.bundle.atomic import replace_file
from vedette.bundle.bundle import Bundle
from vedette.bundle.manifest import PreprocessFeed
from vedette.bundle.samples import encode_png
from vedette.bundle.trust import Trust
from vedette.cli import current_registry
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.explain.occlusion import Occlusion
from vedette.explain.picture import overlay
from vedette.explain.saliency import Saliency
from vedette.explain.single import explain as explain_model
from vedette.frame import Frame
from vedette.model.loading import Replace
from vedette.model.named import open_named
from vedette.model.single import Model
from vedette.registry import Registry
from vedette_torch.data.pictures import read_frame
from vedette_torch.progress import progress_bar

EDGE = ("occlusion", "activation")
RUN = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam", "occlusion")
BATCH = 8
"""Rows per request, for bundles with a free batch."""

Explain = Callable[[Frame], Saliency]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be explained, and how; ``None``: what is usual."""

    target: str | None
    method: str | None
    layer: str | None
    cells: int


@click.command(name="explain")
@click.argument("model")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the maps.")
@click.option(
    "--method",
    type=click.Choice([*RUN, "activation"]),
    help="Default: of a run grad-cam (classifier) or hires-cam (detector); of a bundle activation, if it offers it, "
    "or occlusion.",
)
@click.option("--class", "target", metavar="NAME", help="The class; default: the most confident one.")
@click.option(
    "--layer", metavar="NAME", help="Of a run: the layer that is looked at; default: the last fit one."
)
@click.option(
    "--cells", type=click.IntRange(2, 64), default=12, show_default=True, help="Of occlusion: cells per side."
)
@click.option("--backend", help="Run the bundle on this backend.")
@click.option("--device", help="Run the bundle on this device.")
@click.option("--variant", help="This variant of the bundle.")
def explain(
    model: str,
    pictures: tuple[Path, ...],
    out: Path,
    method: str | None,
    target: str | None,
    layer: str | None,
    cells: int,
    **wanted: str | None,
) -> None:
    r"""Show which places of PICTURES speak for what MODEL says of them: the folder of a run, or a bundle.

    \b
    vedette explain runs/cifar cat.png --out maps
    vedette explain runs/boards board.png --out maps --method layer-cam --layer body.2.0
    vedette explain classifier.vedette cat.png --out maps --method occlusion --class cat

    A run is explained by torch: Grad-CAM and its kin, one run forward and one back. A bundle is explained as an edge
    box runs it: occlusion runs it once for each cell of the map, an activation map (`vedette add-cam`) once more.

    In the folder: NAME.METHOD.png, the picture under its map, and explain.json with the places that hold most.
    """
    registry = current_registry()
    decode = image_decoder(registry)
    asked = Asked(target=target, method=method, layer=layer, cells=cells)
    used = {name: value for name, value in wanted.items() if value is not None}
    plain, names = [], _names(pictures)
    with opened(model, registry, asked, used) as run, progress_bar("explaining") as progress:
        for number, (path, name) in enumerate(zip(pictures, names, strict=True), 1):
            frame = read_frame(path, decode)
            try:
                found = run(frame)
            except VedetteError as error:
                raise VedetteError(f"{path}: {error.message}", fix=error.fix) from error
            picture = f"{name}.{found.method}.png"
            _write(out / picture, encode_png(overlay(frame, found)))
            plain.append({"picture": str(path), "map": picture, **found.to_builtins()})
            progress(number, len(pictures))
    _write(out / "explain.json", json.dumps({"model": model, "maps": plain}, indent=2).encode())
    for item in plain:
        click.echo(_line(item))


@contextmanager
def opened(model: str, registry: Registry, asked: Asked, wanted: dict[str, Any]) -> Iterator[Explain]:
    """What explains a frame, for a run or a bundle, whichever ``model`` names.

    Raises
    ------
    VedetteError
        It is neither, or what is asked for does not apply to it.
    """
    occlusion = Occlusion(cells=asked.cells)
    if (Path(model) / "run.json").is_file():
        if wanted:
            raise VedetteError(f"{model} is a run, so --{min(wanted)} does not apply", fix="name its bundle")
        method = _method(model, "run", asked.method, RUN)
        yield _of_run(Path(model), registry, asked, method, occlusion)
        return
    if asked.layer is not None:
        raise VedetteError(
            f"{model} is a bundle, so --layer does not apply", fix="name the run that it was made of"
        )
    way: Any = _method(model, "bundle", asked.method, EDGE) or "auto"
    with (
        open_named(model, registry, Trust("warn")) as bundle,
        Model(
            bundle, registry=registry, parts=Replace(batch=_batch(bundle)), allow_ungraded=True, **wanted
        ) as edge,
    ):
        yield lambda frame: explain_model(edge, frame, target=asked.target, method=way, occlusion=occlusion)


def _of_run(folder: Path, registry: Registry, asked: Asked, method: Any, occlusion: Occlusion) -> Explain:
    from vedette_torch.evaluation.run import RunPredictor
    from vedette_torch.explain.run import explain_run

    predictor = RunPredictor(folder, registry=registry)
    return lambda frame: explain_run(
        predictor, frame, target=asked.target, method=method, layer=asked.layer, occlusion=occlusion
    )


def _method(model: str, kind: str, wanted: str | None, known: Sequence[str]) -> Any:
    if wanted is not None and wanted not in known:
        raise VedetteError(
            f"{model} is a {kind}, which method {wanted!r} does not explain", fix=f"use {', '.join(known)}"
        )
    return wanted


def _batch(bundle: Bundle) -> int:
    """Rows per request that every graph of a bundle takes."""
    inputs = [item for graph in bundle.manifest.graphs.values() for item in graph.inputs.values()]
    free = all(item.shape and item.shape[0] is None for item in inputs)
    return BATCH if free and any(isinstance(item.feed, PreprocessFeed) for item in inputs) else 1


def _names(pictures: Sequence[Path]) -> list[str]:
    """A name for each picture's map: its stem, with a number where several have the same."""
    stems = [path.stem for path in pictures]
    return [
        stem if stems.count(stem) == 1 else f"{stem}-{stems[:at].count(stem)}"
        for at, stem in enumerate(stems)
    ]


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)
    except OSError as error:
        raise VedetteError(
            f"cannot write {path}: {error.strerror}", fix="give --out another folder"
        ) from error


def _line(item: dict[str, Any]) -> str:
    places = [
        f"{region['share']:.0%} in {', '.join(f'{value:.0f}' for value in region['xyxy'])}"
        for region in item["regions"]
    ]
    what = f"{item['picture']}: {item['label']} {item['confidence']:.2f}"
    return f"{what}: {'; '.join(places) or 'nothing speaks for it'} ({item['method']}, {item['inferences']} inferences)"
