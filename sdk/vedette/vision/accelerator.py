"""OpenCV, where it is installed: makes the same pixels faster, never other pixels.

Every function of :mod:`vedette.vision` has a numpy implementation. Where OpenCV can be imported *and* agrees with it
within a bound stated at the function, OpenCV does the work. Nothing needs to be set: ``pip install vedette[cv]``
installs it.

OpenCV starts a thread pool of its own, which would compete with the inference threads. When Vedette is the one who
imports ``cv2``, it therefore calls ``cv2.setNumThreads(1)`` for the whole process; when the program had imported
``cv2`` before, its setting is left alone and the log says so.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType

_log = logging.getLogger("vedette.vision")
_reference_only = 0


def opencv() -> ModuleType | None:
    """The module ``cv2``, imported on first use, or ``None``: use numpy."""
    return None if _reference_only else _load()


def describe() -> str:
    """What computes the pixels, in words: ``opencv 4.12.0`` or ``numpy``."""
    cv2 = opencv()
    return f"opencv {cv2.__version__}" if cv2 else "numpy"


@contextmanager
def reference_only() -> Iterator[None]:
    """Use numpy alone within this block, in all threads: to tell whether OpenCV makes a difference."""
    global _reference_only
    _reference_only += 1
    try:
        yield
    finally:
        _reference_only -= 1


@cache
def _load() -> ModuleType | None:
    theirs = sys.modules.get("cv2") is not None
    if not theirs and find_spec("cv2") is None:
        return None
    try:
        import cv2
    except ImportError as error:
        _log.warning("OpenCV is installed but cannot be imported, numpy is used instead: %s", error)
        return None
    if not theirs:
        cv2.setNumThreads(1)
    elif cv2.getNumThreads() > 1:
        _log.info(
            "OpenCV was imported before and keeps its %d threads, which compete with inference; "
            "cv2.setNumThreads(1) avoids it",
            cv2.getNumThreads(),
        )
    return cv2
