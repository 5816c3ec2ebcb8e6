"""The search: as few layers in float as are enough, each step measured."""

from dataclasses import replace

import pytest

from vedette_torch.metrics.figure import Figure
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.gate import Attempt, Drop, pass_gate
from vedette_torch.quantise.sensitivity import Sensitivity

LAYERS = [f"layer_{number}" for number in range(20)]
RANKING = [Sensitivity(layer=layer, error=1 / (number + 1)) for number, layer in enumerate(reversed(LAYERS))]


class Measuring:
    """``drop(number of layers kept)`` in parts of 1, on two backends: the second loses a little more."""

    def __init__(self, drop):
        self.drop, self.asked = drop, []

    def __call__(self, keep):
        self.asked.append(len(keep))
        assert keep == tuple(item.layer for item in RANKING[: len(keep)])
        return Attempt(
            keep=keep,
            drops={name: self.drops(self.drop(len(keep)) + more) for name, more in (("a", 0), ("b", 0.001))},
        )

    def drops(self, value):
        return Drop(
            metric="top1",
            f32=Figure(value=0.9, n=100),
            int8=Figure(value=0.9 - value, n=100),
            interval=(value - 0.01, value + 0.01),
        )


def search(drop, budget=0.005):
    measuring = Measuring(drop)
    ranked = []
    passed = pass_gate(LAYERS, lambda: ranked.append(1) or RANKING, measuring, budget)
    return passed, measuring.asked, ranked


def test_within_the_budget_at_once_nothing_is_kept_and_nothing_ranked():
    passed, asked, ranked = search(lambda kept: 0.003)
    assert (passed.best.keep, asked, ranked) == ((), [0], [])


@pytest.mark.parametrize("enough", range(1, 11))
def test_the_fewest_are_found(enough):
    passed, asked, _ = search(lambda kept: 0.0 if kept >= enough else 0.02)
    assert len(passed.best.keep) == enough
    assert enough - 1 in asked  # and one fewer was measured, and failed
    assert len(asked) <= 8
    assert passed.best.worst <= 0.005


def test_the_worst_backend_decides():
    with pytest.raises(QuantiseError, match=r"\+0\.55 on b"):
        search(lambda kept: 0.0045)


def test_what_was_measured_is_said_when_it_cannot_be_met():
    with pytest.raises(
        QuantiseError, match=r"more than 0\.5 points: with 0 layers in float \+2\.00 on a .* with 10 layers"
    ):
        search(lambda kept: 0.02)


def test_files_that_a_box_would_refuse_do_not_pass():
    def attempt(keep):
        refused = {"b": "output differs"} if len(keep) < 3 else {}
        return replace(Measuring(lambda kept: 0.0)(keep), refused=refused)

    assert len(pass_gate(LAYERS, lambda: RANKING, attempt, 0.005).best.keep) == 3
    with pytest.raises(QuantiseError, match=r"int8 cannot prove itself: .* refused on b: output differs"):
        pass_gate(LAYERS[:4], lambda: RANKING, attempt, 0.005)
    warned = pass_gate(LAYERS, lambda: RANKING, attempt, 0.005, "warn").best
    assert (warned.keep, warned.refused) == ((), {"b": "output differs"})
