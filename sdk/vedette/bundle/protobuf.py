"""Read the protobuf wire format, as far as ONNX files need it (https://protobuf.dev/programming-guides/encoding/).

The ``onnx`` package is 100 MB with its dependencies: too much for an edge box, to look into a model file.
What another reader could take for something else is malformed here: groups, numbers that are too long, and field
numbers beyond 29 bits, of which some readers drop the upper bits.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_NUMBER = 2**29 - 1

Message = memoryview
Field = tuple[int, int | Message, Message]
"""Number, value, and the bytes of the whole field. Fixed-width values are left as their bytes."""


class MalformedError(ValueError):
    """The bytes are not a protobuf message."""


def read_fields(message: Message) -> Iterator[Field]:
    """The fields of a message, in its order.

    Raises
    ------
    MalformedError
        A field is cut off, or of an unknown wire type or impossible number.
    """
    position = 0
    while position < len(message):
        start = position
        tag, position = _read_varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _MAX_NUMBER:
            raise MalformedError(f"the field at byte {start} has the number {number}")
        value: int | Message
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire_type)
            if wire_type == _BYTES:
                length, position = _read_varint(message, position)
            if length is None or position + length > len(message):
                raise MalformedError(f"field {number} at byte {start} is cut off or of an unknown type")
            value = message[position : position + length]
            position += length
        yield number, value, message[start:position]


def read_messages(message: Message, number: int) -> Iterator[Message]:
    """The values of a length-delimited field: messages, strings and bytes."""
    for found, value, _ in read_fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def read_int(message: Message, number: int, default: int = 0) -> int:
    """The value of an integer field; the last one counts."""
    for found, value, _ in read_fields(message):
        if found == number and isinstance(value, int):
            default = value
    return default


def read_text(message: Message, number: int) -> str:
    """The value of a string field, empty if it is not there."""
    text = b""
    for value in read_messages(message, number):
        text = bytes(value)
    return text.decode(errors="replace")


def _read_varint(message: Message, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 64:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise MalformedError(f"a number that ends at byte {position} is cut off or too long")
