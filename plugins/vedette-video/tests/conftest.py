"""Videos and packets made on the spot, and what drains a source."""

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Frame, Packed
from vedette.packet import Packet
from vedette.specs import Capture


@dataclass
class Drained:
    """Everything a source gave, and how it ended."""

    captures: list[Capture] = field(default_factory=list)
    error: SourceError | None = None

    @property
    def media_ns(self):
        return [capture.clock.media_ns for capture in self.captures]

    @property
    def seqs(self):
        return [capture.seq for capture in self.captures]

    @property
    def epochs(self):
        return [capture.epoch for capture in self.captures]


def _drain(source, limit=None) -> Drained:
    drained = Drained()
    try:
        while limit is None or len(drained.captures) < limit:
            drained.captures.append(source.read(1.0))
    except EndOfStream:
        pass
    except SourceError as error:
        drained.error = error
    return drained


@pytest.fixture
def drain():
    return _drain


def _pictures(count, size_wh, seed=0):
    """``count`` different RGB pictures with structure: a gradient, and a block that moves."""
    w, h = size_wh
    base = np.zeros((h, w, 3), np.uint8)
    base[..., 0] = np.linspace(40, 200, w)
    base[..., 1] = np.linspace(200, 60, h)[:, None]
    base[..., 2] = np.random.default_rng(seed).integers(0, 255)
    for index in range(count):
        picture = base.copy()
        left = index * 3 % max(1, w - 4)
        picture[h // 4 : h // 2, left : left + 4] = 255 - index
        yield picture


@pytest.fixture
def make_video(tmp_path):
    """Encodes pictures; ``stamps`` are their times in milliseconds."""

    def make(
        name="clip.mkv",
        pictures=None,
        *,
        count=12,
        size_wh=(64, 48),
        codec="libx264",
        pix_fmt="yuv420p",
        stamps=None,
        options=None,
        colorspace=2,
        color_range=0,
        rotation=None,
        gop=6,
    ):
        path = tmp_path / name
        pictures = list(_pictures(count, size_wh) if pictures is None else pictures)
        frames = [
            picture
            if isinstance(picture, av.VideoFrame)
            else av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            for picture in pictures
        ]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options or {})
            stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
            stream.gop_size = gop
            if rotation is not None:
                stream.set_display_rotation(rotation)
            for index, frame in enumerate(frames):
                frame.pts = index * 40 if stamps is None else stamps[index]
                frame.time_base = Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def make_packet():
    """A packet around a BGR picture."""

    def make(
        picture,
        outcome=None,
        *,
        stream="gate",
        epoch=0,
        seq=0,
        media_ns=None,
        image=None,
        size_wh=None,
        **rest,
    ):
        image = Packed("bgr", picture) if image is None else image
        clock = Clock(mono_ns=10**9 + seq * 40_000_000, wall_ns=0, media_ns=media_ns)
        frame = Frame(
            stream=stream,
            epoch=epoch,
            ticket=seq,
            seq=seq,
            size_wh=size_wh or image.size_wh,
            clock=clock,
            image=image,
            **rest,
        )
        return Packet(frame, dict(outcome or {}))

    return make
