"""The golden vectors, in Python and in C: every implementation gives the same bytes."""

import ctypes
import hashlib
import hmac
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cdevice import CDevice, CLine

from vedette_bridge.errors import ProtocolError
from vedette_bridge.vlp import cbor, control, messages, security
from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.control import Type
from vedette_bridge.vlp.events import Message
from vedette_bridge.vlp.frame import EVENT, IMAGE, RESULT, TRIGGER, VENDOR, encode

VECTORS = Path(__file__).parents[2] / "vectors"
V = json.loads((VECTORS / "vlp1.json").read_text())
KEY = bytes(32)


def plain(item):
    """An item of the vectors as Python has it."""
    if isinstance(item, list):
        return [plain(one) for one in item]
    if not isinstance(item, dict):
        return item
    if "map" in item:
        return {key: plain(value) for key, value in item["map"]}
    return bytes.fromhex(item["bytes"]) if "bytes" in item else item["text"]


def hexed(vector, *names):
    return [bytes.fromhex(vector[name]) for name in names]


class Result(ctypes.Structure):
    _fields_ = (
        ("records", ctypes.c_void_p),
        ("t_us", ctypes.c_uint64),
        ("obj", ctypes.c_uint32),
        ("count", ctypes.c_uint16),
        ("stride", ctypes.c_uint8),
    )


class Finding(ctypes.Structure):
    _fields_ = (
        ("track", ctypes.c_uint32),
        ("class_id", ctypes.c_uint16),
        ("score", ctypes.c_uint16),
        *((name, ctypes.c_int16) for name in "xywh"),
    )


class Trigger(ctypes.Structure):
    _fields_ = (("t_us", ctypes.c_uint64), ("count", ctypes.c_uint32), ("source", ctypes.c_uint16))


def test_the_file_is_what_the_generator_writes():
    done = subprocess.run([sys.executable, str(VECTORS / "generate.py"), "--check"])
    assert done.returncode == 0, (
        "run firmware_bridge/vectors/generate.py: the vectors are older than the code"
    )


@pytest.mark.parametrize("kind", ["bitwise", "nibble", "table"])
def test_crc32(library, kind):
    for vector in V["crc32"]:
        (data,) = hexed(vector, "data")
        assert getattr(library, f"vlp_crc32_{kind}")(None, vector["salt"], data, len(data)) == vector["crc"]


@pytest.mark.parametrize("vector", V["frames"], ids=lambda vector: vector["name"])
def test_frames_in_python(vector):
    payload, data = hexed(vector, "payload", "bytes")
    fields = [vector[name] for name in ("vf", "ch", "seq", "ack", "credit", "sid")]
    assert encode(*fields, payload, vector["salt"]) == data


def test_control_messages_in_python():
    for vector in V["control"]:
        (payload,) = hexed(vector, "payload")
        fields = vector["fields"]
        match vector["name"]:
            case "HELLO" | "WELCOME" as name:
                made = (control.Hello if name == "HELLO" else control.Welcome).decode(payload)
                assert made.encode() == payload
                for key in fields.keys() - {"nonce", "identity", "flags"}:
                    assert getattr(made, key) == fields[key]
            case "ACK":
                records = control.decode_ack(payload)
                bits = [[i for i in range(64) if record.bitmap >> i & 1] for record in records]
                found = [[r.sid, r.credit, r.ack, b] for r, b in zip(records, bits, strict=True)]
                assert found == fields["records"]
                assert control.encode_ack(records) == payload
            case "PING" | "PONG" | "BOOT" as name:
                kind = {"PING": control.Ping, "PONG": control.Pong, "BOOT": control.Boot}[name]
                assert kind(**fields).encode() == payload
                assert kind.decode(payload) == kind(**fields)
            case "BAUD_PROBE":
                assert control.Probe(**fields).encode() == payload
            case "BAUD_REQ" | "BAUD_OK":
                assert control.encode_baud(Type(vector["type"]), **fields) == payload
            case "RESET" | "BYE":
                assert control.encode_reason(Type(vector["type"]), **fields) == payload
            case "STATS":
                counters = dict(fields["counters"]) if fields else None
                assert control.encode_stats(counters) == payload
                assert control.decode_stats(payload) == counters
            case "AUTH_FAIL":
                assert control.encode_auth_fail(**fields) == payload
            case "ERROR":
                assert control.encode_error(**fields) == payload
            case name:
                pytest.fail(f"nothing reads {name}")


def test_messages_in_python():
    for vector in V["messages"]:
        (payload,) = hexed(vector, "payload")
        fields = dict(vector["fields"])
        match vector["channel"]:
            case 4:
                assert messages.ImageHeader.decode(payload) == (messages.ImageHeader(**fields), 40)
            case 5:
                found = tuple(messages.Detection(*one) for one in fields.pop("detections"))
                assert messages.ResultMessage.decode(payload) == messages.ResultMessage(
                    **fields, detections=found
                )
            case 2:
                event = messages.EventMessage(**{**fields, "data": dict(fields["data"])})
                assert messages.EventMessage.decode(payload) == event
            case 6:
                assert messages.TriggerMessage.decode(payload) == messages.TriggerMessage(**fields)


def test_messages_in_c(library):
    for vector in V["messages"]:
        (payload,) = hexed(vector, "payload")
        fields = vector["fields"]
        if vector["channel"] == RESULT:
            result, found = Result(), (Finding * 8)()
            where = (ctypes.byref(result), found, 8)
            assert library.read_result(payload, len(payload), *where) == 0
            assert (result.obj, result.t_us, result.count) == (
                fields["obj"],
                fields["t_us"],
                len(fields["detections"]),
            )
            for one, (class_id, score, x, y, w, h, track) in zip(found, fields["detections"], strict=False):
                assert (one.class_id, one.score, one.track) == (class_id, round(score * 32768), track)
                assert [value / 4 for value in (one.x, one.y, one.w, one.h)] == [x, y, w, h]
            for cut in range(16 + 16 * len(fields["detections"])):
                assert library.read_result(payload[:cut], cut, *where) == 2
        elif vector["channel"] == TRIGGER:
            trigger, out = Trigger(), ctypes.create_string_buffer(16)
            assert library.vlp_read_trigger(payload, len(payload), ctypes.byref(trigger)) == 0
            assert {name: getattr(trigger, name) for name in fields} == fields
            library.vlp_put_trigger(out, ctypes.byref(trigger))
            assert out.raw == payload
            assert library.vlp_read_trigger(payload, 15, ctypes.byref(trigger)) == 2
        elif vector["channel"] == EVENT:
            out = ctypes.create_string_buffer(12)
            library.vlp_put_event(out, fields["kind"], fields["t_us"])
            assert out.raw == payload[:12]


def test_the_frames_of_an_image_in_c(library):
    """Byte for byte what the Python implementation makes of the same image."""
    line = CLine(library, device=LinkConfig(role="device", limits=Limits(maxpl=64)), partial=False)
    line.start()
    assert line.pass_time(1_000_000, lambda: line.board.is_up() and line.box.state == "up")
    sent = []
    line.fate = lambda side, frame: (
        sent.append(frame) or [frame] if side == "device" and frame[3] == IMAGE else [frame]
    )
    data = bytes(range(150))
    line.board.send_image(data, t_capture_us=1 << 41)
    assert line.pass_time(1_000_000, line.board.idle)
    header = messages.ImageHeader(
        obj=0,
        size=len(data),
        fourcc="GREY",
        width=3,
        height=5,
        stride=7,
        deadline_ms=11,
        t_capture_us=1 << 41,
        exposure_us=1_234_567,
        crc32=int.from_bytes(sent[0][52:56], "little"),
    )
    payloads = [header.encode() + data[:24], data[24:88], data[88:150]]
    flags = [0x20 | 8 | 16, 0x20 | 16, 0x20]
    for seq, (frame, vf, payload) in enumerate(zip(sent, flags, payloads, strict=True)):
        assert frame == encode(vf, IMAGE, seq, 0, frame[10], 1, payload, line.board.session)
    line.board.close()


def test_cbor_in_python():
    for vector in V["cbor"]:
        (data,) = hexed(vector, "bytes")
        assert cbor.dumps(plain(vector["item"])) == data
        assert cbor.loads(data) == plain(vector["item"])
    for text in V["cbor_invalid"]:
        with pytest.raises(ProtocolError):
            cbor.loads(bytes.fromhex(text))


def test_cbor_in_c(library):
    out = ctypes.create_string_buffer(1024)
    for vector in V["cbor"]:
        (data,) = hexed(vector, "bytes")
        size = library.cbor_again(data, len(data), out, 1024)
        wide = isinstance(vector["item"], int) and not 0 <= abs(vector["item"]) <= 2**32 - (
            vector["item"] >= 0
        )
        assert size == -2 if wide else out.raw[:size] == data, vector
        assert library.cbor_skip(data + b"\x00", len(data) + 1) == len(data)
        if len(data) > 1:
            assert library.cbor_again(data[:-1], len(data) - 1, out, 1024) == -1
            assert wide or library.cbor_again(data, len(data), out, len(data) - 1) == -3
    for text in V["cbor_invalid"]:
        data = bytes.fromhex(text)
        assert library.cbor_again(data, len(data), out, 1024) == -1, text


def test_what_is_cbor_is_the_same_in_python_and_c(library):
    """But for what the C side says that it does not look at: UTF-8, and keys that repeat."""
    rng, out = random.Random(1), ctypes.create_string_buffer(4096)
    known = [bytes.fromhex(vector["bytes"]) for vector in V["cbor"]]
    counts = [0, 0]
    for _ in range(20_000):
        data = bytearray(rng.choice(known))
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), 0x81, 0xA1, 0x18, 0x40, 0x00))
        try:
            cbor.loads(bytes(data))
            valid = True
        except ProtocolError as error:
            if "UTF-8" in str(error) or "different" in str(error):
                continue
            valid = False
        assert (library.cbor_again(bytes(data), len(data), out, 4096) != -1) == valid, data.hex()
        counts[valid] += 1
    assert min(counts) > 2_000


def test_security_in_python():
    vector = V["security"]
    key, hello, welcome, proof, session_key = hexed(vector, "key", "hello", "welcome", "proof", "session_key")
    assert security.proof(key, hello, welcome) == proof
    assert security.session_key(key, proof) == session_key
    for one in vector["tags"]:
        payload, tag = hexed(one, "payload", "tag")
        args = (one["sender"], one["number"], one["vf"], one["ch"], one["sid"], payload)
        assert security.tag(session_key, *args) == tag


def test_security_in_c(library):
    vector, out = V["security"], ctypes.create_string_buffer(32)
    key, hello, welcome, proof, session_key = hexed(vector, "key", "hello", "welcome", "proof", "session_key")

    def hmac_of(key, data):
        library.hmac_of(key, data, len(data), out)
        return out.raw

    assert hmac_of(key, b"VLP1 device" + hello + welcome) == proof
    assert hmac_of(key, b"VLP1 key" + proof) == session_key
    for one in vector["tags"]:
        payload, tag = hexed(one, "payload", "tag")
        covered = bytes((one["sender"] == "device",)) + one["number"].to_bytes(8, "little")
        covered += bytes(((one["vf"] | 64) & ~4, one["ch"])) + (len(payload) + 8).to_bytes(2, "little")
        assert hmac_of(session_key, covered + bytes((one["sid"],)) + payload)[:8] == tag


def test_sha_256_in_c(library):
    """FIPS 180-4's own examples, RFC 4231's second case with a key of 32 bytes, and every length across two blocks."""
    out, data = ctypes.create_string_buffer(32), random.Random(2).randbytes(200)
    for message, digest in (
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ):
        library.sha256_of(message, len(message), out)
        assert out.raw.hex() == digest
    for size in range(len(data)):
        library.sha256_of(data[:size], size, out)
        assert out.raw == hashlib.sha256(data[:size]).digest()
        library.hmac_of(data[:32], data[:size], size, out)
        assert out.raw == hmac.digest(data[:32], data[:size], "sha256")


@pytest.mark.parametrize("vector", V["streams"], ids=lambda vector: vector["name"])
def test_streams_in_c(library, vector):
    now = [1_000_000]
    config = LinkConfig(role="device", limits=Limits(maxpl=vector["limit"], window=8), key=KEY)
    device = CDevice(library, config, lambda: now[0], random.Random(1), partial=False)
    device.force_session(vector["salt"])
    (data,) = hexed(vector, "bytes")

    def check(expected, before, events):
        counts = device.counts()
        found = {name: counts[name] for name in expected["rejected"]}
        assert (counts["skipped"], found) == (expected["skipped"], expected["rejected"])
        assert sum(counts[name] for name in ("header", "payload", "stall")) == sum(
            expected["rejected"].get(name, 0) for name in ("header", "payload", "stall")
        )
        assert counts["rx_frames"] - before == len(expected["frames"])
        sent = [frame["payload"] for frame in expected["frames"] if frame["salted"] and frame["ch"] in VENDOR]
        got = [event.payload.hex() for event in events if isinstance(event, Message) and event.ch in VENDOR]
        assert got == sent
        return counts["rx_frames"]

    rx_frames = check(vector, 0, [event for byte in data for event in device.feed(bytes((byte,)))])
    now[0] += 100_000
    check(vector["stalled"], rx_frames, device.poll())
    device.close()


def test_every_kind_of_failure_is_among_the_streams():
    kinds = {kind for vector in V["streams"] for kind in vector["stalled"]["rejected"]}
    assert kinds == {"version", "length", "stream", "kind", "header", "payload", "unsalted", "stall"}
