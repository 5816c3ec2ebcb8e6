"""Learning rates against PyTorch's schedules; orders of samples; settings that contradict themselves."""

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR

from vedette_torch.optim import build_optimiser, learning_rate
from vedette_torch.recipe import Settings
from vedette_torch.sampling import balanced_weights, class_weights, epoch_order
from vedette_torch.training.average import WeightAverage

STEPS = 7


def ours(settings):
    return [learning_rate(settings, step, STEPS) for step in range(settings.epochs * STEPS)]


def theirs(make, n):
    optimiser = SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = make(optimiser)
    rates = []
    for _ in range(n):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return rates


def test_one_cycle_is_pytorchs():
    settings = Settings(epochs=10, learning_rate=0.5, schedule="one_cycle")
    expected = theirs(lambda o: OneCycleLR(o, 0.5, total_steps=70), 70)
    assert ours(settings) == pytest.approx(expected, rel=1e-6)


def test_cosine_is_pytorchs():
    settings = Settings(epochs=10, learning_rate=0.5, schedule="cosine", final_rate=0.1)
    expected = theirs(lambda o: CosineAnnealingLR(o, 69, eta_min=0.05), 70)
    assert ours(settings) == pytest.approx(expected, rel=1e-6)


def test_step_is_pytorchs():
    settings = Settings(
        epochs=10, learning_rate=0.5, schedule="step", milestones=(2, 5), milestone_factor=0.2
    )
    expected = theirs(lambda o: MultiStepLR(o, [14, 35], gamma=0.2), 70)
    assert ours(settings) == pytest.approx(expected, rel=1e-6)


def test_warm_up_rises_to_the_rate():
    rates = ours(Settings(epochs=4, learning_rate=0.8, schedule="constant", warmup_epochs=1))
    assert rates[:8] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert set(rates[7:]) == {0.8}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "step"}, "needs milestones"),
        ({"schedule": "one_cycle", "warmup_epochs": 1}, "warms up by itself"),
        ({"patience": 3, "validation": 0}, "patience needs a validation"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"epoch": 3}, "epoch"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(changes, Settings)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_optimisers_decay_weights_alone(name):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    optimiser = build_optimiser(network, Settings(optimiser=name, weight_decay=0.3, momentum=0.8))
    decayed = {id(p): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert [decayed[id(p)] for p in network.parameters()] == [0.3, 0, 0, 0]
    group = optimiser.param_groups[0]
    assert (group.get("momentum", 0), group.get("nesterov", False)) == {
        "momentum": (0.8, False),
        "nesterov": (0.8, True),
    }.get(name, (0, False))


def test_every_epoch_has_its_own_order():
    one, other = epoch_order(3, 0, 50), epoch_order(3, 1, 50)
    assert sorted(one) == sorted(other) == list(range(50))
    assert one.tolist() != other.tolist()
    assert epoch_order(3, 0, 50).tolist() == one.tolist()


def test_balanced_sampling_draws_classes_equally():
    class_id = np.array([0] * 900 + [1] * 90 + [3] * 10)
    drawn = class_id[epoch_order(0, 0, 30_000, np.tile(balanced_weights(class_id), 30)) % 1000]
    shares = np.bincount(drawn) / len(drawn)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)


def test_class_weights_are_1_on_average():
    weights = class_weights([90, 10])
    assert weights.tolist() == pytest.approx([100 / 180, 5.0])
    assert 0.9 * weights[0] + 0.1 * weights[1] == pytest.approx(1)


def test_average_by_hand():
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay=0.9)
    expected = None
    for n, value in enumerate((1.0, 2.0, 5.0)):
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
        keep = min(0.9, (1 + n) / (10 + n))
        expected = value if expected is None else keep * expected + (1 - keep) * value
    assert average.module.weight.item() == pytest.approx(expected)
