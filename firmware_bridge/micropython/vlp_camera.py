"""What a box asks of a camera, on top of a Link: parameters, images, triggers, events, results. PROTOCOL.md, section 5.

camera = Camera(port, {0: "Acme", 1: "Eye", 2: "0001"}, size=(320, 240))
while True:
    camera.poll()
    if camera.wants_image():
        t = camera.link.time_us()
        camera.send(sensor.snapshot().bytearray(), t)
"""

import struct

from vlp import (
    AUTH,
    BUSY,
    CAP_IMAGES,
    CAP_PAIRING,
    CAP_PTZ,
    CAP_RESULTS,
    CONTROL,
    EVENT,
    HW,
    IMAGE,
    INVALID,
    LATER,
    LOG,
    NOMEM,
    OK,
    PTZ,
    RANGE,
    RESULT,
    RPC,
    TRIGGER,
    UNKNOWN,
    Link,
)
from vlp_cbor import dumps, load_map
from vlp_stream import since

try:
    from micropython import const
except ImportError:  # CPython
    const = int

EXPOSURE_US, GAIN_Q8, ROI, RATE_MHZ, FORMAT, QUALITY, FLIP, LED, GPIO, SIZE = range(1, 11)
"""Parameters; 64 and above are a vendor's."""
INPUT, TEMPERATURE, DROPPED, BUTTON, MOVED, ERROR = range(1, 7)
"""Kinds of EVENT; 64 and above are a vendor's."""

_KEPT_REPLIES = const(8)
_MORE = const(0x10)
_FIRST = const(0x08)
_LONGEST_DELAY = const(500000000)
_LONGEST_RATE = const(1000000)
_REBOOT_WAIT = const(500000)
_PAIRING = const(60000000)


class RpcError(Exception):
    """A refusal; ``code`` goes into the reply."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Parameter:
    """One entry of the table: ``get()``, ``set(value)``, and the range of an integer.

    ``set`` raises ValueError for what is out of range, OSError when the hardware does not obey; None: read only.
    """

    def __init__(self, get, set=None, low=None, high=None):
        self.get, self.set, self.low, self.high = get, set, low, high

    def check(self, value):
        """Refuse what cannot be."""
        if self.set is None:
            raise RpcError(INVALID)
        if self.low is not None:
            if not isinstance(value, int) or value is True or value is False:
                raise RpcError(INVALID)
            if not self.low <= value <= self.high:
                raise RpcError(RANGE)


class Camera:
    """A camera on a link.

    ``port``, and every option that is not listed here
        As of :class:`vlp.Link`.
    ``identity``
        ``{0: vendor, 1: model, 2: serial number, 3: firmware version}``, texts; any may be missing.
    ``size``, ``formats``
        Width and height in pixels, four-character codes.
    ``parameters``
        ``{number: Parameter}``. RATE_MHZ is kept by the camera itself.
    ``on_results(obj, t_us, findings)``
        What was found in an image: a list of (class, score 0..32768, x, y, w, h in quarters of a pixel, track).
    ``on_trigger(source, count, t_us)``
        The box triggers; without it, it takes one image.
    ``on_ptz(op, pan, tilt, zoom, preset)``
        Returns an error code or None; values that were not sent are None.
    ``on_message(ch, vf, payload, reliable)``
        Messages on other channels, as of the link.
    ``on_reboot(into_loader)``, ``on_pair(key)``
        Reboot; keep a new key in flash. Without them the methods are unknown.
    ``deadline_ms``
        An image of a stream that is older is given up; 0: never.
    """

    def __init__(
        self,
        port,
        identity,
        size,
        formats=("JPEG",),
        parameters=None,
        *,
        on_results=None,
        on_trigger=None,
        on_ptz=None,
        on_message=None,
        on_reboot=None,
        on_pair=None,
        deadline_ms=0,
        max_results=64,
        **options,
    ):
        self._identity, self.size, self._formats = identity, size, formats
        self._parameters = dict(parameters or {})
        self._parameters[RATE_MHZ] = Parameter(self._get_rate, self._set_rate, 2, _LONGEST_RATE)
        self._on_results, self._on_trigger, self._on_ptz = on_results, on_trigger, on_ptz
        self._on_message, self._on_reboot, self._on_pair = on_message, on_reboot, on_pair
        self.deadline_ms = deadline_ms
        self._max_results = max_results
        self._rate = 10000
        self._replies = []  # (id, reply), the oldest first
        self._kinds = None  # of EVENT, that the box wants; None: all
        self._findings = []
        self._left = 0  # images to stream; -1: without end
        self._triggers = 0  # images to take for triggers
        self._next_us = self._trigger_us = self._begun_us = 0
        self._triggered = False  # whether the image under way is a trigger's
        self._reboot = self._pairing_us = None
        self.dropped_results = 0
        caps = CAP_IMAGES | CAP_RESULTS | (CAP_PTZ if on_ptz else 0)
        self.link = Link(
            port, self._message, None, self._down, caps=caps, identity=dumps(identity), **options
        )

    # --- what the owner does

    def poll(self):
        """Call at least once a millisecond; whether there is a session."""
        up = self.link.poll()
        now = self.link.ticks()
        mortal = self.deadline_ms and not self._triggered and self.link.image_busy()
        if mortal and since(now, self._begun_us) >= self.deadline_ms * 1000:
            self.link.abort_image()
        if self._pairing_us is not None and since(now, self._pairing_us) >= _PAIRING:
            self._end_pairing()
        if self._reboot is not None:
            loader, asked = self._reboot
            if self.link.idle() or since(now, asked) >= _REBOOT_WAIT:
                self._reboot = None
                self.link.close()
                self._on_reboot(loader)
        return up

    def wants_image(self):
        """Whether to capture now. False while the last image is under way: its bytes are not copied, and the next one
        is the fresher for it. A trigger does not wait for an image of the stream, it has that given up."""
        if not self.link.is_up():
            return False
        now = self.link.ticks()
        if self._triggers:
            if since(now, self._trigger_us) < 0:
                return False
            if self.link.image_busy() and not self._triggered:
                self.link.abort_image()
            return not self.link.image_busy()
        return self._left != 0 and since(now, self._next_us) >= 0 and not self.link.image_busy()

    def send(self, data, t_us, fourcc=b"JPEG", width=None, height=None, exposure_us=0, stride=0):
        """Send the image that was wanted. ``data`` must not change while ``camera.link.image_busy()``; ``t_us`` is the
        start of exposure by ``camera.link.time_us()``. Its object number, or None without a session."""
        width, height = width or self.size[0], height or self.size[1]
        obj = self.link.send_image(data, fourcc, width, height, t_us, exposure_us, stride, self.deadline_ms)
        if obj is None:
            return None
        now = self._begun_us = self.link.ticks()
        self._triggered = self._triggers > 0
        if self._triggered:
            self._triggers -= 1
        else:
            if self._left > 0:
                self._left -= 1
            interval = 1000000000 // self._rate
            late = since(now, self._next_us)
            self._next_us = ((self._next_us if late < interval else now) + interval) & 0x3FFFFFFF
        return obj

    def event(self, kind, data, t_us=None):
        """Tell that something happened; false if the box does not want to know, or there is no room."""
        if self._kinds is not None and kind not in self._kinds:
            return False
        t_us = self.link.time_us() if t_us is None else t_us
        return self.link.send(EVENT, struct.pack("<BBHQ", 1, 12, kind, t_us) + dumps(data))

    def trigger(self, source, count, t_us=None):
        """Tell that trigger ``count`` of an input happened; false if there is no room."""
        t_us = self.link.time_us() if t_us is None else t_us
        return self.link.send(TRIGGER, struct.pack("<BBHIQ", 1, 16, source, count, t_us))

    def log(self, level, text):
        """A line of text, 0 debug .. 4 critical, cut to what a frame takes; false if there is no room."""
        payload = bytes((level,)) + text.encode()
        return self.link.is_up() and self.link.send(LOG, payload[: self.link.longest(LOG)])

    def pair(self):
        """A person has asked for it at the device: take a key for the next 60 s."""
        self._pairing_us = self.link.ticks()
        self.link.caps |= CAP_PAIRING

    def _end_pairing(self):
        self._pairing_us = None
        self.link.caps &= ~CAP_PAIRING

    # --- messages

    def _down(self, reason, failed):
        """Who asked for images is gone."""
        self._left = self._triggers = 0
        self._kinds = None
        self._findings = []

    def _message(self, ch, vf, payload, reliable):
        try:
            if ch == RPC:
                return self._request(payload)
            if ch == RESULT:
                return self._results(vf, payload)
            if ch == TRIGGER:
                return self._trigger(payload)
            if ch == PTZ and self._on_ptz:
                move = load_map(payload)
                return self._on_ptz(move.get(0), move.get(1), move.get(2), move.get(3), move.get(4))
        except ValueError:
            return INVALID
        if ch in (PTZ, EVENT, IMAGE) or not self._on_message:
            return UNKNOWN
        return self._on_message(ch, vf, payload, reliable)

    def _results(self, vf, payload):
        if len(payload) < 16:
            return INVALID
        rev, stride, count, obj, t_us = struct.unpack_from("<BBHIQ", payload)
        if rev < 1 or stride < 16 or len(payload) < 16 + count * stride:
            return INVALID
        if vf & _FIRST:
            self._findings = []
        for row in range(count):
            if len(self._findings) < self._max_results:
                self._findings.append(struct.unpack_from("<HHhhhhI", payload, 16 + row * stride))
            else:
                self.dropped_results += 1
        if not vf & _MORE:
            findings, self._findings = self._findings, []
            if self._on_results:
                self._on_results(obj, t_us, findings)
        return None

    def _trigger(self, payload):
        if len(payload) < 16 or payload[0] < 1 or not 16 <= payload[1] <= len(payload):
            return INVALID
        source, count, t_us = struct.unpack_from("<HIQ", payload, 2)
        if self._on_trigger:
            return self._on_trigger(source, count, t_us)
        self._shoot(1, 0)
        return None

    # --- requests

    def _request(self, payload):
        """Answer; a request that comes again is answered again, and not carried out again."""
        if not self.link.room(CONTROL):
            return LATER
        body = load_map(payload)
        number = body.get(0)
        if not _is_unsigned(number):
            return INVALID
        for known, reply in self._replies:
            if known == number:
                self.link.send(RPC, reply)
                return None
        reply = self._carry_out(number, body)
        if len(self._replies) >= _KEPT_REPLIES:
            self._replies.pop(0)
        self._replies.append((number, reply))
        self.link.send(RPC, reply)
        return None

    def _carry_out(self, number, body):
        """The reply."""
        method, args = body.get(1), body.get(2, {})
        try:
            if not _is_unsigned(method) or not isinstance(args, dict):
                raise RpcError(INVALID)
            result = self._call(method, args)
            reply = dumps({0: number, 2: result} if result else {0: number})
            if len(reply) > self.link.longest(RPC):
                raise RpcError(NOMEM)
        except RpcError as error:
            reply = dumps({0: number, 3: error.code})
        return reply

    def _call(self, method, args):
        if method == 0:
            ranges = {n: True if p.low is None else [p.low, p.high] for n, p in self._parameters.items()}
            return {0: self._identity, 1: ranges, 2: list(self._formats), 3: list(self.size)}
        if method == 1:
            return self._values(args.get(0))
        if method == 2:
            return self._set(args)
        if method == 3:
            return self._shoot(args.get(0, 1), args.get(1, 0))
        if method == 4:
            return self._start(args.get(0, 0))
        if method == 5:
            self._left = 0
            return None
        if method == 6 and self._on_reboot:
            self._reboot = (args.get(0) == 1, self.link.ticks())
            return None
        if method == 7:
            self._kinds = _listed(args.get(0))
            return None
        if method == 8 and self._on_pair:
            return self._take_key(args.get(0))
        raise RpcError(UNKNOWN)

    def _values(self, numbers):
        return {number: self._parameter(number).get() for number in _listed(numbers)}

    def _parameter(self, number):
        if number not in self._parameters:
            raise RpcError(UNKNOWN)
        return self._parameters[number]

    def _set(self, values):
        """All or nothing: what was set is set back when another value is refused."""
        for number in values:
            self._parameter(number).check(values[number])
        before = [(number, self._parameters[number].get()) for number in values]
        code = OK
        for number in values:
            code = self._try(number, values[number])
            if code:
                break
        if code:
            for number, value in before:
                self._try(number, value)
            raise RpcError(code)
        return self._values(list(values))

    def _try(self, number, value):
        try:
            self._parameters[number].set(value)
        except ValueError:
            return RANGE
        except OSError:
            return HW
        return OK

    def _shoot(self, count, delay_us):
        """Take images for a trigger. The stream pauses until then, so that the first one's number is known."""
        if not _is_unsigned(count) or not _is_unsigned(delay_us) or not count:
            raise RpcError(INVALID)
        if delay_us > _LONGEST_DELAY:
            raise RpcError(RANGE)
        if self._triggers:
            raise RpcError(BUSY)
        self._triggers = count
        self._trigger_us = (self.link.ticks() + delay_us) & 0x3FFFFFFF
        return {0: self.link.images.next_obj}

    def _start(self, count):
        if not _is_unsigned(count):
            raise RpcError(INVALID)
        self._left = count or -1
        self._next_us = self.link.ticks()

    def _take_key(self, key):
        if self._pairing_us is None:
            raise RpcError(AUTH)
        if not isinstance(key, bytes) or len(key) != 32:
            raise RpcError(INVALID)
        self._on_pair(key)
        self.link.key = key  # from the next session on
        self._end_pairing()

    def _get_rate(self):
        return self._rate

    def _set_rate(self, rate):
        self._rate = rate


def _is_unsigned(value):
    return isinstance(value, int) and value is not True and value is not False and value >= 0


def _listed(value):
    if not isinstance(value, list):
        raise RpcError(INVALID)
    return value
