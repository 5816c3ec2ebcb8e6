"""The subset of CBOR (RFC 8949) that VLP/1 uses: definite lengths, no floats, no tags, depth at most 4."""

import struct

MAX_DEPTH = 4


def dumps(value):
    """Encode None, bool, int, str, bytes, list, tuple, dict; ValueError or TypeError for anything else.

    Keys go in the order of the dict, which in MicroPython is arbitrary unless it is an OrderedDict.
    """
    out = bytearray()
    _write(out, value, MAX_DEPTH)
    return bytes(out)


def loads(data):
    """Decode one item that takes all of ``data`` (bytes or a view of them); ValueError if it is anything else."""
    value, end = _read(memoryview(data), 0, MAX_DEPTH)
    if end != len(data):
        raise ValueError("CBOR: bytes after the item")
    return value


def load_map(data):
    """Decode a map; ValueError for anything else."""
    value = loads(data)
    if not isinstance(value, dict):
        raise ValueError("CBOR: not a map")
    return value


def _head(out, major, number):
    major <<= 5
    if number < 24:
        out.append(major | number)
    elif number < 0x100:
        out.extend(bytes((major | 24, number)))
    elif number < 0x10000:
        out.extend(struct.pack(">BH", major | 25, number))
    elif number < 0x100000000:
        out.extend(struct.pack(">BI", major | 26, number))
    elif number < 0x10000000000000000:
        out.extend(struct.pack(">BQ", major | 27, number))
    else:
        raise ValueError("CBOR: a number beyond 64 bits")


def _write(out, value, depth):
    if value is None or value is True or value is False:
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _head(out, 0, value)
        else:
            _head(out, 1, -1 - value)
    elif isinstance(value, str):
        text = value.encode()
        _head(out, 3, len(text))
        out.extend(text)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _head(out, 2, len(value))
        out.extend(value)
    elif isinstance(value, (list, tuple, dict)):
        if not depth:
            raise ValueError("CBOR: too deep")
        if isinstance(value, dict):
            _head(out, 5, len(value))
            for key in value:
                if key < 0:
                    raise ValueError("CBOR: keys are unsigned")
                _head(out, 0, key)
                _write(out, value[key], depth - 1)
        else:
            _head(out, 4, len(value))
            for item in value:
                _write(out, item, depth - 1)
    else:
        raise TypeError("CBOR: a type that is not used here")


def _number(data, at):
    """Major type, number, and where the head ends."""
    if at >= len(data):
        raise ValueError("CBOR: cut off")
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    if short < 24:
        return major, short, at
    if short > 27 or major == 7:
        raise ValueError("CBOR: floats and indefinite lengths are not used")
    size = 1 << (short - 24)
    if at + size > len(data):
        raise ValueError("CBOR: cut off")
    return major, int.from_bytes(data[at : at + size], "big"), at + size


def _read(data, at, depth):
    major, number, at = _number(data, at)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 7 and 20 <= number <= 22:
        return (False, True, None)[number - 20], at
    if major > 5:
        raise ValueError("CBOR: a type that is not used here")
    if number > len(data) - at:  # each item takes a byte at least
        raise ValueError("CBOR: cut off")
    if major < 4:
        raw = data[at : at + number]
        return (bytes(raw) if major == 2 else str(raw, "utf-8")), at + number
    if not depth:
        raise ValueError("CBOR: too deep")
    return (_read_map if major == 5 else _read_list)(data, at, number, depth - 1)


def _read_list(data, at, count, depth):
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth)
        items.append(item)
    return items, at


def _read_map(data, at, count, depth):
    items = {}
    for _ in range(count):
        major, key, at = _number(data, at)
        if major or key in items:
            raise ValueError("CBOR: keys are different unsigned integers")
        items[key], at = _read(data, at, depth)
    return items, at
