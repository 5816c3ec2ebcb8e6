"""The limit: passed by normal footage about as rarely as was asked for."""

import numpy as np
import pytest

from vedette.errors import VedetteError
from vedette_anomaly.false_alarms import limit_of

RATE = 10.0
HOUR = int(3600 * RATE)


def scores(hours, seed):
    """Noise with a long tail, smoothed as scores are, so that frames next to each other are alike."""
    raw = np.random.default_rng(seed).exponential(1.0, int(hours * HOUR))
    smoothed = np.empty_like(raw)
    last = raw[0]
    for at, value in enumerate(raw):
        last += 0.2 * (value - last)
        smoothed[at] = last
    return smoothed


@pytest.mark.parametrize("per_hour", [1.0, 6.0])
def test_the_rate_that_was_asked_for_is_kept_on_other_footage(per_hour):
    limits = [limit_of(scores(0.5, seed), RATE, per_hour) for seed in range(6)]
    fresh = scores(10, 99)
    for limit in limits:
        above = np.flatnonzero(fresh > limit.value)
        alarms = 1 + (np.diff(above) > RATE).sum() if len(above) else 0
        assert alarms / 10 <= 3 * per_hour
        assert limit.per_frame < 0.05
    assert np.mean([limit.value for limit in limits]) < fresh.max() * 1.5  # not safe by being useless


def test_a_rarer_alarm_has_a_higher_limit_and_says_that_it_could_not_be_seen():
    often, seldom = (limit_of(scores(0.5, 0), RATE, per_hour) for per_hour in (12.0, 1 / 24))
    assert seldom.value > often.value
    assert seldom.extrapolated
    assert not often.extrapolated
    assert seldom.seen == 0
    assert seldom.per_frame < often.per_frame


def test_less_footage_gives_a_more_careful_limit():
    short = np.mean([limit_of(scores(0.05, seed), RATE, 1 / 24).value for seed in range(8)])
    long = np.mean([limit_of(scores(1.0, seed), RATE, 1 / 24).value for seed in range(8)])
    assert short > long


def test_too_little_footage_is_refused_with_numbers():
    with pytest.raises(VedetteError, match=r"0\.0 minutes of held-back footage have \d times of high scores"):
        limit_of(scores(0.0005, 0), RATE, 1.0)
    with pytest.raises(VedetteError, match="at least 5"):
        limit_of(np.zeros(0), RATE, 1.0)
