"""A packet as a picture: the frame with everything drawn on it that its stages found.

* Detections: box, class, track and confidence, their masks and their points. Keypoints: points.
* A classification of such boxes joins their labels; one of the whole frame is a line at the bottom.
* What a stage says must not be seen is pixelated first; if that stage did not look, the whole picture is. No points and
  masks are drawn then: they would tell of it.
* Stages that did not look (not run, failed, quarantined) are named at the bottom: an empty picture means that they
  looked and found nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vedette.errors import PipelineError, SourceError
from vedette.frame import Frame
from vedette.packet import Packet, Ran
from vedette.results import AnomalyMap, Classification, ClipPrediction, Detections, Keypoints, Result
from vedette.sinks.record import class_name
from vedette.sinks.stdout import outcome_text
from vedette_video import draw

LONG_ID = 10**6
KEYPOINT_CONFIDENCE = 0.3
"""Less certain keypoints are left out: models place them anywhere."""
UNDECODABLE_WH = (640, 360)
"""Size of the picture that stands for one that cannot be decoded."""

Captions = dict[tuple[str, int], list[str]]
"""What later stages say of row ``i`` of a stage."""


def annotate(packet: Packet, hide: str | None = None) -> NDArray[np.uint8]:
    """``(h, w, 3) uint8``, B, G, R, of the upright frame; the caller's own.

    A frame that cannot be decoded becomes a dark picture that says so.

    Parameters
    ----------
    hide
        The stage whose boxes must not be seen. Points and masks are not drawn then.

    Raises
    ------
    PipelineError
        There is no such stage, or it does not give boxes.
    """
    picture, notes = _picture(packet.frame)
    if hide is not None:
        _hide(picture, packet, hide)
    cell = draw.cell_of((picture.shape[1], picture.shape[0]))
    captions = _captions(packet)
    for stage, result in packet.results.items():
        if stage != hide:
            _draw_result(picture, stage, result if hide is None else _without_points(result), captions, cell)
    draw.note(picture, notes + _notes(packet), cell)
    return picture


def _picture(frame: Frame) -> tuple[NDArray[np.uint8], list[str]]:
    try:
        return np.array(frame.view("bgr"), np.uint8), []
    except SourceError as error:
        width, height = (max(sizes) for sizes in zip(frame.size_wh, UNDECODABLE_WH, strict=True))
        return np.full((height, width, 3), 40, np.uint8), [error.message]


def _hide(picture: NDArray[np.uint8], packet: Packet, stage: str) -> None:
    """Pixelate the boxes of ``stage``, or everything where it did not look: nobody knows then what is to be hidden."""
    if stage not in packet.outcome:
        raise PipelineError(
            f"hide: there is no stage {stage!r}", fix=f"stages are: {', '.join(packet.outcome) or 'none'}"
        )
    outcome = packet.outcome[stage]
    if not isinstance(outcome, Ran):
        draw.pixelate(picture, (0, 0, picture.shape[1], picture.shape[0]))
        return
    if not isinstance(outcome.result, Detections):
        raise PipelineError(
            f"hide: stage {stage!r} gives no boxes", fix="name a detector, or a stage 'anonymise'"
        )
    for xyxy in outcome.result.xyxy.tolist():
        draw.pixelate(picture, xyxy)


def _without_points(result: Result) -> Result:
    """Landmarks and outlines of what is hidden would tell of it."""
    match result:
        case Detections():
            return replace(result, points=None, point_confidence=None, masks=None)
        case Keypoints():
            return Keypoints.empty()
    return result


def _draw_result(
    picture: NDArray[np.uint8], stage: str, result: Result, captions: Captions, cell: float
) -> None:
    match result:
        case Detections():
            _draw_detections(picture, stage, result, captions, cell)
        case Keypoints():
            certain = result.confidence >= KEYPOINT_CONFIDENCE
            for row, points in enumerate(result.points):
                _draw_points(picture, points[certain[row]], row, cell)
        case AnomalyMap():
            for row, xyxy in enumerate(result.xyxy.tolist()):
                draw.rectangle(picture, xyxy, draw.colour_of(0), _line(cell))
                draw.label(picture, f"{stage} {result.score[row]:.3g}", xyxy, draw.colour_of(0), cell)


def _draw_detections(
    picture: NDArray[np.uint8], stage: str, result: Detections, captions: Captions, cell: float
) -> None:
    rows = result.confidence.argsort().tolist()  # the most confident last, on top
    boxes, classes = result.xyxy.tolist(), result.class_id.tolist()
    if result.masks is not None:
        for row in rows:
            draw.shade(picture, result.masks[row], boxes[row], draw.colour_of(classes[row]))
    for row in rows:
        draw.rectangle(picture, boxes[row], draw.colour_of(classes[row]), _line(cell))
    for row in rows:
        words = [class_name(result.labels, classes[row])] if result.labels or classes[row] else []
        if result.track_id is not None:
            words.append(short_id(int(result.track_id[row])))
        words += [f"{result.confidence[row]:.2f}", *captions[stage, row]]
        draw.label(picture, " ".join(words), boxes[row], draw.colour_of(classes[row]), cell)
        if result.points is not None:
            points = result.points[row]
            if result.point_confidence is not None:
                points = points[result.point_confidence[row] >= KEYPOINT_CONFIDENCE]
            _draw_points(picture, points, 0, cell)


def short_id(track_id: int) -> str:
    """An id as it is drawn: a long one, which is unique over streams and restarts, by its last three digits.

    >>> short_id(7), short_id(4503599627370042)
    ('#7', '#042')
    """
    return f"#{track_id}" if track_id < LONG_ID else f"#{track_id % 1000:03}"


def _draw_points(picture: NDArray[np.uint8], points: NDArray[np.float32], first: int, cell: float) -> None:
    for index, (x, y) in enumerate(points.tolist()):
        draw.dot(picture, (x, y), draw.colour_of(first + index), 1.5 * cell)


def _captions(packet: Packet) -> Captions:
    captions: Captions = defaultdict(list)
    for result in packet.results.values():
        if isinstance(result, Classification | ClipPrediction) and result.source != "frame":
            for row, text in enumerate(_best(result)):
                captions[result.source, int(result.source_row[row])].append(text)
    return captions


def _best(result: Classification | ClipPrediction) -> list[str]:
    """The best class of each row with its confidence."""
    rows = zip(result.class_id.tolist(), result.confidence.tolist(), strict=True)
    return [f"{class_name(result.labels, ids[0])} {scores[0]:.2f}" if ids else "" for ids, scores in rows]


def _notes(packet: Packet) -> list[str]:
    notes = []
    for stage, outcome in packet.outcome.items():
        if not isinstance(outcome, Ran):
            notes.append(f"{stage}: {outcome_text(outcome)}")
        elif isinstance(outcome.result, Classification | ClipPrediction) and outcome.result.source == "frame":
            notes.append(f"{stage}: {', '.join(_best(outcome.result)) or 'nothing'}")
    return notes


def _line(cell: float) -> int:
    return max(2, round(1.2 * cell))
