"""The frames of a video, decoded as a box decodes them, and sampled by the clock as a box samples them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from vedette.bundle.manifest import Temporal
from vedette.errors import EndOfStream, SourceError
from vedette.frame import Clock, Frame
from vedette.pipeline.sampling import Timeline, look
from vedette_torch.data.pictures import Looked
from vedette_torch.data.samples import Problem
from vedette_video.params import VideoParams
from vedette_video.video_file import open_video


def read_clip(path: Path) -> Iterator[Frame]:
    """Every frame of a video in order; ``frame.clock.media_ns`` is when it is shown, from the beginning.

    Raises
    ------
    SourceError
        The file cannot be opened, or is damaged or cut short: after the frames that could be decoded.
    """
    source = open_video(str(path), VideoParams())
    try:
        while True:
            try:
                capture = source.read(timeout_s=0.0)
            except EndOfStream:
                return
            yield Frame(
                stream=str(path),
                epoch=capture.epoch,
                ticket=capture.seq,
                seq=capture.seq,
                size_wh=_upright(capture.image.size_wh, capture.orientation),
                clock=Clock(mono_ns=0, wall_ns=0, media_ns=capture.clock.media_ns),
                image=capture.image,
                orientation=capture.orientation,
            )
    finally:
        source.close()


def sampled(frames: Iterable[Frame], temporal: Temporal) -> Iterator[tuple[Frame, bool]]:
    """The frames that a model sees that is sampled so, by the rule of the runtime, and whether its state starts afresh
    with each: with the first, and after what counts as a gap."""
    line = Timeline()
    for frame in frames:
        before = line.generation
        if look(line, temporal, frame.epoch, frame.clock.media_ns or 0).sampled:
            yield frame, line.generation != before


def look_at_clip(path: Path) -> Looked | Problem:
    """Decode a video to its end; a problem is of the kind ``corrupt``."""
    try:
        size_wh = next(iter({frame.size_wh for frame in read_clip(path)}), None)
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except (SourceError, OSError) as error:
        message = error.message if isinstance(error, SourceError) else str(error)
        return Problem(path=path, kind="corrupt", message=message.removeprefix(f"{path}").lstrip(": "))
    if size_wh is None:
        return Problem(path=path, kind="corrupt", message="it holds no picture")
    return Looked(size_wh, digest)


def _upright(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size_wh[1], size_wh[0]) if orientation in (90, 270) else size_wh
