"""The first operation of a model stage that knows time: which frames are samples, and when state is void."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import msgspec

from vedette.bundle.manifest import Temporal
from vedette.events import Event
from vedette.packet import NotRun
from vedette.pipeline.sampling import Timeline, look
from vedette.pipeline.stage_ops import StageRules
from vedette.pipeline.state import Kept, pack, unpack
from vedette.pipeline.token import Token

log = logging.getLogger("vedette.pipeline")


@dataclass(frozen=True, slots=True)
class Moment:
    """When the frame of a packet was captured, by the clock that its stream is sampled by, and the generation of state
    that it belongs to."""

    time_ns: int
    generation: int


class MomentOp:
    """Samples a stream by capture time; frames between samples are not run. Ordered.

    It alone decides when the state of a stage starts afresh, says why, once, and counts it. The operations behind it
    compare generations: they may be packets behind.
    """

    def __init__(self, rules: StageRules, temporal: Temporal | None, digest: str) -> None:
        self.rules = rules
        self._temporal = temporal
        self._signature = f"{digest}|{temporal}"
        self._behind: set[str] = set()

    def run(self, token: Token) -> bool:
        if self.rules.inputs(token) is None:
            return True
        stream, frame = token.stream.name, token.packet.frame
        kept = token.stream.state.of(self.rules.name, 0, self._signature, self)
        self.rules.take_note(stream, kept)
        line: Timeline = kept.value
        found = look(line, self._temporal, frame.epoch, capture_ns(token))
        if found.reset:
            self.rules.restarted(stream, found.reset, found.detail)
        if found.missed or found.late:
            self._fell_behind(stream, found.missed, found.late)
        if found.sampled:
            token.scratch[_key(self.rules.name)] = Moment(line.sample_ns, line.generation)
        else:
            self.rules.settle(token, NotRun("rate"))
        return True

    def start(self, stream: str) -> Timeline:
        return Timeline()

    def save(self, value: Timeline) -> bytes:
        return pack(value)

    def load(self, raw: bytes, shift_ns: int) -> Timeline:
        line = unpack(raw, Timeline)
        return msgspec.structs.replace(
            line,
            origin_ns=line.origin_ns + shift_ns,
            sample_ns=line.sample_ns + shift_ns,
            last_ns=line.last_ns + shift_ns,
        )

    def finish(self, stream: str, kept: Kept) -> list[Event]:
        return []

    def _fell_behind(self, stream: str, missed: int, late: bool) -> None:
        """Count samples that were missed or late; said once per stream."""
        self.rules.account.sampled("missed", missed)
        self.rules.account.sampled("late", int(late))
        if missed and stream not in self._behind and self._temporal is not None:
            self._behind.add(stream)
            log.warning(
                "stream %r, stage %r: frames come too seldom for %g Hz, so that samples are missing",
                stream, self.rules.name, self._temporal.rate_hz,
            )  # fmt: skip


def moment_of(token: Token, stage: str) -> Moment:
    """The moment of a packet at ``stage``; of one whose stage knows no time, its capture."""
    known: Moment | None = token.scratch.get(_key(stage))
    return known or Moment(capture_ns(token), 0)


def _key(stage: str) -> str:
    return f"{stage}/moment"


def capture_ns(token: Token) -> int:
    """When the frame was captured: by the medium's clock, or else the monotonic one."""
    clock = token.packet.frame.clock
    return clock.mono_ns if clock.media_ns is None else clock.media_ns
