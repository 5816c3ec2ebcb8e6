"""The ruler, the turns, and how a contended round is dealt with."""

import time

import pytest

from vedette.benchmark import meter
from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.rounds import ATTEMPTS, Series, interleave


def sample(rate_hz=10.0, foreign_cores=0.0):
    return Sample(frames=int(rate_hz), wall_s=1.0, cpu_s=0.5, foreign_cores=foreign_cores)


def burn():
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    return 5


def test_processor_time_is_counted_and_sleep_is_not():
    busy, idle = timed(burn), timed(lambda: time.sleep(0.05) or 1)
    assert busy.frames == 5
    assert busy.wall_s >= 0.05 <= idle.wall_s
    assert busy.cpu_s >= 0.05
    assert busy.cpu_ms == pytest.approx(1e3 * busy.cpu_s / 5)
    assert idle.cpu_s < idle.wall_s
    assert busy.rate_hz == 5 / busy.wall_s


def test_what_others_used_is_the_busy_time_without_our_own(monkeypatch):
    busy = iter([100.0, 102.0])
    monkeypatch.setattr(meter, "_busy_s", lambda: next(busy))
    found = timed(burn)
    assert found.foreign_cores * found.wall_s == pytest.approx(2.0 - found.cpu_s)


def test_our_own_work_is_not_theirs(monkeypatch):
    busy = iter([100.0, 100.01])
    monkeypatch.setattr(meter, "_busy_s", lambda: next(busy))
    assert timed(burn).foreign_cores == 0, "the system's clock is coarse: less than nothing is nothing"


def test_busy_is_all_but_idle_of_the_processors_that_we_may_use(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 100 20 3 5000 600 7 8 9 50 60\ncpu1 1 1 1 1 1 1 1 1 1 1\nctxt 5\n"
    )
    monkeypatch.setattr(meter, "_STAT", stat)
    monkeypatch.setattr(meter.os, "sched_getaffinity", lambda pid: {0})
    ticks = 100 + 20 + 3 + 7 + 8 + 9  # user, nice, system, irq, softirq, steal
    assert meter._busy_s() == ticks / meter.os.sysconf("SC_CLK_TCK")


def test_a_system_that_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(meter, "_STAT", tmp_path / "nothing")
    assert timed(burn).foreign_cores is None


def test_contestants_take_turns_there_and_back():
    order = []
    contestants = {name: lambda name=name: order.append(name) or sample() for name in "ABC"}
    interleave(contestants, 3, lambda text: None)
    assert "".join(order) == "ABCCBAABC"


def test_a_contended_round_is_repeated_until_it_is_quiet():
    attempts = iter([sample(5, 1.0), sample(6, 0.5), sample(7, 0.1), sample(8, 0.0)])
    found = interleave({"A": lambda: next(attempts)}, 1, lambda text: None)
    assert found["A"].rate_hz == 7
    assert found["A"].contended == 0


def test_the_quietest_of_contended_rounds_is_kept_and_flagged():
    loads = [1.0, 0.4, 0.9, 0.8]
    assert len(loads) == ATTEMPTS
    attempts = iter([sample(10 * load, load) for load in loads])
    found = interleave({"A": lambda: next(attempts)}, 1, lambda text: None)
    assert found["A"].rate_hz == 4
    assert found["A"].contended == 1
    assert next(attempts, None) is None


def test_without_knowledge_of_others_no_round_is_repeated():
    attempts = iter([sample(5, None)])
    assert interleave({"A": lambda: next(attempts)}, 1, lambda text: None)["A"].contended == 0


def test_ratios_are_taken_round_by_round():
    """A machine that slows down for both must not show in the ratio."""
    fast = Series(tuple(sample(rate) for rate in (100, 50, 10)))
    slow = Series(tuple(sample(rate) for rate in (50, 25, 5)))
    assert fast.per_round(slow) == 2.0
    assert fast.rate_hz == 50
