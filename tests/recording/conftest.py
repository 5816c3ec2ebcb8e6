"""Pipelines that show every pixel they are given, over sources that a test hands them."""

import sys
import time
import types
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.errors import EndOfStream
from vedette.frame import Clock, Encoded, Packed, Planar
from vedette.hookspecs import hookimpl
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry, load_plugins
from vedette.results import Embedding
from vedette.specs import Capture, Source, SourceInfo, SourceSpec, StageSpec


class Given:
    """A source that gives what it was handed: captures, ``None`` and exceptions; ``period_s`` apart."""

    def __init__(self, items, *, live: bool = False, period_s: float = 0.0) -> None:
        self.info = SourceInfo(live=live, rate_hz=25.0)
        self._items: Iterator = iter(items)
        self._period_s = period_s

    def read(self, timeout_s: float):
        time.sleep(self._period_s)
        item = next(self._items, EndOfStream())
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Nothing is open."""


class Slow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    slow_s: float = 0.0


class Fingerprint:
    """The checksum of a frame's stored pixels as a result, so that no changed bit goes unseen."""

    def __init__(self, params) -> None:
        self._slow_s = params.slow_s

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs, state) -> Embedding:
        time.sleep(self._slow_s)
        return Embedding(
            vector=np.array([[checksum(inputs.frame.pixels())]], np.float32), source_row=np.zeros(1, np.int32)
        )


def checksum(image) -> int:
    """24 bits, which a float32 holds exactly."""
    planes = (image.pixels,) if isinstance(image, Packed) else image.planes
    total = zlib.crc32(image.format.encode())
    for plane in planes:
        total = zlib.crc32(np.ascontiguousarray(plane), total)
    return total & 0xFFFFFF


class Bench:
    """Runs one stream and gives what the pipeline saw, as lines of JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary = None
        self._given: list[Source] = []
        self.registry = self._with_plugins()

    def given(self, items, **options) -> str:
        """The address of a source that gives ``items`` once."""
        self._given.append(Given(items, **options))
        return "given://"

    def run(self, source: str, *, record: Path | None = None, stages=None, **stream) -> list[bytes]:
        jsonl = self.folder / f"{time.monotonic_ns()}.jsonl"
        table = {"name": "door", "source": source, "reopen": "never", **stream}
        if record is not None:
            table["record"] = str(record)
        config = {
            "stream": [table],
            "stage": stages or [{"name": "seen", "use": "fingerprint"}],
            "sink": [{"use": "jsonl", "params": {"path": str(jsonl)}}],
        }
        with Pipeline.from_dict(config, registry=self.registry) as pipeline:
            try:
                pipeline.run()
            finally:
                self.summary = pipeline.summary()
                self.lines = jsonl.read_bytes().splitlines()
        return self.lines

    def _with_plugins(self) -> Registry:
        source = SourceSpec(
            name="given",
            summary="What a test hands over.",
            matches=lambda uri: 100 * uri.startswith("given://"),
            open=lambda uri, params: self._given.pop(),
        )
        stage = StageSpec(
            name="fingerprint",
            summary="Checksums.",
            build=Fingerprint,
            params=Slow,
            gives=Embedding,
            ordered=True,
        )
        module = types.ModuleType(f"recording_bench_{id(self)}")
        module.vedette_sources = hookimpl(_giver(source))
        module.vedette_stages = hookimpl(_giver(stage))
        sys.modules[module.__name__] = module
        return load_plugins([module.__name__])


def _giver(spec):
    def give():
        return [spec]

    return give


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def _capture(image, seq: int = 0, epoch: int = 0, **fields) -> Capture:
    clock = Clock(
        mono_ns=time.monotonic_ns(),
        wall_ns=time.time_ns(),
        media_ns=seq * 40,
        uncertainty_ns=7,
        origin="device",
    )
    return Capture(image=image, clock=clock, seq=seq, epoch=epoch, **fields)


@pytest.fixture
def capture():
    return _capture


def _noise(shape, dtype=np.uint8, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _image(format: str, size_wh=(38, 21), seed: int = 0):
    """Noise in every format that a source may give."""
    w, h = size_wh
    half = (h + 1) // 2, (w + 1) // 2
    if format in ("bgr", "rgb"):
        return Packed(format, _noise((h, w, 3), seed=seed))
    if format in ("gray8", "gray16"):
        return Packed(format, _noise((h, w), np.uint8 if format == "gray8" else np.uint16, seed))
    shapes = {"nv12": [(h, w), (*half, 2)], "i420": [(h, w), half, half], "yuyv": [(h, w, 2)]}[format]
    return Planar(
        format, tuple(_noise(shape, seed=seed + i) for i, shape in enumerate(shapes)), "bt709", "full"
    )


@pytest.fixture
def image():
    return _image


@pytest.fixture
def jpeg():
    """``jpeg(3)``: a compressed picture, a different one for each number."""
    from vedette_video.annotated_images import encode_jpeg

    def make(number: int) -> Encoded:
        return Encoded(
            "JPEG", encode_jpeg(_noise((24, 32, 3), seed=number), 80), (32, 24), f"picture {number}"
        )

    return make
