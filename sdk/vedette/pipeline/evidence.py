"""``evidence = "saliency"``: events about what a model says carry a picture of what spoke for it.

The maps are made after all stages and before the sinks, of frames that raised an event and of no others: of each the
model is run again, through the same sessions and in turn with all other work. A map that cannot be made is counted and
logged, and the event goes without.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from vedette.bundle.samples import encode_png
from vedette.errors import ConfigError, VedetteError
from vedette.events import Event, Evidence
from vedette.explain.answer import choose
from vedette.explain.explanation import Explanation, begin, inferences_for, method_for
from vedette.explain.occlusion import Occlusion
from vedette.explain.picture import overlay
from vedette.frame import Frame
from vedette.model.loading import LoadedModel
from vedette.packet import Packet
from vedette.pipeline.accounting import EvidenceAccount
from vedette.pipeline.config import Config, SaliencyEvidence, Stage
from vedette.pipeline.graph import inputs_of
from vedette.pipeline.model_ops import GraphOp, ModelRun, rois_of
from vedette.pipeline.stage_ops import StageRules
from vedette.pipeline.token import Token
from vedette.results import Classification, Detections, Result
from vedette.specs import Roi
from vedette.vision.nms import iou_matrix

log = logging.getLogger("vedette.pipeline")


def followers(config: Config, name: str) -> frozenset[str]:
    """The stages that take the results of stage ``name``, of others that do, and so on."""
    found: set[str] = set()
    for stage in config.stage:  # earlier ones first: a stage takes only from those before it
        if {name, *found} & set(inputs_of(stage).values()):
            found.add(stage.name)
    return frozenset(found)


def saliency_op(
    entry: Stage, config: Config, model: LoadedModel | None, rules: StageRules
) -> SaliencyOp | None:
    """What makes the evidence that ``entry`` asks for; ``None`` where it asks for none. Logs what a map costs.

    Raises
    ------
    ConfigError
        The model cannot be explained so, or no event can be about it.
    """
    if entry.evidence is None:
        return None
    wanted = SaliencyEvidence() if isinstance(entry.evidence, str) else entry.evidence
    where = f"stage {entry.name!r}: evidence"
    if model is None:
        raise ConfigError(
            f"{where}: only the answers of a model can be explained", fix="say it of a stage with a bundle"
        )
    after = followers(config, entry.name)
    if not any(stage.use is not None and stage.name in after for stage in config.stage):
        raise ConfigError(
            f"{where}: no stage plugin takes its results, so no event is about them",
            fix="take it away, or add a stage that raises events",
        )
    try:
        method = method_for(model, wanted.method)
        inferences = inferences_for(model, wanted.method, Occlusion(cells=wanted.cells))
    except VedetteError as error:
        raise ConfigError(f"{where}: {error.message}", fix=error.fix) from error
    log.warning(
        "stage %r: each map of evidence costs up to %d further inferences (%s)",
        entry.name,
        inferences,
        method,
    )
    account = EvidenceAccount(method, inferences)
    return SaliencyOp(rules, model, wanted, after, account)


@dataclasses.dataclass(slots=True, eq=False)
class Work:
    """One map in the making: for which events (their places in the packet), and what is running."""

    events: list[int]
    roi: Roi
    explanation: Explanation
    run: ModelRun | None = None
    ops: list[GraphOp] = dataclasses.field(default_factory=list)
    began_ns: int = dataclasses.field(default_factory=time.perf_counter_ns)


class SaliencyOp:
    """Adds saliency to the events of a packet. A free operation; it parks where there is no slot."""

    def __init__(
        self,
        rules: StageRules,
        model: LoadedModel,
        wanted: SaliencyEvidence,
        stages: frozenset[str],
        account: EvidenceAccount,
    ) -> None:
        self.account = account
        self._rules = dataclasses.replace(rules, account=account.times)
        self._model = model
        self._wanted = wanted
        self._stages = stages
        self._key = f"{rules.name}: evidence"
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, int]] = {}

    def run(self, token: Token) -> bool:
        todo: list[Work] | None = token.scratch.get(self._key)
        if todo is None:
            events = [at for at, event in enumerate(token.packet.events) if event.stage in self._stages]
            if not events:
                return True
            todo = token.scratch[self._key] = self._begin(token, events)
        while todo:
            try:
                if not self._advance(token, todo[0]):
                    return False
            except Exception as error:
                self._model.pool.forget(token)
                self._give_up(error, len(todo[0].events))
            todo.pop(0)
        del token.scratch[self._key]
        return True

    def _begin(self, token: Token, events: list[int]) -> list[Work]:
        packet = token.packet
        result = packet.results.get(self._rules.name)
        if result is None or not len(result):
            self.account.count("without", len(events))
            return []
        if not self._due(packet.frame):
            self.account.count("skipped", len(events))
            return []
        rows: dict[int, list[int]] = {}
        for at in events:
            rows.setdefault(row_of(packet.events[at], packet, result), []).append(at)
        todo = []
        for number, (row, about) in enumerate(rows.items()):
            if number >= self._wanted.most:
                self.account.count("skipped", len(about))
                continue
            try:
                todo.append(self._work(packet, result, row, about))
            except Exception as error:
                self._give_up(error, len(about))
        return todo

    def _work(self, packet: Packet, result: Result, row: int, events: list[int]) -> Work:
        target = choose(result, None, row)
        roi = roi_of(packet, result, row)
        explanation = begin(
            self._model, packet.frame, roi, target, self._wanted.method, Occlusion(cells=self._wanted.cells)
        )
        return Work(events=events, roi=roi, explanation=explanation)

    def _advance(self, token: Token, work: Work) -> bool:
        """Go on with a map. ``False``: it waits for a slot or an answer."""
        while rows := work.explanation.rows:
            if work.run is None:
                work.run = ModelRun(
                    source="frame",
                    rois=[work.roi] * rows,
                    results={},
                    affines=np.array([work.roi.affine] * rows),
                )
                work.ops = [
                    GraphOp(self._rules, self._model, graph, hold=False)
                    for graph in work.explanation.graphs()
                ]
            while work.ops:
                if not work.ops[0].advance(token, work.run):
                    return False
                work.ops.pop(0)
            work.explanation.take(work.run.tensors, work.run.affines)
            work.run = None
        self._attach(token.packet, work)
        return True

    def _attach(self, packet: Packet, work: Work) -> None:
        saliency = work.explanation.saliency()
        picture = encode_png(overlay(packet.frame, saliency))
        evidence = Evidence(
            media_type="image/png",
            data=picture,
            title=f"saliency of {saliency.target} at {self._rules.name} ({saliency.method}, "
            f"{saliency.inferences} inferences)",
        )
        for at in work.events:
            event = packet.events[at]
            packet.events[at] = dataclasses.replace(event, evidence=(*event.evidence, evidence))
        self.account.made(len(work.events), saliency.inferences)
        self.account.times.time("map", time.perf_counter_ns() - work.began_ns)

    def _give_up(self, error: Exception, events: int) -> None:
        self.account.count("failed", events)
        if self.account.is_new(error):
            log.error(
                "stage %r: no evidence, the event goes without: %s", self._rules.name, error, exc_info=error
            )

    def _due(self, frame: Frame) -> bool:
        """Whether the stream may be asked again; if so, remembers that it was."""
        clock = frame.clock
        now = clock.mono_ns if clock.media_ns is None else clock.media_ns
        with self._lock:
            epoch, last = self._last.get(frame.stream, (-1, 0))
            if epoch == frame.epoch and abs(now - last) < self._wanted.every_s * 1e9:
                return False
            self._last[frame.stream] = frame.epoch, now
            return True


def row_of(event: Event, packet: Packet, result: Result) -> int:
    """The row of ``result`` that an event is about: that which lies where the track of its subject (``track:7``) is,
    else the most confident."""
    place = _place(event.subject, packet.results)
    boxes = result.xyxy if isinstance(result, Detections) else _boxes_of(packet, result)
    if place is not None and boxes is not None:
        overlap = iou_matrix(boxes, place)[:, 0]
        if overlap.max() > 0:
            return int(overlap.argmax())
    if isinstance(result, Classification) and result.class_id.shape[1]:
        return int(result.confidence[:, 0].argmax())
    return int(result.confidence.argmax()) if isinstance(result, Detections) else 0


def roi_of(packet: Packet, result: Result, row: int) -> Roi:
    """The part of the frame that the model looked at for ``row``."""
    source = packet.results.get(result.source)
    if not isinstance(source, Detections):
        return Roi.whole(packet.frame.size_wh)
    return rois_of(source.select(result.source_row[row : row + 1].astype(np.intp)))[0]


def _boxes_of(packet: Packet, result: Result) -> Any:
    """The box of each row, where the model looked at boxes of another stage."""
    source = packet.results.get(result.source)
    return source.xyxy[result.source_row] if isinstance(source, Detections) else None


def _place(subject: str, results: Mapping[str, Result]) -> Any:
    """The box ``(1, 4)`` of the track that is an event's subject."""
    kind, _, number = subject.partition(":")
    if kind != "track" or not number.isdecimal():
        return None
    for result in results.values():
        if isinstance(result, Detections) and result.track_id is not None:
            rows = np.flatnonzero(result.track_id == int(number))
            if len(rows):
                return result.xyxy[rows[:1]]
    return None
