"""State per stream: what ordered stages and recurrent models remember between packets, and how it is kept over a stop.

A *place* is a stage, or a graph of one. Its state is valid within one *generation* (for a plugin stage: an epoch) and
for one *signature*; each place is touched only inside the lane of its operation.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec
import numpy as np

from vedette.events import Event
from vedette.pipeline.sampling import NEW_EPOCH

log = logging.getLogger("vedette.pipeline")

RESTORED = "restored"
REPLACED = "the stage was replaced by another one"
_ARRAY = 1
T = TypeVar("T")


class Keeper(Protocol):
    """An operation that keeps state."""

    def start(self, stream: str) -> Any:
        """The state of a stream that starts."""
        ...

    def save(self, value: Any) -> bytes | None:
        """What :meth:`load` makes the same state of; ``None`` where it cannot be saved."""
        ...

    def load(self, raw: bytes, shift_ns: int) -> Any:
        """The state again; ``shift_ns`` is to be added to the capture times in it."""
        ...

    def finish(self, stream: str, kept: Kept) -> list[Event]:
        """The state is let go of; what there is to be said at the end."""
        ...


@runtime_checkable
class RenewingKeeper(Keeper, Protocol):
    """One that takes something over into the next generation."""

    def renew(self, stream: str, value: Any) -> Any:
        """The state of the next generation, made of ``value``, that of the one that is over."""
        ...


@dataclass(slots=True, eq=False)
class Kept:
    """The state of one place on one stream.

    ``ordinals`` count its events per subject, from ``first_ordinal``; ``wall_ns`` is when its latest packet was
    captured. ``reset``: why it is fresh though there was one before, ``refused``: why a saved one could not be taken
    up, both until the stage has taken note; ``last_words``: what the state before it had to say at its end.
    """

    generation: int
    signature: str
    keeper: Keeper
    value: Any
    ordinals: dict[str, int] = field(default_factory=dict)
    first_ordinal: int = 0
    wall_ns: int = 0
    reset: str = ""
    refused: str = ""
    last_words: list[Event] = field(default_factory=list)


class SavedPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place, saved. ``value`` is ``None`` where the stage cannot save its state."""

    generation: int
    signature: str
    value: bytes | None
    ordinals: dict[str, int]
    wall_ns: int


class StreamState:
    """The kept states of a stream, by place.

    ``first_ordinal``: what events are counted from. Another one in each run where the same input never comes again;
    counts of a run before then mean nothing.
    """

    def __init__(self, stream: str, first_ordinal: int = 0) -> None:
        self._stream = stream
        self._first_ordinal = first_ordinal
        self._kept: dict[str, Kept] = {}
        self._saved: dict[str, SavedPlace] = {}
        self._shift_ns = 0
        self.resumed: dict[str, str] = {}
        """By place: ``restored``, or why not. Empty where there was nothing to restore."""

    def of(self, place: str, generation: int, signature: str, keeper: Keeper) -> Kept:
        """The state of ``place``; a fresh one in a new generation, or when the stage became another one.

        ``signature`` says what the state fits: it survives a change of plan, or a stop, only where both are equal.
        """
        kept = self.restore(place, signature, keeper)
        if kept is not None and kept.generation == generation and kept.signature == signature:
            kept.keeper = keeper
        else:
            last_words = kept.keeper.finish(self._stream, kept) if kept is not None else []
            value = self._begin(kept, signature, keeper)
            fresh = Kept(
                generation,
                signature,
                keeper,
                value,
                first_ordinal=self._first_ordinal,
                last_words=last_words,
            )
            if kept is not None:
                fresh.reset = NEW_EPOCH if kept.signature == signature else REPLACED
            elif self.resumed.get(place, RESTORED) != RESTORED:
                fresh.refused = self.resumed[place]
            kept = fresh
        self._kept[place] = kept
        return kept

    def restore(self, place: str, signature: str, keeper: Keeper) -> Kept | None:
        """The state of ``place`` as it is or as it was saved, if there is any."""
        kept = self._kept.get(place) or self._saved_state(place, signature, keeper)
        if kept is not None:
            self._kept[place] = kept
        return kept

    def resume(self, saved: Mapping[str, SavedPlace], shift_ns: int) -> None:
        """Take up saved states, each when its place is asked for."""
        self._saved, self._shift_ns = dict(saved), shift_ns

    def save(self) -> dict[str, SavedPlace]:
        """What there is, also of what was saved before and not asked for yet. Only while no packet is on its way."""
        places = dict(self._saved)
        for place, kept in self._kept.items():
            places[place] = SavedPlace(
                generation=kept.generation,
                signature=kept.signature,
                value=kept.keeper.save(kept.value),
                ordinals=dict(kept.ordinals),
                wall_ns=kept.wall_ns,
            )
        return places

    def finish(self) -> list[Event]:
        """Let go of everything; what there is to be said at the end, in the order of the stages."""
        kept, self._kept = self._kept, {}
        return [event for item in kept.values() for event in item.keeper.finish(self._stream, item)]

    def _begin(self, before: Kept | None, signature: str, keeper: Keeper) -> Any:
        """What a state begins with."""
        if before is not None and before.signature == signature and isinstance(keeper, RenewingKeeper):
            return keeper.renew(self._stream, before.value)
        return keeper.start(self._stream)

    def _saved_state(self, place: str, signature: str, keeper: Keeper) -> Kept | None:
        """The saved state of a place, once, as it was; ``None`` if there is none, or none that fits."""
        saved = self._saved.pop(place, None)
        if saved is None:
            return None
        reason = "" if saved.signature == signature else "the saved state belongs to another model or stage"
        if not reason and saved.value is None:
            reason = "it does not save its state"
        if not reason and saved.value is not None:
            try:
                value = keeper.load(saved.value, self._shift_ns)
            except Exception as error:  # a plugin's, too
                reason = f"its saved state cannot be read: {error}"
            else:
                self.resumed[place] = RESTORED
                log.info("stream %r, stage %r: state restored", self._stream, place)
                return Kept(
                    saved.generation,
                    signature,
                    keeper,
                    value,
                    ordinals={} if self._first_ordinal else dict(saved.ordinals),
                    first_ordinal=self._first_ordinal,
                    wall_ns=saved.wall_ns,
                )
        self.resumed[place] = reason
        return None


def pack(value: Any) -> bytes:
    """Plain values, structs and numpy arrays as bytes."""
    return msgspec.msgpack.encode(value, enc_hook=_array_out)


def unpack(raw: bytes, kind: type[T]) -> T:
    """Reverse of :func:`pack`; arrays come back bit for bit.

    Raises
    ------
    msgspec.MsgspecError, ValueError
        The bytes do not hold a ``kind``.
    """
    return msgspec.convert(msgspec.msgpack.decode(raw, ext_hook=_array_in), kind)


def _array_out(value: Any) -> msgspec.msgpack.Ext:
    if not isinstance(value, np.ndarray | np.generic):
        raise NotImplementedError(f"{type(value).__name__} cannot be saved")
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(value), allow_pickle=False)
    return msgspec.msgpack.Ext(_ARRAY, buffer.getvalue())


def _array_in(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"extension {code} is not known")
    return np.load(io.BytesIO(data), allow_pickle=False)
