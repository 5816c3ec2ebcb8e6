"""The convolutions of a streaming network in int8, calibrated by clips, and what that costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import Grade
from vedette.bundle.trial import open_trial
from vedette.bundle.write import write_bundle
from vedette.errors import VedetteError
from vedette.frame import Packed
from vedette.registry import Registry
from vedette.results import ClipPrediction
from vedette.specs import Tensors
from vedette_rnn.packing.run import FLOAT, INT8, Told, TrainedModel, draft, variant_of
from vedette_rnn.recipes.clip_gru import FRAME, ClipGru, SampledClip
from vedette_torch.data.footage import read_clip, sampled
from vedette_torch.metrics.figure import proportion
from vedette_torch.pictures import PictureLoader
from vedette_torch.quantise.onnx_graph import load_float, prepare
from vedette_torch.quantise.qdq import calibrate

GRAPH = "features"
BACKENDS = ("onnxruntime", "openvino")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Right answers of ``clips`` by variant and backend, and the largest drop from float to int8, in parts of 1."""

    right: dict[str, dict[str, int]]
    clips: int

    @property
    def drop(self) -> float:
        float_, int8 = self.right[FLOAT], self.right[INT8]
        return max((float_[backend] - int8[backend]) / self.clips for backend in int8)

    def grades(self) -> tuple[Grade, ...]:
        """For the bundle: the worst backend of each variant, which then holds for all."""
        grades = []
        for variant, by_backend in self.right.items():
            figure = proportion(min(by_backend.values()), self.clips)
            assert figure.value is not None
            grades.append(
                Grade(
                    variant=variant,
                    precision="f32",
                    metric="top1",
                    value=figure.value,
                    n=self.clips,
                    interval=figure.interval,
                )
            )
        return tuple(grades)


def quantise_features(model: TrainedModel, clips: Sequence[SampledClip]) -> bytes:
    """The graph per frame with int8 convolutions, whose ranges are those of ``clips``. What recurs is another graph and
    stays as it is: int8 in front of a GRU in one graph gives other numbers on every runtime.

    Raises
    ------
    VedetteError
        The network has no graph per frame, there is no clip, or it cannot be quantised.
    """
    if GRAPH not in model.form("stream").graphs:
        raise VedetteError(
            f"recipe {model.recipe.name!r} has no convolutions to quantise", fix="pack it in float"
        )
    prepared = prepare(load_float(model.folder / model.form("stream").files[GRAPH]))
    return bytes(calibrate(prepared, _feeds(model, clips)).quantise().SerializeToString())


def cost_of_int8(
    model: TrainedModel, int8: bytes, clips: Sequence[SampledClip], folder: Path, registry: Registry
) -> Cost:
    """Stream labelled clips, which neither training nor calibration saw, through both variants on each backend here."""
    right: dict[str, dict[str, int]] = {}
    form = model.form("stream")
    for part in (variant_of(model, form, {}), variant_of(model, form, {GRAPH: int8})):
        manifest, contents = draft(model, form, Told(licence="not yet known"), [part])
        path = write_bundle(Path(tempfile.mkdtemp(dir=folder)) / "draft", manifest, contents)
        with open_bundle(path) as bundle:
            right[part.name] = {
                backend: sum(
                    int(said.argmax()) == clip.class_id
                    for said, clip in zip(stream_clips(bundle, clips, backend, registry), clips, strict=True)
                )
                for backend in BACKENDS
                if backend in registry.backends and registry.backends[backend].probe() is None
            }
    return Cost(right=right, clips=len(clips))


def stream_clips(
    bundle: Bundle, clips: Iterable[SampledClip], backend: str, registry: Registry
) -> Iterator[NDArray[np.float32]]:
    """What a streaming bundle says at the end of each clip: ``(classes,)``, how sure it is of each."""
    with open_trial(bundle, registry, backend) as trial:
        recorder = Recorder(trial.bundle, registry, trial.backend, trial.sessions)
        for clip in clips:
            said = np.zeros(0, np.float32)
            for frame, anew in sampled(read_clip(clip.path), clip.temporal):
                if anew:
                    recorder.restart()
                upright = Packed("bgr", frame.view("bgr")) if frame.orientation else frame.pixels()
                result = recorder.record(upright).result
                assert isinstance(result, ClipPrediction)
                said = np.empty(result.confidence.shape[1], np.float32)
                said[result.class_id[0]] = result.confidence[0]
            yield said


def _feeds(model: TrainedModel, clips: Sequence[SampledClip]) -> Iterator[Tensors]:
    """What the graph per frame is fed with, frame by frame."""
    recipe, settings = model.recipe, model.settings
    assert isinstance(recipe, ClipGru)
    loader = PictureLoader(recipe.inputs(settings))
    for clip in clips:
        pixels = recipe.load(clip, model.labels, loader).input
        (frames,) = recipe.prepare(pixels[None].float(), settings)
        last, begun = torch.zeros_like(frames[:, 0]), torch.zeros(1, 1)
        for frame in frames[0][:, None]:
            yield {FRAME: frame.numpy(), "last": last.numpy(), "begun": begun.numpy()}
            last, begun = frame, torch.ones(1, 1)
