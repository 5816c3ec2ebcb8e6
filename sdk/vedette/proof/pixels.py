"""Judge preprocessing: the golden's picture, put through the real path, against the recorded input tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vedette.bundle.manifest import Golden, ReferenceFeed
from vedette.bundle.recording import Images, Recording
from vedette.errors import SourceError, VedetteError
from vedette.frame import Decode, Encoded, Frame, Packed, Pixels, fourcc_of
from vedette.model.feeds import Row, still, stored_picture
from vedette.proof.judge import LARGEST, Floats, distances, levels
from vedette.proof.reference import fused_spec, reference_input
from vedette.specs import Affine, Roi
from vedette.vision.spec import InputSpec

if TYPE_CHECKING:
    from vedette.model.loading import LoadedModel

PACKED_LEVELS, GRAY_LEVELS, PLANAR_LEVELS = 1.0, 2.0, 5.0
"""By how many levels of 0..255 accelerated preprocessing may be off, see :func:`vedette.vision.views.render`: after one
resize; after a resize and a conversion to gray; after a resize of Y'CbCr planes and their conversion to colour."""
MEAN_LEVELS = 0.5
"""By how many on average. Another kernel or a shift by half a pixel is beyond it."""
_ROUNDING = 1e-3
"""Of a level: float32 arithmetic."""


class PreprocessProof(msgspec.Struct, frozen=True, kw_only=True):
    """Input tensors against the recorded ones, in levels of 0..255. ``judged``: on how many goldens."""

    worst: float = 0.0
    mean: float = 0.0
    judged: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What preprocessing made of a golden: differences in levels and their bound, or why there are none."""

    levels: Floats
    bound: float = 0.0
    problem: str = ""
    note: str = ""


class PixelGauge:
    """Gathers what preprocessing made of the goldens."""

    def __init__(self) -> None:
        self._worst = self._sum = 0.0
        self._count = self._judged = 0
        self._problem = ""
        self.note = ""

    def add(self, found: Judged, golden: int) -> None:
        if found.note:
            self.note = self.note or found.note
            return
        self._judged += 1
        problem = found.problem
        if found.levels.size:
            worst, mean = float(found.levels.max()), float(found.levels.mean())
            self._worst = max(self._worst, worst)
            self._sum += float(found.levels.sum())
            self._count += found.levels.size
            if not worst <= found.bound + _ROUNDING:
                problem = problem or f"a pixel is off by {worst:.3g} levels (allowed: {found.bound:g})"
            elif not mean <= MEAN_LEVELS:
                problem = (
                    problem or f"pixels are off by {mean:.2g} levels on average (allowed: {MEAN_LEVELS})"
                )
        if problem and not self._problem:
            self._problem = f"{problem} on golden {golden}"

    def proof(self) -> PreprocessProof:
        mean = min(self._sum / max(self._count, 1), LARGEST)
        return PreprocessProof(
            worst=min(self._worst, LARGEST), mean=mean, judged=self._judged, problem=self._problem
        )


def judge_pixels(
    model: LoadedModel, golden: Golden, recording: Recording, images: Images, decode: Decode
) -> Judged:
    """Preprocess the golden's picture as the pipeline does, and compare with what was recorded."""
    if golden.image is None:
        return Judged(np.zeros(0), note="a golden without a picture was not judged")
    data = model.bundle.read(golden.image)
    try:
        pixels = decode(Encoded(fourcc_of(data), data, (0, 0), golden.image))
    except SourceError as error:
        return Judged(np.zeros(0), note=f"not judged: {error.message}")
    try:
        return _compare_inputs(model, recording, images, pixels, decode)
    except Exception as error:  # a plugin's
        text = error.message if isinstance(error, VedetteError) else f"{type(error).__name__}: {error}"
        return Judged(np.zeros(0), problem=text)


def _compare_inputs(
    model: LoadedModel, recording: Recording, images: Images, pixels: Pixels, decode: Decode
) -> Judged:
    frame = still(pixels)
    affine: Affine | None = None
    found, bound = [np.zeros(0)], 0.0
    for graph in model.graphs:
        for item in graph.inputs:
            if (graph.name, item.name) not in model.parts.preprocess:
                continue
            expected = reference_input(model, graph, item.name, recording)[:1]
            if item.sample is not None:  # of a clip the picture is the latest sample
                expected = expected[:, -1]
            given = np.full_like(expected, np.nan if expected.dtype.kind == "f" else 85)
            own = _own_reference(model, graph.name, item.name, decode)
            row = Row(frame=frame, roi=Roi.whole(frame.size_wh), index=0, reference=own)
            written = (item.sample or item).write(row, given[0, ...])
            affine = written if affine is None else affine
            spec = images.get((graph.name, item.name))
            off = (
                distances(given, expected)
                if fused_spec(model, graph, item.name)
                else levels(given, expected, spec)
            )
            found.append(off)
            bound = max(bound, _bound(pixels, spec))
    if frame.size_wh != recording.size_wh or not _same_map(affine, recording.affine, frame.size_wh):
        return Judged(np.concatenate(found), bound, "the picture lies elsewhere in the tensor")
    return Judged(np.concatenate(found), bound)


def _own_reference(model: LoadedModel, graph: str, name: str, decode: Decode) -> Frame | None:
    """What the recorded answers were compared with, whatever the model compares with here."""
    feed = model.bundle.manifest.graphs[graph].inputs[name].feed
    return still(stored_picture(model.bundle, feed, decode)) if isinstance(feed, ReferenceFeed) else None


def _bound(pixels: Pixels, spec: InputSpec | None) -> float:
    if not isinstance(pixels, Packed):
        return PLANAR_LEVELS
    return GRAY_LEVELS if spec is None or spec.colour == "gray" else PACKED_LEVELS


def _same_map(affine: Affine | None, expected: Affine, size_wh: tuple[int, int]) -> bool:
    given = Roi.whole(size_wh).affine if affine is None else affine
    return bool(np.allclose(given, expected, rtol=1e-6, atol=1e-6 * max(size_wh)))
