"""What a box does above a link, without input or output: requests, images, messages, the baud rate.

Both shells (:mod:`~vedette_bridge.shells.thread`, :mod:`~vedette_bridge.shells.aio`) drive one of these. It can as well
be driven by a program that owns the port itself: :meth:`Box.feed` what was read, write what :meth:`Box.take_output`
gives, and do both again when :attr:`Box.due_us` has come.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from vedette_bridge.camera import CameraDetection, CameraFrame
from vedette_bridge.errors import (
    LinkError,
    ParameterError,
    ProtocolError,
    SessionResetError,
)
from vedette_bridge.shells.calls import Call, Calls
from vedette_bridge.shells.inbox import Inbox, read_message
from vedette_bridge.shells.notices import CameraEvent, LinkChange, Notice
from vedette_bridge.shells.rates import RateMemory, RatePlan
from vedette_bridge.shells.refusals import refusal
from vedette_bridge.vlp import events as link_events
from vedette_bridge.vlp.baud import BaudSettled, SwitchBaud
from vedette_bridge.vlp.clock import Clock
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.control import SERIAL, Caps
from vedette_bridge.vlp.frame import BULK, CONTROL, FIRST, MORE, PTZ, RESULT, RPC, TRIGGER
from vedette_bridge.vlp.images import ImageReceived
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.messages import Detection, TriggerMessage, result_payloads
from vedette_bridge.vlp.rpc import Method

FRAMES_KEPT = 4
RECENT = 256
LAPSE_US = 5_000_000
UNKNOWN_NS = 1_000_000_000
"""The uncertainty of an image that came before the clocks were compared."""
START_S = 2.0

logger = logging.getLogger("vedette.bridge")


def monotonic_us() -> int:
    """The box's clock."""
    return time.monotonic_ns() // 1000


class Box:
    """The box's side of a VLP link. Not thread-safe.

    Parameters
    ----------
    name
        What messages call the camera.
    baud
        The rate to go to once the link is up, where the line has one; 0: stay at the start rate.
    memory
        Rates that held, and did not, before.

    Attributes
    ----------
    up
        What the session was opened with; ``None`` without one.
    ready
        There is a session, and the baud rate is settled.
    session
        Sessions so far; ``CameraFrame.session``.
    trouble
        Why there is no session though the camera answers: a wrong key, no common version.
    switch
        The baud rate that the owner of the port must go to; then it calls :meth:`switched`.
    news
        Rises with everything that somebody may wait for.
    """

    def __init__(
        self,
        config: LinkConfig,
        name: str,
        *,
        baud: int = 0,
        memory: RateMemory | None = None,
        clock: Clock = monotonic_us,
    ) -> None:
        self.name = name
        self.link = Link(config, clock)
        self.calls = Calls(name, self.link)
        self.up: link_events.Up | None = None
        self.ready = False
        self.session = 0
        self.trouble: LinkError | None = None
        self.switch: int | None = None
        self.counts: Counter[str] = Counter()
        self.device_counters: Mapping[int, int] = {}
        self.news = 0
        self.heard_us = clock()
        self.ptz: Mapping[int, Any] | None = None
        self._clock = clock
        self._rates = RatePlan(baud, memory or RateMemory())
        self._asked = 0
        self._rate_us = 0
        self._frames: deque[tuple[ImageReceived, int]] = deque()
        self._inbox = Inbox(self.counts)
        self._recent: OrderedDict[int, int] = OrderedDict()
        self._streaming = False

    # --- for who moves the bytes

    def start(self) -> None:
        """Begin to greet the camera."""
        self.link.start()

    def interrupted(self) -> None:
        """The port was opened anew, at the start rate, or is gone for now: another session is needed."""
        if self.link.state == "up":
            self._take([link_events.Down("interrupted", 0)])
        self.switch = None
        self.link.close()
        self.link.start()

    def feed(self, data: bytes) -> None:
        """Bytes that came."""
        self._take(self.link.feed(data))

    def poll(self) -> None:
        """What time has brought."""
        self._take(self.link.poll())
        self.news += self.calls.expire(self._clock())

    def take_output(self) -> bytes:
        """Bytes to write now."""
        return self.link.take_output()

    def switched(self, baud: int) -> None:
        """The port has the rate that ``switch`` named."""
        self.switch = None
        self._take(self.link.baud_switched(baud))

    @property
    def due_us(self) -> int | None:
        """When to call :meth:`poll` and :meth:`take_output` again, if nothing comes before."""
        return min((due for due in (self.link.due_us, self.calls.due_us) if due is not None), default=None)

    def close(self, error: LinkError) -> bytes:
        """Say goodbye: the last bytes to write. Who waits gets ``error``."""
        self.ready, self.up, self.trouble = False, None, error
        self.calls.fail_all(error)
        return self.link.close()

    # --- for who uses the camera

    def call(self, method: int, args: Mapping[int, Any] | None = None, timeout_s: float = 2.0) -> Call:
        """Ask the camera to do something; raises ``QueueFullError`` when too many requests are open."""
        call = self.calls.begin(method, args, self._clock() + round(timeout_s * 1e6))
        self._give_room()
        return call

    def stream(self, wanted: bool) -> None:
        """Have the camera send images, also after it has restarted; or no more."""
        if wanted != self._streaming:
            self._streaming = wanted
            if self.ready:
                self.call(Method.START if wanted else Method.STOP, {0: 0} if wanted else None, START_S)

    def take_frame(self) -> CameraFrame | None:
        """The next image, if there is one."""
        if not self._frames:
            return None
        received, arrived_us = self._frames.popleft()
        header, fit = received.header, self.link.time.fit
        t_us = arrived_us if fit is None else fit.to_local(header.t_capture_us)
        frame = CameraFrame(
            data=received.data,
            fourcc=header.fourcc,
            size_wh=(header.width, header.height),
            image_id=header.obj,
            t_capture_ns=t_us * 1000,
            uncertainty_ns=UNKNOWN_NS if fit is None else round(fit.uncertainty_us * 1000),
            origin="arrival" if fit is None else "device",
            t_device_ns=header.t_capture_us * 1000,
            exposure_us=header.exposure_us,
            stride=header.stride,
            dropped_before=received.dropped_before,
            session=self.session,
        )
        self._recent[header.obj] = header.t_capture_us
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return frame

    def take_notice(self) -> Notice | None:
        """The next message that is no image, if there is one."""
        notice = self._inbox.take()
        if notice is not None:
            self._give_room()
        return notice

    def listen(self, wanted: bool) -> None:
        """Somebody wants messages, and the camera waits for them; or no more."""
        self._inbox.listeners += 1 if wanted else -1
        self._give_room()

    def send_detections(self, frame: CameraFrame | int, detections: Iterable[CameraDetection]) -> None:
        """Tell the camera what was found in an image.

        Raises
        ------
        SessionResetError
            The image is of a session that is over: its number may mean another one now.
        LinkDownError
            There is no session.
        QueueFullError
            The camera takes its results too slowly.
        ParameterError
            The image is not one of the last ones, or a class is not a number of 16 bits.
        """
        obj = frame if isinstance(frame, int) else frame.image_id
        if not isinstance(frame, int) and frame.session != self.session:
            self.counts["tx_results_stale"] += 1
            raise SessionResetError(
                f"{self.name}: image {obj} is of session {frame.session}, and this is {self.session}"
            )
        if obj not in self._recent:
            raise ParameterError(f"{self.name}: image {obj} is none of the last {RECENT}")
        found = [_on_the_wire(item) for item in detections]
        parts = result_payloads(obj, self._recent[obj], found, self.link.longest(RESULT))
        for index, payload in enumerate(parts):
            flags = (FIRST if index == 0 else 0) | (MORE if index < len(parts) - 1 else 0)
            self.link.send(RESULT, payload, flags=flags)
        self.counts["tx_results"] += 1

    def send_trigger(self) -> None:
        """Have the camera take an image now; raises ``LinkDownError`` without a session."""
        self.link.send(TRIGGER, TriggerMessage(t_us=self._clock()).encode())

    def send_ptz(self, payload: bytes) -> None:
        """Give a command of channel PTZ; raises ``LinkDownError`` without a session."""
        self.link.send(PTZ, payload)

    def statistics(self) -> dict[str, int]:
        """Everything that was counted, by name."""
        return {**self.link.statistics(), **self.counts, "tx_requests_again": self.calls.repeated}

    # --- what the link tells

    def _take(self, happened: Iterable[link_events.Event]) -> None:
        for event in happened:
            self.news += 1
            match event:
                case link_events.Message():
                    self._message(event)
                case ImageReceived():
                    self._image(event)
                case link_events.Up():
                    self._went_up(event)
                case link_events.Down():
                    self._went_down(event)
                case SwitchBaud():
                    self.switch = event.baud
                case BaudSettled():
                    self._baud_settled(event)
                case link_events.Refused():
                    self.trouble = refusal(self.name, event.reason)
                    self.calls.fail_all(self.trouble)
                case link_events.PeerStats():
                    self.device_counters = event.counters
                case link_events.PeerError():
                    self.counts[f"peer_error_{event.code}"] += 1
                    logger.info(
                        "%s: could not use a frame of channel %d (%d)", self.name, event.ch, event.code
                    )

    def _went_up(self, event: link_events.Up) -> None:
        self.up, self.trouble = event, None
        self.session += 1
        self._frames.clear()
        self._recent.clear()
        self._note(LinkChange(state="up", t_ns=time.monotonic_ns()))
        self._go_to_best_rate()

    def _went_down(self, event: link_events.Down) -> None:
        self.up, self.ready = None, False
        self.calls.session_ended()
        self.counts[f"down_{event.reason.replace(' ', '_')}"] += 1
        start, baud = self.link.config.start_baud, self.link.baud
        soon = self._clock() - self._rate_us < LAPSE_US
        if baud is not None and baud != start and soon and event.reason in ("silent", "no answer"):
            self._rates.lapsed(baud)
        self._note(LinkChange(state="down", t_ns=time.monotonic_ns(), reason=event.reason))
        logger.info("%s: the link is down: %s", self.name, event.reason)

    def _go_to_best_rate(self) -> None:
        if self.link.state != "up":
            return  # it is over already, which is the next event
        up, baud = self.up, self.link.baud
        better = None
        if up is not None and baud is not None and up.caps & Caps.BAUD:
            better = self._rates.next(self._serial, baud)
        if better is None:
            self._became_ready()
        else:
            self._asked = better
            try:
                self.link.ask_baud(better)
            except ParameterError as error:  # its frames are too short to try a rate with
                logger.info("%s stays at %s baud: %s", self.name, baud, error.message)
                self._became_ready()

    def _baud_settled(self, event: BaudSettled) -> None:
        self._rates.settled(self._serial, self._asked, event.held)
        self.counts["baud_held" if event.held else "baud_failed"] += 1
        self._rate_us = self._clock()
        if event.held and self.link.state == "up":
            self._became_ready()
        else:
            logger.info("%s: %d baud does not hold", self.name, self._asked)
            self._go_to_best_rate()

    def _became_ready(self) -> None:
        self.ready = True
        self._give_room()
        self.calls.session_began()
        if self._streaming:
            self.call(Method.START, {0: 0}, START_S)

    @property
    def _serial(self) -> str:
        return "" if self.up is None else self.up.identity.get(SERIAL, "")

    def _image(self, received: ImageReceived) -> None:
        """The freshest are kept."""
        self._frames.append((received, self._clock()))
        self.heard_us = self._clock()
        if len(self._frames) > FRAMES_KEPT:
            lost, _ = self._frames.popleft()
            following, arrived_us = self._frames[0]
            missing = lost.dropped_before + 1 + following.dropped_before
            self._frames[0] = (replace(following, dropped_before=missing), arrived_us)
            self.counts["rx_images_unread"] += 1

    def _message(self, message: link_events.Message) -> None:
        try:
            if message.ch == RPC:
                self.calls.replied(message.payload)
            else:
                self._note(read_message(message, self._converted))
        except ProtocolError as error:
            self.counts["rx_invalid_messages"] += 1
            logger.info("%s: %s", self.name, error.message)

    def _converted(self, device_us: int, arrived_us: int) -> tuple[int, int]:
        """A time of the camera's clock by this machine's, and a bound of its error, in ns."""
        fit = self.link.time.fit
        if fit is None:
            return arrived_us * 1000, UNKNOWN_NS
        return fit.to_local(device_us) * 1000, round(fit.uncertainty_us * 1000)

    def _note(self, notice: Notice) -> None:
        if isinstance(notice, CameraEvent) and notice.name == "ptz":
            self.ptz = notice.data
        self._inbox.put(notice)
        self._give_room()

    def _give_room(self) -> None:
        """Who listens too slowly stops the camera's messages, though never the answer to a request of his."""
        if not self.ready or self.up is None:
            return
        window = self.up.window
        full = self._inbox.full and not len(self.calls)
        self.link.give_room(CONTROL, 0 if full else window)
        self.link.give_room(BULK, 0 if full and self._inbox.holds_vendors else window)


def _on_the_wire(found: CameraDetection) -> Detection:
    if not 0 <= found.class_id < 1 << 16:
        raise ParameterError(f"class {found.class_id} is not a number of 16 bits")
    x0, y0, x1, y1 = found.xyxy
    track = found.track_id & 0xFFFFFFFF
    return Detection(found.class_id, found.confidence, x0, y0, x1 - x0, y1 - y0, track)
