"""As much CBOR (RFC 8949) as the emulated device needs: integers, strings, arrays, maps, true, false and null."""

from __future__ import annotations

from typing import Any

_DEPTH = 8


def encode(value: Any) -> bytes:
    """Definite lengths, shortest heads.

    Raises
    ------
    TypeError
        There is no CBOR for it here.
    """
    if isinstance(value, bool) or value is None:
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(encode(key) + encode(item) for key, item in value.items())
    raise TypeError(f"no CBOR for a {type(value).__name__}")


def decode(data: bytes) -> Any:
    """One whole value.

    Raises
    ------
    ValueError
        It is cut off, too deep, or uses what is not supported here.
    """
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the value")
    return value


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes((kind << 5 | number,))
    size = next(exponent for exponent in range(4) if number < 1 << (8 << exponent))
    return bytes((kind << 5 | 24 + size,)) + number.to_bytes(1 << size)


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if at >= len(data) or depth > _DEPTH:
        raise ValueError("cut off, or too deep")
    kind, number = data[at] >> 5, data[at] & 31
    at += 1
    if kind == 7:
        if number not in (20, 21, 22):
            raise ValueError("an unsupported simple value")
        return {20: False, 21: True, 22: None}[number], at
    if number >= 24:
        if number > 27:
            if kind in (4, 5) and number == 31:
                return _endless(data, at, depth, kind)
            raise ValueError("an unsupported length")
        size = 1 << number - 24
        number, at = int.from_bytes(data[at : at + size]), at + size
    if kind < 2:
        return (number if kind == 0 else -1 - number), at
    if kind < 4:
        raw = data[at : at + number]
        if len(raw) != number:
            raise ValueError("a string is cut off")
        return (raw if kind == 2 else raw.decode()), at + number
    if kind > 5 or number > len(data):
        raise ValueError("a tag, or more items than bytes")
    items = []
    for _ in range(number * (kind - 3)):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return (items if kind == 4 else _pairs(items)), at


def _endless(data: bytes, at: int, depth: int, kind: int) -> tuple[Any, int]:
    items = []
    while data[at : at + 1] != b"\xff":
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return (items if kind == 4 else _pairs(items)), at + 1


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2 or any(isinstance(key, list | dict) for key in items[::2]):
        raise ValueError("a map with odd keys")
    return dict(zip(items[::2], items[1::2], strict=True))
