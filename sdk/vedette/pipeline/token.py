"""Token: a packet on its way through the operations of its stream's program.

A program is a flat list of operations. A *free* one may run on any worker, for several packets at once; the others
belong to a lane segment and see the packets of the stream one at a time and in order. Every admitted ticket walks the
whole program, also after a failure: only then does no lane ever wait for a ticket that will not come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vedette.packet import Packet
from vedette.pipeline.workers import Task

if TYPE_CHECKING:
    from vedette.pipeline.stream import StreamRun


class Op(Protocol):
    """One operation."""

    def run(self, token: Token) -> bool:
        """Do it. ``False``: it waits for something that will wake the token; it is then run again."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """An operation in a program; ``segment`` is the number of its lane, ``None`` if it is free."""

    op: Op
    segment: int | None


Program = tuple[Placed, ...]


class Token(Task):
    """One packet in flight. ``dead``: the run was aborted, operations are passed without being run."""

    __slots__ = ("dead", "packet", "pc", "program", "scratch", "stream", "ticket")

    def __init__(self, stream: StreamRun, program: Program, packet: Packet) -> None:
        super().__init__(stream.workers)
        self.stream = stream
        self.program = program
        self.packet = packet
        self.ticket = packet.frame.ticket
        self.pc = 0
        self.dead = stream.aborted
        self.scratch: dict[str, Any] = {}

    def step(self) -> None:
        program, lanes = self.program, self.stream.lanes
        while self.pc < len(program):
            op, segment = program[self.pc].op, program[self.pc].segment
            if segment is not None and not lanes[segment].enter(self):
                return
            if not self.dead and not op.run(self):
                return
            self.pc += 1
            self.dead = self.stream.aborted
            if segment is not None and (self.pc == len(program) or program[self.pc].segment != segment):
                lanes[segment].leave()
        self.over = True
        self.stream.finished(self)


def number_segments(ops: list[tuple[Op, bool]]) -> Program:
    """Place ``(operation, ordered)`` pairs: neighbouring ordered operations share a lane."""
    placed: list[Placed] = []
    segment, inside = -1, False
    for op, ordered in ops:
        if ordered and not inside:
            segment += 1
        inside = ordered
        placed.append(Placed(op, segment if ordered else None))
    return tuple(placed)
