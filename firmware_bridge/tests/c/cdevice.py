"""The C library as a device on the virtual-clock line: built with gcc, driven through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from line import Line

from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.baud import SwitchBaud
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import Down, Message, Up

HERE = Path(__file__).parent
FIRMWARE = HERE.parents[1] / "firmware"
SOURCES = sorted(FIRMWARE.glob("vlp*.c"))
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror")
STRICT = ("-Wconversion", "-Wpedantic")
"""For the library itself."""
COUNTS = [
    "rx_frames",
    "tx_frames",
    "rx_bytes",
    "tx_bytes",
    "skipped",
    "header",
    "payload",
    "duplicates",
    "again",
    "bad_tags",
    "invalid",
    "sessions",
    "given_up",
    "version",
    "length",
    "stream",
    "kind",
    "unsalted",
    "stall",
]
"""enum vlp_count; the names of the checks are those of the Python parser."""
POLL_US, AHEAD_US = 1_000, 4_000
UP, DOWN, SENT, FAILED = range(4)
MAX_OUTPUT = 1 << 17


def need(program: str, package: str | None = None) -> str:
    """The path of a program."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"needs {program}: apt install {package or program}")
    return path


def build(target: Path, *sources: Path, flags: tuple[str, ...] = (), compiler: str = "gcc") -> Path:
    """Compile to ``target`` without a warning."""
    command = [
        need(compiler),
        *WARNINGS,
        f"-I{FIRMWARE}",
        *flags,
        "-o",
        str(target),
        *map(str, sources),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def load(folder: Path) -> ctypes.CDLL:
    """The library and ``shim.c`` as a shared library."""
    flags = ("-O2", "-shared", "-fPIC")
    return load_functions(build(folder / "libvlp.so", HERE / "shim.c", *SOURCES, flags=flags))


def load_functions(path: Path) -> ctypes.CDLL:
    """A shared library that holds ``shim.c``."""
    library = ctypes.CDLL(str(path))
    u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64
    device, size, data = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    number = ctypes.c_int
    for name, result, arguments in (
        ("dev_new", device, (u16, u8, u8, u8, u32, u32, ctypes.c_void_p, data, data, u8, u64, u32)),
        ("dev_free", None, (device,)),
        ("dev_rx", None, (device, u64, data, size)),
        ("dev_poll", None, (device, u64, size, number)),
        ("dev_send", number, (device, u8, data, u16, u32)),
        ("dev_send_image", ctypes.c_void_p, (device, data, u32, u64, u32, ctypes.POINTER(u32))),
        ("dev_abort_image", number, (device, ctypes.c_void_p)),
        ("dev_take_output", size, (device, data)),
        ("dev_take_log", size, (device, data)),
        ("dev_up", number, (device,)),
        ("dev_session", u32, (device,)),
        ("dev_longest", u16, (device, u8)),
        ("dev_count", u32, (device, number)),
        ("dev_answer", None, (device, number)),
        ("dev_free_slots", u32, (device, number)),
        ("dev_idle", number, (device,)),
        ("dev_force_session", None, (device, u32)),
        ("cbor_again", number, (data, size, data, size)),
        ("cbor_skip", number, (data, size)),
        ("read_result", number, (data, size, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)),
        ("vlp_read_trigger", number, (data, size, ctypes.c_void_p)),
        ("vlp_put_trigger", None, (data, ctypes.c_void_p)),
        ("vlp_put_event", None, (data, u16, u64)),
        ("hmac_of", None, (data, data, size, data)),
        ("sha256_of", None, (data, size, data)),
        *(
            (f"vlp_crc32_{kind}", u32, (ctypes.c_void_p, u32, data, size))
            for kind in ("bitwise", "nibble", "table")
        ),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class CDevice:
    """A device; ``clock()`` is its own. What the line calls is that of ``Link``."""

    def __init__(self, library, config: LinkConfig, clock, rng, *, slots=(4, 8), partial=True):
        self.lib = library
        self._clock, self._rng, self._partial = clock, rng, partial
        self.config = config
        self.baud = config.start_baud or 0
        rates = (ctypes.c_uint32 * 8)(*config.bauds) if config.bauds else None
        identity = cbor.dumps(config.identity)
        limits = config.limits
        self._dev = library.dev_new(
            limits.maxpl,
            limits.window,
            *slots,
            config.boot_id,
            self.baud,
            rates,
            config.key,
            identity,
            len(identity),
            clock(),
            rng.getrandbits(32),
        )
        assert self._dev
        self._buffer = ctypes.create_string_buffer(1 << 20)
        self._outgoing = b""
        self._free_us = self._next_us = 0
        self.done: list[tuple[int, int]] = []
        """(SENT or FAILED, tag) of what was given back."""
        self.rates: list[int] = []

    def close(self) -> None:
        """Give all back: a payload that the link keeps is an error there."""
        self.lib.dev_free(self._dev)

    # --- what a test does

    def send(self, ch: int, payload: bytes, tag: int = 0) -> int:
        return self.lib.dev_send(self._dev, ch, payload, len(payload), tag)

    def send_image(self, data: bytes, t_capture_us: int = 0, tag: int = 0) -> tuple[int, int]:
        """A handle (0: refused), and the image's number."""
        obj = ctypes.c_uint32()
        handle = self.lib.dev_send_image(self._dev, data, len(data), t_capture_us, tag, ctypes.byref(obj))
        return handle or 0, obj.value

    def abort_image(self, handle: int) -> int:
        return self.lib.dev_abort_image(self._dev, handle)

    def room(self, sid: int) -> int:
        return self.lib.dev_free_slots(self._dev, sid)

    def longest(self, ch: int) -> int:
        return self.lib.dev_longest(self._dev, ch)

    def answer(self, code: int) -> None:
        """What on_message returns."""
        self.lib.dev_answer(self._dev, code)

    def is_up(self) -> bool:
        return bool(self.lib.dev_up(self._dev))

    @property
    def session(self) -> int:
        return self.lib.dev_session(self._dev)

    def idle(self) -> bool:
        return bool(self.lib.dev_idle(self._dev))

    def counts(self) -> dict[str, int]:
        return {name: self.lib.dev_count(self._dev, number) for number, name in enumerate(COUNTS)}

    def force_session(self, session: int) -> None:
        """As if a session had been opened with this number."""
        self.lib.dev_force_session(self._dev, session)

    # --- what the line calls

    def start(self) -> None:
        pass

    def feed(self, data: bytes) -> list:
        self.lib.dev_rx(self._dev, self._clock(), data, len(data))
        self._next_us = 0
        return self._events()

    def poll(self) -> list:
        now = self._clock()
        if now < self._next_us:
            return []
        self._next_us = now + POLL_US
        room = 0 if self._free_us > now + AHEAD_US else MAX_OUTPUT
        if room and self._partial and self._rng.random() < 0.1:
            room = self._rng.randrange(200)
        self.lib.dev_poll(self._dev, now, room, int(not self._outgoing and self._free_us <= now))
        return self._events()

    def take_output(self) -> bytes:
        """Whole frames, as the line wants them."""
        end = self._whole()
        data, self._outgoing = self._outgoing[:end], self._outgoing[end:]
        if self.baud:
            now = self._clock()
            self._free_us = max(self._free_us, now) + len(data) * 10_000_000 // self.baud
        return data

    def baud_switched(self, baud: int) -> list:
        return []

    @property
    def due_us(self) -> int:
        return self._next_us

    def _whole(self) -> int:
        data, end = self._outgoing, 0
        while len(data) - end >= 16:
            length = int.from_bytes(data[end + 8 : end + 10], "little")
            size = 16 + (length + 4 if length else 0)
            if end + size > len(data):
                break
            end += size
        return end

    def _events(self) -> list:
        events: list = []
        size = self.lib.dev_take_output(self._dev, self._buffer)
        output, taken = self._buffer.raw[:size] if size else b"", 0
        size = self.lib.dev_take_log(self._dev, self._buffer)
        log, at = self._buffer.raw[:size] if size else b"", 0
        while at < len(log):
            kind, channel, flags, length = struct.unpack_from("<BBBxI", log, at)
            data = log[at + 8 : at + 8 + length]
            at += 8 + length
            if kind == ord("M"):
                events.append(Message(channel, flags & 0x18, data, bool(flags & 0x20), self._clock()))
            elif kind == ord("C"):  # a frame was given up, maybe half sent
                cut = int.from_bytes(data, "little")
                self._outgoing += output[taken:cut]
                self._outgoing, taken = self._outgoing[: self._whole()], cut
            elif kind == ord("R"):
                self.baud = int.from_bytes(data, "little")
                self.rates.append(self.baud)
                events.append(SwitchBaud(self.baud))
            elif channel == UP:
                events.append(Up(session=self.session, maxpl=0, window=0, paired=False, caps=0, identity={}))
            elif channel == DOWN:
                events.append(Down("closed", 0))
            else:
                self.done.append((channel, int.from_bytes(data, "little")))
        self._outgoing += output[taken:]
        return events


class CLine(Line):
    """The line with the Python box at one end and the C device at the other."""

    def __init__(self, library, *, box=None, device=None, slots=(4, 8), partial=True, **options):
        self._library, self._slots, self._partial = library, slots, partial
        baud = options.get("baud")
        self.box_config = box or LinkConfig(role="box", start_baud=baud)
        super().__init__(self.box_config, device or LinkConfig(role="device", start_baud=baud), **options)

    def _link(self, side):
        if side == "box":
            return super()._link(side)
        return CDevice(
            self._library,
            self.configs[side],
            lambda: self.clock("device"),
            self.rng,
            slots=self._slots,
            partial=self._partial,
        )

    @property
    def box(self):
        return self.links["box"]

    @property
    def board(self) -> CDevice:
        return self.links["device"]
