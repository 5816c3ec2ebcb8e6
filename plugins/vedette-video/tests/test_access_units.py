from fractions import Fraction

import av
import pytest

from vedette_video.access_units import AccessUnits, continues

START = b"\0\0\0\1"
SPS, PPS, AUD, SEI = (START + bytes([kind]) + b"xyz" for kind in (0x67, 0x68, 0x09, 0x06))
FIRST, NEXT = START + b"\x65\x88rest", START + b"\x65\x12rest"  # first_mb_in_slice: 0 is a single 1 bit


@pytest.mark.parametrize(
    ("data", "codec", "goes_on"),
    [
        (FIRST, "h264", False),
        (NEXT, "h264", True),
        (SPS + PPS + NEXT, "h264", True),
        (AUD + SPS + PPS + SEI + FIRST + NEXT, "h264", False),
        (SPS + PPS, "h264", False),
        (b"", "h264", False),
        (START, "h264", False),
        (START + b"\x65", "h264", False),
        (b"garbage" * 10, "h264", False),
        (START + b"\x26\x01\xaf", "hevc", False),
        (START + b"\x26\x01\x2f", "hevc", True),
        (START + b"\x40\x01\x0c" + START + b"\x02\x01\x10", "hevc", True),
    ],
)
def test_what_continues_a_picture(data, codec, goes_on):
    assert continues(data, codec) is goes_on


def packet(data, pts=None, key=False):
    made = av.Packet(data)
    made.pts, made.is_keyframe, made.time_base = pts, key, Fraction(1, 90000)
    return made


def run(packets):
    units = AccessUnits("h264")
    return [[(bytes(unit), unit.pts, unit.is_keyframe) for unit in units.push(one)] for one in packets]


def test_parts_of_key_pictures_are_joined():
    parts = [packet(SPS + FIRST, None, True), packet(PPS + NEXT, 7, True), packet(PPS + NEXT, 7, True)]
    again = [packet(SPS + FIRST, 9, True), packet(PPS + NEXT, 9, True)]
    plain = packet(FIRST, 8)
    whole = (SPS + FIRST + PPS + NEXT + PPS + NEXT, 7, True)
    assert run([*parts, plain, *again, packet(FIRST, 10)]) == [
        [],
        [],
        [],
        [whole, (FIRST, 8, False)],
        [],
        [],
        [(SPS + FIRST + PPS + NEXT, 9, True), (FIRST, 10, False)],
    ]


def test_where_key_pictures_are_whole_only_the_first_waits():
    sent = [packet(SPS + FIRST, 1, True), packet(FIRST, 2), packet(SPS + FIRST, 3, True), packet(FIRST, 4)]
    assert [len(out) for out in run(sent)] == [0, 2, 1, 1]


def test_key_pictures_only():
    assert [len(out) for out in run([packet(FIRST, number, True) for number in range(4)])] == [0, 2, 1, 1]
