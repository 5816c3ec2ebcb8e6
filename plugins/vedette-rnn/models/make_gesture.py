"""Make the bundled model ``hand-gesture``: judge the recipe by folds, train on all rows, pack, verify.

``python plugins/vedette-rnn/models/make_gesture.py [--figures JSON]``; VEDETTE_DATA names the folder of real data.
``--figures`` takes what ``gestures.py`` printed, in place of running it again. The bundle replaces the one in the
package only if the folds meet the goals.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from gestures import LABELS, SETTINGS, TABLE

from vedette.bundle.documents import Documents
from vedette.bundle.manifest import Grade
from vedette.registry import load_plugins
from vedette_rnn.packing.run import Told, pack_run, read_run
from vedette_rnn.recipes.gesture_gru import GestureGru
from vedette_torch.export import export_run
from vedette_torch.training import Hardware, train

HERE = Path(__file__).parent
BUNDLES = HERE.parent / "src" / "vedette_rnn" / "bundles"
NAME, VERSION = "hand-gesture", "1.0.0"
MEAN, WORST = 0.985, 0.96
ORIGIN = "https://github.com/Kazuhito00/hand-gesture-recognition-using-mediapipe"
DATA = f"point_history.csv of {ORIGIN} at 19311a68b1, Apache-2.0, copyright Kazuhito Takahashi: all 5296 rows"


@click.command()
@click.option("--figures", type=click.Path(path_type=Path, exists=True), help="What gestures.py printed.")
def main(figures: Path | None) -> None:
    """Make the bundle."""
    found = json.loads(figures.read_text() if figures else _run("gestures.py"))
    if found["mean"] < MEAN or found["worst"] < WORST:
        raise click.ClickException(f"mean {found['mean']}, worst {found['worst']}: not put into the package")
    grade = Grade(
        variant="f32",
        precision="f32",
        metric="top1, mean of 5 contiguous folds",
        value=found["mean"],
        n=found["rows"],
    )
    registry = load_plugins()
    with tempfile.TemporaryDirectory() as folder:
        recipe = GestureGru()
        table = Path(os.environ["VEDETTE_DATA"]) / TABLE
        done = train(recipe, table, Path(folder), settings=SETTINGS, hardware=Hardware(accelerator="cpu"))
        export_run(recipe, SETTINGS, done)
        told = Told(
            licence="Apache-2.0",
            name=NAME,
            version=VERSION,
            labels=LABELS,
            origin="trained for Vedette",
            data=(DATA,),
            grades=(grade,),
            documents=Documents(card=HERE / NAME / "card.md"),
        )
        BUNDLES.mkdir(exist_ok=True)
        path = BUNDLES / f"{NAME}-{VERSION}.vedette"
        model = read_run(Path(folder), registry)
        pack_run(model, "clip", path, told, registry=registry, overwrite=True)
    subprocess.run([sys.executable, "-m", "vedette", "verify", str(path)], check=True)


def _run(script: str) -> str:
    done = subprocess.run([sys.executable, str(HERE / script)], check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
