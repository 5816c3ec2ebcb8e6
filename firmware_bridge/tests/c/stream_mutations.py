"""Streams of frames for a device, good and damaged, made from a seed: fields changed with and without a new CRC, bytes
changed, lost, inserted, frames cut, spliced into each other, and under other salts."""

from __future__ import annotations

import random
import struct
from zlib import crc32

from vedette_bridge.vlp.control import AckRecord, Boot, Hello, Ping, Type, encode_ack, encode_error
from vedette_bridge.vlp.frame import CTL, EVENT, LOG, REL, RESULT, RTX, VENDOR, encode

DATAGRAM_CHANNELS = (EVENT, LOG, RESULT, VENDOR[0], VENDOR[-1])


class Streams:
    """``rng`` decides all. ``next_seq[sid]`` counts the reliable frames that were left whole."""

    def __init__(self, rng: random.Random, session: int, limit: int) -> None:
        self.rng, self.session, self.limit = rng, session, limit
        self.next_seq = [0, 0]
        self._number = 0

    def stream(self, pieces: int) -> bytes:
        """Some frames, some damage."""
        return b"".join(self.piece() for _ in range(pieces))

    def piece(self) -> bytes:
        rng = self.rng
        match rng.randrange(16):
            case 0:
                return rng.randbytes(rng.randrange(40))
            case 1:
                return rng.choice((b"\xff", b"\xff\x9e", b"\xff\xff\x9e", b"\xff\x9e\xff\x9e")) * rng.randint(
                    1, 3
                )
            case 2 | 3 | 4:
                return self.damaged(self.datagram())
            case 5 | 6:
                return self.with_new_crc(self.datagram())
            case 7:
                frame = self.datagram()
                return frame[: rng.randrange(len(frame))]
            case 8:
                first, second = self.datagram(), self.datagram()
                at = rng.randrange(len(first))
                return first[:at] + second + first[at:]
            case 9:
                return self.control(rng.choice((0, self.session, self.session ^ 1, rng.getrandbits(32))))
            case 10 | 11 | 12:
                return self.reliable()
            case _:
                return self.datagram()

    def payload(self) -> bytes:
        self._number += 1
        size = self.rng.choice((0, 1, 7, 8, 30, self.limit - 4, self.rng.randrange(self.limit - 3)))
        return self._number.to_bytes(4, "little")[: max(size, 0) + 4] + self.rng.randbytes(size)

    def datagram(self) -> bytes:
        rng = self.rng
        ch, payload = rng.choice(DATAGRAM_CHANNELS), self.payload()
        if rng.random() < 0.1:
            payload = self.inner(payload)
        return encode(0, ch, rng.getrandbits(16), 0, 8, rng.randrange(2), payload, self.session)

    def inner(self, payload: bytes) -> bytes:
        """A payload in which a whole frame lies: it must be taken only if the outer one is damaged."""
        frame = encode(0, EVENT, 0, 0, 8, 0, payload[:20], self.session)
        return (payload[:4] + frame)[: self.limit]

    def reliable(self) -> bytes:
        sid = self.rng.randrange(2)
        ch = VENDOR[1 + sid]
        seq, again = self.next_seq[sid], self.rng.random() < 0.2 and self.next_seq[sid] > 0
        if again:
            return encode(REL | RTX, ch, (seq - 1) & 0xFFFF, 0, 8, sid, b"again", self.session)
        self.next_seq[sid] += 1
        return encode(REL, ch, seq & 0xFFFF, 0, 8, sid, self.payload(), self.session)

    def control(self, salt: int) -> bytes:
        rng = self.rng
        payload = rng.choice(
            (
                Hello(session=rng.getrandbits(31) + 1, maxpl=512, window=8, nonce=rng.randbytes(16)).encode(),
                Boot(rng.getrandbits(32)).encode(),
                Ping(rng.getrandbits(32), rng.getrandbits(64)).encode(),
                encode_ack([AckRecord(0, 8, 0, 5), AckRecord(1, 8, 0, 0)]),
                encode_error(2, 5, 77),
                bytes((Type.STATS,)),
                bytes((rng.randrange(13, 256),)) + rng.randbytes(rng.randrange(30)),
                b"",
            )
        )
        return encode(0, CTL, 0, 0, 0, 0, payload, salt)

    def damaged(self, frame: bytes) -> bytes:
        rng, data = self.rng, bytearray(frame)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            at = rng.randrange(len(data)) if data else 0
            match rng.randrange(5):
                case 0 if data:
                    data[at] ^= 1 << rng.randrange(8)
                case 1 if data:
                    data[at] = rng.randrange(256)
                case 2:
                    del data[at : at + rng.choice((1, 1, 2, 17))]
                case 3:
                    data.insert(at, rng.choice((0xFF, 0x9E, rng.randrange(256))))
                case _:
                    data[at : at + 8] = rng.randbytes(len(data[at : at + 8]))
        return bytes(data)

    def with_new_crc(self, frame: bytes) -> bytes:
        """A field of the header changed, the header's CRC right again: what remains is for the other checks."""
        rng, fields = self.rng, bytearray(frame[2:12])
        match rng.randrange(6):
            case 0:
                fields[0] = rng.randrange(256)
            case 1:
                fields[1] = rng.randrange(256)
            case 2:
                struct.pack_into("<H", fields, 6, rng.choice((0, 1, self.limit, self.limit + 1, 0xFFFF)))
            case 3:
                fields[9] = rng.randrange(256)
            case 4:
                fields[0] ^= rng.choice((1, 2, 4, 8, 16, 64, 128))
            case _:
                fields[2:6] = rng.randbytes(4)
        if fields[0] & REL:
            fields[2:4] = b"\x00\x80"  # far out of the window: taken by nobody
        head = bytes(fields)
        payload, hcrc = frame[16:-4], crc32(head, self.session)
        return frame[:2] + head + struct.pack("<I", hcrc) + payload + struct.pack("<I", crc32(payload, hcrc))
