"""What a box asks of a MicroPython camera: requests, parameters, images, triggers, events, results."""

import hashlib
import random
from itertools import pairwise
from zlib import crc32

import pytest
import vlp_camera
from board import BoardLine
from line import Faults
from vlp_camera import Camera, Parameter, RpcError

from vedette_bridge.vlp import cbor
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.control import Caps, Code
from vedette_bridge.vlp.events import Down, ImageLost, ImageReceived, Message, PeerError, Up
from vedette_bridge.vlp.frame import BULK, CONTROL, EVENT, LOG, PTZ, RESULT, RPC, TRIGGER
from vedette_bridge.vlp.messages import (
    Detection,
    EventMessage,
    ResultMessage,
    TriggerMessage,
    result_payloads,
)
from vedette_bridge.vlp.rpc import Method, RpcClient

S = 1_000_000
KEY = bytes(range(32))
IDENTITY = {0: "Acme", 1: "Eye", 2: "0001"}


def jpeg(size, seed):
    return bytearray(random.Random(seed).randbytes(size))


class Rig:
    """A camera that captures random bytes into one buffer, over and over, and the box it talks to."""

    def __init__(self, *, size=20_000, line=None, **options):
        self.values = {1: 8000, 9: 0}
        self.calls = []
        self.taken = {}  # object number: digest of what was captured
        self.buffer = bytearray(size)
        self.client = RpcClient(1)
        self.frames_to_come = random.Random(5)
        self.replies = {}
        self.options = options
        self.line = BoardLine(self._make, LinkConfig(role="box", key=options.get("key")), **(line or {}))
        self.line.on_event = self._on_event
        self.line.start()
        self.run(2 * S, lambda: self.camera.link.is_up() and self.line.box.state == "up")
        assert self.camera.link.is_up()

    def _make(self, board, ticks, rng):
        parameters = {
            vlp_camera.EXPOSURE_US: Parameter(lambda: self.values[1], self._set_exposure, 100, 50_000),
            vlp_camera.LED: Parameter(lambda: self.values[9], self._set_led, 0, 255),
            vlp_camera.SIZE: Parameter(lambda: [320, 240]),
        }
        options = {"on_results": self._record("results"), "maxpl": 512, "window": 8, **self.options}
        self.camera = Camera(
            board.port, IDENTITY, (320, 240), parameters=parameters, ticks=ticks, random=rng, **options
        )
        board.device = self.camera
        poll = self.camera.poll

        def step():
            poll()
            if self.camera.wants_image():
                self.capture()

        self.camera.poll = step
        return self.camera

    def capture(self):
        """Overwrite the only buffer: what the link still sends of it would be damaged."""
        self.buffer[:] = self.frames_to_come.randbytes(len(self.buffer))
        obj = self.camera.send(self.buffer, self.camera.link.time_us())
        self.taken[obj] = hashlib.sha256(self.buffer).digest()

    def _set_exposure(self, value):
        if value % 100:
            raise ValueError
        self.values[1] = value

    def _set_led(self, value):
        if value == 13:
            raise OSError
        self.values[9] = value

    def _record(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))

    def _on_event(self, side, event):
        self.line.events[side].append(event)
        if side == "box" and isinstance(event, Message) and event.ch == RPC:
            reply = self.client.reply(event.payload)
            if reply:
                self.replies[reply.id] = reply

    def run(self, us, stop=lambda: False):
        self.line.run(self.line.now_us + us, stop)

    def send(self, ch, payload):
        self.line.box.send(ch, payload)
        self.line.woken.add("box")

    def call(self, method, args=None):
        number, payload = self.client.request(method, args)
        self.send(RPC, payload)
        self.run(5 * S, lambda: number in self.replies)
        reply = self.replies[number]
        return Code(reply.error), reply.result

    def of(self, kind, side="box"):
        return [event for event in self.line.events[side] if isinstance(event, kind)]

    def payloads(self, ch):
        return [event.payload for event in self.of(Message) if event.ch == ch]


def test_capabilities_and_identity():
    rig = Rig()
    code, caps = rig.call(Method.GET_CAPS)
    assert code == Code.OK
    assert caps == {
        0: IDENTITY,
        1: {1: [100, 50_000], 8: [0, 255], 10: True, 4: [2, 1_000_000]},
        2: ["JPEG"],
        3: [320, 240],
    }
    up = rig.of(Up)[0]
    assert up.identity == IDENTITY
    assert Caps(up.caps) == Caps.IN_ORDER | Caps.IMAGES | Caps.RESULTS


def test_parameters_are_read_and_set_all_or_nothing():
    rig = Rig()
    assert rig.call(Method.GET, {0: [1, 8]}) == (Code.OK, {1: 8000, 8: 0})
    assert rig.call(Method.SET, {1: 9000, 8: 40}) == (Code.OK, {1: 9000, 8: 40})
    for values, code in (
        ({1: 1000, 8: 256}, Code.RANGE),
        ({8: 1, 1: 1001}, Code.RANGE),  # refused by the setter, after the LED was set
        ({1: 1000, 8: 13}, Code.HW),
        ({1: 1000, 77: 1}, Code.UNKNOWN),
        ({1: "bright"}, Code.INVALID),
        ({1: True}, Code.INVALID),
        ({10: [1, 1]}, Code.INVALID),  # read only
    ):
        assert rig.call(Method.SET, values) == (code, {}), values
        assert rig.call(Method.GET, {0: [1, 8]})[1] == {1: 9000, 8: 40}
    assert rig.call(Method.GET, {0: [77]})[0] == Code.UNKNOWN
    assert rig.call(Method.GET, {0: 1})[0] == Code.INVALID
    assert rig.call(63)[0] == Code.UNKNOWN


def test_a_request_that_comes_again_is_answered_and_not_done_again():
    rig = Rig()
    number, payload = rig.client.request(Method.START, {0: 1})
    rig.send(RPC, payload)
    rig.run(2 * S, lambda: len(rig.taken) == 1 and number in rig.replies)
    first = rig.payloads(RPC)[-1]
    rig.line.restart("box")
    rig.run(2 * S, lambda: rig.line.box.state == "up")
    rig.send(RPC, payload)
    rig.run(S)
    assert rig.payloads(RPC)[-1] == first
    assert len(rig.taken) == 1
    for _ in range(8):
        rig.call(Method.STOP)
    rig.send(RPC, payload)  # the ninth is forgotten
    rig.run(S)
    assert len(rig.taken) == 2


def test_a_burst_of_requests_is_answered_in_full():
    rig = Rig(control_slots=2, window=16)
    numbers = []
    for _ in range(30):
        number, payload = rig.client.request(Method.GET, {0: [1]})
        numbers.append(number)
        rig.send(RPC, payload)
    rig.run(20 * S, lambda: len(rig.replies) == 30)
    assert list(rig.replies) == numbers


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\xa1\x00", b"\xa0", cbor.dumps({0: -1, 1: 0}), b"\xa1\x00\xf9\x00\x00"]
)
def test_a_request_without_sense_is_answered_by_an_error(payload):
    rig = Rig()
    rig.send(RPC, payload)
    rig.run(S, lambda: bool(rig.of(PeerError)))
    assert (rig.of(PeerError)[0].code, rig.of(PeerError)[0].ch) == (Code.INVALID, RPC)


@pytest.mark.parametrize("faults", [Faults(), Faults.each(0.01)])
@pytest.mark.parametrize("baud", [None, 921_600])
def test_streamed_images_arrive_whole_from_one_buffer(faults, baud):
    rig = Rig(size=8_000, line={"faults": faults, "baud": baud}, baud=baud or 0)
    rig.call(Method.SET, {4: 30_000})
    rig.call(Method.START, {0: 12})
    rig.run(20 * S, lambda: len(rig.of(ImageReceived)) == 12 and rig.camera.link.idle())
    images = rig.of(ImageReceived)
    assert [image.header.obj for image in images] == list(range(12))
    for image in images:
        assert hashlib.sha256(image.data).digest() == rig.taken[image.header.obj]
        assert (image.header.fourcc, image.header.width, image.header.height) == ("JPEG", 320, 240)
    times = [image.header.t_capture_us for image in images]
    if not baud and not faults.drop:
        gaps = [after - before for before, after in pairwise(times)]
        assert all(abs(gap - 33_333) < 2_500 for gap in gaps)  # 30 images a second, polled each millisecond
    assert not rig.of(ImageLost)


def test_a_line_that_is_too_slow_gets_fewer_images_and_fresh_ones():
    rig = Rig(size=10_000, line={"baud": 921_600}, baud=921_600)
    rig.call(Method.SET, {4: 100_000})  # 100 a second, where 8 fit
    rig.call(Method.START)
    rig.run(3 * S)
    images = rig.of(ImageReceived)
    assert 20 <= len(images) <= 27
    for image in images:
        assert hashlib.sha256(image.data).digest() == rig.taken[image.header.obj]
    assert rig.call(Method.STOP)[0] == Code.OK
    rig.run(S)
    count = len(rig.of(ImageReceived))
    rig.run(S)
    assert len(rig.of(ImageReceived)) == count


def test_a_trigger_does_not_wait_for_the_stream():
    rig = Rig(size=60_000, line={"baud": 921_600}, baud=921_600)
    rig.call(Method.START)
    rig.run(200_000)
    stale = max(rig.taken)
    code, result = rig.call(Method.TRIGGER, {0: 2})
    assert (code, result) == (Code.OK, {0: stale + 1})
    rig.run(4 * S, lambda: len(rig.of(ImageReceived)) == 2)
    assert rig.of(ImageLost) == [ImageLost(stale, "aborted")]
    assert [image.header.obj for image in rig.of(ImageReceived)] == [stale + 1, stale + 2]
    for image in rig.of(ImageReceived):
        assert hashlib.sha256(image.data).digest() == rig.taken[image.header.obj]
    assert rig.camera.link.statistics()[12] == 1


def test_a_delayed_trigger_comes_in_its_time():
    rig = Rig(size=500)
    before = rig.camera.link.time_us()
    assert rig.call(Method.TRIGGER, {0: 1, 1: 300_000}) == (Code.OK, {0: 0})
    assert rig.call(Method.TRIGGER, {0: 1})[0] == Code.BUSY
    rig.run(S, lambda: bool(rig.of(ImageReceived)))
    assert 300_000 <= rig.of(ImageReceived)[0].header.t_capture_us - before < 310_000
    assert rig.call(Method.TRIGGER, {0: 0})[0] == Code.INVALID
    assert rig.call(Method.TRIGGER, {0: 1, 1: 600_000_000})[0] == Code.RANGE


def test_an_image_past_its_deadline_is_given_up():
    rig = Rig(size=60_000, line={"baud": 921_600}, baud=921_600, deadline_ms=100)
    rig.call(Method.START, {0: 3})
    rig.run(3 * S)
    assert not rig.of(ImageReceived)
    assert rig.of(ImageLost) == [ImageLost(obj, "aborted") for obj in range(3)]
    rig.camera.deadline_ms = 0
    rig.call(Method.START, {0: 1})
    rig.run(3 * S)
    assert hashlib.sha256(rig.of(ImageReceived)[0].data).digest() == rig.taken[3]


def test_the_newest_image_wins_and_its_predecessor_is_said_to_be_given_up():
    rig = Rig(size=30_000, line={"baud": 921_600, "faults": Faults.each(0.01)}, baud=921_600)
    link, taken = rig.camera.link, []
    for number in range(6):
        taken.append(jpeg(30_000, number))
        link.send_image(taken[-1], b"JPEG", 320, 240, link.time_us())
        rig.run(100_000 if number < 5 else 2 * S)
        if number < 5:
            taken[-1][:] = bytes(30_000)  # the sensor takes the next one into the same place
    assert [(image.header.obj, bytes(image.data)) for image in rig.of(ImageReceived)] == [
        (5, bytes(taken[5]))
    ]
    assert rig.of(ImageLost) == [ImageLost(obj, "aborted") for obj in range(5)]


def test_an_image_that_is_sent_to_its_end_is_not_given_up():
    rig = Rig()
    link = rig.camera.link
    link.send_image(b"small", b"JPEG", 1, 1, 0)
    rig.run(1_000)
    assert link.image_busy()
    assert not link.abort_image()
    rig.run(S, lambda: bool(rig.of(ImageReceived)))
    assert bytes(rig.of(ImageReceived)[0].data) == b"small"
    assert rig.of(ImageReceived)[0].header.crc32 == crc32(b"small")
    rig.run(100_000)
    assert not link.image_busy()
    with pytest.raises(ValueError, match="image"):
        link.send_image(b"", b"JPEG", 1, 1, 0)


def test_an_image_of_which_nothing_was_sent_is_replaced_in_silence():
    rig = Rig()
    link = rig.camera.link
    link.send_image(b"stale", b"JPEG", 1, 1, 0)
    link.send_image(b"fresh", b"JPEG", 1, 1, 0)
    rig.run(S, lambda: bool(rig.of(ImageReceived)))
    assert [(image.header.obj, bytes(image.data)) for image in rig.of(ImageReceived)] == [(1, b"fresh")]
    assert not rig.of(ImageLost)
    assert link.statistics()[12] == 1


def test_who_asked_for_images_is_gone():
    rig = Rig()
    rig.call(Method.START)
    for way in rig.line.ways.values():
        way.cut = True
    rig.run(2 * S)
    for way in rig.line.ways.values():
        way.cut = False
    rig.run(2 * S)
    assert rig.camera.link.is_up()
    assert not rig.camera.wants_image()
    assert len(rig.of(Down)) == 1


def test_events_go_to_who_wants_them():
    rig = Rig()
    assert rig.camera.event(vlp_camera.TEMPERATURE, {0: 41_500}, 77)
    rig.call(Method.SUBSCRIBE, {0: [4]})
    assert not rig.camera.event(vlp_camera.TEMPERATURE, {0: 42_000})
    assert rig.camera.event(vlp_camera.BUTTON, {})
    assert rig.camera.trigger(3, 9, 1 << 40)
    assert rig.camera.log(2, "warm" * 200)
    rig.run(S)
    first, second = map(EventMessage.decode, rig.payloads(EVENT))
    assert (first.kind, first.t_us, first.data) == (2, 77, {0: 41_500})
    assert second.kind == 4
    assert TriggerMessage.decode(rig.payloads(TRIGGER)[0]) == TriggerMessage(source=3, count=9, t_us=1 << 40)
    assert rig.payloads(LOG) == [b"\x02" + b"warm" * 127 + b"war"]


def test_results_come_back_in_one_piece_and_bounded():
    rig = Rig(max_results=50)
    found = [Detection(n, 0.5, n, n, 10.25, 20, n) for n in range(60)]
    for n, payload in enumerate(parts := result_payloads(7, 99, found, 512)):
        flags = (8 if n == 0 else 0) | (16 if n < len(parts) - 1 else 0)
        rig.line.box.send(RESULT, payload, flags=flags)
    rig.line.box.send(RESULT, ResultMessage(obj=8, t_us=100).encode(), flags=8)
    rig.line.woken.add("box")
    rig.run(S)
    assert [call[:3] for call in rig.calls] == [("results", 7, 99), ("results", 8, 100)]
    assert rig.calls[0][3] == [(n, 16384, 4 * n, 4 * n, 41, 80, n) for n in range(50)]
    assert rig.calls[1][3] == []
    assert rig.camera.dropped_results == 10
    rig.send(RESULT, parts[0][:-1])
    rig.run(S)
    assert rig.of(PeerError)[0].ch == RESULT


def test_a_trigger_of_the_box_and_the_pan_tilt():
    moves, triggers = [], []
    rig = Rig(on_ptz=lambda *move: moves.append(move), on_trigger=lambda *t: triggers.append(t))
    rig.send(PTZ, cbor.dumps({0: 1, 1: 30_000, 2: -5000}))
    rig.send(TRIGGER, TriggerMessage(source=1, count=2, t_us=3).encode())
    rig.run(S)
    assert moves == [(1, 30_000, -5000, None, None)]
    assert triggers == [(1, 2, 3)]
    rig.send(TRIGGER, b"\x01\x10")
    rig.run(S)
    assert rig.of(PeerError)[0].code == Code.INVALID
    plain = Rig(size=100)
    plain.send(PTZ, cbor.dumps({0: 0}))
    plain.send(TRIGGER, TriggerMessage().encode())
    plain.run(S)
    assert plain.of(PeerError)[0].code == Code.UNKNOWN
    assert len(plain.of(ImageReceived)) == 1


def test_a_reboot_is_answered_first():
    reboots = []
    rig = Rig(on_reboot=reboots.append)
    assert rig.call(Method.REBOOT, {0: 1}) == (Code.OK, {})
    rig.run(S)
    assert reboots == [True]
    assert Rig().call(Method.REBOOT)[0] == Code.UNKNOWN


def test_a_key_is_taken_only_while_a_person_allows_it():
    keys = []
    rig = Rig(on_pair=keys.append)
    assert rig.call(Method.PAIR, {0: KEY})[0] == Code.AUTH
    rig.camera.pair()
    assert rig.camera.link.caps & Caps.PAIRING
    rig.run(61 * S)
    assert not rig.camera.link.caps & Caps.PAIRING
    assert rig.call(Method.PAIR, {0: KEY})[0] == Code.AUTH
    rig.camera.pair()
    assert rig.call(Method.PAIR, {0: b"short"})[0] == Code.INVALID
    assert rig.call(Method.PAIR, {0: KEY})[0] == Code.OK
    assert keys == [KEY]
    assert rig.call(Method.PAIR, {0: KEY})[0] == Code.AUTH
    rig.line.restart("box")
    rig.run(2 * S)
    assert rig.line.box.state == "opening"  # not without the key, for good
    rig.line.restart("box", key=KEY)
    rig.run(2 * S)
    assert rig.of(Up)[-1].paired
    assert rig.call(Method.GET, {0: [1]}) == (Code.OK, {1: 8000})


def test_a_paired_camera_streams_and_answers():
    rig = Rig(size=5_000, key=KEY, line={"faults": Faults.each(0.01)})
    assert rig.call(Method.START, {0: 5})[0] == Code.OK
    rig.run(5 * S, lambda: len(rig.of(ImageReceived)) == 5)
    assert [hashlib.sha256(i.data).digest() for i in rig.of(ImageReceived)] == list(rig.taken.values())


def test_a_reply_that_does_not_fit_says_so():
    rig = Rig(maxpl=64)
    assert rig.call(Method.GET_CAPS)[0] == Code.OK
    rig.camera._formats = ("JPEG", "GREY", "RGBP", "YUYV")
    assert rig.call(Method.GET_CAPS)[0] == Code.NOMEM
    assert rig.call(Method.GET, {0: [1]}) == (Code.OK, {1: 8000})


@pytest.mark.parametrize(("faults", "least"), [(0, 0.95), (0.001, 0.95), (0.01, 0.90)])
def test_the_line_is_used(faults, least):
    """Of a line of 3 Mbaud, with frames of 1472 bytes and a poll a millisecond."""
    line = {"faults": Faults.each(faults), "baud": 3_000_000}
    rig = Rig(size=200_000, line=line, baud=3_000_000, maxpl=1472)
    rig.call(Method.SET, {4: 1_000_000})
    rig.call(Method.START)
    arrivals = []
    rig.run(10 * S, lambda: len(rig.of(ImageReceived)) > len(arrivals) and arrivals.append(rig.line.now_us))
    spent = (arrivals[-1] - arrivals[0]) / S
    assert len(rig.buffer) * (len(arrivals) - 1) / spent >= least * 300_000


def test_control_goes_before_images():
    rig = Rig(size=60_000, line={"baud": 921_600}, baud=921_600)
    rig.call(Method.START)
    rig.run(300_000)
    worst = 0
    for _ in range(20):
        before = rig.line.now_us
        assert rig.call(Method.GET, {0: [1]})[0] == Code.OK
        worst = max(worst, rig.line.now_us - before)
    assert worst <= 25_000  # a frame is 5 ms
    assert rig.camera.link._session.streams[BULK].sent
    assert rig.camera.link.room(CONTROL) > 0


def test_an_error_of_the_parameter_table_is_a_refusal():
    with pytest.raises(RpcError) as refusal:
        Parameter(lambda: 1).check(2)
    assert refusal.value.code == Code.INVALID
