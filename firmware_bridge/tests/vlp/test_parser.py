"""Frames out of bytes, whatever the bytes."""

import random
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line import damaged

from vedette_bridge.vlp.control import Boot, Hello
from vedette_bridge.vlp.frame import AUTH, BULK, CTL, IMAGE, REL, SYNC, VENDOR, encode, stall_us
from vedette_bridge.vlp.parser import Parser, buffer_size

SALT = 0x12345678
CHANNEL = VENDOR[0]
PAYLOADS = st.binary(max_size=200) | st.just(SYNC * 20) | st.just(b"\xff" * 9)
PIECES = st.one_of(
    st.binary(max_size=40),
    st.just(SYNC),
    st.builds(
        lambda vf, ch, seq, payload, salt: encode(vf, ch, seq, 1, 2, 1, payload, salt),
        st.sampled_from([0, REL, REL | AUTH, AUTH, 1, 128]),
        st.sampled_from([CTL, IMAGE, CHANNEL, 200]),
        st.integers(0, 65535),
        PAYLOADS | st.just(Boot(1).encode()),
        st.sampled_from([SALT, 0, 7]),
    ),
)


def pulled(parser):
    frames = []
    while (frame := parser.pull()) is not None:
        frames.append(frame)
    return frames


def parse(chunks, limit=256, salt=SALT):
    parser = Parser(limit)
    parser.salt = salt
    frames = []
    for chunk in chunks:
        parser.push(chunk)
        frames += pulled(parser)
    return parser, frames


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map(b"".join), st.lists(st.integers(0, 3000), max_size=12))
def test_the_same_frames_however_the_bytes_are_cut(raw, cuts):
    whole, frames = parse([raw])
    ends = sorted({cut for cut in cuts if cut < len(raw)} | {0, len(raw)})
    pieces, again = parse([raw[a:b] for a, b in pairwise(ends)])
    bytewise, once_more = parse([raw[at : at + 1] for at in range(len(raw))])
    assert frames == again == once_more
    assert whole.rejected == pieces.rejected == bytewise.rejected
    taken = sum(16 + len(frame.payload) + (4 if frame.payload else 0) for frame in frames)
    for parser in (whole, pieces, bytewise):
        left = len(parser._data) - parser._at
        assert left <= buffer_size(256)
        assert taken + parser.skipped + left == len(raw)
        while parser.pull_stalled() is not None:
            pass
        assert not parser.partial


@settings(max_examples=200, deadline=None)
@given(PAYLOADS, st.integers(0, 65535), st.data())
def test_every_change_of_one_to_three_bits_is_found(payload, seq, raw):
    frame = encode(REL, CHANNEL, seq, 3, 4, BULK, payload, SALT)
    bits = raw.draw(st.sets(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=3))
    wrong = bytearray(frame)
    for bit in bits:
        wrong[bit // 8] ^= 1 << bit % 8
    assert parse([bytes(wrong)])[1] == []


@pytest.mark.parametrize("kind", ["flip", "drop", "insert", "burst", "gap"])
@pytest.mark.parametrize("size", [128, 1024, 4096])
def test_an_error_costs_little_more_than_the_frame_that_it_hit(kind, size):
    rng = random.Random(kind + str(size))
    events, lost = 150, 0
    for _ in range(events):
        frames = [encode(REL, CHANNEL, seq, 0, 0, BULK, rng.randbytes(size), SALT) for seq in range(5)]
        wire = b"".join(frames)
        at = rng.randrange(len(frames[0]), 2 * len(frames[0]))  # anywhere in the second
        wire = (
            wire[:at] + damaged(wire[at : at + 64], rng, kind) + wire[at + 64 :]
            if kind != "flip"
            else flip(wire, at)
        )
        lost += 5 - len(parse([wire], limit=8192)[1])
    hit = events * (1 + (64 - 1) / (size + 20) if kind == "gap" else 1)  # a gap often hits two
    assert lost <= 1.05 * hit + (events * 16 / (size + 20) if kind == "burst" else 0)


def flip(wire, at):
    return wire[:at] + bytes((wire[at] ^ 16,)) + wire[at + 1 :]


def test_a_damaged_length_does_not_swallow_what_follows():
    frames = [encode(REL, CHANNEL, seq, 0, 0, BULK, bytes(100), SALT) for seq in range(3)]
    wrong = bytearray(b"".join(frames))
    wrong[8:10] = (8000).to_bytes(2, "little")
    assert [frame.seq for frame in parse([bytes(wrong)], limit=8192)[1]] == [1, 2]


def test_random_bytes_hold_no_frame():
    rng = random.Random(1)
    _, frames = parse([rng.randbytes(4096) for _ in range(256)], limit=8192)
    assert frames == []


def test_a_megabyte_of_another_session_holds_no_frame_but_its_greetings():
    rng = random.Random(2)
    old = [encode(REL, CHANNEL, seq, 0, 9, BULK, rng.randbytes(1024), SALT + 1) for seq in range(1024)]
    hello = Hello(session=SALT + 1, maxpl=64, window=1, nonce=bytes(16)).encode()
    parser, frames = parse([*old, encode(0, CTL, 0, 0, 0, 0, hello, 0)], limit=8192)
    assert [(frame.ch, frame.salted) for frame in frames] == [(CTL, False)]
    assert parser.rejected["header"] >= 1024


def test_a_frame_of_an_old_session_inside_a_damaged_one_is_not_found():
    inner = encode(REL, CHANNEL, 5, 0, 0, BULK, b"stale", SALT + 1)
    outer = bytearray(encode(REL, IMAGE, 0, 0, 0, BULK, b"x" * 20 + inner + b"y" * 20, SALT))
    outer[20] ^= 1
    assert parse([bytes(outer)])[1] == []


@pytest.mark.parametrize(
    ("frame", "check"),
    [
        (encode(1, CTL, 0, 0, 0, 0, b"\4", SALT), "version"),
        (encode(128, CTL, 0, 0, 0, 0, b"\4", SALT), "version"),
        (encode(REL, CHANNEL, 0, 0, 0, 1, bytes(257), SALT), "length"),
        (encode(REL, CHANNEL, 0, 0, 0, 2, b"x", SALT), "stream"),
        (encode(REL, CTL, 0, 0, 0, 0, b"\4", SALT), "kind"),
        (encode(AUTH, CHANNEL, 0, 0, 0, 0, b"\4", SALT), "kind"),
        (encode(0, CTL, 0, 0, 0, 0, b"\4", SALT ^ 1), "header"),
        (encode(REL, CHANNEL, 0, 0, 0, 0, Boot(1).encode(), 0), "header"),
        (encode(0, CTL, 0, 0, 0, 0, b"\4", SALT)[:-1] + b"!", "payload"),
        (encode(0, CTL, 0, 0, 0, 0, b"\4", 0), "unsalted"),
        (encode(0, CTL, 0, 0, 0, 0, b"", 0), "unsalted"),
    ],
)
def test_each_failure_is_counted_under_the_check_that_failed(frame, check):
    parser, frames = parse([frame])
    assert frames == []
    assert parser.rejected == {check: 1}
    good = encode(REL, CHANNEL, 0, 0, 0, 1, b"good", SALT)
    parser.push(good)
    assert [found.payload for found in pulled(parser)] == [b"good"]
    assert parser.skipped == len(frame)


def test_what_is_cut_off_is_given_up_when_nothing_comes_any_more():
    good = encode(REL, CHANNEL, 7, 0, 0, 1, b"good", SALT)
    cut = encode(REL, CHANNEL, 6, 0, 0, 1, bytes(200), SALT)[:30]
    parser, frames = parse([cut + good])
    assert (frames, parser.partial) == ([], True)
    found = parser.pull_stalled()
    assert found is not None
    assert found.seq == 7
    assert parser.rejected["stall"] == 1
    assert not parser.partial


@pytest.mark.parametrize(
    ("baud", "us"),
    [(None, 20_000), (3_000_000, 20_000), (115_200, 51_388), (9_600, 616_664), (921_600, 20_312)],
)
def test_the_time_that_a_partial_frame_may_wait(baud, us):
    assert stall_us(baud, 8192) == us


def test_headers_upon_headers_cost_time_in_proportion_to_the_bytes():
    """Each of these headers is right, and asks for 8192 bytes that turn out wrong."""
    header = encode(0, CTL, 0, 0, 0, 0, bytes(8192), 0)[:16]
    parser = Parser(8192)
    for _ in range(64):
        parser.push(header * 64)
        assert pulled(parser) == []
    assert len(parser._data) - parser._at <= buffer_size(8192)


def test_salt_zero_is_the_plain_crc():
    frame = encode(0, CTL, 1, 2, 3, 1, b"x", 0)
    assert int.from_bytes(frame[12:16], "little") == zlib.crc32(frame[2:12])
