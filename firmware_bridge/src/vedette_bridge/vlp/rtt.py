"""How long an answer takes: RFC 6298 with the bounds of PROTOCOL.md, section 2.3. Times in microseconds."""

from __future__ import annotations

FIRST_RTO_US = 200_000
MIN_RTO_US = 20_000
MAX_RTO_US = 1_000_000
MIN_REPEAT_US = 2_000


class RoundTrip:
    """Smoothed round-trip time, and the time-out that follows from it."""

    __slots__ = ("_backoff", "_rttvar", "_srtt")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new session: nothing is known."""
        self._srtt: float | None = None
        self._rttvar = 0.0
        self._backoff = 0

    def sample(self, rtt_us: int) -> None:
        """The round trip of a frame that was sent once. Only this ends the backing off (Karn): the answer to a frame
        that was sent again may belong to its first transmission, and the line be slower than was thought."""
        self._backoff = 0
        rtt_us = max(0, rtt_us)
        if self._srtt is None:
            self._srtt, self._rttvar = float(rtt_us), rtt_us / 2
        else:
            self._rttvar += (abs(self._srtt - rtt_us) - self._rttvar) / 4
            self._srtt += (rtt_us - self._srtt) / 8

    def expired(self) -> None:
        """Nothing came in time: wait twice as long for the next."""
        self._backoff = min(self._backoff + 1, 6)

    @property
    def expiries(self) -> int:
        """How often in a row nothing came in time."""
        return self._backoff

    @property
    def srtt_us(self) -> int | None:
        """``None`` before the first sample."""
        return None if self._srtt is None else round(self._srtt)

    @property
    def rto_us(self) -> int:
        """When to send again what is not acknowledged. The bound is that of the doubling: a line may be slower."""
        base = FIRST_RTO_US if self._srtt is None else round(self._srtt + 4 * self._rttvar)
        base = max(base, MIN_RTO_US)
        return max(base, min(base << self._backoff, MAX_RTO_US))

    @property
    def repeat_us(self) -> int:
        """Within this time one frame is not sent again twice."""
        return max(MIN_REPEAT_US, round(self._srtt or 0))
