"""``vedette models``: what is installed on this box, and what came with distributions."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, get_args

import click

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.store import Installed, ModelStore, Prove
from vedette.bundle.trust import SignaturePolicy, Trust
from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.decoding import image_decoder
from vedette.errors import BundleError, VedetteError
from vedette.model.loading import load_model
from vedette.model.named import open_carried
from vedette.model.pool import SessionPool
from vedette.registry import Registry
from vedette.specs import ModelSpec


@click.group()
def models() -> None:
    """Install models, go back to the version before, and remove them.

    A pipeline names a model by its name: bundle = "yolox-nano". One that is installed goes before one of the same name
    that came with a distribution.
    """


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the models that a pipeline can name: those that are installed, and those that came with distributions. A
    damaged one is listed with what is wrong.
    """
    store, registry = ModelStore(), current_registry()
    found = [describe_model(model) for model in store.models()]
    installed = {model["name"] for model in found}
    carried = [describe_carried(spec, registry, spec.name in installed) for spec in registry.models.values()]
    if as_json:
        plain = {"folder": str(store.root), "models": found, "carried": carried}
        click.echo(json.dumps(plain, indent=2))
    elif found or carried:
        rows = [
            [
                model["name"],
                model["version"] or "-",
                model.get("previous") or "-",
                model.get("carrier") or "installed",
                model["problem"] or model["says"],
            ]
            for model in (*found, *carried)
        ]
        click.echo("\n".join(table(["name", "version", "before it", "from", "state"], rows)))
    else:
        click.echo(f"no models in {store.root}")


@models.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    type=click.Choice(get_args(SignaturePolicy)),
    default="warn",
    show_default=True,
    help="What to do if no trusted key signed it.",
)
@click.option(
    "--trust", type=click.Path(path_type=Path), help="Folder of trusted keys; default: this user's."
)
@click.option(
    "--proof/--no-proof", default=True, help="Run the model before it is put to use.  [default: proof]"
)
def install(bundle: Path, policy: SignaturePolicy, trust: Path | None, proof: bool) -> None:
    """Install BUNDLE, a folder or a .vedette file, under the name in its manifest.

    It is unpacked beside, every file is compared with its hash, the model must give its recorded answers on the device
    that it would run on, and then the link to the version in use is switched. The version before is kept for `vedette
    models rollback`. Programs that run go on with the version they have opened.
    """
    prove = _prover() if proof else None
    click.echo(f"installed {_title(ModelStore().install(bundle, trust=Trust(policy, trust), prove=prove))}")


@models.command()
@click.argument("name")
def rollback(name: str) -> None:
    """Go back to the version of NAME before the one in use."""
    click.echo(f"in use: {_title(ModelStore().rollback(name))}")


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove NAME with all its versions."""
    ModelStore().remove(name)
    click.echo(f"removed {name}")


def describe_model(model: Installed) -> dict[str, Any]:
    """An installed model in plain values, as ``vedette models list --json`` prints it."""
    plain: dict[str, Any] = {
        "name": model.name,
        "path": str(model.path),
        "version": None,
        "digest": None,
        "signature": None,
        "says": None,
        "previous": _version(model.previous) if model.previous else None,
        "problem": None,
    }
    try:
        with open_bundle(model.path) as bundle:
            return plain | {
                "version": bundle.manifest.version,
                "digest": bundle.digest,
                "signature": dataclasses.asdict(bundle.signature),
                "says": str(bundle.signature),
            }
    except BundleError as error:
        return plain | {"problem": error.message}


def describe_carried(spec: ModelSpec, registry: Registry, hidden: bool) -> dict[str, Any]:
    """A model that a distribution carries, in plain values. ``hidden``: an installed one of its name goes before."""
    plain: dict[str, Any] = {
        "name": spec.name,
        "carrier": registry.provider(spec).title,
        "task": spec.task,
        "summary": spec.summary,
        "path": None,
        "version": None,
        "digest": None,
        "signature": None,
        "says": None,
        "hidden": hidden,
        "problem": None,
    }
    try:
        with open_carried(spec, registry) as bundle:
            says = "not used: an installed one goes before" if hidden else str(bundle.signature)
            return plain | {
                "path": str(bundle.path),
                "version": bundle.manifest.version,
                "digest": bundle.digest,
                "signature": dataclasses.asdict(bundle.signature),
                "says": says,
            }
    except VedetteError as error:
        return plain | {"problem": error.message}


def _prover() -> Prove:
    registry = current_registry()
    decode = image_decoder(registry)

    def prove(bundle: Bundle) -> None:
        pool = SessionPool(len(os.sched_getaffinity(0)))
        model = load_model(bundle, registry, pool, decode)
        chosen, verdict = model.candidate, model.standing.verdict
        model.close()
        where = f"{chosen.variant} on {chosen.backend}:{chosen.device} at {chosen.precision}"
        click.echo(f"proof of {where}: {verdict}")

    return prove


def _version(path: Path) -> str:
    try:
        with open_bundle(path) as bundle:
            return bundle.manifest.version
    except BundleError:
        return "damaged"


def _title(model: Installed) -> str:
    with open_bundle(model.path) as bundle:
        return f"{model.name} {bundle.manifest.version} ({bundle.signature})"
