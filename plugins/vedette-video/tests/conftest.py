"""Videos and packets made on the spot, and what drains a source."""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Encoded, Frame, Packed
from vedette.packet import Packet
from vedette.specs import Capture
from vedette_video.plugin import STILLS

sys.path.insert(0, str(Path(__file__).parent / "servers"))  # for the modules that lie there

import numbered
import running
from scripted import ScriptedServer


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


# --- servers --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scripted():
    """``scripted(say(...), ...)``: a server on loopback that does as the test wants."""
    servers = []

    def start(*acts, cert=None):
        servers.append(ScriptedServer(*acts, cert=cert))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server():
    """``server(mjpeg_server())``: a process that ends with the test."""
    servers = []

    def start(made):
        servers.append(made)
        return made.start()

    yield start
    for made in servers:
        made.kill()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A PEM file with a key and a certificate of 127.0.0.1 that signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt install openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera -addext subjectAltName=IP:127.0.0.1"
    command += f" -keyout {path}.key -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_text(Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture(scope="session")
def rtsp_server():
    """``rtsp_server(pipeline, ...)``, or a skip where there is none."""
    if why := running.why_no_rtsp_server():
        pytest.skip(why)
    return running.rtsp_server


@pytest.fixture
def opened():
    """``opened(spec, uri, **params)``: a source that is closed after the test."""
    sources = []

    def open_source(spec, uri, **params):
        sources.append(spec.open(uri, msgspec.convert(params, spec.params)))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()


@pytest.fixture
def take():
    """``take(source, 5)``: the next 5 captures."""

    def take(source, count, patience_s=20.0):
        captures, deadline = [], time.monotonic() + patience_s
        while len(captures) < count:
            assert time.monotonic() < deadline, f"only {len(captures)} of {count} pictures came"
            capture = source.read(0.5)
            if capture is not None:
                captures.append(capture)
        return captures

    return take


@pytest.fixture
def failure():
    """``failure(source)``: the error with which it fails within 10 s; until then every read comes back in time."""

    def failure(source, read_s=0.1):
        deadline = time.monotonic() + 10
        while (began := time.monotonic()) < deadline:
            try:
                source.read(read_s)
            except SourceError as error:
                return error
            assert time.monotonic() - began < read_s + 2
        return pytest.fail("it did not fail")

    return failure


@pytest.fixture
def number_of():
    """The number that a picture of our servers carries."""

    def number_of(capture):
        image = capture.image
        return numbered.read((STILLS.build()(image) if isinstance(image, Encoded) else image).planes[0])

    return number_of
