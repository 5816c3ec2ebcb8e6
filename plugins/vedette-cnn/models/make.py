"""Make a bundled model: train, pack, compare with torch, quantise within the budget, seal, verify.

    python plugins/vedette-cnn/models/make.py cifar-classifier --data FOLDER_OR_ZIP

Each model has a folder here with ``model.toml`` (recipe, settings, data, goals), ``card.md``, ``samples/``, and for a
model that compares ``reference.png``: pictures that were drawn for it, because the data's own never enter a bundle. A
run that was interrupted goes on; ``--run`` takes a finished one. The bundle replaces the one in the package only if it
meets every goal.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import click
import msgspec
from seal import Made, seal

from vedette.bundle.bundle import open_bundle
from vedette.bundle.documents import Documents
from vedette.bundle.manifest import PreprocessFeed
from vedette.bundle.pack import PackRequest, pack_model
from vedette.errors import VedetteError
from vedette.registry import load_plugins
from vedette_torch.data.unpack import unpack
from vedette_torch.export import MODEL
from vedette_torch.trained import open_run

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PACKAGE = HERE.parent / "src" / "vedette_cnn" / "bundles"
BUNDLE_BYTES = 4_000_000


class Quantise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How int8 is made: ``pictures`` of the split ``calibration``, measured on ``split``, at most ``max_drop`` points
    lost; speed is measured with ``batch`` rows."""

    calibration: str
    pictures: int
    split: str
    max_drop: float
    batch: int
    ranges: str = "minmax"


class Goals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Least value of the metric in float, most points between backends, and most bytes of the int8 file."""

    metric: float
    parity: float
    int8_bytes: int


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``model.toml``. ``test_groups``: how names of files of the test split begin, where the data has no splits."""

    recipe: str
    name: str
    version: str
    licence: str
    origin: str
    data: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    settings: dict[str, Any]
    quantise: Quantise
    goals: Goals
    test_groups: tuple[str, ...] = ()


@click.command()
@click.argument("name", type=click.Choice(sorted(path.parent.name for path in HERE.glob("*/model.toml"))))
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), required=True, help="A folder or .zip file."
)
@click.option("--run", type=click.Path(path_type=Path), help="Folder of the training; default: in --build.")
@click.option(
    "--build",
    type=click.Path(path_type=Path),
    default=ROOT / "build" / "models",
    help="For everything on the way.",
)
@click.option("--accelerator", default="auto", show_default=True, help="As of vedette train.")
def main(name: str, data: Path, run: Path | None, build: Path, accelerator: str) -> None:
    """Make the bundle NAME and put it into the package, if it meets its goals."""
    plan = read_plan(name)
    work = (build / name).resolve()
    work.mkdir(parents=True, exist_ok=True)
    folder = prepare_data(data.resolve(), plan.test_groups, work)
    run = (run or work / "run").resolve()
    if not (run / MODEL).exists():
        sets = [f"--set={key}={json.dumps(value)}" for key, value in plan.settings.items()]
        vedette(
            "train",
            plan.recipe,
            "--data",
            folder,
            "--out",
            run,
            "--resume",
            "--accelerator",
            accelerator,
            *sets,
        )
    bundle, wanting = finish(plan, name, run, folder, work)
    show(bundle)
    if wanting:
        raise click.ClickException(f"{bundle} is not put into the package: " + "; ".join(wanting))
    PACKAGE.mkdir(exist_ok=True)
    target = PACKAGE / bundle.name
    shutil.copyfile(bundle, target)
    click.echo(f"put into the package: {target}")


def finish(plan: Plan, name: str, run: Path, folder: Path, work: Path) -> tuple[Path, list[str]]:
    """From a finished training to a sealed and verified bundle; and what it lacks of its goals."""
    float_bundle, int8_bundle = work / "float.vedette", work / "int8.vedette"
    pack(plan, HERE / name, run, float_bundle)
    how = plan.quantise
    against = ("--data", folder, "--split", how.split)
    parity = vedette(
        "evaluate", float_bundle, *against, "--against", run, "--json", keep=work / "evaluation.json"
    )
    figures = vedette(
        "quantize", float_bundle, "--calibration", folder / how.calibration, "--most", how.pictures, *against,
        "--max-drop", how.max_drop, "--ranges", how.ranges, "--batch", how.batch, "--output", int8_bundle,
        "--overwrite", "--json", keep=work / "quantisation.json",
    )  # fmt: skip
    made = Made(
        bundle=int8_bundle,
        run=run,
        data=plan.data,
        recipe=f"vedette train {plan.recipe}, {HERE.relative_to(ROOT)}/{name}/model.toml",
        parity=parity["parity"],
    )
    bundle = seal(made, work / f"{plan.name}-{plan.version}.vedette")
    return bundle, list(missed(plan.goals, figures, bundle))


def read_plan(name: str) -> Plan:
    """The model's ``model.toml``."""
    return msgspec.convert(tomllib.loads((HERE / name / "model.toml").read_text()), Plan)


def prepare_data(data: Path, test_groups: tuple[str, ...], work: Path) -> Path:
    """A folder with ``train/`` and ``test/``: the data's own, or copies made by the beginnings of file names."""
    folder = data
    if data.is_file():
        folder = work / "unpacked"
        folder = folder if folder.exists() else unpack(data, folder)
    if not test_groups or (folder / "test").is_dir():
        return folder
    split = work / "split"
    if not split.exists():
        part = work / "split.partial"
        shutil.rmtree(part, ignore_errors=True)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            target = part / ("test" if path.name.startswith(test_groups) else "train") / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        part.rename(split)
    return split


def pack(plan: Plan, folder: Path, run: Path, output: Path) -> Path:
    """The trained network as a float bundle, with its card, its drawn reference if it compares, and goldens of drawn
    samples."""
    registry = load_plugins()
    trained = open_run(run, registry)
    recipe, settings = trained.recipe, trained.settings
    inputs, compared = recipe.inputs(settings), recipe.references(settings)
    reading = recipe.export(settings, trained.info.labels)
    request = PackRequest(
        model=run / MODEL,
        task=recipe.task,
        decoder=reading.decoder,
        params=reading.params,
        labels=trained.info.labels,
        image={
            name: value
            for name, value in msgspec.to_builtins(next(iter(inputs.values()))).items()
            if name != "dtype"
        },
        feeds={name: PreprocessFeed(name="image") for name in inputs if name not in compared},
        references=dict.fromkeys(compared, folder / "reference.png"),
        name=plan.name,
        version=plan.version,
        licence=plan.licence,
        origin=plan.origin,
        samples=sorted((folder / "samples").glob("*.png")),
        documents=Documents(card=folder / "card.md"),
    )
    return pack_model(request, output, registry=registry, overwrite=True)


def missed(goals: Goals, figures: dict[str, Any], bundle: Path) -> list[str]:
    """What a bundle lacks of its goals, in words. The drop was held to by the gate."""
    worst = min(backend["f32"]["value"] for backend in figures["backends"].values())
    points = 100 * figures["parity"]
    found = [
        (worst < goals.metric, f"{figures['metric']} {worst:.4f} is below {goals.metric}"),
        (points > goals.parity, f"backends differ by {points:.2f} points, more than {goals.parity}"),
        (figures["bytes"]["int8"] > goals.int8_bytes, f"int8 has more than {goals.int8_bytes:,} bytes"),
        (bundle.stat().st_size > BUNDLE_BYTES, f"it has more than {BUNDLE_BYTES:,} bytes"),
    ]
    for backend in figures["backends"]:
        done = subprocess.run(vedette_command("verify", bundle, "--backend", backend), check=False)
        found.append((done.returncode != 0, f"vedette verify --backend {backend} fails"))
    return [text for wanting, text in found if wanting]


def show(path: Path) -> None:
    """What each part of a bundle weighs."""
    with open_bundle(path) as bundle:
        weights: dict[str, int] = {}
        for name, file in bundle.manifest.files.items():
            part = "/".join(name.split("/")[:2]) if name.startswith("variants/") else name.split("/")[0]
            weights[part] = weights.get(part, 0) + file.size
    click.echo(f"{path}: {path.stat().st_size:,} bytes; before compression " + ", ".join(
        f"{name} {size:,}" for name, size in weights.items()
    ))  # fmt: skip


def vedette_command(*arguments: object) -> list[str]:
    """The command line, with this interpreter."""
    return [sys.executable, "-m", "vedette", *map(str, arguments)]


def vedette(*arguments: object, keep: Path | None = None) -> dict[str, Any]:
    """Run a command of ``vedette``; with ``keep`` its output, which is JSON, is kept there and returned.

    Raises
    ------
    click.ClickException
        It failed; it has said why.
    """
    command = vedette_command(*arguments)
    click.echo("$ vedette " + " ".join(command[3:])[:300], err=True)
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE if keep else None)
    if done.returncode:
        raise click.ClickException(f"vedette {command[3]} failed")
    if keep is None:
        return {}
    keep.write_bytes(done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    try:
        main()
    except VedetteError as error:
        sys.exit(f"error: {error}")
