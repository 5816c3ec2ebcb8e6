"""The stages ``anonymise`` and ``anonymise-strangers``: which parts of a picture a recording must not show."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.results import Detections
from vedette.specs import StageInputs, StageSpec
from vedette.vision.nms import iou_matrix
from vedette_face.results import Identities

BOXES = "boxes"
TRACKS = "tracks"
PEOPLE = "people"
SAME = 0.2
"""Overlap (IoU) from which on two boxes of neighbouring frames are about one face."""
Boxes = NDArray[np.float32]


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    widen
        By how much of its width and height a box grows on each side: ears and hair tell, too.
    hold_s
        How long a place stays hidden after its face was found last, in seconds of capture: detectors miss a face now
        and then.
    """

    widen: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.25
    hold_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0


class State:
    """Of one stream: boxes that were hidden, as the detector gave them, and when each was found last."""

    def __init__(self) -> None:
        self.xyxy: Boxes = np.zeros((0, 4), np.float32)
        self.seen_ns: NDArray[np.int64] = np.zeros(0, np.int64)


class Anonymise:
    """Gives boxes to hide: those of all faces, or of all but people who are recognised; widened, and held for a while
    where a face was a moment ago. Name the stage as ``hide`` of a sink that makes pictures.

    A face of which nothing is known (no track yet, refused by a gate, not looked at) is hidden.
    """

    def __init__(self, params: Params) -> None:
        self._params = params

    def start(self, stream: str) -> State:
        return State()

    def process(self, inputs: StageInputs, state: State) -> Detections:
        faces = inputs.results[BOXES]
        assert isinstance(faces, Detections)
        clock = inputs.frame.clock
        now = clock.mono_ns if clock.media_ns is None else clock.media_ns
        shown = _known(inputs, len(faces))
        held = state.seen_ns >= now - round(self._params.hold_s * 1e9)
        if len(faces) and held.any():  # found again, or somebody known stands there now
            held &= iou_matrix(state.xyxy, faces.xyxy).max(axis=1) < SAME
        hidden = np.flatnonzero(~shown)
        state.xyxy = np.concatenate([faces.xyxy[hidden], state.xyxy[held]])
        state.seen_ns = np.concatenate([np.full(len(hidden), now), state.seen_ns[held]])
        n = len(state.xyxy)
        confidence = np.zeros(n, np.float32)
        confidence[: len(hidden)] = faces.confidence[hidden]
        return Detections(
            xyxy=_widened(state.xyxy, self._params.widen, inputs.frame.size_wh),
            confidence=confidence,
            class_id=np.zeros(n, np.int32),
            labels=("hidden",),
        )


def _known(inputs: StageInputs, faces: int) -> NDArray[np.bool_]:
    """``(faces,)``: which belong to people who are recognised."""
    shown = np.zeros(faces, bool)
    people = inputs.results.get(PEOPLE)
    if people is None:
        return shown
    tracks = inputs.results[TRACKS]
    assert isinstance(people, Identities)
    for role, result, of, rows in (
        (TRACKS, tracks, BOXES, faces),
        (PEOPLE, people, TRACKS, len(tracks)),
    ):
        source = inputs.stages.get(of, result.source)
        if result.source != source or (len(result) and result.source_row.max() >= rows):
            raise PluginError(
                f"stage 'anonymise-strangers': the rows of {role} belong to {result.source!r}, not to {source!r}",
                fix=f"bind {of} to {result.source!r}",
            )
    shown[tracks.source_row[people.source_row[people.known]]] = True
    return shown


def _widened(xyxy: Boxes, share: float, size_wh: tuple[int, int]) -> Boxes:
    grow = (xyxy[:, 2:] - xyxy[:, :2]) * np.float32(share)
    wide = np.concatenate([xyxy[:, :2] - grow, xyxy[:, 2:] + grow], axis=1)
    clipped: Boxes = np.clip(wide, 0, np.array([*size_wh, *size_wh], np.float32))
    return clipped


ANONYMISE = StageSpec(
    name="anonymise",
    summary="What a recording must not show: all faces.",
    takes={BOXES: Detections},
    gives=Detections,
    ordered=True,
    params=Params,
    build=Anonymise,
)
ANONYMISE_STRANGERS = StageSpec(
    name="anonymise-strangers",
    summary="What a recording must not show: faces of everybody who is not recognised.",
    takes={BOXES: Detections, TRACKS: Detections, PEOPLE: Identities},
    gives=Detections,
    ordered=True,
    params=Params,
    build=Anonymise,
)
