"""Sessions begin, end and begin again, whatever restarts when; nothing from before is taken for something new."""

import pytest
from line import OTHER, SIDES, Faults, Line, frames_of
from pair import CHANNEL, KEY, both_up, box, bring_up, device, messages, of_type, paired, settle

from vedette_bridge.errors import LinkDownError, ParameterError
from vedette_bridge.vlp.config import Limits
from vedette_bridge.vlp.control import Boot, Hello, Type, Welcome
from vedette_bridge.vlp.events import Down, Message, Up
from vedette_bridge.vlp.frame import BULK, CONTROL, CTL, RPC, encode
from vedette_bridge.vlp.link import Link

START, FAST = 115_200, 3_000_000
RATES = {"start_baud": START, "baud": START, "device": {"bauds": (FAST,)}}


class Scenario:
    """Both sides send numbered messages as soon as they are up; one restarts at ``at_us``."""

    def __init__(self, restarted, at_us, *, key=None, fast=False):
        self.line = Line(
            box(start_baud=START, key=key), device(start_baud=START, bauds=(FAST,), key=key), baud=START
        )
        self.fast = fast
        self.got = {side: [] for side in SIDES}
        """What came in the latest session."""
        self.up_us = 0
        self.line.on_event = self.take
        self.line.start()
        self.line.run(1_000_000 + at_us)
        self.line.restart(restarted, **({"boot_id": 2} if restarted == "device" else {}))
        self.again_us = self.line.now_us

    def take(self, side, event):
        if isinstance(event, Up):
            self.got[side] = []
            self.up_us = self.line.now_us
            for sid, channel in ((CONTROL, RPC), (BULK, CHANNEL)):
                for number in range(3):
                    self.line.links[side].send(channel, self.text(side, sid, number), sid=sid)
            if self.fast and side == "box":
                self.line.links["box"].ask_baud(FAST)
        elif isinstance(event, Message):
            self.got[side].append(event.payload)

    def text(self, side, sid, number):
        """Says which life of a side it is from."""
        return b"%s %d: %d %d" % (side.encode(), id(self.line.links[side]), sid, number)

    def check(self, within_us):
        """Up in time and for good, and everything of this session, and nothing else, was delivered once, in order."""
        self.line.run(self.again_us + within_us + 2_000_000)
        assert both_up(self.line)
        assert self.up_us - self.again_us <= within_us
        assert settle(self.line)
        for side in SIDES:
            for sid in (CONTROL, BULK):
                sent = [self.text(OTHER[side], sid, number) for number in range(3)]
                assert [payload for payload in self.got[side] if b": %d " % sid in payload] == sent
            assert len(self.got[side]) == 6


STEPS_US = [*range(0, 60_000, 500), *range(60_000, 500_000, 40_000)]
RATE_STEPS_US = [*range(0, 90_000, 1_000), *range(90_000, 900_000, 100_000)]


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "paired"])
@pytest.mark.parametrize("restarted", SIDES)
def test_a_restart_at_any_step_at_a_constant_rate(restarted, key):
    for at_us in STEPS_US:
        Scenario(restarted, at_us, key=key).check(1_000_000)


@pytest.mark.parametrize("restarted", SIDES)
def test_a_restart_at_any_step_of_a_change_of_rate(restarted):
    for at_us in RATE_STEPS_US:
        scenario = Scenario(restarted, at_us, fast=True)
        scenario.check(3_000_000)
        assert scenario.line.baud == {"box": FAST, "device": FAST}


@pytest.mark.parametrize("seed", range(4))
def test_random_restarts_on_a_bad_line(seed):
    line = paired(Limits(maxpl=256), **RATES, faults=Faults.each(0.01), seed=seed)
    for number in range(12):
        line.pass_time(line.rng.randrange(1_500_000))
        if line.rng.random() < 0.3 and line.links["box"].state == "up" and line.baud["box"] == START:
            line.links["box"].ask_baud(FAST)
        side = line.rng.choice(SIDES)
        begin, constant = line.now_us, line.baud["box"] == line.baud["device"] == START
        line.restart(side, **({"boot_id": number + 5} if side == "device" else {}))
        assert line.pass_time(3_500_000, lambda: both_up(line))
        assert not constant or line.now_us - begin <= 1_500_000  # a greeting may be lost here


def test_a_second_greeting_soon_after_the_first_may_come_from_one_damaged_frame():
    line = paired()
    hello = greeting(session=99)
    line.inject("device", hello + hello)
    assert line.links["device"].state == "up"
    line.pass_time(50_000)
    line.inject("device", hello)
    assert line.links["device"].state == "up"


def test_a_greeting_counts_the_second_time_if_nothing_of_the_session_came_in_between():
    line = paired()
    line.ways["box"].cut = True
    line.inject("device", greeting(session=99))
    line.pass_time(200_000)
    line.inject("device", greeting(session=99))
    assert of_type(line, "device", Down) == [Down("peer restarted", 0)]
    assert line.links["device"].state == "half-open"


def test_greetings_do_not_end_a_session_that_is_heard():
    line = paired()
    for _ in range(10):
        line.inject("device", greeting(session=99))
        line.pass_time(300_000)  # a heartbeat comes through
    assert both_up(line)
    assert not of_type(line, "device", Down)


def test_boot_of_a_device_that_is_well_is_ignored():
    line = paired()
    line.inject("box", encode(0, CTL, 0, 0, 0, 0, Boot(7).encode(), 0))
    line.pass_time(1_000_000)
    assert not of_type(line, "box", Down)


def test_a_box_with_long_patience_notices_a_restart_soon_even_with_a_long_rto():
    line = paired(Limits(timeout_us=10_000_000))
    for _ in range(20):
        line.links["box"].send(CHANNEL, b"x")
    line.ways["box"].cut = True
    line.pass_time(4_000_000)  # the time-out has doubled to a second
    line.ways["box"].cut = False
    line.restart("device", boot_id=2)
    assert bring_up(line, 1_000_000)
    assert of_type(line, "box", Down) == [Down("peer restarted", 20)]


def test_a_welcome_of_the_same_session_with_another_nonce_means_that_the_device_forgot_it():
    line = paired()
    terms = line.links["box"].terms
    again = Welcome(session=terms.session, window=8, maxpl=512, nonce=bytes(16)).encode()
    line.inject("box", encode(0, CTL, 0, 0, 0, 0, again, 0))
    assert of_type(line, "box", Down) == [Down("peer restarted", 0)]
    assert bring_up(line)


def test_a_welcome_that_comes_twice_changes_nothing():
    line, welcomes = Line(box(), device()), []

    def twice(side, frame):
        if side == "device" and frame[3] == CTL and frame[16:17] == bytes((Type.WELCOME,)):
            welcomes.append(frame)
        return [frame]

    line.fate = twice
    line.start()
    assert bring_up(line)
    line.inject("box", welcomes[0])
    line.pass_time(500_000)
    assert both_up(line)
    assert len(of_type(line, "box", Up)) == 1


@pytest.mark.parametrize("lost", range(1, 5))
@pytest.mark.parametrize("side", SIDES)
def test_greetings_may_be_lost(side, lost):
    line, count = Line(box(), device()), [0]

    def lose(sender, frame):
        if sender == side and frame[3] == CTL and frame[16] in (Type.HELLO, Type.WELCOME):
            count[0] += 1
            if count[0] <= lost:
                return []
        return [frame]

    line.fate = lose
    line.start()
    assert bring_up(line, lost * 200_000 + 300_000)


def test_half_open_nothing_but_the_welcome_leaves_and_nothing_is_taken():
    line = Line(box(), device())
    line.links["device"].start()
    line._pump("device")
    line.links["device"].take_output()
    link = line.links["device"]
    link.feed(greeting(session=5))
    assert link.state == "half-open"
    with pytest.raises(LinkDownError):
        link.send(CHANNEL, b"x")
    sent = frames_of(link.take_output())
    assert [frame[16] for frame in sent] == [Type.WELCOME]
    link.feed(encode(0, CTL, 0, 0, 0, 0, b"\x04" + bytes(15), salt=6))  # of another session
    assert link.state == "half-open"
    assert [type(event) for event in link.feed(encode(0, CTL, 0, 0, 1, 0, b"\x04" + bytes(15), salt=5))] == [
        Up
    ]


def test_a_device_that_is_welcomed_and_never_heard_tells_nobody_that_a_session_ended():
    line = Line(box(), device())
    line.links["device"].start()
    line.links["device"].feed(greeting(session=5))
    line.pass_time(2_000_000)
    assert line.links["device"].state == "opening"
    assert line.events["device"] == []


def test_closing_says_goodbye_and_a_closed_link_can_begin_again():
    line = paired(**RATES)
    line.links["box"].ask_baud(FAST)
    line.pass_time(500_000)
    assert line.links["box"].baud == FAST
    message = line.links["box"].send(CHANNEL, bytes(50))
    goodbye = line.links["box"].close()
    assert message.state == "failed"
    assert (line.links["box"].state, line.links["box"].due_us, line.links["box"].take_output()) == (
        "closed",
        None,
        b"",
    )
    with pytest.raises(LinkDownError):
        line.links["box"].send(CHANNEL, b"x")
    line.inject("device", goodbye)
    assert of_type(line, "device", Down) == [Down("peer closed", 0)]
    line.baud["box"] = START  # the owner opens its port anew
    line.links["box"].start()
    assert line.links["box"].baud == START
    assert bring_up(line)
    line.links["box"].send(CHANNEL, b"again")
    assert settle(line)
    assert messages(line, "device") == [b"again"]


def test_the_smaller_limits_hold_in_both_directions():
    line = Line(
        box(limits=Limits(maxpl=1024, window=4)),
        device(limits=Limits(maxpl=300, window=16), identity={2: "S1"}),
    )
    line.start()
    assert bring_up(line)
    ups = [of_type(line, side, Up)[0] for side in SIDES]
    assert {(up.maxpl, up.window) for up in ups} == {(300, 4)}
    assert ups[0].identity == {2: "S1"}
    for side in SIDES:
        with pytest.raises(ParameterError, match="a frame takes 300"):
            line.links[side].send(CHANNEL, bytes(301))


@pytest.mark.parametrize(("role", "size"), [("box", 30), ("device", 200)])
def test_an_identity_that_no_greeting_holds_is_refused(role, size):
    with pytest.raises(ParameterError, match="identity"):
        {"box": box, "device": device}[role](identity={0: "x" * size})


def test_no_version_in_common_is_told_and_there_is_no_session():
    line = Line(box(), device())
    line.links["device"].start()
    line.links["device"].take_output()
    line.links["device"].feed(greeting(session=5, vmin=2, vmax=3))
    (answer,) = frames_of(line.links["device"].take_output())
    welcome = Welcome.decode(answer[16:-4])
    assert (welcome.version, welcome.flags) == (0, 4)
    assert line.links["device"].state == "opening"
    line.links["box"].start()
    own = Hello.decode(frames_of(line.links["box"].take_output())[0][16:-4]).session
    refusal = Welcome(version=0, flags=4, session=own, window=1, maxpl=64, nonce=bytes(16)).encode()
    events = line.links["box"].feed(encode(0, CTL, 0, 0, 0, 0, refusal, 0))
    assert [event.reason for event in events] == ["version"]
    assert line.links["box"].state == "opening"


def test_a_rate_change_under_way_when_the_session_ends_is_undone():
    """The shell was asked for a rate; before it reports, the link goes down: it must be asked for the start rate."""
    line = paired(**RATES)
    line.links["box"].ask_baud(FAST)
    switched = []
    line.tell = lambda side, events: switched.extend((side, event) for event in events)
    assert line.pass_time(500_000, lambda: any(side == "box" for side, _ in switched))
    link = line.links["box"]
    assert link.take_output() == b""
    events = link.feed(encode(0, CTL, 0, 0, 0, 0, bytes((Type.BYE, 0)), link.terms.session))
    assert [getattr(event, "baud", None) for event in events] == [None, START]
    assert link.take_output() == b""  # nothing at a wrong rate
    assert link.baud_switched(FAST) == []
    assert link.take_output() == b""
    assert link.baud_switched(START) == []
    assert frames_of(link.take_output())[0][16] == Type.HELLO


def test_a_clock_that_goes_back_stops_nothing():
    line = paired()
    for side in SIDES:
        line.stepped[side] -= 3_600_000_000
        line.links[side].send(CHANNEL, b"later")
        assert settle(line, 1_000_000)
        line.pass_time(3_000_000)
    assert both_up(line)
    assert not any(of_type(line, side, Down) for side in SIDES)


def test_a_clock_that_jumps_ahead_costs_a_session_at_most():
    line = paired()
    line.stepped["box"] += 3_600_000_000
    assert line.pass_time(2_000_000, lambda: len(of_type(line, "box", Up)) == 2 and both_up(line))
    line.links["box"].send(CHANNEL, b"on")
    assert settle(line)


def greeting(session, **fields):
    hello = Hello(session=session, maxpl=512, window=8, nonce=bytes(16), **fields)
    return encode(0, CTL, 0, 0, 0, 0, hello.encode(), 0)


def test_a_link_needs_no_more_than_a_clock():
    link = Link(box(), lambda: 5)
    assert (link.state, link.due_us, link.feed(b"x"), link.poll()) == ("closed", None, [], [])
