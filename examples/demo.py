"""The main job, end to end: a detector over a video; an annotated video, JSON Lines and a summary come of it.

    make demo                                       the bundled defect detector, int8, over circuit boards that are
                                                    drawn for it, and that a belt carries past the camera
    make demo VIDEO=street.mp4 MODEL=yolox.vedette  your own: a bundle, the name of a model, or a model file

The first needs no data and no network. What is found is compared with what was drawn, and the exit code is 1 if too
much of it was missed. Everything is written to the folder demo-output/ below the working directory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from belt.boards import encode_gray
from belt.defects import KINDS
from belt.ride import PERIOD, Ride, draw_ride, write_video
from belt.score import Score

from vedette import Detections, Pipeline, Registry, load_plugins
from vedette.bundle.manifest import ReferenceFeed
from vedette.cli.report import ProgressLine, render_summary, table
from vedette.errors import VedetteError
from vedette.model.named import open_named
from vedette.pipeline.summary import Summary
from vedette.sinks.jsonl import read_jsonl
from vedette.sinks.record import Record

OUT = Path("demo-output")
BUNDLED = "defect-detector"
LEAST = 0.9
"""Of the drawn defects, this part has to be found."""
STAGE = "detect"


@click.command()
@click.option("--video", help="Your own video, picture or folder; default: boards on a belt, drawn now.")
@click.option("--model", help=f"Your own model; default: {BUNDLED}, which comes with vedette-cnn.")
@click.option(
    "--boards", type=click.IntRange(1, 100), default=12, show_default=True, help="How many to draw."
)
@click.option("--seed", type=click.IntRange(min=0), default=2028, show_default=True, help="Of what is drawn.")
def main(video: str | None, model: str | None, boards: int, seed: int) -> None:
    """Run a model over a video."""
    registry = load_plugins()
    OUT.mkdir(exist_ok=True)
    stage = {"name": STAGE, "bundle": pack(model), **({} if model else {"variant": "int8"})}
    ride = None
    if video is None:
        ride = draw(boards, seed)
        stage |= on_the_belt(stage["bundle"], registry)
    summary = run(stage, video or str(written("belt.mp4")), registry)
    score = None if ride is None else compare(ride, OUT / "results.jsonl")
    click.echo(f"\n{render_summary(summary)}\n\nran    {what_ran(summary)}\n{show(score)}")
    write_summary(summary, score)
    click.echo("files  " + ", ".join(str(path) for path in sorted(OUT.iterdir()) if path.is_file()))
    if score is not None and score.recall < LEAST:
        sys.exit(f"error: {score.recall:.0%} of the defects were found, fewer than {LEAST:.0%}")


def pack(model: str | None) -> str:
    """The bundle to run. A model file becomes one if it tells enough of itself; else `vedette pack` says what lacks."""
    if model is None or Path(model).suffix not in (".onnx", ".xml", ".tflite"):
        return model or BUNDLED
    bundle = written(f"{Path(model).stem}.vedette")
    command = [
        "-m",
        "vedette",
        "pack",
        model,
        "--licence",
        "not told",
        "--output",
        str(bundle),
        "--overwrite",
    ]
    if subprocess.run([sys.executable, *command], check=False).returncode:
        sys.exit(
            f"pack it yourself, then: make demo MODEL=BUNDLE.vedette\n  vedette pack {model} --licence ..."
        )
    return str(bundle)


def draw(boards: int, seed: int) -> Ride:
    """The boards, a video of them, and a picture of what each of them should be."""
    ride = draw_ride(boards, seed, lambda text: click.echo(text, err=True))
    write_video(ride, OUT / "belt.mp4")
    written("reference.png").write_bytes(encode_gray(ride.design.reference))
    click.echo(
        f"drew {boards} boards with {ride.defects} defects, and {ride.pictures} pictures of their belt"
    )
    return ride


def on_the_belt(model: str, registry: Registry) -> dict[str, Any]:
    """A model that compares is told with what, and looks when a board has come to its place."""
    with open_named(model, registry) as bundle:
        inputs = [item for graph in bundle.manifest.graphs.values() for item in graph.inputs.values()]
    if not any(isinstance(item.feed, ReferenceFeed) for item in inputs):
        return {}
    return {"reference": str(written("reference.png")), "every": PERIOD}


def run(stage: dict[str, Any], source: str, registry: Registry) -> Summary:
    """The pipeline, with progress."""
    plain = {
        "name": "demo",
        "stream": [{"name": "camera", "source": source}],
        "stage": [stage],
        "sink": [
            {"use": "video", "params": {"path": str(OUT / "annotated.mp4"), "mode": "overwrite"}},
            {"use": "jsonl", "params": {"path": str(OUT / "results.jsonl"), "mode": "overwrite"}},
        ],
    }
    line = ProgressLine(sys.stderr, enabled=True)
    summary = Pipeline.from_dict(plain, registry=registry).run(line.show)
    line.end()
    return summary


def compare(ride: Ride, results: Path) -> Score | None:
    """Hold what the run wrote against what was drawn; ``None`` if the model looks for other things."""
    score = Score()
    for record in read_jsonl(results):
        if not isinstance(record, Record) or (board := ride.board_in(record.seq)) is None:
            continue
        found = record.results[STAGE]
        if not isinstance(found, Detections) or found.labels != KINDS:
            return None
        score.add(board, found)
    return score


def what_ran(summary: Summary) -> str:
    """Bundle, variant, backend, device and precision, as the runtime tells them; and the proof."""
    stage = summary.stages[STAGE]
    (graph, *_) = stage["graphs"].values()
    return (
        f"{stage['bundle']}, variant {stage['variant']}, on {graph['backend']}:{graph['device']} "
        f"({graph['placement']}), floats in {graph['execution_precision']}; "
        f"proof {stage['proof']['verdict']}; {stage['signature']}"
    )


def show(score: Score | None) -> str:
    """What was found, by kind."""
    if score is None:
        return ""
    return "\n".join(
        [
            "",
            *table(["defect", "drawn", "found"], list(score.rows())),
            "",
            f"found  {score.recall:.0%} of the drawn defects, kind and place (at least {LEAST:.0%} wanted); "
            f"{score.precision:.0%} of {score.boxes} boxes are right",
        ]
    )


def write_summary(summary: Summary, score: Score | None) -> None:
    """Everything that was said, for programs."""
    plain = msgspec.to_builtins(summary)
    if score is not None:
        kinds = {kind: {"drawn": drawn, "found": found} for kind, drawn, found in score.rows()}
        plain["score"] = {"recall": score.recall, "precision": score.precision, "kinds": kinds}
    written("summary.json").write_text(json.dumps(plain, indent=2) + "\n")


def written(name: str) -> Path:
    """A file of the output, by its whole path."""
    return (OUT / name).resolve()


if __name__ == "__main__":
    try:
        main()
    except VedetteError as error:
        sys.exit(f"error: {error}")
