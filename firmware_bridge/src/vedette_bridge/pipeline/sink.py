"""The sink ``vlp``: tells a camera what was found in its images, under the camera's own numbers of them."""

from __future__ import annotations

import logging

from vedette.errors import PipelineError
from vedette.events import Event
from vedette.packet import Packet
from vedette.results import Detections
from vedette.secrets import resolve_secret
from vedette_bridge.camera import CameraDetection
from vedette_bridge.errors import LinkDownError, QueueFullError, SessionResetError
from vedette_bridge.pipeline.params import SinkParams
from vedette_bridge.pipeline.sharing import Lease, acquire, port_of
from vedette_bridge.shells.keys import parse_key
from vedette_bridge.translation import translated

logger = logging.getLogger("vedette.bridge")


class VlpSink:
    """Sends each packet's detections to the camera that its frame came from.

    Frames of other sources are left alone. A result that cannot be sent now (the camera restarts, or does not take them
    fast enough) is dropped and counted: a later one is of more use to it.
    """

    def __init__(self, params: SinkParams) -> None:
        self._params = params
        self._key = None if params.key is None else parse_key(resolve_secret(params.key, "key"), params.key)
        self._lease: Lease | None = None
        self.sent = self.dropped = self.foreign = 0
        with translated():
            port_of(params.camera)

    def write(self, packet: Packet) -> None:
        found = self._detections(packet)
        if found is None:
            return
        if self._lease is None:
            with translated():
                self._lease = acquire(self._params.camera, self._key)
        frame = self._lease.shared.find(packet.frame.seq, packet.frame.clock.mono_ns)
        if frame is None:
            self.foreign += 1
            return
        try:
            self._lease.shared.camera.send_detections(frame, rows_of(found))
            self.sent += 1
        except (LinkDownError, SessionResetError, QueueFullError) as error:
            self.dropped += 1
            if self.dropped == 1:
                logger.warning("a result is dropped: %s", error.message)

    def write_event(self, event: Event) -> None:
        """Cameras take no events."""

    def close(self) -> None:
        lease, self._lease = self._lease, None
        if lease is None:
            return
        if self.dropped:
            logger.warning("%s: %d results could not be sent", self._params.camera, self.dropped)
        lease.release()

    def abort(self) -> None:
        self.close()

    def _detections(self, packet: Packet) -> Detections | None:
        """What is to be told; ``None`` where nothing was looked for."""
        if (stage := self._params.stage) is not None:
            if stage not in packet.outcome:
                raise PipelineError(
                    f"sink 'vlp': there is no stage {stage!r}", fix=f"stages: {', '.join(packet.outcome)}"
                )
            result = packet.results.get(stage)
            if result is not None and not isinstance(result, Detections):
                raise PipelineError(f"sink 'vlp': stage {stage!r} gives {result.type}, not detections")
            return result
        found = [result for result in packet.results.values() if isinstance(result, Detections)]
        if len(found) > 1:
            raise PipelineError("sink 'vlp': several stages detect", fix='params: stage = "..." names one')
        return found[0] if found else None


def rows_of(found: Detections) -> list[CameraDetection]:
    """Detections as a camera takes them; a track that is none is 0."""
    tracks = (
        [0] * len(found) if found.track_id is None else [max(0, track) for track in found.track_id.tolist()]
    )
    rows = zip(found.xyxy.tolist(), found.confidence.tolist(), found.class_id.tolist(), tracks, strict=True)
    return [
        CameraDetection(tuple(xyxy), confidence, number, track) for xyxy, confidence, number, track in rows
    ]
