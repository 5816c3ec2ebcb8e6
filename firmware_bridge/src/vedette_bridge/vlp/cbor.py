"""The subset of CBOR (RFC 8949) that VLP uses: definite lengths, no floats, no tags, depth at most 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vedette_bridge.errors import ProtocolError

MAX_DEPTH = 4
Value = int | bytes | str | bool | None | Sequence[Any] | Mapping[int, Any]

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 1, 2, 3, 4, 5, 7
_SIMPLES: dict[int, bool | None] = {20: False, 21: True, 22: None}


def dumps(value: Value) -> bytes:
    """Encode; integers in the shortest form, map keys in the order given.

    Raises
    ------
    TypeError
        A type that the subset does not have.
    ValueError
        An integer beyond 64 bits, a map key that is not a small unsigned integer, or too deep.

    >>> dumps({0: 7, 2: [True, "x"]}).hex()
    'a200070282f56178'
    """
    out = bytearray()
    _write(out, value, MAX_DEPTH)
    return bytes(out)


def loads(data: bytes) -> Any:
    """Decode one item that takes all of ``data``.

    Raises
    ------
    ProtocolError
        It is cut off, too long, too deep, not of the subset, or a map repeats a key.
    """
    value, end = decode(data, 0)
    if end != len(data):
        raise ProtocolError(f"invalid CBOR: {len(data) - end} bytes after the item")
    return value


def load_map(data: bytes) -> dict[int, Any]:
    """Decode a map with unsigned keys; raises :class:`ProtocolError` for anything else."""
    value = loads(data)
    if not isinstance(value, dict):
        raise ProtocolError("invalid CBOR: a map was expected")
    return value


def decode(data: bytes, at: int) -> tuple[Any, int]:
    """One item at ``at``, and where it ends."""
    return _read(data, at, MAX_DEPTH)


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
        return
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            out.append(major << 5 | code)
            out += number.to_bytes(size, "big")
            return
    raise ValueError(f"{number} is beyond 64 bits")


def _write(out: bytearray, value: Value, depth: int) -> None:
    match value:
        case bool() | None:
            out.append(_SIMPLE << 5 | {False: 20, True: 21, None: 22}[value])
        case int():
            _head(out, *((_UINT, value) if value >= 0 else (_NEGATIVE, -1 - value)))
        case str():
            text = value.encode()
            _head(out, _TEXT, len(text))
            out += text
        case bytes() | bytearray() | memoryview():
            _head(out, _BYTES, len(value))
            out += value
        case Mapping():
            _descend(depth)
            _head(out, _MAP, len(value))
            for key, item in value.items():
                if key < 0:
                    raise ValueError(f"{key!r} is not a key of a map: they are unsigned integers")
                _head(out, _UINT, key)
                _write(out, item, depth - 1)
        case list() | tuple():
            _descend(depth)
            _head(out, _ARRAY, len(value))
            for item in value:
                _write(out, item, depth - 1)
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be sent")


def _descend(depth: int) -> None:
    if not depth:
        raise ValueError(f"deeper than {MAX_DEPTH} levels")


def _number(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, number, and where the head ends."""
    if at >= len(data):
        raise ProtocolError("invalid CBOR: it is cut off")
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    if short < 24:
        return major, short, at
    if short > 27 or major == _SIMPLE:
        raise ProtocolError("invalid CBOR: floats and indefinite lengths are not used")
    size = 1 << short - 24
    if at + size > len(data):
        raise ProtocolError("invalid CBOR: it is cut off")
    return major, int.from_bytes(data[at : at + size], "big"), at + size


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    major, number, at = _number(data, at)
    if major == _UINT:
        return number, at
    if major == _NEGATIVE:
        return -1 - number, at
    if major in (_BYTES, _TEXT):
        return _string(data, at, number, major)
    if major in (_ARRAY, _MAP):
        if not depth:
            raise ProtocolError(f"invalid CBOR: deeper than {MAX_DEPTH} levels")
        return (_array if major == _ARRAY else _map)(data, at, number, depth - 1)
    if major == _SIMPLE and number in _SIMPLES:
        return _SIMPLES[number], at
    raise ProtocolError("invalid CBOR: a type that is not used here")


def _string(data: bytes, at: int, size: int, major: int) -> tuple[bytes | str, int]:
    if size > len(data) - at:
        raise ProtocolError("invalid CBOR: a string is longer than its message")
    raw = data[at : at + size]
    if major == _BYTES:
        return raw, at + size
    try:
        return raw.decode(), at + size
    except UnicodeDecodeError:
        raise ProtocolError("invalid CBOR: a text is not UTF-8") from None


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(_plausible(count, data, at)):
        item, at = _read(data, at, depth)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[int, Any], int]:
    items: dict[int, Any] = {}
    for _ in range(_plausible(2 * count, data, at) // 2):
        major, key, at = _number(data, at)
        if major != _UINT or key in items:
            raise ProtocolError("invalid CBOR: the keys of a map are different unsigned integers")
        items[key], at = _read(data, at, depth)
    return items, at


def _plausible(count: int, data: bytes, at: int) -> int:
    """Each item takes a byte at least."""
    if count > len(data) - at:
        raise ProtocolError("invalid CBOR: it is cut off")
    return count
