"""Order without blocking: lanes keep a stream's packets in sequence, gates let one packet in at a time.

Both are owned by a task; a task that cannot have one parks, and is woken when it is its turn.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol


class Ticketed(Protocol):
    """A task with a place in its stream's order."""

    @property
    def ticket(self) -> int: ...

    def wake(self) -> None: ...


class Wakeable(Protocol):
    """A task that can be parked."""

    def wake(self) -> None: ...


class Lane:
    """Lets the tickets of one stream through one by one, in order and without gaps.

    Every admitted ticket must enter and leave, also one whose packet failed: a missing ticket would stop the lane.
    """

    def __init__(self, first: int = 0) -> None:
        self._guard = threading.Lock()
        self._next = first
        self._owner: Ticketed | None = None
        self._parked: dict[int, Ticketed] = {}

    def enter(self, task: Ticketed) -> bool:
        """Whether ``task`` owns the lane now; if not it is parked and will be woken as the owner."""
        with self._guard:
            if self._owner is task:
                return True
            if self._owner is None and task.ticket == self._next:
                self._owner = task
                return True
            self._parked[task.ticket] = task
            return False

    def leave(self) -> None:
        """The owner is through; the next ticket, if it is parked, becomes the owner."""
        with self._guard:
            self._next += 1
            self._owner = self._parked.pop(self._next, None)
            owner = self._owner
        if owner is not None:
            owner.wake()


class Gate:
    """Lets one task in at a time, in the order of arrival: for what several streams share, such as a sink."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: Wakeable | None = None
        self._parked: deque[Wakeable] = deque()

    def enter(self, task: Wakeable) -> bool:
        """As :meth:`Lane.enter`."""
        with self._guard:
            if self._owner is None:
                self._owner = task
            if self._owner is task:
                return True
            self._parked.append(task)
            return False

    def leave(self) -> None:
        """As :meth:`Lane.leave`."""
        with self._guard:
            self._owner = self._parked.popleft() if self._parked else None
            owner = self._owner
        if owner is not None:
            owner.wake()
