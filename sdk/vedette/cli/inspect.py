"""``vedette inspect``: what a bundle holds, and whether its files are what its manifest says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
import msgspec

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.documents import CARD, REPORT
from vedette.bundle.manifest import (
    ConstantFeed,
    Feed,
    GraphFiles,
    Manifest,
    PreprocessFeed,
    ReferenceFeed,
    ResultFeed,
    TensorFeed,
)
from vedette.bundle.store import locate
from vedette.cli import current_registry
from vedette.errors import BundleError
from vedette.inference import shape_text
from vedette.model.named import open_named

SHOWN_LABELS = 8


@click.command()
@click.argument("bundle")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--card", is_flag=True, help="Print the card: what the model is for, how good it is, its limits."
)
def inspect(bundle: str, as_json: bool, card: bool) -> None:
    """Show what a bundle holds, and compare every file with its hash.

    BUNDLE is a folder, a .vedette file or the name of a model. Nothing of it is run, and no plugin is
    needed.
    """
    if as_json and card:
        raise click.UsageError("--json or --card, not both")
    path = locate(bundle)
    # Plugins are loaded only for a name that is nothing else: a broken one must not stand before a bundle.
    with open_bundle(path) if path.exists() else open_named(bundle, current_registry()) as opened:
        opened.check_files()
        if card:
            click.echo(card_of(opened), nl=False)
            return
        click.echo(json.dumps(bundle_as_json(opened), indent=2) if as_json else bundle_as_text(opened))


def bundle_as_json(bundle: Bundle) -> dict[str, Any]:
    """A bundle in plain values."""
    return {
        "path": str(bundle.path),
        "digest": bundle.digest,
        "signature": dataclasses.asdict(bundle.signature),
        "labels": list(bundle.labels),
        "manifest": msgspec.to_builtins(bundle.manifest),
    }


def bundle_as_text(bundle: Bundle) -> str:
    """A bundle in words. What a terminal would take for a command is not passed on to it."""
    return "\n".join(map(_harmless, _lines(bundle)))


def card_of(bundle: Bundle) -> str:
    """The card, as harmless to a terminal.

    Raises
    ------
    BundleError
        The bundle has none.
    """
    if CARD not in bundle.manifest.files:
        raise BundleError(
            f"{bundle.path}: there is no {CARD} in it", fix="`vedette pack --card FILE` puts one in"
        )
    lines = bundle.read(CARD).decode("utf-8", "replace").splitlines()
    return "".join(f"{_harmless(line)}\n" for line in lines)


def _harmless(line: str) -> str:
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line
    )


def _lines(bundle: Bundle) -> Iterator[str]:
    manifest = bundle.manifest
    size = sum(file.size for file in manifest.files.values())
    yield f"{manifest.name} {manifest.version}: {manifest.task}"
    yield f"  path        {bundle.path}"
    yield f"  digest      sha256 {bundle.digest}"
    yield f"  signature   {bundle.signature}"
    yield f"  licence     {manifest.licence}"
    if documents := [name for name in (CARD, REPORT) if name in manifest.files]:
        more = "; --card prints it" if CARD in documents else ""
        yield f"  for people  {', '.join(documents)}{more}"
    yield f"  files       {len(manifest.files)}, {_size(size)}, all match their hashes"
    yield from _graphs(manifest)
    yield f"decoder {manifest.decoder.name}"
    yield from (f"  {name} = {json.dumps(value)}" for name, value in manifest.decoder.params.items())
    if bundle.labels:
        more = ", ..." if len(bundle.labels) > SHOWN_LABELS else ""
        yield f"labels {len(bundle.labels)}: {', '.join(bundle.labels[:SHOWN_LABELS])}{more}"
    if manifest.temporal:
        yield f"temporal {_pairs(msgspec.to_builtins(manifest.temporal))}"
    yield from _variants(manifest)
    yield from _evidence(manifest)


def _graphs(manifest: Manifest) -> Iterator[str]:
    yield f"program {' > '.join(step.run for step in manifest.program)}"
    for name, graph in manifest.graphs.items():
        yield f"graph {name}"
        for tensor, entry in graph.inputs.items():
            yield f"  input   {tensor}  {entry.dtype} {shape_text(entry.shape)}"
            yield f"          {_feed(entry.feed)}"
        for tensor, output in graph.outputs.items():
            yield f"  output  {tensor}  {output.dtype} {shape_text(output.shape)}"
        for pair in graph.state:
            again = f", again after {', '.join(pair.reset)}" if pair.reset else ""
            yield f"  state   {pair.output} becomes {pair.input}; starts at {pair.init:g}{again}"


def _feed(feed: Feed) -> str:
    match feed:
        case PreprocessFeed():
            return f"from the picture by {feed.name}: {_pairs(feed.params)}"
        case ReferenceFeed():
            return f"from {feed.file} by {feed.name}: {_pairs(feed.params)}"
        case TensorFeed():
            return f"from output {feed.output} of graph {feed.graph}"
        case ResultFeed():
            return f"from column {feed.field} of the result of {feed.stage}"
        case ConstantFeed():
            return f"constant {json.dumps(feed.value):.80}"
    return "from the state"


def _variants(manifest: Manifest) -> Iterator[str]:
    for name, variant in manifest.variants.items():
        yield f"variant {name}"
        for graph, stored in variant.graphs.items():
            yield f"  {graph}  {stored.format}, weights {stored.storage}"
            yield from _files(manifest, stored)


def _files(manifest: Manifest, stored: GraphFiles) -> Iterator[str]:
    for name in stored.files:
        file = manifest.files[name]
        yield f"    {name}  {_size(file.size)}  sha256 {file.sha256}"


def _evidence(manifest: Manifest) -> Iterator[str]:
    for grade in manifest.grades:
        where = f" on {grade.backend}" if grade.backend else ""
        interval = "" if grade.interval is None else f", 95 % {grade.interval[0]:g} to {grade.interval[1]:g}"
        tolerance = "" if grade.tolerance is None else f", tolerance {grade.tolerance:g}"
        measured = f"{grade.metric} {grade.value:g} (n = {grade.n}{interval}{tolerance})"
        yield f"grade {grade.variant} at {grade.precision}{where}: {measured}"
    yield f"goldens {len(manifest.goldens)}"
    yield from (f"  {golden.image or '-'}  {golden.tensors or '-'}" for golden in manifest.goldens)
    origin = {name: value for name, value in msgspec.to_builtins(manifest.provenance).items() if value}
    yield f"provenance {_pairs(origin) or 'not told'}"
    if manifest.ext:
        yield f"extensions {', '.join(manifest.ext)}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 10_000 else f"{size:,} B"
