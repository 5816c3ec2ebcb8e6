"""What a key protects, what it does not, and that nothing leads around it."""

import pytest
from line import SIDES, Line
from pair import CHANNEL, KEY, both_up, box, bring_up, device, messages, of_type, paired, settle

from vedette_bridge.errors import ParameterError
from vedette_bridge.vlp.config import Limits
from vedette_bridge.vlp.control import PROOF_AT, Type
from vedette_bridge.vlp.events import AuthFailed, Down, Message, PeerError, Refused, Up
from vedette_bridge.vlp.frame import AUTH, CONTROL, CTL, EVENT, FWUP, IMAGE, PTZ, REL, RPC, TRIGGER, encode
from vedette_bridge.vlp.security import TAGGED, tag


@pytest.mark.parametrize(
    ("box_key", "device_key", "reason"),
    [(KEY, bytes(32), "key"), (KEY, None, "unpaired"), (None, KEY, "open")],
)
def test_without_the_same_key_there_is_no_session(box_key, device_key, reason):
    line = Line(box(key=box_key), device(key=device_key))
    line.start()
    line.pass_time(3_000_000)
    assert {event.reason for event in of_type(line, "box", Refused)} == {reason}
    assert not any(of_type(line, side, Up) for side in SIDES)


def test_with_the_same_key_there_is_and_both_say_so():
    line = paired(key=KEY)
    assert all(of_type(line, side, Up)[0].paired for side in SIDES)
    for side in SIDES:
        for ch in sorted(TAGGED):
            line.links[side].send(ch, b"do")
    assert settle(line)
    assert all(messages(line, side) == [b"do"] * 4 for side in SIDES)


def sniffed(line):
    """Frames by the side that sent them."""
    seen = {side: [] for side in SIDES}
    before = line.fate

    def listen(side, frame):
        seen[side].append(frame)
        return before(side, frame)

    line.fate = listen
    return seen


def session_of(line):
    return line.links["box"].terms.session


@pytest.mark.parametrize("ch", sorted(TAGGED))
def test_a_command_without_a_tag_is_neither_delivered_nor_acknowledged(ch):
    line = paired(key=KEY)
    sid = 1 if ch == FWUP else 0
    for seq in range(5):
        line.inject("device", encode(REL, ch, seq, 0, 32, sid, b"forged", session_of(line)))
    line.pass_time(100_000)
    assert messages(line, "device") == []
    assert line.links["device"].statistics()["rx_auth_failed"] == 5
    assert of_type(line, "device", AuthFailed) == [AuthFailed(here=True)] * 5
    assert of_type(line, "box", AuthFailed) == [AuthFailed(here=False)]  # once a second
    line.links["box"].send(ch, b"genuine")
    assert settle(line)
    assert messages(line, "device") == [b"genuine"]


@pytest.mark.parametrize("ch", [*sorted(TAGGED), IMAGE])
def test_a_command_as_a_datagram_is_no_way_around_the_tag(ch):
    line = paired(key=KEY)
    line.inject("device", encode(0, ch, 0, 0, 32, 0, b"forged", session_of(line)))
    line.pass_time(10_000)
    assert of_type(line, "device", Message) == []
    assert [event.ch for event in of_type(line, "box", PeerError)] == [ch]
    with pytest.raises(ParameterError):
        line.links["box"].send_datagram(ch, b"x")


def test_a_number_from_before_the_beginning_is_a_wrong_tag():
    line = paired(key=KEY)
    line.inject("device", encode(REL | AUTH, RPC, 65535, 0, 32, 0, bytes(20), session_of(line)))
    line.inject(
        "device", encode(REL | AUTH, RPC, 0, 0, 32, 0, bytes(7), session_of(line))
    )  # shorter than a tag
    assert line.links["device"].statistics()["rx_auth_failed"] == 2


def test_a_tag_at_level_zero_is_wrong():
    line = paired()
    line.inject("device", encode(REL | AUTH, RPC, 0, 0, 32, 0, bytes(20), session_of(line)))
    assert line.links["device"].statistics()["rx_auth_failed"] == 1
    assert messages(line, "device") == []


def test_whatever_is_changed_in_a_tagged_frame_makes_it_wrong():
    line = paired(key=KEY)
    key = line.links["box"].terms.key
    right = {
        "key": key,
        "sender": "box",
        "number": 0,
        "vf": REL | AUTH,
        "ch": RPC,
        "sid": 0,
        "payload": b"do",
    }
    others = {
        "key": bytes(32),
        "sender": "device",
        "number": 65536,
        "vf": REL,
        "ch": PTZ,
        "sid": 1,
        "payload": b"no",
    }
    assert tag(**right) == tag(**{**right, "vf": REL | AUTH | 4})  # RTX may change
    for name, other in others.items():
        wrong = tag(**{**right, name: other})
        line.inject("device", encode(REL | AUTH, RPC, 0, 0, 32, 0, b"do" + wrong, session_of(line)))
        assert messages(line, "device") == [], name
    line.inject("device", encode(REL | AUTH, RPC, 0, 0, 32, 0, b"do" + tag(**right), session_of(line)))
    assert messages(line, "device") == [b"do"]


def test_a_tagged_frame_cannot_be_replayed_not_even_when_its_number_comes_again():
    line = paired(Limits(maxpl=64), key=KEY, latency_us=20)
    seen = sniffed(line)
    line.links["box"].send(TRIGGER, b"fire")
    assert settle(line)
    (recorded,) = [frame for frame in seen["box"] if frame[3] == TRIGGER]
    line.inject("device", recorded)
    assert messages(line, "device") == [b"fire"]
    assert line.links["device"].statistics()["rx_duplicates"] == 1
    line.on_event = lambda side, event: (
        line.events[side].append(event) if type(event) is not Message else None
    )
    link, sent = line.links["box"], 1
    while sent < 65536:  # until SEQ is 0 again
        while sent < 65536 and link.queued_bytes < 1000:
            link.send(CHANNEL, b"", sid=CONTROL) if sent % 2 else link.send(EVENT, b"x")
            sent += 1
        assert line.pass_time(5_000_000, lambda: link.queued_bytes < 500)
    assert settle(line)
    failed = line.links["device"].statistics()["rx_auth_failed"]
    line.on_event = lambda side, event: line.events[side].append(event)
    line.events["device"].clear()
    line.inject("device", recorded)
    assert messages(line, "device") == []
    assert line.links["device"].statistics()["rx_auth_failed"] == failed + 1


def test_a_session_cannot_be_replayed():
    """An eavesdropper plays the box of an earlier session to the device."""
    first = Line(box(key=KEY), device(key=KEY))
    seen = sniffed(first)
    first.start()
    assert bring_up(first)
    first.links["box"].send(TRIGGER, b"fire")
    assert settle(first)
    second = Line(box(key=KEY), device(key=KEY, boot_id=2), seed=2)
    second.links["device"].start()
    for frame in seen["box"]:
        second.inject("device", frame)
        second.pass_time(5_000)
    assert second.links["device"].state == "up"  # CRCs are no secrets ...
    assert messages(second, "device") == []  # ... and command nothing
    assert second.links["device"].statistics()["rx_auth_failed"] > 0


def test_a_recorded_welcome_does_not_pass_for_a_device():
    first = Line(box(key=KEY), device(key=KEY))
    seen = sniffed(first)
    first.start()
    assert bring_up(first)
    welcome = next(frame[16:-4] for frame in seen["device"] if frame[16] == Type.WELCOME)
    second = Line(box(key=KEY), device(key=KEY), seed=2)
    second.links["box"].start()
    hello = second.links["box"].take_output()
    session = hello[20:24]
    forged = welcome[:4] + session + welcome[8:]
    events = second.links["box"].feed(encode(0, CTL, 0, 0, 0, 0, forged, 0))
    assert events == [Refused("key")]


@pytest.mark.parametrize("at", range(64, 0, -1))
def test_nothing_in_a_welcome_can_be_changed_on_its_way(at):
    line = Line(box(key=KEY, identity={}), device(key=KEY))

    def change(side, frame):
        if side == "device" and frame[3] == CTL and frame[16] == Type.WELCOME:
            payload = bytearray(frame[16:-4])
            payload[at] ^= 1
            return [encode(0, CTL, 0, 0, 0, 0, bytes(payload), 0)]
        return [frame]

    line.fate = change
    line.start()
    line.pass_time(1_000_000)
    assert line.links["box"].state == "opening"


@pytest.mark.parametrize("at", [*range(1, 32)])
def test_nothing_in_a_hello_can_be_changed_on_its_way(at):
    line = Line(box(key=KEY), device(key=KEY))

    def change(side, frame):
        if side == "box" and frame[3] == CTL and frame[16] == Type.HELLO:
            payload = bytearray(frame[16:-4])
            payload[at] ^= 1
            return [encode(0, CTL, 0, 0, 0, 0, bytes(payload), 0)]
        return [frame]

    line.fate = change
    line.start()
    line.pass_time(1_000_000)
    assert line.links["box"].state == "opening"


def test_a_paired_device_stays_in_its_session_when_somebody_greets_it_openly():
    line = paired(key=KEY)
    hello = next(iter_hello())
    for _ in range(4):
        line.ways["box"].cut = True
        line.inject("device", hello)
        line.pass_time(150_000)
        line.ways["box"].cut = False
        line.pass_time(50_000)
    assert both_up(line)
    assert not of_type(line, "device", Down)


def iter_hello():
    line = Line(box(), device())
    line.links["box"].start()
    yield line.links["box"].take_output()


def test_the_proof_is_made_of_everything_but_itself():
    line = Line(box(key=KEY), device(key=KEY))
    line.start()
    assert bring_up(line)
    assert PROOF_AT == 32
    keys = {line.links[side].terms.key for side in SIDES}
    assert len(keys) == 1
    assert KEY not in keys
