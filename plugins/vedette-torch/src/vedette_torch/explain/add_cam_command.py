"""``vedette add-cam``: a bundle of a classifier that can say where it looked, at the cost of one matrix product."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.bundle.trust import Trust
from vedette.cli import current_registry
from vedette.model.named import open_named
from vedette_torch.explain.seal import add_activation_map


@click.command(name="add-cam")
@click.argument("bundle")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder or .vedette file."
)
@click.option("--overwrite", is_flag=True, help="Replace the bundle that is there.")
def add_cam(bundle: str, output: Path, overwrite: bool) -> None:
    r"""Have BUNDLE give class activation maps.

    \b
    vedette add-cam classifier.vedette -o classifier-cam.vedette
    vedette quantize classifier-cam.vedette ...

    For classifiers that end in the mean over all places and one linear layer. What is averaged becomes an output, and
    the layer's weights a file of the bundle; what the model answers stays the same. Do it before `vedette quantize`, so
    that goldens are recorded once. The new bundle has to be signed again.
    """
    registry = current_registry()
    with open_named(bundle, registry, Trust("warn")) as opened:
        path = add_activation_map(opened, output, registry=registry, overwrite=overwrite)
    click.echo(f"{path}: gives class activation maps")
