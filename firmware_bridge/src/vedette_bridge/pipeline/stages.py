"""The stages ``camera`` and ``camera_events``: what a pipeline sets at a camera, and what the camera says unasked."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vedette.errors import ConfigError
from vedette.events import EventDraft
from vedette.results import Detections
from vedette.specs import StageInputs, StageOutput
from vedette_bridge.pipeline.params import ControlParams, EventsParams, Rule
from vedette_bridge.pipeline.sharing import borrow, port_of
from vedette_bridge.protocols.vlp.parameters import to_wire
from vedette_bridge.shells.calls import Call
from vedette_bridge.shells.notices import CameraEvent, CameraTrigger, LinkChange, Notice, VendorMessage
from vedette_bridge.translation import translated
from vedette_bridge.vlp.rpc import Method


@dataclass
class ControlState:
    """What the camera was told last, per stream. ``until_ns``: when each rule ends, by the time of capture."""

    until_ns: dict[int, int] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    session: int = 0
    calls: list[Call] = field(default_factory=list)


class CameraControl:
    """Sets parameters of a camera while something is seen, and others afterwards. Each change is an event
    ``camera.set``. It never waits for the camera: what that refuses is the error of a later frame."""

    def __init__(self, params: ControlParams) -> None:
        self._camera = params.camera
        self._rules = params.rules
        with translated():
            port_of(params.camera)
            for rule in params.rules:
                to_wire(rule.set)
                to_wire(rule.otherwise)

    def start(self, stream: str) -> ControlState:
        return ControlState()

    def process(self, inputs: StageInputs, state: ControlState) -> StageOutput:
        """Raises ``LinkError`` for what the camera refused before, or if it is not open."""
        found = inputs.results["boxes"]
        assert isinstance(found, Detections)
        with translated():
            camera = borrow(self._camera).camera
            if camera.session != state.session:  # it has forgotten everything
                state.session = camera.session
                state.told.clear()
            wanted = self._wanted(found, inputs.frame.clock.mono_ns, state)
            changed = {
                name: value
                for name, value in wanted.items()
                if name not in state.told or state.told[name] != value
            }
            if changed:
                state.calls.append(camera.begin(Method.SET, to_wire(changed)))
                state.told |= changed
            self._check(state)
        if not changed:
            return StageOutput()
        return StageOutput(events=(EventDraft(kind="camera.set", data=changed),))

    def _wanted(self, found: Detections, now_ns: int, state: ControlState) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        for index, rule in enumerate(self._rules):
            if fits(rule, found):
                state.until_ns[index] = now_ns + round(rule.hold_ms * 1e6)
            active = index in state.until_ns and now_ns <= state.until_ns[index]
            wanted |= rule.set if active else rule.otherwise
        return wanted

    @staticmethod
    def _check(state: ControlState) -> None:
        done = [call for call in state.calls if call.done]
        state.calls = [call for call in state.calls if not call.done]
        for call in done:
            call.result()


def fits(rule: Rule, found: Detections) -> bool:
    """Whether a detection is one that the rule waits for.

    Raises
    ------
    ConfigError
        The model has no class of that name.
    """
    sure = found.confidence >= rule.at_least
    if rule.when is None:
        return bool(sure.any())
    number = rule.when
    if isinstance(number, str):
        if number not in found.labels:
            raise ConfigError(
                f"stage 'camera': the model has no class {number!r}",
                fix=f"its classes: {', '.join(found.labels[:20]) or 'without names; give a number'}",
            )
        number = found.labels.index(number)
    return bool(np.any(sure & (found.class_id == number)))


class CameraEvents:
    """Raises what the camera said since the frame before: ``camera.trigger``, ``camera.input``, ``camera.button`` ...
    with the camera's own time."""

    def __init__(self, params: EventsParams) -> None:
        self._camera = params.camera
        with translated():
            port_of(params.camera)

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> StageOutput:
        """Raises ``LinkError`` if the camera is not open."""
        with translated():
            notices = borrow(self._camera).camera.take_notices()
        return StageOutput(events=tuple(map(draft_of, notices)))


def draft_of(notice: Notice) -> EventDraft:
    """What an event says of a message."""
    wall_ns = time.time_ns() - (time.monotonic_ns() - notice.t_ns)
    data = {name: value for name, value in asdict(notice).items() if name not in ("t_ns", "name", "kind")}
    match notice:
        case CameraEvent():
            data["data"] = {str(key): value for key, value in notice.data.items()}
            return EventDraft(kind=f"camera.{notice.name}", t_start_ns=wall_ns, t_end_ns=wall_ns, data=data)
        case CameraTrigger():
            subject = f"input:{notice.source}"
            return EventDraft(
                kind="camera.trigger", subject=subject, t_start_ns=wall_ns, t_end_ns=wall_ns, data=data
            )
        case LinkChange():
            return EventDraft(kind=f"camera.link_{notice.state}", t_start_ns=wall_ns, data=data)
        case VendorMessage():
            data["payload"] = notice.payload.hex()
            return EventDraft(kind=f"camera.channel{notice.channel}", t_start_ns=wall_ns, data=data)
    return EventDraft(kind="camera.log", t_start_ns=wall_ns, data=data)
