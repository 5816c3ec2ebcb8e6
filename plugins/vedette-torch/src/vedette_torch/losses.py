"""Losses. All are sums over the batch, in float32: what they are divided by is the objective's to say."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax


def cross_entropy(
    logits: Tensor, classes: Tensor, *, smoothing: float = 0.0, weight: Tensor | None = None
) -> Tensor:
    """Cross-entropy of ``logits (n, k)`` against shares of classes ``(n, k)``, whose rows add up to 1.

    ``smoothing`` (Szegedy et al. 2016) moves this share evenly to all classes; ``weight (k,)`` weighs each class. The
    sum is not divided by the weights.
    """
    classes = _smoothed(classes, smoothing)
    if weight is not None:
        classes = classes * weight
    return -(classes * log_softmax(logits.float(), dim=1)).sum()


def focal_cross_entropy(
    logits: Tensor, classes: Tensor, *, gamma: float = 2.0, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy in which what is sure already counts little: times ``(1 - p) ** gamma`` (Lin et al. 2017).

    ``logits (n, k)`` against shares of classes ``(n, k)``.
    """
    log_p = log_softmax(logits.float(), dim=1)
    return -(_smoothed(classes, smoothing) * (1 - log_p.exp()) ** gamma * log_p).sum()


def focal_binary(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of independent yes-or-no answers (Lin et al. 2017): ``logits`` and ``targets`` (0..1) of any one
    shape.

    ``alpha`` is the weight of yes, ``1 - alpha`` that of no.
    """
    logits = logits.float()
    cross = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wrong = (torch.sigmoid(logits) - targets).abs()
    return ((alpha * targets + (1 - alpha) * (1 - targets)) * wrong**gamma * cross).sum()


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The sum of squared differences; divide by their number for the mean squared error."""
    return (outputs.float() - targets).square().sum()


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """``(n,)``: intersection over union of boxes ``(n, 4)`` pair by pair; 0 where both are empty."""
    overlap, union, _ = _areas(first.float(), second.float())
    return overlap / union.clamp(min=_TINY)


def box_giou(first: Tensor, second: Tensor) -> Tensor:
    """``(n,)``: generalised intersection over union, -1..1 (Rezatofighi et al. 2019), of boxes ``(n, 4)`` pair by
    pair."""
    overlap, union, hull = _areas(first.float(), second.float())
    return overlap / union.clamp(min=_TINY) - (hull - union) / hull.clamp(min=_TINY)


def iou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """The sum of ``1 - IoU``; it has no gradient where boxes do not touch."""
    return (1 - box_iou(predicted, wanted)).sum()


def giou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """The sum of ``1 - GIoU``, 0..2 each."""
    return (1 - box_giou(predicted, wanted)).sum()


_TINY = 1e-9


def _smoothed(classes: Tensor, smoothing: float) -> Tensor:
    return classes * (1 - smoothing) + smoothing / classes.shape[1] if smoothing else classes


def _areas(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas of intersection, union and the smallest box around both."""
    overlap = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).clamp(min=0).prod(dim=1)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).clamp(min=0).prod(dim=1) for box in (a, b))
    return overlap, area_a + area_b - overlap, hull
