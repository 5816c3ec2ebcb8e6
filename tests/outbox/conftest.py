"""Outboxes, and destinations that do as they are told."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.outbox.courier import Later
from vedette.outbox.outbox import Outbox
from vedette.outbox.params import OutboxParams

sys.path.insert(0, str(Path(__file__).parent))  # for power_replay, which lies beside the tests

PATIENCE_S = 30.0


def until(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it does not happen: {what}"
        time.sleep(0.005)


@pytest.fixture
def wait_until():
    return until


class Depot:
    """A destination: ``open`` says whether it takes anything, ``refuse`` which ids it never will."""

    batch = 4

    def __init__(self) -> None:
        self.received: list[str] = []
        self.bodies: dict[str, bytes] = {}
        self.open = threading.Event()
        self.open.set()
        self.refuse: set[str] = set()
        self.attempts = 0
        self.broken: Exception | None = None
        self.lost_receipts = 0
        self.closed = 0

    def deliver(self, items, settle) -> None:
        self.attempts += 1
        for item in items:
            if self.broken is not None:
                raise self.broken
            if not self.open.is_set():
                raise Later("the depot is shut")
            if item.id in self.refuse:
                settle(item, "it smells")
                continue
            self.received.append(item.id)
            self.bodies[item.id] = item.body
            if self.lost_receipts:
                self.lost_receipts -= 1
                raise Later("the receipt got lost")
            settle(item, None)

    def tend(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def depot():
    return Depot()


@pytest.fixture
def open_outbox(tmp_path):
    opened = []

    def open_one(on_commit=None, **params) -> Outbox:
        opened.append(Outbox(OutboxParams(path=str(tmp_path / "box.db"), **params), on_commit))
        return opened[-1]

    yield open_one
    for outbox in opened:
        outbox.close()
