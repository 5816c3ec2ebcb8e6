"""The stage ``recognise``: whose face it is, over time, and events when people come and leave."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.events import EventDraft
from vedette.results import Detections, Embedding
from vedette.specs import StageInputs, StageOutput, StageSpec
from vedette_face.presence import Visit, arrive, away, leave
from vedette_face.results import UNKNOWN, AlignedFaces, Identities
from vedette_face.voting import Ballot, Look, Rules, forget, vote

TRACKS = "boxes"
FACES = "faces"
EMBEDDINGS = "embeddings"
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Cosine = Annotated[float, msgspec.Meta(ge=-1, le=1)]


class Params(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the stage ``recognise``, besides those of the vote.

    Attributes
    ----------
    gallery
        Folder of the gallery (``vedette face create``).
    key
        Where its key is: ``file:PATH``, ``env:NAME`` or ``keyring:SERVICE/USER``.
    bundle
        The bundle of the embedding model: a gallery of another model is refused.
    threshold
        Cosine that a score must exceed; default: the calibrated one, which follows the size of the gallery.
    margin
        By how much the nearest person must be nearer than the second.
    away_s
        Who was not seen for longer has left; also after how long a track is forgotten.
    reload_s
        How often it is asked whether the gallery has changed, in seconds of this machine.
    """

    gallery: str
    key: str
    bundle: str
    threshold: Cosine | None = None
    margin: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.0
    away_s: Seconds = 5.0
    reload_s: Seconds = 10.0


class Matches(Protocol):
    """What a gallery says of ``n`` faces, as :class:`vedette_face.gallery.Matches`."""

    @property
    def name(self) -> tuple[str | None, ...]: ...
    @property
    def score(self) -> NDArray[np.float32]: ...
    @property
    def margin(self) -> NDArray[np.float32]: ...


class People(Protocol):
    """What the stage asks of a gallery, as :class:`vedette_face.gallery.Gallery` answers it."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def dimension(self) -> int: ...
    def search(
        self, embeddings: NDArray[Any], threshold: float | None = None, margin: float = 0.0
    ) -> Matches: ...
    def reload(self) -> None: ...


class State(msgspec.Struct):
    """Of one stream. ``names``: all that were said, in the order of their ``class_id``."""

    ballots: dict[int, Ballot] = {}
    visits: dict[str, Visit] = {}
    names: list[str] = msgspec.field(default_factory=lambda: [UNKNOWN])
    time_ns: int = 0


class Recognise:
    """Names every tracked face: those looked at now by what their track's looks say together, the others by what they
    said so far. Without tracks each look stands for itself.

    ``person.seen`` and ``person.left`` have ``name`` and ``score`` as data, the latter also ``seconds``.
    """

    def __init__(self, params: Params, people: People) -> None:
        self._params = params
        self._away_ns = round(params.away_s * 1e9)
        self._people = people
        self._names: tuple[str, ...] = ()
        self._enrolled: frozenset[str] = frozenset()
        self._reload_at = time.monotonic() + params.reload_s

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> StageOutput:
        tracks, faces = inputs.results[TRACKS], inputs.results[FACES]
        vectors = inputs.results[EMBEDDINGS]
        assert isinstance(tracks, Detections)
        assert isinstance(faces, AlignedFaces)
        assert isinstance(vectors, Embedding)
        rows = _rows_of(inputs, tracks, faces, vectors)
        clock = inputs.frame.clock
        state.time_ns = clock.mono_ns if clock.media_ns is None else clock.media_ns
        looks = dict(zip(rows.tolist(), self._looks(vectors), strict=True))
        ids = None if tracks.track_id is None else tracks.track_id.tolist()
        self._forget(state)
        answers = [
            self._answer(state, None if ids is None else ids[row], looks.get(row))
            for row in range(len(tracks))
        ]
        events = [
            draft
            for row, (look, _) in enumerate(answers)
            if look.name is not None
            for draft in arrive(
                state.visits,
                look.name,
                look.score,
                None if ids is None else ids[row],
                state.time_ns,
                clock.wall_ns,
            )
        ]
        gone = leave(state.visits, away(state.visits, state.time_ns, self._away_ns))
        return StageOutput(
            result=_identities(state, answers, inputs.stages.get(TRACKS, TRACKS)), events=(*gone, *events)
        )

    def end(self, state: State) -> Iterable[EventDraft]:
        """Whoever is still there leaves with the stream."""
        return leave(state.visits, list(state.visits))

    def save(self, state: State) -> State:
        return state

    def load(self, saved: object, shift_ns: int) -> State:
        state = msgspec.convert(saved, State, strict=False)
        state.time_ns += shift_ns
        for ballot in state.ballots.values():
            ballot.last_ns += shift_ns
        for visit in state.visits.values():
            visit.start_ns += shift_ns
            visit.last_ns += shift_ns
        return state

    def _looks(self, vectors: Embedding) -> Iterator[Look]:
        """What the gallery says of each face."""
        if time.monotonic() >= self._reload_at:
            self._reload_at = time.monotonic() + self._params.reload_s
            self._people.reload()
        if not len(vectors):
            return
        found = self._people.search(vectors.vector, self._params.threshold, self._params.margin)
        for name, score, margin in zip(found.name, found.score.tolist(), found.margin.tolist(), strict=True):
            yield Look(name, score, margin)

    def _answer(self, state: State, track: int | None, look: Look | None) -> tuple[Look, int]:
        """What is said of one face, and on how many looks that rests."""
        if track is None:
            return look or Look(None, 0.0, 0.0), int(look is not None)
        ballot = state.ballots.setdefault(track, Ballot())
        ballot.last_ns = state.time_ns
        if look is not None:
            vote(ballot, look, self._params)
        return ballot.answer, len(ballot.looks)

    def _forget(self, state: State) -> None:
        """Tracks that are over, and people who are enrolled no more."""
        names = self._people.names
        if names is not self._names:
            self._names, self._enrolled = names, frozenset(names)
        for track, ballot in list(state.ballots.items()):
            if state.time_ns - ballot.last_ns > self._away_ns:
                del state.ballots[track]
            else:
                forget(ballot, self._enrolled)


def _rows_of(
    inputs: StageInputs, tracks: Detections, faces: AlignedFaces, vectors: Embedding
) -> NDArray[np.int32]:
    """The row of ``tracks`` that each vector belongs to."""
    source = inputs.stages.get(TRACKS, faces.source)
    looked = inputs.stages.get(FACES, vectors.source)
    if faces.source != source or (len(faces) and faces.source_row.max() >= len(tracks)):
        raise PluginError(
            f"stage 'recognise': the faces were aligned in rows of {faces.source!r}, not of {source!r}",
            fix=f'have the stage face-align take boxes = "{source}"',
        )
    if vectors.source != looked or (len(vectors) and vectors.source_row.max() >= len(faces)):
        raise PluginError(
            f"stage 'recognise': the embeddings look at rows of {vectors.source!r}, not of {looked!r}",
            fix=f'have the embedding model work on = "{looked}"',
        )
    return faces.source_row[vectors.source_row]


def _identities(state: State, answers: list[tuple[Look, int]], source: str) -> Identities:
    for look, _ in answers:
        if look.name is not None and look.name not in state.names:
            state.names.append(look.name)
    ids = [0 if look.name is None else state.names.index(look.name) for look, _ in answers]
    scores = np.array([look.score for look, _ in answers], np.float32)
    return Identities(
        class_id=np.array(ids, np.int32).reshape(-1, 1),
        confidence=np.clip(scores, 0, 1).reshape(-1, 1),
        margin=np.array([look.margin for look, _ in answers], np.float32),
        votes=np.array([votes for _, votes in answers], np.int32),
        source=source,
        source_row=np.arange(len(answers), dtype=np.int32),
        labels=tuple(state.names),
    )


def _build(params: Params) -> Recognise:
    from vedette.bundle.trust import Trust
    from vedette.model.named import open_named
    from vedette.registry import load_plugins
    from vedette_face.gallery import Gallery

    gallery = Gallery.open(Path(params.gallery), params.key)
    # Only its digest is asked for; who signed it is the business of the stage that runs it.
    bundle = open_named(params.bundle, load_plugins(), Trust("off"))
    try:
        gallery.check_model(bundle.digest)
    finally:
        bundle.close()
    # Asked about nobody, a gallery without a threshold says so now, and not on every frame.
    gallery.search(np.zeros((0, gallery.dimension), np.float32), params.threshold)
    return Recognise(params, gallery)


RECOGNISE = StageSpec(
    name="recognise",
    summary="Whose face it is, by an encrypted gallery; one name per track, and events when people come and leave.",
    takes={TRACKS: Detections, FACES: AlignedFaces, EMBEDDINGS: Embedding},
    gives=Identities,
    ordered=True,
    params=Params,
    build=_build,
)
