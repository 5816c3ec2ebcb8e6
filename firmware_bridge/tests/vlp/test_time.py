"""The other side's clock, with an uncertainty that is true."""

import pytest
from pair import paired

from vedette_bridge.vlp.clock import SteadyClock
from vedette_bridge.vlp.timing import TimeSync


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("drift", [100e-6, -100e-6, 0.0])
def test_times_are_right_with_jitter_and_drift(drift, seed):
    line = paired(jitter_us=1_000, latency_us=200, drift=drift, device_ahead_us=123_456_789, seed=seed)
    line.pass_time(1_000_000)
    errors = []
    for _ in range(300):
        line.pass_time(1_000_000)
        fit = line.links["box"].time.fit
        error = abs(fit.to_local(line.clock("device")) - line.now_us)
        assert error <= fit.uncertainty_us
        errors.append(error)
        assert abs(fit.to_local(fit.to_remote(line.now_us)) - line.now_us) <= 2
    assert sorted(errors)[285] <= 150


def test_after_the_first_burst_times_are_known():
    line = paired(jitter_us=1_000, latency_us=200, device_ahead_us=-500_000)
    line.pass_time(170_000)
    fit = line.links["box"].time.fit
    assert abs(fit.to_local(line.clock("device")) - line.now_us) <= fit.uncertainty_us <= 1_500


@pytest.mark.parametrize("side", ["box", "device"])
@pytest.mark.parametrize("step_us", [5_000, 50_000, 400_000])
def test_a_clock_that_is_set_is_noticed_with_the_next_exchange(step_us, side):
    line = paired(jitter_us=300, latency_us=200)
    line.pass_time(20_100_000)
    line.stepped[side] += step_us
    line.pass_time(2_500_000)
    fit = line.links["box"].time.fit
    error = abs(fit.to_local(line.clock("device")) - line.clock("box"))
    assert error <= fit.uncertainty_us <= 1_000


@pytest.mark.parametrize("exchange", [(100, 50, 40, 200), (200, 0, 0, 100), (0, 0, 500, 100)])
def test_an_exchange_that_cannot_be_is_left_out(exchange):
    sync = TimeSync()
    sync.add(*exchange)
    assert sync.fit is None


def test_a_steady_clock_never_goes_back_and_loses_nothing_after():
    raw = iter([100, 110, 50, 60, 300])
    clock = SteadyClock(lambda: next(raw))
    assert [clock() for _ in range(4)] == [110, 110, 120, 360]
    assert clock.ahead == 60
