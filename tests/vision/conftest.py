"""Frames out of arrays, and both implementations of everything."""

from contextlib import nullcontext

import numpy as np
import pytest

from vedette.frame import Clock, Frame, Packed
from vedette.vision.accelerator import reference_only


@pytest.fixture(scope="session")
def make_frame():
    def make(image, orientation=0):
        if isinstance(image, np.ndarray):
            image = Packed("rgb" if image.ndim == 3 else "gray8", image)
        size_wh = image.size_wh if orientation in (0, 180) else image.size_wh[::-1]
        clock = Clock(mono_ns=0, wall_ns=0)
        return Frame(
            stream="cam",
            epoch=0,
            ticket=7,
            seq=0,
            size_wh=size_wh,
            clock=clock,
            image=image,
            orientation=orientation,
        )

    return make


@pytest.fixture(scope="session")
def engine():
    """``with engine("numpy"):`` or ``with engine("opencv"):`` (which is numpy where OpenCV is not installed)."""
    return lambda name: reference_only() if name == "numpy" else nullcontext()
