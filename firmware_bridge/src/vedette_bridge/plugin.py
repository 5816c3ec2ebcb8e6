"""What this distribution gives to Vedette. Light: nothing is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.hookspecs import hookimpl
from vedette.results import Detections
from vedette.specs import CommandSpec, Sink, SinkSpec, Source, SourceSpec, Stage, StageSpec
from vedette_bridge.pipeline.params import ControlParams, EventsParams, SinkParams, SourceParams

if TYPE_CHECKING:
    import click


def _bridge() -> click.Command:
    from vedette_bridge.cli import bridge

    return bridge


def _matches(uri: str) -> int:
    scheme, colon, rest = uri.partition(":")
    return 80 if colon and rest and scheme.partition("+")[0] == "vlp" else 0


def _open_source(uri: str, params: SourceParams) -> Source:
    from vedette_bridge.pipeline.source import open_source

    return open_source(uri, params)


def _open_sink(params: SinkParams) -> Sink:
    from vedette_bridge.pipeline.sink import VlpSink

    return VlpSink(params)


def _control(params: ControlParams) -> Stage:
    from vedette_bridge.pipeline.stages import CameraControl

    return CameraControl(params)


def _events(params: EventsParams) -> Stage:
    from vedette_bridge.pipeline.stages import CameraEvents

    return CameraEvents(params)


SOURCE = SourceSpec(
    name="vlp",
    summary="Cameras with Vedette's link in their firmware (vlp:///dev/ttyACM0?baud=3000000).",
    matches=_matches,
    open=_open_source,
    params=SourceParams,
)
SINK = SinkSpec(
    name="vlp",
    summary="Detections back to the camera that took the image.",
    open=_open_sink,
    params=SinkParams,
)
CONTROL = StageSpec(
    name="camera",
    summary="Sets parameters of a camera (exposure, LED, pins ...) by what is seen.",
    build=_control,
    takes={"boxes": Detections},
    ordered=True,
    params=ControlParams,
)
EVENTS = StageSpec(
    name="camera_events",
    summary="Triggers, buttons and other messages of a camera, as events.",
    build=_events,
    ordered=True,
    params=EventsParams,
)


@hookimpl
def vedette_commands() -> list[CommandSpec]:
    """``vedette bridge``."""
    return [CommandSpec(name="bridge", summary="Talk to cameras over their own protocols.", build=_bridge)]


@hookimpl
def vedette_sources() -> list[SourceSpec]:
    """Cameras that speak VLP."""
    return [SOURCE]


@hookimpl
def vedette_sinks() -> list[SinkSpec]:
    """Back to such a camera."""
    return [SINK]


@hookimpl
def vedette_stages() -> list[StageSpec]:
    """What a pipeline sets at a camera, and hears of it."""
    return [CONTROL, EVENTS]
