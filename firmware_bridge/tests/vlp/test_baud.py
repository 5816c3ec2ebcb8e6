"""Another baud rate: it holds, or the old one is back, on both sides and in time."""

import pytest
from line import SIDES, damaged
from pair import CHANNEL, both_up, messages, of_type, paired, settle

from vedette_bridge.errors import LinkDownError, ParameterError
from vedette_bridge.vlp.baud import BaudSettled
from vedette_bridge.vlp.config import Limits
from vedette_bridge.vlp.control import Type
from vedette_bridge.vlp.events import Down
from vedette_bridge.vlp.frame import CTL

START, FAST = 115_200, 3_000_000
LONG = Limits(maxpl=1024)


def ready(limits=LONG, bauds=(FAST,)):
    line = paired(limits, start_baud=START, baud=START, device={"bauds": bauds})
    line.pass_time(300_000)
    return line


def settled(line, side):
    return [(event.baud, event.held) for event in of_type(line, side, BaudSettled)]


def of_kind(frame, *kinds):
    return frame[3] == CTL and frame[16] in kinds


def test_a_rate_that_both_can_holds_and_data_goes_on():
    line = ready()
    for side in SIDES:
        for number in range(20):
            line.links[side].send(CHANNEL, b"%d" % number + bytes(500))
    line.pass_time(20_000)  # in the middle of it
    line.links["box"].ask_baud(FAST)
    assert settle(line, 700_000)
    assert line.baud == {"box": FAST, "device": FAST}
    assert settled(line, "box") == settled(line, "device") == [(FAST, True)]
    assert all(len(messages(line, side)) == 20 for side in SIDES)
    assert not any(of_type(line, side, Down) for side in SIDES)
    assert all(link.baud == FAST for link in line.links.values())


def test_a_rate_that_the_device_cannot_is_refused_and_data_goes_on_at_once():
    line = ready(bauds=())
    line.links["box"].ask_baud(FAST)
    assert line.pass_time(25_000, lambda: settled(line, "box") == [(START, False)])
    for side in SIDES:
        line.links[side].send(CHANNEL, b"x")
    assert settle(line, 25_000)
    assert all(messages(line, side) == [b"x"] for side in SIDES)
    assert line.baud == {"box": START, "device": START}
    line.links["box"].ask_baud(FAST)  # may ask again


@pytest.mark.parametrize("bad", [SIDES, ("box",), ("device",)])
def test_a_rate_that_does_not_carry_is_left_again_without_losing_the_session(bad):
    line = ready()
    before = line.fate
    line.fate = lambda side, frame: (
        [damaged(frame, line.rng)] if side in bad and line.baud[side] == FAST else before(side, frame)
    )
    line.links["box"].send(CHANNEL, b"later")
    line.links["box"].ask_baud(FAST)
    line.pass_time(900_000)
    assert line.baud == {"box": START, "device": START}
    assert settled(line, "box") == [(START, False)]
    assert settle(line, 1_500_000)
    assert not any(of_type(line, side, Down) for side in SIDES)
    assert messages(line, "device") == [b"later"]


@pytest.mark.parametrize(("lost", "held"), [(0, True), (1, True), (2, False), (16, False)])
@pytest.mark.parametrize("way", SIDES)
def test_fifteen_of_sixteen_probes_are_enough(way, lost, held):
    line, count = ready(), [0]

    def lose(side, frame):
        if side == way and of_kind(frame, Type.BAUD_PROBE):
            count[0] += 1
            return [] if 2 <= count[0] < 2 + lost else [frame]
        return [frame]

    line.fate = lose
    line.links["box"].ask_baud(FAST)
    line.pass_time(3_000_000)
    assert line.baud == dict.fromkeys(SIDES, FAST if held else START)
    assert both_up(line)


@pytest.mark.parametrize("way", SIDES)
def test_a_probe_that_comes_twice_does_not_count_twice(way):
    line, count = ready(), [0]

    def repeat(side, frame):
        if side == way and of_kind(frame, Type.BAUD_PROBE):
            count[0] += 1
            return [frame, frame] if count[0] < 9 else [] if count[0] < 16 else [frame]
        return [frame]

    line.fate = repeat
    line.links["box"].ask_baud(FAST)
    line.pass_time(1_000_000)
    assert line.baud == {"box": START, "device": START}


@pytest.mark.parametrize("kind", [Type.BAUD_REQ, Type.BAUD_OK])
@pytest.mark.parametrize("lost", [1, 3, 99])
def test_the_question_and_the_answer_may_be_lost(kind, lost):
    line, count = ready(), [0]

    def lose(side, frame):
        if of_kind(frame, kind):
            count[0] += 1
            return [] if count[0] <= lost else [frame]
        return [frame]

    line.fate = lose
    line.links["box"].ask_baud(FAST)
    assert line.pass_time(300_000, lambda: bool(settled(line, "box")))
    line.pass_time(3_000_000)
    assert line.baud["box"] == line.baud["device"]
    assert both_up(line)
    line.links["box"].send(CHANNEL, b"on")
    assert settle(line)
    assert messages(line, "device") == [b"on"]


def test_when_the_two_come_to_different_ends_both_meet_at_the_start_rate():
    """The box hears the device's probes; all that it says then is lost, so the device goes back."""
    line = ready()
    deaf = [False]

    def lose(side, frame):
        if side == "box" and line.baud["box"] == FAST and not of_kind(frame, Type.BAUD_PROBE):
            deaf[0] = True
            return []
        return [frame]

    line.fate = lose
    line.links["box"].ask_baud(FAST)
    line.pass_time(600_000)
    assert deaf[0]
    line.pass_time(2_000_000)
    assert both_up(line)
    assert line.baud == {"box": START, "device": START}


def test_what_cannot_be_asked_is_refused():
    line = ready()
    with pytest.raises(ParameterError, match="only the box"):
        line.links["device"].ask_baud(FAST)
    line.links["box"].ask_baud(FAST)
    with pytest.raises(ParameterError, match="another"):
        line.links["box"].ask_baud(921_600)
    with pytest.raises(ParameterError, match="only of a line"):
        paired().links["box"].ask_baud(FAST)
    with pytest.raises(ParameterError, match="64 bytes"):
        ready(Limits(maxpl=64)).links["box"].ask_baud(FAST)
    line.links["box"].close()
    with pytest.raises(LinkDownError):
        line.links["box"].ask_baud(FAST)
