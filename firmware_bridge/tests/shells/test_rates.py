"""Which baud rate is tried, and what is remembered of it."""

import json

import pytest

from vedette_bridge.shells.rates import RateMemory, RatePlan, state_folder


def test_the_asked_rate_first_then_down_the_ladder(tmp_path):
    plan = RatePlan(3_000_000, RateMemory())
    tried = []
    while (baud := plan.next("S", 115200)) is not None:
        tried.append(baud)
        plan.settled("S", baud, held=False)
    assert tried == [3_000_000, 2_000_000, 1_500_000, 1_000_000, 921_600, 460_800, 230_400]


def test_a_rate_that_nobody_asked_for_is_not_tried():
    assert RatePlan(0, RateMemory()).next("S", 115200) is None
    assert RatePlan(115200, RateMemory()).next("S", 115200) is None


def test_what_held_is_remembered_by_serial_number(tmp_path):
    path = tmp_path / "state" / "rates.json"
    first = RatePlan(3_000_000, RateMemory(path))
    first.settled("S", 3_000_000, held=False)
    first.settled("S", 921_600, held=True)
    later = RatePlan(3_000_000, RateMemory(path))
    assert later.next("S", 115200) == 921_600
    assert later.next("S", 921_600) == 2_000_000 or later.next("S", 921_600) is None
    assert later.next("T", 115200) == 3_000_000
    assert RatePlan(460_800, RateMemory(path)).next("S", 115200) == 460_800


def test_a_rate_at_which_the_link_fell_silent_twice_is_not_tried_again():
    plan = RatePlan(921_600, RateMemory())
    plan.settled("S", 921_600, held=True)
    plan.lapsed(921_600)
    assert plan.next("S", 115200) == 921_600
    plan.lapsed(921_600)
    assert plan.next("S", 115200) == 460_800


@pytest.mark.parametrize("content", ["", "[]", '{"S": {"best": "x", "failed": []}}', "\x00"])
def test_a_broken_memory_is_said_and_hinders_nothing(tmp_path, caplog, content):
    path = tmp_path / "rates.json"
    path.write_text(content)
    memory = RateMemory(path)
    assert "is not used" in caplog.text
    memory.note("S", 921_600, held=True)
    assert json.loads(path.read_text()) == {"S": {"best": 921_600, "failed": []}}


def test_a_memory_that_cannot_be_written_hinders_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    RateMemory(tmp_path / "file" / "rates.json").note("S", 921_600, held=True)
    assert "cannot be written" in caplog.text


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("VEDETTE_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "vedette"
