"""A sink whose events wait in an outbox until their destination has them: what sinks of plugins are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.outbox.courier import Courier, Destination
from vedette.outbox.outbox import OnCommit, Outbox
from vedette.outbox.params import OutboxParams
from vedette.packet import Packet
from vedette.sinks.record import event_line

DRAIN_S = 5.0


class OutboxSink:
    """Takes events; packets without events are none of its business.

    Parameters
    ----------
    title
        What it is, for logs: ``mqtt broker.local``.
    make
        Opens nothing yet: returns the destination.
    drain_s
        How long :meth:`close` goes on delivering, as long as that succeeds.
    """

    def __init__(
        self,
        params: OutboxParams,
        title: str,
        make: Callable[[], Destination],
        *,
        drain_s: float = DRAIN_S,
        on_commit: OnCommit | None = None,
    ) -> None:
        destination = make()
        self._outbox = Outbox(params, on_commit)
        self._courier: Courier | None = Courier(self._outbox, destination, title)
        self._drain_s = drain_s
        self._trouble = ""

    def write(self, packet: Packet) -> None:
        """Events come one by one."""

    def write_event(self, event: Event) -> None:
        self._outbox.put(event.id, event_line(event))

    def ready(self) -> bool:
        return self._outbox.ready()

    def flush(self) -> None:
        self._outbox.flush()

    def status(self) -> dict[str, Any]:
        trouble = self._trouble if self._courier is None else self._courier.trouble
        return {**self._outbox.status(), "trouble": trouble}

    def close(self) -> None:
        self._finish(self._drain_s)

    def abort(self) -> None:
        self._finish(0.0)

    def _finish(self, drain_s: float) -> None:
        failure: PipelineError | None = None
        try:
            self._outbox.stop()
        except PipelineError as error:
            failure = error
        if self._courier is not None:
            self._courier.close(drain_s)
            self._trouble, self._courier = self._courier.trouble, None
        self._outbox.close()
        if failure is not None:
            raise failure
