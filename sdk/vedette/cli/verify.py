"""``vedette verify``: prove a bundle on this box."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import click
import msgspec

from vedette.bundle.bundle import Bundle
from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.model.candidates import Wanted
from vedette.model.loading import Replace
from vedette.model.named import open_named
from vedette.proof.oracle import oracle_text
from vedette.proof.verify import Verdict
from vedette.proof.verify import verify as verify_bundle
from vedette.specs import Precision


@click.command()
@click.argument("bundle")
@click.option("--backend", help="Only on this backend.")
@click.option("--device", "devices", multiple=True, help="Only on this device; may be given several times.")
@click.option("--variant", help="Only this variant.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="Only at this precision, graded or not; default: those that are graded.",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Rows per request, if free."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(
    bundle: str,
    backend: str | None,
    devices: tuple[str, ...],
    variant: str | None,
    precision: Precision | None,
    batch: int,
    as_json: bool,
) -> None:
    """Prove BUNDLE on each backend and device here that can run it.

    BUNDLE is a folder, a .vedette file or the name of a model. Every file is compared with its hash, and the
    bundle's goldens are run: preprocess, raw outputs and decoded results, each against what was recorded. What comes of
    it is remembered: a pipeline does not prove it again.

    The exit code is 1 if nothing passes, or if anything fails that was asked for by option.
    """
    wanted = Wanted(
        backend=backend,
        device=devices or "auto",
        variant=variant,
        precision=precision,
        allow_ungraded=precision is not None,
    )
    registry = current_registry()
    threads = len(os.sched_getaffinity(0))
    with open_named(bundle, registry) as opened:
        opened.check_files()
        parts = Replace(batch=batch, threads_per_request=1)
        verdicts = list(verify_bundle(opened, registry, wanted, parts, threads))
        click.echo(json.dumps(as_plain(opened, verdicts), indent=2) if as_json else as_text(opened, verdicts))
    asked = backend or devices or variant or precision
    passed = [verdict.passed for verdict in verdicts]
    if not (all(passed) if asked else any(passed)):
        sys.exit(1)


def as_plain(bundle: Bundle, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """In plain values."""
    return {
        "bundle": f"{bundle.manifest.name} {bundle.manifest.version}",
        "digest": bundle.digest,
        "signature": dataclasses.asdict(bundle.signature),
        "files": len(bundle.manifest.files),
        "verdicts": [
            {**msgspec.to_builtins(verdict), "verdict": "passed" if verdict.passed else "failed"}
            for verdict in verdicts
        ],
    }


def as_text(bundle: Bundle, verdicts: Sequence[Verdict]) -> str:
    """In words: the bundle, then a table for each variant, then why what failed did."""
    manifest = bundle.manifest
    origins = Counter(golden.origin for golden in manifest.goldens)
    lines = [
        f"{manifest.name} {manifest.version}",
        f"  digest     sha256 {bundle.digest}",
        f"  files      {len(manifest.files)}, all match their hashes",
        f"  signature  {bundle.signature}",
        f"  goldens    {len(manifest.goldens)}: {', '.join(f'{n} {name}' for name, n in origins.items())}",
    ]
    for variant in dict.fromkeys(verdict.variant for verdict in verdicts):
        lines += ["", f"variant {variant}, oracle {oracle_text(manifest.variants[variant].oracle)}"]
        own = [verdict for verdict in verdicts if verdict.variant == variant]
        lines += [f"  {line}" for line in table(_HEADER, [_row(verdict) for verdict in own])]
        lines += _remarks(own)
    return "\n".join(lines)


_HEADER = ("backend", "device", "precision", "pixels", "worst", "rms", "mean", "decoded", "verdict")


def _row(verdict: Verdict) -> list[str]:
    start = [verdict.backend, verdict.device, verdict.precision]
    proof = verdict.proof
    if proof is None:
        return [*start, "-", "-", "-", "-", "-", "failed"]
    figures, decoded = proof.worst, proof.decoded
    return [
        verdict.backend,
        proof.device,
        proof.precision,
        f"{proof.preprocess.worst:.0f}" if proof.preprocess.judged else "-",
        *(f"{value:.1e}" for value in (figures.worst, figures.rms, figures.mean)),
        f"{decoded.agreeing} of {decoded.total}",
        "passed" if verdict.passed else "FAILED",
    ]


def _remarks(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        where = f"{verdict.backend} on {verdict.device} at {verdict.precision}"
        if verdict.proof:
            yield f"  {where}: {verdict.proof.placement}"
        if verdict.problem:
            yield f"  {where}: REFUSED: {verdict.problem}"
        for note in verdict.proof.notes if verdict.proof else ():
            yield f"  note: {where}: {note}"
    proofs = [verdict.proof for verdict in verdicts if verdict.proof]
    if proofs and not any(proof.decoded.total for proof in proofs):
        yield "  note: nothing is found on any golden, so decoding was hardly tried; pack with --sample PICTURE"
