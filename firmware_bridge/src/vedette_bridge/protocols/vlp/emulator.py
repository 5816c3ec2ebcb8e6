"""The device's side of VLP: a camera to practise on, over a pseudo-terminal, a serial port or TCP.

It sends pictures at its rate while somebody wants them, and when it is triggered. One picture is on its way at a time,
and the freshest waits; a picture whose time is over is given up. What it is told (results, parameters) and what it has
done can be written to a file, for tests and demonstrations.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette_bridge.device import Device
from vedette_bridge.errors import LinkError, ParameterError, ProtocolError
from vedette_bridge.protocols.vlp.board import Parameters, Pictures
from vedette_bridge.protocols.vlp.exposures import Exposures
from vedette_bridge.shells.keys import read_key
from vedette_bridge.vlp import cbor
from vedette_bridge.vlp import events as link_events
from vedette_bridge.vlp.baud import SwitchBaud
from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Caps, Code, Identity
from vedette_bridge.vlp.frame import CONTROL, EVENT, LOG, MORE, PTZ, RESULT, RPC, TRIGGER
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.messages import EventMessage, ResultMessage, TriggerMessage
from vedette_bridge.vlp.rpc import Method, Parameter, RpcError, RpcServer

CHATTER = 100
"""The vendor's channel of ``chatter_hz``."""
PAIRING_S = 60
QUEUE_BYTES = 64 << 10
DROPPED = 3
PTZ_AT = 5
MODEL_NAME = "emulated camera"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """What the emulated camera is like.

    Attributes
    ----------
    images
        A folder of ``.jpg`` files, shown in turn; empty: a test card of ``width`` x ``height``.
    fps
        Images per second; 0: only when triggered.
    deadline_ms
        An image is given up when it is older; 0: never.
    serial
        Its serial number.
    key
        Where its key is: ``file:PATH`` or ``env:NAME``; empty: it is not paired.
    pairing
        Whether it starts in pairing mode, for 60 s.
    start_baud
        The rate of its line at the beginning; 0: the line has none.
    max_baud
        The highest rate that it can change to.
    trigger_s
        Something triggers it so often, in seconds; 0: never.
    chatter_hz
        Numbered messages on a vendor's channel, per second.
    ahead_us, drift_ppm
        How its clock differs from this machine's.
    log
        A file for what it does and is told, as JSON Lines.
    """

    images: str = ""
    width: int = 640
    height: int = 480
    fps: float = 10.0
    deadline_ms: int = 0
    serial: str = "EMU-1"
    key: str = ""
    pairing: bool = False
    start_baud: int = 0
    max_baud: int = 3_000_000
    trigger_s: float = 0.0
    chatter_hz: float = 0.0
    ahead_us: int = 5_000_000
    drift_ppm: float = 0.0
    log: str = ""


def build_emulator(options: EmulatorOptions, datagrams: bool) -> Device:
    """The camera.

    Raises
    ------
    ParameterError
        An option does not fit.
    """
    if datagrams:
        raise ParameterError(
            "emulator 'vlp': it speaks over streams of bytes", fix="use --pty, --port or --tcp"
        )
    return EmulatedCamera(options)


class Schedule:
    """Something that is due again and again; 0 is never."""

    def __init__(self, rate_hz: float) -> None:
        self._gap_ns = round(1e9 / rate_hz) if rate_hz > 0 else 0
        self.due_ns: int | None = 0 if self._gap_ns else None

    def due(self, now_ns: int) -> bool:
        """Whether it is time; then it is due again one period later, however late this was."""
        if self.due_ns is None or now_ns < self.due_ns:
            return False
        self.due_ns = max(self.due_ns, now_ns - self._gap_ns) + self._gap_ns
        return True


class EmulatedCamera:
    """A :class:`~vedette_bridge.device.LineDevice` that speaks VLP."""

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._pictures = Pictures(options.images, (options.width, options.height))
        self._parameters = Parameters(self._pictures.size_wh, round(options.fps * 1000))
        self._key = read_key(options.key)
        self._now_ns = time.monotonic_ns()
        self._pairing_until_ns = self._now_ns + PAIRING_S * 10**9 if options.pairing else 0
        self._log = Path(options.log) if options.log else None
        self._server = RpcServer(self._carry_out)
        self._reboot = False
        self._switch: int | None = None
        self._triggers = Schedule(1 / options.trigger_s if options.trigger_s else 0)
        self._chatter = Schedule(options.chatter_hz)
        self._chattered = self._count = 0
        self._images = Schedule(options.fps)
        self._boot()

    def receive(self, data: bytes, now_ns: int) -> Iterable[bytes]:
        self._now_ns = now_ns
        self._take(self._link.feed(data))
        return self._act()

    def tick(self, now_ns: int) -> Iterable[bytes]:
        self._now_ns = now_ns
        self._take(self._link.poll())
        return self._act()

    def disconnected(self) -> None:
        if self._link.state == "up":
            self._take([link_events.Down("interrupted", 0)])
        self._switch = None
        self._link.close()
        self._link.start()

    @property
    def due_ns(self) -> int:
        dues = [self._images.due_ns if self._remaining else None, self._trigger_due_ns, self._triggers.due_ns]
        dues.append(self._chatter.due_ns)
        if (link_due := self._link.due_us) is not None:
            dues.append(self._now_ns + (link_due - self._clock_us()) * 1000)
        return min((due for due in dues if due is not None), default=self._now_ns + 10**9)

    @property
    def baud(self) -> int | None:
        return self._link.baud

    @property
    def switch(self) -> int | None:
        return self._switch

    def switched(self, baud: int, now_ns: int) -> None:
        self._now_ns, self._switch = now_ns, None
        self._take(self._link.baud_switched(baud))

    def _boot(self) -> None:
        """Power on: nothing is known but what a flash would keep (the key)."""
        options = self._options
        caps = Caps.IMAGES | Caps.RESULTS | Caps.PTZ | (Caps.PAIRING if options.pairing else Caps(0))
        standard = (115200, 230400, 460800, 921600, 1_000_000, 1_500_000, 2_000_000, 3_000_000)
        self._identity: Identity = {0: "Vedette", 1: MODEL_NAME, 2: options.serial, 3: "1"}
        config = LinkConfig(
            role="device",
            limits=Limits(queue_bytes=QUEUE_BYTES),
            start_baud=options.start_baud or None,
            bauds=tuple(baud for baud in standard if baud <= options.max_baud) if options.start_baud else (),
            caps=caps | (Caps.BAUD if options.start_baud else Caps(0)),
            identity=self._identity,
            key=self._key,
            boot_id=int.from_bytes(os.urandom(4), "little"),
        )
        self._link = Link(config, self._clock_us)
        self._link.start()
        self._remaining: int | None = 0  # images still to take; None: without end
        self._trigger_due_ns: int | None = None
        self._trigger_left = 0
        self._exposures = Exposures(self._pictures, options.deadline_ms)
        self._found: list[Any] = []
        self._at = {1: 0, 2: 0, 3: 0}
        self._note("boot")

    def _clock_us(self) -> int:
        now_us = time.monotonic_ns() // 1000
        return round(now_us * (1 + self._options.drift_ppm * 1e-6)) + self._options.ahead_us

    # --- what it does by itself

    def _act(self) -> list[bytes]:
        now_ns = self._now_ns
        if self._link.state == "up":
            if self._triggers.due(now_ns):
                self._triggered()
            if self._chatter.due(now_ns):
                self._say(CHATTER, self._chattered.to_bytes(4, "little") + bytes(60), CONTROL)
            self._take_images(now_ns)
            if dropped := self._exposures.send(self._link, self._clock_us()):
                self._event(DROPPED, {0: dropped})
                self._note("dropped", images=dropped)
        if self._reboot and self._link.idle:  # the answer is through, or its session over
            self._reboot = False
            self._boot()
        return list(iter(self._link.take_output, b""))

    def _take_images(self, now_ns: int) -> None:
        while self._trigger_due_ns is not None and now_ns >= self._trigger_due_ns:
            self._capture()
            self._trigger_left -= 1
            self._trigger_due_ns = self._trigger_due_ns + self._gap_ns() if self._trigger_left else None
        if self._remaining != 0 and self._images.due(now_ns):
            self._capture()
            self._remaining = None if self._remaining is None else self._remaining - 1

    def _capture(self) -> None:
        """Expose."""
        mono_ns = time.monotonic_ns()
        header = self._exposures.add(self._clock_us(), self._parameters.values[Parameter.EXPOSURE_US])
        self._note("captured", obj=header.obj, mono_ns=mono_ns, t_us=header.t_capture_us)

    def _triggered(self) -> None:
        self._count += 1
        self._say(TRIGGER, TriggerMessage(source=1, count=self._count, t_us=self._clock_us()).encode())
        self._note("trigger", count=self._count, mono_ns=time.monotonic_ns())
        self._capture()

    def _event(self, kind: int, data: Mapping[int, Any]) -> None:
        self._say(EVENT, EventMessage(kind=kind, t_us=self._clock_us(), data=data).encode())

    def _say(self, ch: int, payload: bytes, sid: int | None = None) -> None:
        """A message, unless the other side is gone or takes none: firmware has no room to keep them."""
        try:
            self._link.send(ch, payload, sid=sid)
            self._chattered += ch == CHATTER
        except LinkError:
            return

    def _gap_ns(self) -> int:
        rate = self._parameters.values[Parameter.RATE_MHZ]
        return 10**12 // rate if rate else 0

    # --- what it is told

    def _take(self, happened: Iterable[link_events.Event]) -> None:
        for event in happened:
            match event:
                case link_events.Up():
                    self._note("up", session=event.session)
                    self._event(PTZ_AT, self._at)
                case link_events.Down():
                    self._remaining, self._trigger_due_ns = 0, None
                    self._exposures.forget()
                    self._found.clear()
                    self._note("down", reason=event.reason)
                case SwitchBaud():
                    self._switch = event.baud
                case link_events.Message():
                    self._message(event)

    def _message(self, message: link_events.Message) -> None:
        try:
            if message.ch == RPC:
                self._say(RPC, self._server.answer(message.payload))
            elif message.ch == RESULT:
                self._result(message)
            elif message.ch == TRIGGER:
                self._capture()
            elif message.ch == PTZ:
                self._move(cbor.load_map(message.payload))
        except ProtocolError as error:
            self._note("invalid", why=error.message)

    def _result(self, message: link_events.Message) -> None:
        part = ResultMessage.decode(message.payload)
        self._found += [list(found) for found in part.detections]
        if not message.vf & MORE:
            self._note("result", obj=part.obj, t_us=part.t_us, detections=self._found)
            self._found = []

    def _move(self, command: dict[int, Any]) -> None:
        """A head without inertia."""
        match command.get(0):
            case 1:
                self._at |= {axis: command[axis] for axis in (1, 2, 3) if axis in command}
            case 2:
                self._at |= {axis: self._at[axis] + command.get(axis, 0) for axis in (1, 2)}
            case 6:
                self._at = {1: 0, 2: 0, 3: 0}
        self._note("ptz", command={str(key): value for key, value in command.items()})
        self._event(PTZ_AT, self._at)

    def _carry_out(self, method: int, args: Mapping[int, Any]) -> Mapping[int, Any] | None:
        carried_out: dict[int, Callable[[Mapping[int, Any]], Mapping[int, Any] | None]] = {
            Method.GET_CAPS: self._get_caps,
            Method.GET: lambda args: self._parameters.get(args.get(0)),
            Method.SET: self._set,
            Method.TRIGGER: self._trigger,
            Method.START: self._start,
            Method.STOP: self._stop,
            Method.REBOOT: self._restart,
            Method.SUBSCRIBE: lambda args: None,
            Method.PAIR: self._pair,
        }
        if method not in carried_out:
            raise RpcError(Code.UNKNOWN)
        self._note("call", method=Method(method).name.lower())
        return carried_out[method](args)

    def _get_caps(self, args: Mapping[int, Any]) -> Mapping[int, Any]:
        size = list(self._pictures.size_wh)
        return {0: dict(self._identity), 1: self._parameters.ranges(), 2: ["JPEG"], 3: size}

    def _set(self, args: Mapping[int, Any]) -> Mapping[int, Any]:
        taken = self._parameters.set(args)
        if Parameter.RATE_MHZ in taken:
            self._images = Schedule(taken[Parameter.RATE_MHZ] / 1000)
        self._note("set", values={str(number): value for number, value in args.items()})
        return taken

    def _trigger(self, args: Mapping[int, Any]) -> Mapping[int, Any]:
        count, delay_us = args.get(0, 1), args.get(1, 0)
        if not (isinstance(count, int) and isinstance(delay_us, int) and count > 0 and delay_us >= 0):
            raise RpcError(Code.INVALID)
        if self._trigger_due_ns is not None:
            raise RpcError(Code.BUSY)
        self._trigger_left, self._trigger_due_ns = count, self._now_ns + delay_us * 1000
        return {0: self._exposures.next_obj}

    def _start(self, args: Mapping[int, Any]) -> None:
        self._remaining = args.get(0, 0) or None
        self._images = Schedule(self._parameters.values[Parameter.RATE_MHZ] / 1000)
        self._link_log("streaming")

    def _stop(self, args: Mapping[int, Any]) -> None:
        self._remaining = 0
        self._exposures.forget_waiting()

    def _restart(self, args: Mapping[int, Any]) -> None:
        self._reboot = True

    def _pair(self, args: Mapping[int, Any]) -> None:
        key = args.get(0)
        if time.monotonic_ns() >= self._pairing_until_ns:
            raise RpcError(Code.AUTH)
        if not isinstance(key, bytes) or len(key) != 32:
            raise RpcError(Code.INVALID)
        self._key, self._pairing_until_ns = key, 0
        self._reboot = True  # the key holds from the next session on
        self._note("paired")

    def _link_log(self, text: str) -> None:
        self._say(LOG, b"\x01" + text.encode())

    def _note(self, what: str, **values: Any) -> None:
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(json.dumps({"what": what, "at_ns": time.monotonic_ns(), **values}) + "\n")
