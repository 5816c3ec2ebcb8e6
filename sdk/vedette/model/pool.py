"""Sessions shared by everything that runs the same model the same way, and one budget of processor threads.

Whoever wants a slot and cannot have one parks; each release wakes the first waiter that can now go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from vedette.specs import Session, Slot


class Waiter(Protocol):
    """Something that waits for a slot, usually a task."""

    def wake(self) -> None: ...


class Lease:
    """A counted share of one session."""

    def __init__(self, key: Hashable, session: Session) -> None:
        self.key = key
        self.session = session
        self.users = 0
        self.out = 0
        self.on_cpu = session.device == "cpu"


class SessionPool:
    """Sessions by key, each opened once and closed with its last user.

    Parameters
    ----------
    threads
        Processor threads that all sessions together may keep busy. One request more than that is let out, so that a
        finished one is decoded while the next already runs.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._leases: dict[Hashable, Lease] = {}
        self._waiting: dict[Waiter, Lease] = {}
        self._cpu_out = 0

    def open(self, key: Hashable, factory: Callable[[], Session]) -> Lease:
        """The shared session of ``key``, opened by ``factory`` if nobody has it yet."""
        with self._opening:
            lease = self._leases.get(key)
            if lease is None:
                lease = self._leases[key] = Lease(key, factory())
            lease.users += 1
            return lease

    def close(self, lease: Lease) -> None:
        """Give up one share; the last one closes the session."""
        with self._opening:
            lease.users -= 1
            if lease.users:
                return
            del self._leases[lease.key]
        lease.session.close()

    def acquire(
        self, lease: Lease, waiter: Waiter, shapes: Mapping[str, tuple[int, ...]] | None = None
    ) -> Slot | None:
        """A slot, or ``None``: ``waiter`` is then woken when it is worth asking again."""
        with self._lock:
            if not self._free(lease):
                self._waiting.setdefault(waiter, lease)
                return None
            self._waiting.pop(waiter, None)
            self._count(lease, +1)
        try:
            slot = lease.session.acquire(shapes)
        except BaseException:
            self._give_back(lease)
            raise
        if slot is None:  # the session is also used outside of this pool
            with self._lock:
                self._count(lease, -1)
                self._waiting.setdefault(waiter, lease)
        return slot

    def release(self, lease: Lease, slot: Slot) -> None:
        """Give a slot back and wake who waits for it."""
        slot.release()
        self._give_back(lease)

    def forget(self, waiter: Waiter) -> None:
        """``waiter`` no longer wants a slot."""
        with self._lock:
            self._waiting.pop(waiter, None)

    def _give_back(self, lease: Lease) -> None:
        with self._lock:
            self._count(lease, -1)
            first = next((waiter for waiter, wanted in self._waiting.items() if self._free(wanted)), None)
            if first is not None:
                del self._waiting[first]
        if first is not None:
            first.wake()

    def _free(self, lease: Lease) -> bool:
        return lease.out < lease.session.slots and not (lease.on_cpu and self._cpu_out > self.threads)

    def _count(self, lease: Lease, change: int) -> None:
        lease.out += change
        if lease.on_cpu:
            self._cpu_out += change
