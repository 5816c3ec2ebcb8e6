"""The main job, end to end: pack a detector, run it over a video, keep an annotated video, JSON Lines and a summary.

    python examples/demo.py                                 with VEDETTE_DATA set to a folder of models and videos
    python examples/demo.py MODEL.vedette VIDEO             with your own

Everything is written to the folder demo-output/ below the working directory.
"""

import json
import os
import sys
from pathlib import Path

import msgspec

from vedette import Pipeline
from vedette.bundle.pack import PackRequest, pack_model
from vedette.cli.report import ProgressLine, render_summary
from vedette.registry import Registry, load_plugins

OUT = Path("demo-output")

HELP = """The demo needs a detector and a video.

With your own bundle and video:
    python examples/demo.py yolox-nano.vedette street.mp4

A bundle is made from any ONNX or OpenVINO detector by `vedette pack`, for example from YOLOX-Nano:
    vedette pack yolox_nano.onnx --task detection --decoder yolox --labels coco.names --licence Apache-2.0 \\
        --resize letterbox --anchor top_left --pad 114 --kernel bilinear --colour bgr --mean 0 --scale 1

With a folder that holds models/yolox_nano_coco_416.onnx, models/coco80.names and
videos/one-by-one-person-detection.mp4:
    make demo VEDETTE_DATA=that/folder"""


def pack_detector(data: Path, registry: Registry) -> Path:
    """YOLOX-Nano, 80 classes of COCO, as its authors trained it: BGR 0..255, letterboxed with grey."""
    request = PackRequest(
        model=data / "models/yolox_nano_coco_416.onnx",
        task="detection",
        decoder="yolox",
        labels=data / "models/coco80.names",
        licence="Apache-2.0",
        name="yolox-nano",
        image={
            "resize": "letterbox", "anchor": "top_left", "pad": [114], "kernel": "bilinear",
            "colour": "bgr", "mean": [0], "scale": [1],
        },
        samples=(data / "images/bus.jpg",),
    )  # fmt: skip
    return pack_model(request, OUT / "yolox-nano-1.0.0.vedette", registry=registry, overwrite=True)


def run(bundle: Path, video: Path, registry: Registry) -> None:
    pipeline = Pipeline.from_dict(
        {
            "name": "demo",
            "stream": [{"name": "camera", "source": str(video.resolve())}],
            "stage": [
                {"name": "detect", "bundle": str(bundle.resolve()), "params": {"confidence_threshold": 0.4}}
            ],
            "sink": [
                {"use": "video", "params": {"path": str(OUT / "annotated.mp4"), "mode": "overwrite"}},
                {"use": "jsonl", "params": {"path": str(OUT / "detections.jsonl"), "mode": "overwrite"}},
            ],
        },
        registry=registry,
    )
    line = ProgressLine(sys.stderr, enabled=True)
    summary = pipeline.run(line.show)
    line.end()
    (OUT / "summary.json").write_text(json.dumps(msgspec.to_builtins(summary), indent=2) + "\n")
    print(render_summary(summary))
    print("\nLook at " + ", ".join(str(path) for path in sorted(OUT.iterdir())))


def main() -> int:
    data = os.environ.get("VEDETTE_DATA")
    given = [Path(argument) for argument in sys.argv[1:]]
    if len(given) != 2 and (given or not data):
        print(HELP)
        return 2 if given else 0
    registry = load_plugins()
    OUT.mkdir(exist_ok=True)
    if given:
        bundle, video = given
    else:
        folder = Path(str(data))
        bundle, video = pack_detector(folder, registry), folder / "videos/one-by-one-person-detection.mp4"
    run(bundle, video, registry)
    return 0


if __name__ == "__main__":
    sys.exit(main())
