"""Put what is known of the making into a measured bundle, and seal it under its own name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Provenance
from vedette.bundle.write import write_bundle
from vedette_torch.training.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Made:
    """A quantised bundle, the training that it comes from, and what is told of both. ``parity``: of ``vedette evaluate
    --against``, as JSON."""

    bundle: Path
    run: Path
    data: tuple[str, ...]
    recipe: str
    parity: dict[str, Any]


def seal(made: Made, output: Path) -> Path:
    """Write the bundle that is shipped."""
    with open_bundle(made.bundle) as bundle:
        contents = {name: bundle.read(name) for name in bundle.manifest.files}
        provenance = told(made, bundle.manifest.provenance)
        manifest = msgspec.structs.replace(bundle.manifest, provenance=provenance)
        return write_bundle(output, manifest, contents, overwrite=True)


def told(made: Made, known: Provenance) -> Provenance:
    """Data with licence and citation, recipe with every setting, seeds, commit, and how near the bundle is to torch."""
    info = RunFolder(made.run).read_info()
    samples = (
        f"{info.train_samples} samples trained on, {info.validation_samples} to choose the epoch; "
        f"sha256 of their list {info.data_digest}"
    )
    return msgspec.structs.replace(
        known,
        data=(*made.data, samples, *known.data),
        recipe="; ".join([made.recipe, *_settings(info.settings), _parity(made.parity), known.recipe]),
        commit=_commit(),
        seeds=(int(info.settings["seed"]),),
    )


def _settings(settings: dict[str, Any]) -> Iterator[str]:
    yield "settings " + ", ".join(
        f"{name}={msgspec.json.encode(value).decode()}" for name, value in settings.items()
    )


def _parity(parity: dict[str, Any]) -> str:
    points, agreement = 100 * parity["difference"]["value"], parity["agreement"]
    return (
        f"bundle against torch on the test pictures: {parity['metric']} differs by {points:+.3f} points, "
        f"{agreement['value']:.4f} of {agreement['n']} findings agree"
    )


def _commit() -> str:
    """The commit of the working tree, and that it was changed since if so; nothing where there is no git."""
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()
