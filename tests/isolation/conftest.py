"""Isolated sources from a plugin that parent and child both load, and a look at this process from outside."""

import gc
import importlib
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.errors import EndOfStream
from vedette.frame import Packed, Planar
from vedette.pipeline.config import Stream
from vedette.pipeline.sources import OpenedSource, open_source
from vedette.registry import load_plugins
from vedette.specs import Capture

PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def registry():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "plugins"))
        yield load_plugins(["isolated_sources"])


@pytest.fixture
def plugin(registry):
    """The module ``isolated_sources``."""
    return importlib.import_module("isolated_sources")


@pytest.fixture
def open_isolated(registry):
    """``open_isolated("scenes://", count=3)``: open as a stream would be, and closed after the test."""
    with ExitStack() as stack:

        def open_one(uri: str, *, isolate: object = True, reopen: object = None, **params) -> OpenedSource:
            plain = {"name": "door", "source": uri, "isolate": isolate, "params": params}
            stream = msgspec.convert(plain | ({"reopen": reopen} if reopen else {}), Stream)
            opened = open_source(registry, stream, Path(), "stream[0]")
            stack.callback(opened.source.close)
            return opened

        yield open_one


def read_on(opened: OpenedSource, count: int | None = None) -> list[Capture]:
    """The next ``count`` captures, or all that there are."""
    found: list[Capture] = []
    deadline = time.monotonic() + PATIENCE_S
    while count is None or len(found) < count:
        assert time.monotonic() < deadline, "no more images come"
        try:
            capture = opened.source.read(0.25)
        except EndOfStream:
            assert count is None, f"it ended after {len(found)} images"
            break
        if capture is not None:
            found.append(capture)
    return found


def planes_of(image: Packed | Planar) -> list[np.ndarray]:
    return [image.pixels] if isinstance(image, Packed) else list(image.planes)


_servers: set[int] = set()
"""Children that were there before the test: servers of other tests in this process, which outlive them."""


@pytest.fixture(autouse=True)
def _leave_servers_out():
    _servers.clear()
    _servers.update(children())


def children() -> dict[int, str]:
    """The children of this process since the test began: their ids and states (``Z``: dead and not reaped)."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and int(stat.parent.name) not in _servers:
            found[int(stat.parent.name)] = state
    return found


def footprint() -> dict[str, int]:
    """What must not grow: descriptors, threads, children, mappings of shared pictures."""
    gc.collect()
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "children": len(children()),
        "mappings": Path("/proc/self/maps").read_text().count("vedette-pictures"),
    }


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Helpers:
    read_on = staticmethod(read_on)
    planes_of = staticmethod(planes_of)
    children = staticmethod(children)
    footprint = staticmethod(footprint)
    until = staticmethod(until)


@pytest.fixture
def look() -> type[Helpers]:
    return Helpers
