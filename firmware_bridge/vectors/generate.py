"""Writes ``vlp1.json``: what every implementation of VLP/1 must reproduce byte for byte, from the Python one.

``python generate.py`` writes the file; ``python generate.py --check`` fails if it is not what it would write. Bytes are
in hexadecimal. Sections:

crc32       data, salt, crc
frames      fields (``vf`` without version bits), payload, salt, and the bytes of the frame
control     type, fields, and the payload of the control message
messages    channel, fields, and the payload: headers of images, results, events, triggers
cbor        item (``{"map": [[key, item] ..]}``, ``{"bytes": hex}``, ``{"text": ..}``, a list, a number, true, false,
            null) and its bytes; ``cbor_invalid``: bytes that must be refused
security    key, HELLO and WELCOME payloads, proof, session key, and tags of frames
streams     bytes with damage, the salt and longest payload; what a receiver takes: frames in order, and its counters
            after all bytes came, and (``stalled``) after nothing followed for so long that what is partial fails
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

from vedette_bridge.vlp import cbor, control, messages, security
from vedette_bridge.vlp.control import AckRecord, Boot, Hello, Ping, Pong, Probe, Type, Welcome
from vedette_bridge.vlp.frame import (
    AUTH,
    CTL,
    EVENT,
    FIRST,
    FWUP,
    IMAGE,
    LOG,
    MORE,
    PTZ,
    REL,
    RESULT,
    RPC,
    RTX,
    TRIGGER,
    VENDOR,
    Frame,
    encode,
)
from vedette_bridge.vlp.parser import Parser

FILE = Path(__file__).with_name("vlp1.json")
SESSION = 0x5EED1234
KEY = bytes(range(100, 132))
NONCE = bytes(range(16))
IDENTITY = {0: "Vedette", 1: "Eye", 2: "0007", 3: "1.2"}
CHECKS = ("version", "length", "stream", "kind", "header", "payload", "unsalted", "stall")


def crc32_vectors() -> list[dict[str, Any]]:
    cases = [
        (b"", 0),
        (b"123456789", 0),
        (b"123456789", SESSION),
        (bytes(range(256)), 0),
        (b"\xff" * 40, 0xFFFFFFFF),
    ]
    return [{"data": data.hex(), "salt": salt, "crc": crc32(data, salt)} for data, salt in cases]


def frame_vectors() -> list[dict[str, Any]]:
    cases = [
        ("empty datagram without a session", 0, CTL, 0, 0, 0, 0, b"", 0),
        ("PING", 0, CTL, 7, 3, 8, 0, Ping(1, 123456789).encode(), SESSION),
        ("reliable", REL, EVENT, 65535, 65534, 32, 0, b"hello", SESSION),
        ("again", REL | RTX, EVENT, 65535, 0, 32, 0, b"hello", SESSION),
        ("first of several", REL | FIRST | MORE, IMAGE, 0, 1, 16, 1, bytes(range(64)), SESSION),
        ("one of several", REL | MORE, IMAGE, 1, 1, 16, 1, bytes(64), SESSION),
        ("last of several", REL, IMAGE, 2, 1, 16, 1, b"\xff\x9e", SESSION),
        ("tagged", REL | AUTH, RPC, 5, 9, 4, 0, b"\xa0" + bytes(8), SESSION),
        ("log datagram", 0, LOG, 99, 5, 8, 1, b"\x02warning", SESSION),
        ("reliable and empty", REL, VENDOR[-1], 258, 772, 1, 1, b"", SESSION),
        (
            "the largest payload",
            REL,
            VENDOR[0],
            1,
            2,
            3,
            1,
            bytes(i * 7 & 255 for i in range(8192)),
            0xFFFFFFFF,
        ),
    ]
    names = ("name", "vf", "ch", "seq", "ack", "credit", "sid", "payload", "salt")
    return [
        {**dict(zip(names, case, strict=True)), "payload": case[7].hex(), "bytes": encode(*case[1:]).hex()}
        for case in cases
    ]


def control_vectors() -> list[dict[str, Any]]:
    def case(type: Type, payload: bytes, **fields: Any) -> dict[str, Any]:
        return {"type": int(type), "name": type.name, "fields": fields, "payload": payload.hex()}

    identity = [[key, {"text": text}] for key, text in IDENTITY.items()]
    hello = Hello(session=SESSION, maxpl=8192, window=32, nonce=NONCE, paired=True)
    welcome = Welcome(window=8, session=SESSION, maxpl=1024, caps=0x0D, nonce=NONCE, identity=IDENTITY)
    refused = Welcome(version=0, flags=4, window=8, session=SESSION, maxpl=1024, nonce=bytes(16))
    return [
        case(
            Type.HELLO,
            hello.encode(),
            session=SESSION,
            maxpl=8192,
            window=32,
            flags=1,
            caps=0,
            nonce=NONCE.hex(),
            identity=[],
        ),
        case(
            Type.WELCOME,
            welcome.encode(),
            version=1,
            flags=0,
            window=8,
            session=SESSION,
            maxpl=1024,
            caps=13,
            nonce=NONCE.hex(),
            identity=identity,
        ),
        case(
            Type.WELCOME,
            refused.encode(),
            version=0,
            flags=4,
            window=8,
            session=SESSION,
            maxpl=1024,
            caps=0,
            nonce=bytes(16).hex(),
            identity=[],
        ),
        case(Type.ACK, control.encode_ack([AckRecord(1, 8, 65535, 0)]), records=[[1, 8, 65535, []]]),
        case(
            Type.ACK,
            control.encode_ack([AckRecord(0, 0, 5), AckRecord(1, 31, 1000, 1 << 0 | 1 << 9 | 1 << 63)]),
            records=[[0, 0, 5, []], [1, 31, 1000, [0, 9, 63]]],
        ),
        case(Type.PING, Ping(77, 1 << 40).encode(), id=77, t1=1 << 40),
        case(
            Type.PONG,
            Pong(77, 1 << 40, 5_000_000_000, 5_000_000_123).encode(),
            id=77,
            t1=1 << 40,
            t2=5_000_000_000,
            t3=5_000_000_123,
        ),
        case(Type.RESET, control.encode_reason(Type.RESET, 3), reason=3),
        case(Type.BOOT, Boot(0xCAFE0001).encode(), boot_id=0xCAFE0001, reason=0),
        case(Type.BAUD_REQ, control.encode_baud(Type.BAUD_REQ, 3_000_000), baud=3_000_000),
        case(Type.BAUD_OK, control.encode_baud(Type.BAUD_OK, 0), baud=0),
        case(Type.BAUD_PROBE, Probe(15, 14).encode(), index=15, good=14),
        case(Type.BYE, control.encode_reason(Type.BYE), reason=0),
        case(Type.STATS, control.encode_stats(None)),
        case(
            Type.STATS,
            control.encode_stats({0: 1, 5: 300, 12: 70_000}),
            counters=[[0, 1], [5, 300], [12, 70_000]],
        ),
        case(Type.AUTH_FAIL, control.encode_auth_fail(1, 65535), sid=1, seq=65535),
        case(Type.ERROR, control.encode_error(2, RESULT, 258), code=2, ch=RESULT, seq=258),
    ]


def message_vectors() -> list[dict[str, Any]]:
    image = {
        "obj": 7,
        "size": 50_000,
        "fourcc": "JPEG",
        "width": 640,
        "height": 480,
        "stride": 0,
        "deadline_ms": 250,
        "t_capture_us": 1 << 41,
        "exposure_us": 8_000,
        "crc32": 0xDEADBEEF,
    }
    found = [(3, 0.5, 1.25, -2.0, 100.75, 8191.75, 9), (65535, 1.0, -8192.0, 0.0, 0.0, 0.25, 0)]
    result = messages.ResultMessage(
        obj=7, t_us=1 << 41, detections=tuple(messages.Detection(*one) for one in found)
    )
    event = messages.EventMessage(kind=1, t_us=123, data={0: 4, 1: 1})
    trigger = {"source": 2, "count": 70_000, "t_us": (1 << 33) + 5}
    return [
        {
            "channel": IMAGE,
            "fields": {**image, "abort": False},
            "payload": messages.ImageHeader(**image).encode().hex(),
        },
        {
            "channel": IMAGE,
            "fields": {**image, "abort": True},
            "payload": messages.ImageHeader(**image, abort=True).encode().hex(),
        },
        {
            "channel": RESULT,
            "fields": {"obj": 7, "t_us": 1 << 41, "detections": found},
            "payload": result.encode().hex(),
        },
        {
            "channel": RESULT,
            "fields": {"obj": 8, "t_us": 0, "detections": []},
            "payload": messages.ResultMessage(obj=8, t_us=0).encode().hex(),
        },
        {
            "channel": EVENT,
            "fields": {"kind": 1, "t_us": 123, "data": [[0, 4], [1, 1]]},
            "payload": event.encode().hex(),
        },
        {"channel": TRIGGER, "fields": trigger, "payload": messages.TriggerMessage(**trigger).encode().hex()},
    ]


def described(value: Any) -> Any:
    """An item in JSON."""
    match value:
        case dict():
            return {"map": [[key, described(item)] for key, item in value.items()]}
        case list():
            return [described(item) for item in value]
        case bytes():
            return {"bytes": value.hex()}
        case str():
            return {"text": value}
    return value


def cbor_vectors() -> list[dict[str, Any]]:
    numbers = [0, 1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1]
    values = [
        *numbers,
        *(-1 - number for number in numbers),
        True,
        False,
        None,
        b"",
        b"\x00\xff",
        "",
        "Grüße",
        bytes(24),
        "x" * 256,
        [],
        {},
        [1, [2, [3, [4]]]],
        {0: 7, 1: 2, 2: {3: [640, 480], 5: "JPEG"}},
        {0: 4294967295, 3: 4},
        {1: {1: {1: {1: 1}}}},
        {64: True, 65: None, 9: {0: 1, 31: 0}},
        list(range(30)),
    ]
    return [{"item": described(value), "bytes": cbor.dumps(value).hex()} for value in values]


CBOR_INVALID = (
    "",  # nothing
    "18",  # cut off
    "1900",
    "1b00000000000000",
    "42 00",
    "63 6162",
    "82 01",
    "a1 00",
    "a1 20 00",  # a key that is negative
    "a1 6161 00",  # a key that is text
    "9f ff",  # indefinite length
    "bf ff",
    "5f ff",
    "c0 00",  # a tag
    "f9 0000",  # floats
    "fa 00000000",
    "fb 0000000000000000",
    "f7",  # undefined
    "f8 20",
    "1c",
    "ff",
    "00 00",  # two items
    "81 81 81 81 81 00",  # five deep
    "9b ffffffffffffffff",  # more items than bytes
    "bb 8000000000000000",
    "ba 80000000",
    "5b ffffffffffffffff",
)


def security_vectors() -> dict[str, Any]:
    hello = Hello(session=SESSION, maxpl=1024, window=8, nonce=NONCE, paired=True).encode()
    welcome = Welcome(
        flags=1, window=8, session=SESSION, maxpl=1024, caps=1, nonce=NONCE[::-1], identity=IDENTITY
    ).encode()
    proof = security.proof(KEY, hello, welcome)
    session_key = security.session_key(KEY, proof)
    tags = []
    for sender, number, vf, ch, sid, payload in (
        ("box", 0, REL | AUTH, RPC, 0, b"\xa2\x00\x07\x01\x00"),
        ("device", 65_536, REL | AUTH, RPC, 0, b""),
        ("box", 3, REL | AUTH | RTX, PTZ, 0, bytes(100)),
        ("box", (1 << 32) - 1, REL | AUTH | FIRST | MORE, FWUP, 1, bytes(range(200))),
    ):
        value = security.tag(session_key, sender, number, vf, ch, sid, payload)
        tags.append(
            {
                "sender": sender,
                "number": number,
                "vf": vf,
                "ch": ch,
                "sid": sid,
                "payload": payload.hex(),
                "tag": value.hex(),
            }
        )
    return {
        "key": KEY.hex(),
        "hello": hello.hex(),
        "welcome": welcome.hex(),
        "proof": proof.hex(),
        "session_key": session_key.hex(),
        "tags": tags,
    }


def damaged_streams() -> list[tuple[str, int, int, bytes]]:
    """Name, salt, longest payload, bytes."""
    rng = random.Random(1)

    def datagram(number: int, size: int = 30, salt: int = SESSION) -> bytes:
        payload = bytes((number,)) + rng.randbytes(size - 1)
        return encode(0, VENDOR[0], number, 0, 8, 0, payload, salt)

    def changed(frame: bytes, at: int, value: int) -> bytes:
        return frame[:at] + bytes((value,)) + frame[at + 1 :]

    def header(frame: bytes, at: int, value: int) -> bytes:
        """A field changed, the CRCs right again."""
        fields = changed(frame, at, value)[2:12]
        hcrc = crc32(fields, SESSION)
        end = crc32(frame[16:-4], hcrc).to_bytes(4, "little")
        return frame[:2] + fields + hcrc.to_bytes(4, "little") + frame[16:-4] + end

    one, two, three = datagram(1), datagram(2), datagram(3)
    inner = encode(0, VENDOR[0], 9, 0, 8, 0, b"inner", SESSION)
    outer = encode(0, VENDOR[0], 4, 0, 8, 0, b"xx" + inner + b"yy", SESSION)
    hello = encode(0, CTL, 0, 0, 0, 0, Hello(session=5, maxpl=64, window=1, nonce=NONCE).encode(), 0)
    ping_unsalted = encode(0, CTL, 0, 0, 0, 0, Ping(1, 2).encode(), 0)
    cases = [
        ("three frames", one + two + three),
        (
            "noise before, between and behind",
            b"\x00noise\xff" + one + b"\xff\x9e" + two + b"\xff\xff" + three + b"tail",
        ),
        ("a bit of the header", changed(one, 4, one[4] ^ 1) + two),
        ("a bit of the payload", changed(one, 20, one[20] ^ 128) + two),
        ("a bit of the payload's CRC", one[:-1] + bytes((one[-1] ^ 1,)) + two),
        ("the header of one, the payload of another", one[:16] + two[16:] + three),
        ("a byte lost", one[:20] + one[21:] + two + three),
        ("a byte too many", one[:18] + b"\x00" + one[18:] + two),
        ("cut off, then another", one[:33] + two),
        ("cut off at the end", one + two[:25]),
        ("half a SYNC at the end", one + b"\xff"),
        ("a frame in a frame that is right", outer),
        ("a frame in a frame that is damaged", changed(outer, 17, 0) + two),
        ("another version", header(one, 2, 0x80) + two),
        ("the bit that must be 0", header(one, 2, 0x41) + two),
        ("longer than allowed", header(one, 9, 0xFF) + two),
        ("a stream that there is not", header(one, 11, 2) + two),
        ("reliable on channel 0", header(header(one, 3, 0), 2, 0x60) + two),
        ("a datagram with a tag", header(one, 2, 0x42) + two),
        ("from another session", datagram(5, salt=SESSION ^ 1) + two),
        ("HELLO, without the session's salt", hello + two),
        ("PING, without the session's salt", ping_unsalted + two),
        ("an empty control frame without the session's salt", encode(0, CTL, 0, 0, 0, 0, b"", 0) + two),
        ("SYNC again and again", b"\xff\x9e" * 20 + one),
        ("random bytes", rng.randbytes(500)),
    ]
    streams = [(name, SESSION, 64, data) for name, data in cases]
    streams.append(("no session: every salt but 0 is wrong", 0, 64, hello + one + ping_unsalted))
    mixed = bytearray(b"".join(datagram(number, rng.randrange(1, 200)) for number in range(60)))
    for _ in range(40):
        mixed[rng.randrange(len(mixed))] ^= 1 << rng.randrange(8)
    streams.append(("many frames, many bits", SESSION, 256, bytes(mixed)))
    return streams


def stream_vectors() -> list[dict[str, Any]]:
    found = []
    for name, salt, limit, data in damaged_streams():
        parser = Parser(limit)
        parser.salt = salt
        parser.push(data)
        frames = taken(parser.pull)
        before = counters(parser)
        late = taken(parser.pull_stalled)
        found.append(
            {
                "name": name,
                "salt": salt,
                "limit": limit,
                "bytes": data.hex(),
                "frames": frames,
                **before,
                "stalled": {"frames": late, **counters(parser)},
            }
        )
    return found


def taken(pull: Any) -> list[dict[str, Any]]:
    frames = []
    while isinstance(frame := pull(), Frame):
        frames.append({**frame._asdict(), "payload": frame.payload.hex()})
    return frames


def counters(parser: Parser) -> dict[str, Any]:
    return {
        "skipped": parser.skipped,
        "rejected": {check: parser.rejected[check] for check in CHECKS if parser.rejected[check]},
    }


def generate() -> str:
    vectors = {
        "protocol": "VLP/1",
        "crc32": crc32_vectors(),
        "frames": frame_vectors(),
        "control": control_vectors(),
        "messages": message_vectors(),
        "cbor": cbor_vectors(),
        "cbor_invalid": [text.replace(" ", "") for text in CBOR_INVALID],
        "security": security_vectors(),
        "streams": stream_vectors(),
    }
    return json.dumps(vectors, indent=1) + "\n"


def main() -> int:
    text = generate()
    if "--check" in sys.argv[1:]:
        return 0 if FILE.is_file() and FILE.read_text() == text else 1
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
