"""Write the protobuf wire format; :mod:`vedette.bundle.protobuf` reads it."""

from __future__ import annotations

from vedette.bundle.protobuf import Message

_VARINT, _BYTES = 0, 2


def write_int(number: int, value: int) -> bytes:
    """An integer field; ``value`` is not negative."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def write_bytes(number: int, *parts: bytes | Message | str) -> bytes:
    """A length-delimited field: a message, string or bytes, given in one or several parts."""
    payload = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
