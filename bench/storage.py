"""What the benchmarks make once and keep outside of git: the clip in the size that is wanted, pictures, bundles."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.options import ROOT
from vedette.bundle.pack import PackRequest, pack_model
from vedette.decoding import image_decoder
from vedette.frame import Encoded
from vedette.model.feeds import still
from vedette.registry import Registry

CACHE = ROOT / ".bench-cache"
CLIP = "one-by-one-person-detection.mp4"
CLIP_WH = (1280, 720)
BIT_RATE = 4_000_000
PHOTOS = "imagenet_sample_500.zip"
COUNT = 64

_RAW = {"kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [1]}
MODELS = {
    "yolox_nano": PackRequest(
        model=Path("yolox_nano_coco_416.onnx"),
        task="detection",
        decoder="yolox",
        licence="Apache-2.0",
        labels=Path("coco80.names"),
        image={**_RAW, "resize": "letterbox", "anchor": "top_left", "pad": [114]},
    ),
    "retail_0005": PackRequest(
        model=Path("face-detection-retail-0005.xml"),
        task="detection",
        decoder="ssd",
        params={"first_class": 1},
        licence="Apache-2.0",
        image={**_RAW, "resize": "stretch"},
    ),
    "mobilenet_v2": PackRequest(
        model=Path("mobilenet_v2_1.0_224_fq.onnx"),
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="Apache-2.0",
        storage="mixed",
        image={
            "resize": "stretch",
            "kernel": "bilinear",
            "colour": "rgb",
            "mean": [127.5],
            "scale": [127.5],
        },
    ),
}
"""Models of the data folder. MobileNetV2 is stretched, as the peer does it, where its own recipe would crop."""


def bundle(name: str, data: Path, registry: Registry) -> Path:
    """A bundle of that model, packed anew if the model or its settings changed."""
    request = MODELS[name]
    model = data / "models" / request.model
    labels = request.labels and data / "models" / request.labels
    request = replace(request, name=name, model=model, labels=labels)
    path = _kept(f"{name}.vedette", model, request)
    if not path.exists():
        pack_model(request, path, registry=registry)
    return path


def clip(data: Path, say: Callable[[str], None]) -> Path:
    """The clip, scaled to 1280x720 and encoded as H.264 with 4 Mbit/s."""
    source = data / "videos" / CLIP
    path = _kept("clip.mp4", source, (CLIP_WH, BIT_RATE))
    if not path.exists():
        say(f"encoding {CLIP} to {CLIP_WH[0]}x{CLIP_WH[1]}, once")
        with _unfinished(path) as unfinished:
            _encode(source, unfinished)
    return path


def pictures(data: Path, registry: Registry) -> Path:
    """64 photos of as many classes, as an array ``(64, 720, 1280, 3) uint8`` BGR."""
    source = data / "images" / PHOTOS
    path = _kept("pictures.npy", source, (COUNT, CLIP_WH))
    if not path.exists():
        decode = image_decoder(registry)
        with zipfile.ZipFile(source) as archive:
            names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg")))
            step = len(names) // COUNT
            views = [
                still(decode(Encoded("JPEG", archive.read(name), (0, 0), name))).view("bgr", CLIP_WH)
                for name in names[: COUNT * step : step]
            ]
        with _unfinished(path) as unfinished:
            np.save(unfinished, np.stack(views))
    return path


def _encode(source: Path, target: Path) -> None:
    import av

    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", rate=given.streams.video[0].average_rate or Fraction(10))
        stream.width, stream.height = CLIP_WH
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = BIT_RATE
        for frame in given.decode(video=0):
            scaled = frame.reformat(*CLIP_WH, format="yuv420p")
            scaled.pts = frame.pts
            scaled.time_base = frame.time_base
            made.mux(stream.encode(scaled))
        made.mux(stream.encode())


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A path to write to; it becomes ``path`` when all went well."""
    unfinished = path.with_suffix(f".{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _kept(name: str, source: Path, settings: Any) -> Path:
    """A place in the cache that is another one for another file or other settings."""
    stat = source.stat()
    key = hashlib.sha256(f"{source} {stat.st_size} {stat.st_mtime_ns} {settings!r}".encode()).hexdigest()[:12]
    CACHE.mkdir(exist_ok=True)
    return CACHE / f"{key}-{name}"
