"""The driver ``vlp``: a camera whose firmware speaks VLP, behind the common face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette_bridge.camera import Camera, CameraDetection, CameraFrame, Caps, TimeOffset, Value
from vedette_bridge.errors import DeviceError, NotSupportedError
from vedette_bridge.protocols.vlp.parameters import caps_of, from_wire, number_of, to_wire
from vedette_bridge.protocols.vlp.ptz import encode, position
from vedette_bridge.ptz import Move, PtzCommand, PtzPosition
from vedette_bridge.shells.box import Box, monotonic_us
from vedette_bridge.shells.calls import Call
from vedette_bridge.shells.finding import PortFinder, PortLister, comports
from vedette_bridge.shells.keys import read_key
from vedette_bridge.shells.notices import Notice
from vedette_bridge.shells.pipe import Pipe, open_pipe, pipe_over
from vedette_bridge.shells.rates import RateMemory, state_folder
from vedette_bridge.shells.thread import LinkThread
from vedette_bridge.uri import CameraUri, parse_uri, read_options
from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Caps as Bits
from vedette_bridge.vlp.control import Code
from vedette_bridge.vlp.rpc import Method

START_BAUD = 115200
QUEUE_BYTES = 256 << 10
"""Results that wait longer than this holds are too old to be of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VlpOptions:
    """What an address of this driver may set.

    Attributes
    ----------
    baud
        The rate to go to once the link is up; a lower one is taken if it does not hold. 0: stay at the start rate.
    start_baud
        The rate at which both sides begin; 0: 115200, or none where the port has no rate (USB, TCP, pseudo-terminal).
    key
        Where the key of a paired camera is: ``file:PATH`` or ``env:NAME``.
    timeout_s
        How long to wait for the camera to answer, at opening and at every request.
    reconnect
        Whether to wait for a port that vanished; else that is an error.
    rtscts
        Whether the line has RTS and CTS wired for flow control.
    state
        Folder for what is remembered of cameras (baud rates); empty: ``$VEDETTE_HOME`` or ``~/.local/state/vedette``.
    max_image_mb
        The largest image that is taken.
    top_speed_deg_s
        What full speed means for a camera that moves.
    """

    baud: int = 0
    start_baud: int = 0
    key: str = ""
    timeout_s: float = 5.0
    reconnect: bool = True
    rtscts: bool = False
    state: str = ""
    max_image_mb: int = 64
    top_speed_deg_s: float = 60.0


def open_vlp(uri: CameraUri, options: VlpOptions, *, ports: PortLister = comports) -> VlpCamera:
    """Connect, and wait until the camera answers. ``ports`` lists the ports of this machine."""
    key = read_key(options.key)
    return VlpCamera.connect(uri.port_url, options, key=key, ports=ports)


def open_bridge(address: str, *, key: bytes | None = None, port: Any = None, **options: Any) -> VlpCamera:
    """Connect to a VLP camera.

        with open_bridge("/dev/ttyACM0?baud=3000000") as camera:
            for frame in camera.frames(timeout_s=1.0):
                ...

    Parameters
    ----------
    address
        A port, ``PORT?baud=3000000``, or an address of :func:`vedette_bridge.open_camera` with the scheme ``vlp``.
    key
        The key itself, where it is not in a file.
    port
        A port of pyserial that is open already, or an object like one; ``address`` is then only its name.
    options
        Those of :class:`VlpOptions`, over those of the address.

    Raises
    ------
    LinkError
        As :func:`vedette_bridge.open_camera`.
    """
    uri, settings = parse_address(address, options)
    secret = key or read_key(settings.key)
    pipe = None if port is None else pipe_over(port, uri.port_url)
    return VlpCamera.connect(uri.port_url, settings, key=secret, pipe=pipe)


def parse_address(address: str, options: Mapping[str, Any]) -> tuple[CameraUri, VlpOptions]:
    """An address with or without ``vlp:``, and its options with those of ``options`` over them."""
    place, _, query = address.partition("?")
    scheme, with_scheme, rest = place.partition("://")
    if not place.startswith("vlp"):
        place = f"vlp+{scheme}://{rest}" if with_scheme else f"vlp:{place}"
    uri = parse_uri(f"{place}?{query}" if query else place)
    text = {**uri.options, **{name: str(value) for name, value in options.items()}}
    return uri, read_options(VlpOptions, text, "driver 'vlp'")


def link_config(pipe: Pipe, options: VlpOptions, key: bytes | None) -> LinkConfig:
    """The box's side of a link over ``pipe``."""
    start = options.start_baud or (START_BAUD if pipe.has_rate else None)
    limits = Limits(queue_bytes=QUEUE_BYTES, max_image=options.max_image_mb << 20)
    return LinkConfig(role="box", limits=limits, start_baud=start, key=key)


def build_box(pipe: Pipe, options: VlpOptions, key: bytes | None) -> Box:
    """What stands between the link and the camera's face."""
    folder = Path(options.state) if options.state else state_folder()
    memory = RateMemory(folder / "bridge-rates.json") if options.baud else RateMemory()
    return Box(link_config(pipe, options, key), f"camera on {pipe.name}", baud=options.baud, memory=memory)


class PortOpener:
    """Opens a port, and opens it again where it is found again."""

    def __init__(self, url: str, options: VlpOptions, ports: PortLister) -> None:
        self._finder = PortFinder(url, ports)
        self._baud = options.start_baud or START_BAUD
        self._rtscts = options.rtscts

    def __call__(self, abort: int | None = None) -> Pipe:
        url = self._finder.where()
        pipe = open_pipe(url, self._baud, rtscts=self._rtscts, abort=abort)
        self._finder.opened(url)
        return pipe


class VlpCamera(Camera):
    """A camera that speaks VLP. :meth:`connect` makes one."""

    def __init__(self, thread: LinkThread, options: VlpOptions) -> None:
        super().__init__(thread.name)
        self._thread = thread
        self._options = options
        self._caps: tuple[int, Caps] | None = None

    @classmethod
    def connect(
        cls,
        url: str,
        options: VlpOptions,
        *,
        key: bytes | None = None,
        ports: PortLister = comports,
        pipe: Pipe | None = None,
    ) -> VlpCamera:
        """Open the port at ``url`` (or use ``pipe``, which is open), and wait until the camera answers."""
        opener = None if pipe is not None else PortOpener(url, options, ports)
        opened = opener() if opener is not None else pipe
        assert opened is not None
        box = build_box(opened, options, key)
        box.start()
        thread = LinkThread(box, opened, opener if options.reconnect else None)
        camera = cls(thread, options)
        try:
            camera.wait_until_up(options.timeout_s)
        except BaseException:
            camera.close()
            raise
        return camera

    def wait_until_up(self, timeout_s: float) -> None:
        """Return when there is a session and the baud rate is settled; raises as :func:`open_bridge`."""
        self._thread.wait(lambda box: box.ready or None, timeout_s, f"no session within {timeout_s:g} s")

    @property
    def session(self) -> int:
        """Number of the present session, or of the last one."""
        return self._thread.do(lambda box: box.session)

    @property
    def is_up(self) -> bool:
        """Whether there is a session now."""
        return self._thread.do(lambda box: box.ready)

    @property
    def failed(self) -> bool:
        """Whether the link is closed, or will not come up again."""
        return self._thread.closed

    @property
    def baud(self) -> int | None:
        """The line's rate now; ``None`` where there is none."""
        return self._thread.do(lambda box: box.link.baud)

    def caps(self) -> Caps:
        session = self.session
        if self._caps is None or self._caps[0] != session:
            try:
                answer = self.call(Method.GET_CAPS)
            except DeviceError as error:
                if error.code != Code.UNKNOWN.name:
                    raise
                answer = {}
            up = self._thread.wait(lambda box: box.up, self._options.timeout_s, "the link is down")
            self._caps = (session, caps_of(up, answer))
        return self._caps[1]

    def get(self, *names: str) -> dict[str, Value]:
        wanted = [number_of(name) for name in names or self.caps().parameters]
        return from_wire(self.call(Method.GET, {0: wanted}))

    def set(self, **parameters: Value) -> dict[str, Value]:
        return from_wire(self.call(Method.SET, to_wire(parameters)))

    def trigger(self) -> None:
        self.trigger_series(1)

    def trigger_series(self, count: int, delay_us: int = 0) -> int | None:
        """Take ``count`` images, the first after a delay; the image number of the first, if the camera says it."""
        return self.call(Method.TRIGGER, {0: count, 1: delay_us}).get(0)

    def frames(self, timeout_s: float = 1.0) -> Iterator[CameraFrame]:
        self._thread.do(Box.stream, True)
        try:
            while True:
                yield self._thread.wait(Box.take_frame, timeout_s, f"no image within {timeout_s:g} s")
        finally:
            self._stop_streaming()

    def frame(self, timeout_s: float) -> CameraFrame | None:
        """The next image; ``None`` if none came in time. Has the camera send images, from now on."""
        return self._thread.wait_or_none(_streamed_frame, timeout_s)

    def notices(self, timeout_s: float | None = None) -> Iterator[Notice]:
        """Events, triggers, lines of the log, and changes of the link, until none came for ``timeout_s`` (``None``: for
        ever). As long as somebody asks, the camera waits for who is slow. Only for the answer to a request of this side
        it does not wait: should that fill twice the room for messages, the oldest are dropped and counted."""
        self._thread.do(Box.listen, True)
        try:
            while True:
                limit_s = 3600.0 if timeout_s is None else timeout_s
                if (found := self._thread.wait_or_none(_one_notice, limit_s)) is not None:
                    yield found[0]
                elif timeout_s is not None:
                    return
        finally:
            if not self._thread.closed:
                self._thread.do(Box.listen, False)

    def take_notices(self) -> list[Notice]:
        """The messages that have come; at most the latest 256 are kept."""
        return self._thread.do(_take_notices)

    def send_detections(self, frame: CameraFrame | int, detections: Iterable[CameraDetection]) -> None:
        self._thread.do(Box.send_detections, frame, list(detections))

    def ptz(self, command: PtzCommand) -> Move:
        payload = encode(command, self._options.top_speed_deg_s, self.name)
        self._need(Bits.PTZ, "cannot move")
        self._thread.do(Box.send_ptz, payload)
        return Move()

    def ptz_position(self) -> PtzPosition:
        self._need(Bits.PTZ, "cannot move")
        data = self._thread.wait(
            lambda box: box.ptz, self._options.timeout_s, "it has not said yet where it looks"
        )
        return position(data)

    def time_offset(self) -> TimeOffset:
        fit = self._thread.wait(
            lambda box: box.link.time.fit, self._options.timeout_s, "the clocks are not compared yet"
        )
        now_us = monotonic_us()
        return TimeOffset(
            offset_ns=(fit.to_remote(now_us) - now_us) * 1000, uncertainty_ns=round(fit.uncertainty_us * 1000)
        )

    def pair(self, key: bytes) -> None:
        """Give the camera its key; a person must have put it into pairing mode. From the next session on it talks to
        nobody without.

        Raises
        ------
        AuthError
            It is not in pairing mode.
        """
        self.call(Method.PAIR, {0: key})

    def reboot(self, into_loader: bool = False) -> None:
        """Have the camera start anew, or into its boot loader."""
        self.call(Method.REBOOT, {0: int(into_loader)})

    def call(self, method: int, args: Mapping[int, Any] | None = None) -> Mapping[int, Any]:
        """Carry out a method, a vendor's own among them, and return its result. It is asked again under the same number
        when the session changes, and is carried out once.

        Raises
        ------
        DeviceError, AuthError
            The camera refused.
        LinkTimeoutError
            No answer came within the option ``timeout_s``.
        """
        timeout_s = self._options.timeout_s
        call = self.begin(method, args)
        self._thread.wait(lambda box: call.done or None, timeout_s + 1.0, "no answer")
        return call.result()

    def begin(self, method: int, args: Mapping[int, Any] | None = None) -> Call:
        """As :meth:`call`, without waiting; look at it later."""
        return self._thread.do(Box.call, method, args, self._options.timeout_s)

    def stats(self) -> Mapping[str, int]:
        return self._thread.do(Box.statistics)

    def device_stats(self) -> Mapping[int, int]:
        """The camera's own counters, by their numbers in PROTOCOL.md, section 5."""
        self._thread.do(_ask_stats)
        return self._thread.wait(
            lambda box: box.device_counters or None, self._options.timeout_s, "it does not tell its counters"
        )

    def close(self) -> None:
        self._thread.close()

    def _need(self, bit: Bits, what: str) -> None:
        up = self._thread.wait(lambda box: box.up, self._options.timeout_s, "the link is down")
        if bit not in Bits(up.caps):
            raise NotSupportedError(f"{self.name} {what}")

    def _stop_streaming(self) -> None:
        if not self._thread.closed:
            self._thread.do(Box.stream, False)


def _streamed_frame(box: Box) -> CameraFrame | None:
    box.stream(True)
    return box.take_frame()


def _one_notice(box: Box) -> tuple[Notice] | None:
    notice = box.take_notice()
    return None if notice is None else (notice,)


def _take_notices(box: Box) -> list[Notice]:
    return list(iter(box.take_notice, None))


def _ask_stats(box: Box) -> None:
    box.device_counters = {}
    box.link.ask_stats()
