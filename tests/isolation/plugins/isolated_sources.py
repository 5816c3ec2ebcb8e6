"""Sources to be isolated: well-behaved, and taken over by what they decode. Loaded by parent and child."""

import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Encoded, Packed, Planar
from vedette.hookspecs import hookimpl
from vedette.isolation.messages import Opened, Picture, encode
from vedette.specs import Capture, DecoderSpec, SourceInfo, SourceSpec, StageInputs, StageOutput, StageSpec


class SceneParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    count: int = 5
    format: str = "bgr"
    size_wh: tuple[int, int] = (17, 9)
    live: bool = False
    fail_at: int | None = None
    encoded: bool = False
    secret: str | None = None
    attempts: str | None = None
    extra: Any = None


def scene(format: str, size_wh: tuple[int, int], seed: int) -> Packed | Planar:
    """A picture in any format, with planes that are not contiguous."""
    w, h = size_wh
    random = np.random.default_rng(seed)

    def plane(*shape: int) -> np.ndarray[Any, Any]:
        wide = random.integers(0, 256, (shape[0], shape[1] + 3, *shape[2:]), np.uint8)
        return wide[:, : shape[1]]

    half = ((h + 1) // 2, (w + 1) // 2)
    if format == "gray16":
        return Packed("gray16", plane(h, w).astype(np.uint16) * 257)
    if format == "gray8":
        return Packed("gray8", plane(h, w))
    if format in ("bgr", "rgb"):
        return Packed(format, plane(h, w, 3))  # type: ignore[arg-type]
    planes = {
        "nv12": lambda: (plane(h, w), plane(*half, 2)),
        "i420": lambda: (plane(h, w), plane(*half), plane(*half)),
        "yuyv": lambda: (plane(h, w, 2),),
    }[format]()
    return Planar(format, planes, "bt709", "limited")  # type: ignore[arg-type]


class Scenes:
    def __init__(self, params: SceneParams) -> None:
        if params.attempts is not None:
            with Path(params.attempts).open("a") as file:
                file.write(f"{os.getpid()}\n")
            if len(Path(params.attempts).read_text().split()) < 4:
                raise SourceError("not there yet")
        if params.secret is not None and os.environ.get(params.secret.partition(":")[2]) != "hunter2":
            raise SourceError("the secret has not come through")
        self.info = SourceInfo(live=params.live, size_wh=params.size_wh, frames=params.count)
        self._params = params
        self._next = 0

    def read(self, timeout_s: float) -> Capture | None:
        n, self._next = self._next, self._next + 1
        if n == self._params.fail_at:
            raise SourceError("the film tore")
        if n >= self._params.count:
            raise EndOfStream
        image: Any = scene(self._params.format, self._params.size_wh, n)
        if self._params.encoded:
            image = Encoded("TEST", b"torn" if n == 2 else bytes([n]), self._params.size_wh, f"picture {n}")
        clock = Clock(
            mono_ns=10**15 + n, wall_ns=2 * 10**18 + n, media_ns=-n, uncertainty_ns=7, origin="device"
        )
        return Capture(image=image, clock=clock, seq=n % 3, epoch=n // 3, orientation=90)

    def close(self) -> None:
        self._next = 10**9


def decode(image: Encoded) -> Packed | Planar:
    print("decoded in", os.getpid(), file=sys.stderr)
    if image.data == b"torn":
        raise SourceError(f"{image.name} is torn")
    return scene("i420", image.size_wh, image.data[0])


class EvilParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    how: str
    at: int = 3


class Evil:
    """Behaves until picture ``at``; then it is taken over."""

    def __init__(self, params: EvilParams) -> None:
        if params.how == "hang_open":
            time.sleep(1e6)
        if params.how == "abort_open":
            os.abort()
        self.info = SourceInfo(live=False)
        self._params = params
        self._next = 0

    def read(self, timeout_s: float) -> Capture | None:
        n, self._next = self._next, self._next + 1
        if n == self._params.at:
            self._take_over()
        return Capture(image=scene("gray8", (8, 4), n), clock=Clock(mono_ns=1, wall_ns=1), seq=n)

    def close(self) -> None:
        if self._params.how == "hang_close":
            time.sleep(1e6)

    def _take_over(self) -> None:
        how = self._params.how
        if how in PACKETS:
            socket.socket(fileno=os.dup(int(sys.argv[1]))).send(PACKETS[how])
        elif how == "nothing":
            time.sleep(1e6)
        elif how == "spin":
            sum(range(10**15))
        elif how == "talk":
            while True:
                os.write(1, b"and another thing " * 100)
        elif how == "strange_signal":
            os.kill(os.getpid(), 40)
        elif how == "abort":
            os.abort()
        elif how == "exit":
            os._exit(3)
        elif how == "hang_up":
            os.close(int(sys.argv[1]))
            time.sleep(1e6)
        elif how == "memory":
            bytearray(2 << 30)
        elif how == "flood":
            for n in range(5_000):
                os.write(2, b"\x1b[31mline %d rtsp://user:pass@host/\n" % n)
        elif how == "core":
            raise SourceError(f"core {resource.getrlimit(resource.RLIMIT_CORE)}")


def _fields(**changes: object) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(
        Picture(
            size_wh=(8, 4), mono_ns=1, wall_ns=1, media_ns=None, uncertainty_ns=0, origin="arrival",
            seq=0, epoch=0, orientation=0, format="gray8",
        )
    )  # fmt: skip
    return plain | changes


def _picture(**changes: object) -> bytes:
    return msgspec.msgpack.encode(_fields(**changes))


PACKETS = {
    "garbage": b"\xc1\x00nonsense",
    "empty_map": b"\x80",
    "truncated": _picture()[:-3],
    "not_utf8": b"\x81\xa1\xff\x01",
    "unknown_field": msgspec.msgpack.encode({**_fields(), "path": "/etc/passwd"}),
    "huge_size": _picture(size_wh=(65_535, 65_535)),
    "larger_than_slot": _picture(size_wh=(1024, 1025)),
    "negative_size": _picture(size_wh=(-4, 8)),
    "zero_size": _picture(size_wh=(0, 8)),
    "float_size": _picture(size_wh=(8.5, 8)),
    "size_of_three": _picture(size_wh=(8, 8, 8)),
    "odd_yuyv": _picture(format="yuyv", size_wh=(7, 8)),
    "unknown_format": _picture(format="rgba"),
    "unknown_orientation": _picture(orientation=45),
    "negative_clock": _picture(mono_ns=-1),
    "text_clock": _picture(mono_ns="now"),
    "endless_clock": _picture(wall_ns=2**63),
    "wrong_answer": encode(Opened(live=True, size_wh=None, rate_hz=None, frames=None)),
    "nan_rate": msgspec.msgpack.encode(
        {"type": "Opened", "live": True, "size_wh": None, "rate_hz": float("nan"), "frames": None}
    ),
    "long": b"\x00" * 100_000,
    "long_text": msgspec.msgpack.encode({"type": "Failed", "message": "x" * 3_000, "fix": ""}),
    "escape": msgspec.msgpack.encode(
        {"type": "Failed", "message": "\x1b[2Jevil\nERROR rtsp://a:b@c/", "fix": ""}
    ),
}
"""What a child must not send."""


@hookimpl
def vedette_sources() -> list[SourceSpec]:
    return [
        SourceSpec(
            name="scenes",
            summary="Pictures of any kind.",
            matches=lambda uri: 10 * (uri == "scenes://"),
            open=lambda uri, params: Scenes(params),
            params=SceneParams,
        ),
        SourceSpec(
            name="evil",
            summary="Taken over in mid-stream.",
            matches=lambda uri: 10 * (uri == "evil://"),
            open=lambda uri, params: Evil(params),
            params=EvilParams,
        ),
    ]


class Look:
    """Looks at the pixels of every frame."""

    def start(self, stream: str) -> None: ...

    def process(self, inputs: StageInputs, state: None) -> StageOutput:
        inputs.frame.view("gray8", (8, 8))
        return StageOutput()


@hookimpl
def vedette_stages() -> list[StageSpec]:
    return [StageSpec(name="look", summary="Looks at pixels.", build=lambda params: Look())]


@hookimpl
def vedette_decoders() -> list[DecoderSpec]:
    return [DecoderSpec(name="test", summary="Test pictures.", fourccs=("TEST",), build=lambda: decode)]
