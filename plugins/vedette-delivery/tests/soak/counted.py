"""A plugin for the soak: numbered frames of a file, an event for each, and a sink that notes its commits."""

import os
import time

import msgspec
import numpy as np

from vedette.errors import EndOfStream
from vedette.events import EventDraft
from vedette.frame import Clock, Packed
from vedette.hookspecs import hookimpl
from vedette.specs import Capture, SinkSpec, SourceInfo, SourceSpec, StageOutput, StageSpec
from vedette_delivery.mqtt.params import MqttParams
from vedette_delivery.mqtt.sink import open_mqtt

PIXELS = np.zeros((2, 2, 3), np.uint8)


class Numbers:
    """``numbers://500``: so many frames, as a file has them."""

    def __init__(self, count: int, pace_s: float) -> None:
        self.info = SourceInfo(live=False, frames=count)
        self._count, self._pace_s, self._seq = count, pace_s, 0

    def read(self, timeout_s):
        if self._seq == self._count:
            raise EndOfStream
        time.sleep(self._pace_s)
        seq, self._seq = self._seq, self._seq + 1
        clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns(), media_ns=seq * 10**7, origin="pts")
        return Capture(image=Packed("bgr", PIXELS), clock=clock, seq=seq)

    def close(self):
        pass


class Count:
    """An event for each frame, with how many there were before: state that must survive."""

    def start(self, stream):
        return {"count": 0}

    def process(self, inputs, state):
        state["count"] += 1
        data = {"count": state["count"], "seq": inputs.frame.seq}
        return StageOutput(
            events=(EventDraft(kind="counted", subject=f"of:{inputs.frame.seq % 3}", data=data),)
        )

    def save(self, state):
        return dict(state)

    def load(self, saved, shift_ns):
        return dict(saved)


class SourceParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pace_s: float = 0.0


class SinkParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    journal: str
    mqtt: MqttParams


def journaled(params: SinkParams):
    journal = os.open(params.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return open_mqtt(
        params.mqtt, on_commit=lambda ids: os.write(journal, "".join(f"{i}\n" for i in ids).encode())
    )


@hookimpl
def vedette_sources():
    return [
        SourceSpec(
            name="numbers",
            summary="Numbered frames.",
            matches=lambda uri: 10 * uri.startswith("numbers://"),
            open=lambda uri, params: Numbers(int(uri.removeprefix("numbers://")), params.pace_s),
            params=SourceParams,
        )
    ]


@hookimpl
def vedette_stages():
    return [StageSpec(name="count", summary="Counts.", build=lambda params: Count(), ordered=True)]


@hookimpl
def vedette_sinks():
    return [SinkSpec(name="journaled", summary="mqtt, with a journal.", open=journaled, params=SinkParams)]
