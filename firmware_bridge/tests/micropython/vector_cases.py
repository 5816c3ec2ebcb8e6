"""The golden vectors through the MicroPython modules. Runs under CPython and MicroPython: only what both have."""

from binascii import crc32, hexlify, unhexlify
from collections import OrderedDict

import vlp
import vlp_auth
import vlp_cbor
from vlp_baud import Baud
from vlp_camera import Camera
from vlp_control import Control
from vlp_frame import Reader, Writer
from vlp_image import ImageSender
from vlp_opening import Terms, session_of
from vlp_session import Session
from vlp_stream import RoundTrip, Stream

SKIPPED, BAD_HEADER, BAD_PAYLOAD = 4, 5, 6


class Port:
    """Gives what it was given; keeps what it is given."""

    def __init__(self, incoming=b""):
        self.incoming, self.outgoing = memoryview(incoming), bytearray()

    def readinto(self, buffer):
        count = min(len(buffer), len(self.incoming))
        buffer[:count] = self.incoming[:count]
        self.incoming = self.incoming[count:]
        return count or None

    def write(self, data):
        self.outgoing.extend(data)
        return len(data)


class Recorder:
    """Stands for a link, a stream or a session: keeps what it is told."""

    def __init__(self, time_us=0):
        self.told, self._time_us = [], time_us

    def time_us(self):
        return self._time_us

    def send(self, ch, payload):
        self.told.append((ch, bytes(payload)))
        return True

    def reported(self, ack, credit, bitmap, now):
        bits = [i for i in range(8 * len(bitmap)) if bitmap[i >> 3] >> (i & 7) & 1]
        self.told.append([credit, ack, bits])


def check(section, case):
    """Raise AssertionError unless the modules reproduce the case."""
    CHECKS[section](case)


def same(mine, right):
    assert bytes(mine) == unhexlify(right), hexlify(bytes(mine))


def check_crc32(case):
    assert crc32(unhexlify(case["data"]), case["salt"]) == case["crc"]


def check_frames(case):
    payload, tag = unhexlify(case["payload"]), None
    if case["vf"] & 2:
        payload, tag = payload[:-8], payload[-8:]
    half = len(payload) // 2
    port = Port()
    writer = Writer(port, [0] * 13)
    numbers = (case["seq"], case["ack"], case["credit"], case["sid"], case["salt"])
    writer.begin(case["vf"] & ~2, case["ch"], *numbers, payload[:half], payload[half:], tag)
    assert writer.flush()
    same(port.outgoing, case["bytes"])


def check_streams(case):
    found, stats = [], [0] * 13
    port = Port(unhexlify(case["bytes"]))

    def on_frame(vf, ch, sid, seq, ack, credit, payload, salted):
        frame = {"vf": vf, "ch": ch, "seq": seq, "ack": ack, "credit": credit, "sid": sid, "salted": salted}
        frame["payload"] = hexlify(bytes(payload)).decode()
        found.append(frame)

    reader = Reader(port, case["limit"], stats, on_frame)
    reader.salt = case["salt"]
    while reader.read():
        pass
    check_reading(case, found, stats)
    found.clear()
    reader.parse(True)
    check_reading(case["stalled"], found, stats)
    assert not reader.partial()


def check_reading(right, found, stats):
    assert found == right["frames"], found
    rejected = right["rejected"]
    mine = (stats[SKIPPED], stats[BAD_HEADER], stats[BAD_PAYLOAD])
    assert mine == (right["skipped"], rejected.get("header", 0), rejected.get("payload", 0)), mine


def check_cbor(case):
    same(
        vlp_cbor.dumps(plain(case["item"], OrderedDict)), case["bytes"]
    )  # a dict of MicroPython has no order
    assert vlp_cbor.loads(unhexlify(case["bytes"])) == plain(case["item"])


def plain(item, kind=dict):
    """What an item of the file says."""
    if isinstance(item, list):
        return [plain(one, kind) for one in item]
    if not isinstance(item, dict):
        return item
    if "map" in item:
        return kind([(key, plain(one, kind)) for key, one in item["map"]])
    return item["text"] if "text" in item else unhexlify(item["bytes"])


def check_cbor_invalid(case):
    try:
        value = vlp_cbor.loads(unhexlify(case))
    except ValueError:
        return
    raise AssertionError(value)


def check_security(case):
    key, hello, welcome = (unhexlify(case[name]) for name in ("key", "hello", "welcome"))
    limits = (1024, 8, 1, welcome[64:], key, welcome[16:32])
    terms = Terms(hello, *limits)
    shown = welcome[:32] + unhexlify(case["proof"]) + welcome[64:]
    assert terms.welcome == shown
    same(terms.key, case["session_key"])
    for one in case["tags"]:
        payload = unhexlify(one["payload"])
        direction = 1 if one["sender"] == "device" else 0
        size = len(payload) + 8
        tag = vlp_auth.tag(
            terms.key, direction, one["number"], one["vf"] | 0x40, one["ch"], one["sid"], size, payload
        )
        same(tag, one["tag"])
        assert vlp_auth.equal(tag, unhexlify(one["tag"]))
        assert not vlp_auth.equal(tag, bytes(8))


def check_messages(case):
    fields, channel = case["fields"], case["channel"]
    if channel == vlp.IMAGE:
        check_image(fields, unhexlify(case["payload"]))
    elif channel == vlp.RESULT:
        check_result(fields, unhexlify(case["payload"]))
    else:
        camera = Camera(Port(), {}, (1, 1), ticks=lambda: 0, random=bytes, boot_id=1)
        camera.link = Recorder()
        if channel == vlp.EVENT:
            camera.event(fields["kind"], OrderedDict(fields["data"]), fields["t_us"])
        else:
            camera.trigger(fields["source"], fields["count"], fields["t_us"])
        assert camera.link.told == [(channel, unhexlify(case["payload"]))]


def check_image(fields, right):
    """All but the crc32, which is that of the image here."""
    images, stream = ImageSender([0] * 13), Stream(4, RoundTrip())
    images.next_obj = fields["obj"]
    data, shape = bytes(fields["size"]), (fields["width"], fields["height"], fields["t_capture_us"])
    rest = (fields["exposure_us"], fields["stride"], fields["deadline_ms"])
    images.put(data, fields["fourcc"].encode(), *shape, *rest)
    assert images.cut(stream, 512)
    if fields["abort"]:
        assert images.abort()
        assert images.cut(stream, 512)
    head = stream.transmit(0, 0).head
    if fields["abort"]:
        head = stream.transmit(1, 0).head
    assert bytes(head[:36]) == right[:36], hexlify(bytes(head))
    assert int.from_bytes(bytes(head[36:]), "little") == crc32(data)


def check_result(fields, payload):
    found = []
    camera = Camera(
        Port(),
        {},
        (1, 1),
        on_results=lambda obj, t_us, findings: found.append((obj, t_us, findings)),
        ticks=lambda: 0,
        random=bytes,
        boot_id=1,
    )
    assert camera._results(8, payload) is None
    records = [record(one) for one in fields["detections"]]
    assert found == [(fields["obj"], fields["t_us"], records)], found


def record(one):
    """A finding as it is on the wire."""
    number, score, x, y, w, h, track = one
    return number, int(score * 32768), int(4 * x), int(4 * y), int(4 * w), int(4 * h), track


def check_control(case):
    BY_NAME[case["name"]](case["fields"], unhexlify(case["payload"]))


def check_hello(fields, payload):
    assert session_of(payload) == fields["session"]
    assert session_of(payload[:31]) == 0
    terms = Terms(payload, 8192, 32, 0, b"", None, bytes(16))
    assert (terms.maxpl, terms.window, terms.in_order) == (fields["maxpl"], fields["window"], False)


def check_welcome(fields, payload):
    """The answer to a HELLO that wants more than the device gives."""
    versions = b"\x01\x01" if fields["version"] else b"\x02\x02"
    hello = b"\x01" + versions + b"\x00" + payload[4:8] + b"\x00\x20\x20\x00" + bytes(20)
    identity = vlp_cbor.dumps(plain({"map": fields["identity"]}, OrderedDict))
    nonce = unhexlify(fields["nonce"])
    terms = Terms(hello, fields["maxpl"], fields["window"], fields["caps"], identity, None, nonce)
    assert terms.welcome == payload, hexlify(terms.welcome)
    assert terms.refused == bool(fields["flags"])


def check_ack(fields, payload):
    session = Session(Writer(Port(), [0] * 13), [0] * 13, 8, 8)
    session.streams = (Recorder(), Recorder())
    assert session.reported(payload, 0)
    for sid in (0, 1):
        right = [record[1:] for record in fields["records"] if record[0] == sid]
        assert session.streams[sid].told == right, session.streams[sid].told


def check_ping(fields, payload):
    control = Control()
    control.ping = True
    mine = control.take(Recorder(fields["t1"]), None)
    assert mine == payload[:4] + bytes(4) + payload[8:]  # a device numbers its own 0


def check_pong(fields, payload):
    control = Control()
    control.pinged(b"\x04\x00\x00\x00" + payload[4:16], fields["t2"])
    assert control.take(Recorder(fields["t3"]), None) == payload


def check_boot(fields, payload):
    port = Port()
    vlp.Link(port, None, boot_id=fields["boot_id"], ticks=lambda: 0, random=bytes).poll()
    assert bytes(port.outgoing[16:-4]) == payload


def check_baud_req(fields, payload):
    assert int.from_bytes(payload[4:8], "little") == fields["baud"]


def check_baud_ok(fields, payload):
    assert not fields["baud"]
    control = Control()
    control.refuse_baud = True
    assert control.take(Recorder(), None) == payload


def check_probe(fields, payload):
    baud = Baud((9600,))
    baud.asked(1200, 9600)
    assert baud.payload() == b"\x09\x00\x00\x00\x80\x25\x00\x00"
    assert baud.switch(0) == 9600
    assert baud.probed(payload)
    assert not baud.probed(payload[:-1] + b"\x00")
    for _ in range(14):
        assert baud.probed(payload)
    for index in range(16):
        answer = bytearray(baud.payload())
        assert (answer[1], answer[2]) == (index, 15)
        answer[1], answer[2] = fields["index"], fields["good"]
        assert bytes(answer) == payload
    assert baud.payload() is None


def check_bye(fields, payload):
    port = Port()
    session = Session(Writer(port, [0] * 13), [0] * 13, 8, 8)
    link = vlp.Link(port, None, boot_id=1, ticks=lambda: 0, random=bytes)
    link._session, link._state = session, 2
    link._writer = session._writer
    link.close()
    assert bytes(port.outgoing[16:-4]) == payload


def check_stats(fields, payload):
    if not fields:
        assert payload == b"\x0c"
        return
    assert payload[:1] + vlp_cbor.dumps(OrderedDict(fields["counters"])) == payload


def check_auth_fail(fields, payload):
    control = Control()
    control.auth_fail(fields["sid"], fields["seq"])
    assert control.take(Recorder(), None) == payload


def check_error(fields, payload):
    control = Control()
    control.error(fields["code"], fields["ch"], fields["seq"])
    assert control.take(Recorder(), None) == payload


def check_reset(fields, payload):
    """A device may ask for a new session; this one does not."""
    assert payload[0] == 6


BY_NAME = {
    "HELLO": check_hello,
    "WELCOME": check_welcome,
    "ACK": check_ack,
    "PING": check_ping,
    "PONG": check_pong,
    "RESET": check_reset,
    "BOOT": check_boot,
    "BAUD_REQ": check_baud_req,
    "BAUD_OK": check_baud_ok,
    "BAUD_PROBE": check_probe,
    "BYE": check_bye,
    "STATS": check_stats,
    "AUTH_FAIL": check_auth_fail,
    "ERROR": check_error,
}
CHECKS = {
    "crc32": check_crc32,
    "frames": check_frames,
    "control": check_control,
    "messages": check_messages,
    "cbor": check_cbor,
    "cbor_invalid": check_cbor_invalid,
    "security": check_security,
    "streams": check_streams,
}
