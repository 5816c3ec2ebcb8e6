"""``vedette evaluate``: how good a model is on labelled data, and whether two say the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from vedette.cli import current_registry
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.machine import describe_machine
from vedette.registry import Registry
from vedette.specs import Precision
from vedette_torch.data_options import DataOptions, data_options
from vedette_torch.evaluation.edge import EdgePredictor
from vedette_torch.evaluation.evaluate import judge, observe
from vedette_torch.evaluation.parity import Tolerance, compare
from vedette_torch.evaluation.predictor import Predictor
from vedette_torch.evaluation.text import evaluation_text, parity_text
from vedette_torch.progress import progress_bar


@click.command()
@click.argument("model")
@data_options
@click.option("--backend", help="Run the bundle on this backend.")
@click.option("--device", help="Run the bundle on this device.")
@click.option("--variant", help="This variant of the bundle.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Type that floats are computed in.")
@click.option("--param", "params", multiple=True, metavar="KEY=VALUE", help="Parameter of the decoder.")
@click.option("--against", metavar="MODEL", help="Compare with this bundle or run, which is the reference.")
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=0.3, show_default=True, help="Points of the metric."
)
@click.option(
    "--agreement",
    type=click.FloatRange(0, 1),
    default=0.99,
    show_default=True,
    help="Least part of equal findings.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    model: str,
    data: DataOptions,
    backend: str | None,
    device: str | None,
    variant: str | None,
    precision: Precision | None,
    params: tuple[str, ...],
    against: str | None,
    tolerance: float,
    agreement: float,
    as_json: bool,
) -> None:
    r"""Measure MODEL on labelled data: a bundle as an edge box runs it, or the network of a training by torch.

    \b
    vedette evaluate yolox.vedette --data coco128
    vedette evaluate classifier.vedette --data cifar10 --backend openvino --against runs/cifar

    MODEL is a folder or .vedette file, the name of a model, or the folder of a run. Each figure comes with
    the number of samples and its interval at 95 %.

    With --against, both are run, each picture's findings are compared, and the exit code is 1 if the headline figure
    differs by more than --tolerance points or too few findings agree.
    """
    registry = current_registry()
    decode = image_decoder(registry)
    wanted = {"backend": backend, "device": device, "variant": variant, "precision": precision}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    labelled = data.read(decode)
    observed = []
    for which in (model, against) if against else (model,):
        own = wanted if which == model or not _is_run(which) else {}
        with (
            open_predictor(which, registry, _pairs(params), own) as predictor,
            progress_bar(which) as progress,
        ):
            observed.append(observe(predictor, labelled.samples, decode, progress))
    evaluations = [judge(one, labelled.title) for one in observed]
    plain: dict[str, Any] = {"evaluation": msgspec.to_builtins(evaluations[0], str_keys=True)}
    text = evaluation_text(evaluations[0])
    passed = True
    if against:
        parity = compare(observed[1], observed[0], Tolerance(points=tolerance, agreement=agreement))
        passed = parity.passed
        plain["reference"] = msgspec.to_builtins(evaluations[1], str_keys=True)
        plain["parity"] = {**msgspec.to_builtins(parity), "passed": passed}
        text += f"\n\n{parity_text(parity)}"
    plain |= {"machine": describe_machine(), "problems": len(labelled.found.problems)}
    click.echo(json.dumps(plain, indent=2) if as_json else text)
    if not passed:
        sys.exit(1)


@contextmanager
def open_predictor(
    model: str, registry: Registry, params: dict[str, Any], wanted: dict[str, Any]
) -> Iterator[Predictor]:
    """A bundle on the edge, or a run by torch, whichever ``model`` names.

    Raises
    ------
    VedetteError
        It is neither or cannot be run; or ``wanted`` says where to run a run, which torch runs.
    """
    if _is_run(model):
        if wanted:
            raise VedetteError(f"{model} is a run, so --{min(wanted)} does not apply", fix="name its bundle")
        from vedette_torch.evaluation.run import RunPredictor

        yield RunPredictor(Path(model), registry=registry, params=params)
        return
    with EdgePredictor(model, registry=registry, params=params, **wanted) as predictor:
        yield predictor


def _is_run(model: str) -> bool:
    return (Path(model) / "run.json").is_file()


def _pairs(params: tuple[str, ...]) -> dict[str, Any]:
    pairs = [item.partition("=") for item in params]
    if wrong := next((key + sign for key, sign, _ in pairs if not (key and sign)), None):
        raise click.BadParameter(f"{wrong!r} is not KEY=VALUE", param_hint="--param")
    return {key: value for key, _, value in pairs}
