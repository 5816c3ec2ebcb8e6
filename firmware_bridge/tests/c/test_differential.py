"""The same bytes give the same frames and the same counters in Python and in C, whatever is wrong with them."""

import pytest
from differential import CHECKS, Twins


@pytest.mark.parametrize("limit", [64, 256, 1024])
@pytest.mark.parametrize("seed", range(4))
def test_the_same_bytes_give_the_same_frames_and_counters(library, seed, limit):
    twins = Twins(library, seed, limit)
    for _ in range(150):
        twins.step(twins.rng.randint(1, 12))
        assert not twins.differences, f"seed {seed}: {twins.differences[:3]}"
    assert twins.messages > 300
    rejected = twins.counters()
    assert min(rejected[check] for check in CHECKS) > 0, rejected
    twins.close()
