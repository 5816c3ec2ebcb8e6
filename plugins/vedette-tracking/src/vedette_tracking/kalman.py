"""Where boxes will be: one Kalman filter per track, all tracks at once.

The model is a box (centre x, centre y, width, height) whose four numbers move with a constant velocity that is
disturbed by white noise in continuous time, so that any time between two frames is as good as another (Bar-Shalom, Li
and Kirubarajan 2001, section 6.2.2). Neither model nor measurement couples the four numbers, so each has a filter of
two states of its own, and a step over all tracks is a handful of additions instead of matrix products.

A *motion* is ``(n, 5, 4) float64``: for each of the four numbers its value, its velocity per second, the variance of
the value, the covariance of value and velocity, and the variance of the velocity. Noise is measured in sizes of the box
(the root of its area), as a box twice as near errs and moves twice as far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Motion = NDArray[np.float64]
Floats = NDArray[np.float64]

VALUE, VELOCITY, VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)

MEASURED = 0.05
"""Standard deviation of a detector's box, in sizes."""
SPEED = 1.5
"""Standard deviation of the velocity of what appears, in sizes per second."""
JERK = 1.0
"""Root of the spectral density of the acceleration: how much the velocity changes in a second, in sizes per second."""
SMALLEST = 1.0
"""Sizes below this, in pixels, are taken as this."""


def begin(boxes: Floats) -> Motion:
    """Of boxes ``(n, 4)`` cxcywh that were seen for the first time: they stand, as far as is known."""
    motion = np.zeros((len(boxes), 5, 4))
    area = _area(boxes)
    motion[:, VALUE] = boxes
    motion[:, VARIANCE] = MEASURED**2 * area
    motion[:, VELOCITY_VARIANCE] = SPEED**2 * area
    return motion


def predict(motion: Motion, seconds: float) -> Motion:
    """``seconds`` later."""
    value, velocity, variance, covariance, velocity_variance = motion.transpose(1, 0, 2)
    noise = JERK**2 * seconds * _area(value)
    later = np.empty_like(motion)
    later[:, VALUE] = value + seconds * velocity
    later[:, VELOCITY] = velocity
    later[:, VARIANCE] = (
        variance + seconds * (2 * covariance + seconds * velocity_variance) + noise * seconds**2 / 3
    )
    later[:, COVARIANCE] = covariance + seconds * velocity_variance + noise * seconds / 2
    later[:, VELOCITY_VARIANCE] = velocity_variance + noise
    np.maximum(later[:, VALUE, 2:], SMALLEST, out=later[:, VALUE, 2:])
    return later


def correct(motion: Motion, boxes: Floats) -> Motion:
    """After boxes ``(n, 4)`` cxcywh were seen."""
    value, velocity, variance, covariance, velocity_variance = motion.transpose(1, 0, 2)
    total = variance + MEASURED**2 * _area(boxes)
    gain, velocity_gain = variance / total, covariance / total
    surprise = boxes - value
    better = np.empty_like(motion)
    better[:, VALUE] = value + gain * surprise
    better[:, VELOCITY] = velocity + velocity_gain * surprise
    better[:, VARIANCE] = (1 - gain) * variance
    better[:, COVARIANCE] = (1 - gain) * covariance
    better[:, VELOCITY_VARIANCE] = velocity_variance - velocity_gain * covariance
    return better


def distance(motion: Motion, boxes: Floats) -> Floats:
    """Squared Mahalanobis distance ``(n, m)`` of centres from where they are expected: below 9.21 for 99 of 100 boxes
    of the track (chi-squared with two degrees of freedom)."""
    spread = motion[:, VARIANCE, :2] + MEASURED**2 * _area(motion[:, VALUE])
    apart = boxes[:, :2] - motion[:, None, VALUE, :2]
    squared: Floats = (apart**2 / spread[:, None]).sum(axis=2)
    return squared


def _area(boxes: Floats) -> Floats:
    """``(n, 1)``, in square pixels, never 0."""
    return np.maximum(boxes[:, 2:3] * boxes[:, 3:4], SMALLEST**2)
