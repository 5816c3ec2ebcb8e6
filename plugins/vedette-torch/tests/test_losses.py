"""Losses against PyTorch's own where there is one, else against numbers worked out by hand."""

from math import exp, log

import pytest
import torch
from torch.nn import functional

from vedette_torch.losses import (
    box_giou,
    box_iou,
    cross_entropy,
    focal_binary,
    focal_cross_entropy,
    giou_loss,
    iou_loss,
    squared_error,
)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 1, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_pytorchs(batch, smoothing):
    logits, labels = batch
    ours = cross_entropy(logits, functional.one_hot(labels, 4).float(), smoothing=smoothing)
    theirs = functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(ours, theirs)


def test_weights_weigh_and_are_not_divided_by(batch):
    logits, labels = batch
    weight = torch.tensor([1.0, 2, 3, 4])
    ours = cross_entropy(logits, functional.one_hot(labels, 4).float(), weight=weight)
    torch.testing.assert_close(ours, functional.cross_entropy(logits, labels, weight=weight, reduction="sum"))


def test_focal_without_focus_is_cross_entropy(batch):
    logits, labels = batch
    classes = functional.one_hot(labels, 4).float()
    torch.testing.assert_close(
        focal_cross_entropy(logits, classes, gamma=0.0), cross_entropy(logits, classes)
    )


def test_focal_by_hand():
    p = exp(2.0) / (exp(2.0) + 1)
    loss = focal_cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]), gamma=2.0)
    assert float(loss) == pytest.approx(-((1 - p) ** 2) * log(p), rel=1e-5)


def test_binary_focal_by_hand():
    p = 1 / (1 + exp(-1.0))
    loss = focal_binary(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0]), alpha=0.25, gamma=2.0)
    by_hand = -0.25 * (1 - p) ** 2 * log(p) - 0.75 * p**2 * log(1 - p)
    assert float(loss) == pytest.approx(by_hand, rel=1e-5)


def test_squared_error():
    assert float(squared_error(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.5]))) == 4.25


A = [0.0, 0, 2, 2]


@pytest.mark.parametrize(
    ("other", "iou", "giou"),
    [
        (A, 1.0, 1.0),
        ([1.0, 1, 3, 3], 1 / 7, 1 / 7 - 2 / 9),  # overlap 1, union 7, hull 9
        ([4.0, 0, 6, 2], 0.0, -4 / 12),  # union 8, hull 12
        ([0.5, 0.5, 1.5, 1.5], 0.25, 0.25),  # inside: the hull is the union
        ([1.0, 1, 1, 1], 0.0, 0.0),  # empty
    ],
)
def test_iou_and_giou_by_hand(other, iou, giou):
    one, two = torch.tensor([A]), torch.tensor([other])
    for first, second in ((one, two), (two, one)):
        assert float(box_iou(first, second)) == pytest.approx(iou, abs=1e-6)
        assert float(box_giou(first, second)) == pytest.approx(giou, abs=1e-6)
    assert float(iou_loss(one, two)) == pytest.approx(1 - iou, abs=1e-6)
    assert float(giou_loss(one, two)) == pytest.approx(1 - giou, abs=1e-6)


def test_giou_pulls_boxes_that_do_not_touch_together():
    box = torch.tensor([[4.0, 0, 6, 2]], requires_grad=True)
    giou_loss(box, torch.tensor([A])).backward()
    assert box.grad[0, 0] + box.grad[0, 2] > 0, "as a whole it is to go left"
    apart = torch.tensor([[4.0, 0, 6, 2]], requires_grad=True)
    iou_loss(apart, torch.tensor([A])).backward()
    assert (apart.grad == 0).all()
