"""A stream that is recorded: what its source gives goes to a recorder on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import vedette
from vedette.errors import EndOfStream
from vedette.pipeline.config import Stream
from vedette.pipeline.sources import OpenedSource
from vedette.recording.format import VERSION, Header
from vedette.recording.recorder import Recorder
from vedette.secrets import redacted
from vedette.sinks.output import OutputPath
from vedette.specs import Capture, Source


class RecordedSource:
    """Stands for ``source``, and shows ``recorder`` all that it gives."""

    def __init__(self, source: Source, recorder: Recorder) -> None:
        self.info = source.info
        self._source = source
        self._recorder = recorder

    def read(self, timeout_s: float) -> Capture | None:
        try:
            capture = self._source.read(timeout_s)
        except EndOfStream:
            self._recorder.ended("complete")
            raise
        except Exception as error:
            self._recorder.ended("source_failed", redacted(str(error)))
            raise
        if capture is not None:
            self._recorder.captured(capture)
        return capture

    def close(self) -> None:
        try:
            self._source.close()
        finally:
            self._recorder.close()


def record(opened: OpenedSource, stream: Stream) -> OpenedSource:
    """``opened`` with a recorder, if ``stream`` is to be recorded.

    Raises
    ------
    PipelineError
        Nothing can be recorded where the configuration says; the source is closed then.
    """
    if stream.record is None:
        return opened
    info = opened.source.info
    header = Header(
        vedette_recording=VERSION,
        stream=stream.name,
        source=redacted(stream.source),
        provider=opened.provider,
        live=info.live,
        rate_hz=info.rate_hz,
        began=datetime.now(UTC).isoformat(timespec="milliseconds"),
        by=vedette.__version__,
    )
    max_bytes = None if stream.record_max_mb is None else round(stream.record_max_mb * 1e6)
    try:
        recorder = Recorder(OutputPath(stream.record).of(stream.name), header, max_bytes)
    except BaseException:
        opened.source.close()
        raise
    return replace(opened, source=RecordedSource(opened.source, recorder), recorder=recorder)
