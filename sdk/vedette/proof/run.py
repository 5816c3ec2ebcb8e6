"""Run the goldens of a bundle on a loaded model, and judge what comes of it: preprocess, raw outputs, decoded result.

The three are judged apart. Raw outputs are those for the *recorded* input, and decoded is what the model here made of
that; so a resize that rounds differently does not show up as a wrong network, nor one as a wrong decoder. State of
recurrent graphs is the exception: it is carried from golden to golden as this box computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from vedette.bundle.manifest import Golden, Manifest, Tolerance
from vedette.bundle.recording import Images, Recording, images_of
from vedette.frame import Decode
from vedette.inference import infer
from vedette.proof.agreement import Agreement
from vedette.proof.decoded import judge_decoded
from vedette.proof.judge import Difference, Gauge
from vedette.proof.oracle import margin_of, oracle_text, tolerance_of
from vedette.proof.pixels import Judged, PixelGauge, PreprocessProof, judge_pixels
from vedette.proof.reference import recorded, reference_input
from vedette.results import RESULT_TYPES
from vedette.specs import Tensor

if TYPE_CHECKING:
    from vedette.model.loading import LoadedModel

LEAST_RANGE = 0.01
"""An output that is the same on all goldens but for noise, as confidences are where nothing is found, is measured by
this part of the range of the graph's widest output."""


class OutputProof(msgspec.Struct, frozen=True, kw_only=True):
    """One raw output: differences as parts of its range; the golden of the worst."""

    worst: float
    rms: float
    mean: float
    worst_at: int


class DecodedProof(msgspec.Struct, frozen=True, kw_only=True):
    """Findings that agree, of those that are clear, on both sides."""

    agreeing: int
    total: int
    problem: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the goldens on one variant, backend, device and precision.

    ``problem``: why it failed, in one line; empty where it passed. ``notes``: what could not be judged. ``device`` and
    ``precision`` are as the sessions read them back from the runtime, ``placement`` in words.
    """

    problem: str
    oracle: str
    goldens: int
    tolerance: Tolerance
    preprocess: PreprocessProof
    outputs: dict[str, OutputProof]
    decoded: DecodedProof
    device: str
    precision: str
    placement: str
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problem

    @property
    def worst(self) -> Difference:
        """The figures of the output that is furthest off."""
        worst = max(self.outputs.values(), key=lambda item: item.worst)
        return Difference(worst=worst.worst, rms=worst.rms, mean=worst.mean, worst_at=worst.worst_at)


def goldens_of(manifest: Manifest, variant: str) -> tuple[Golden, ...]:
    """The goldens that hold answers for a variant."""
    return tuple(
        golden
        for golden in manifest.goldens
        if golden.tensors is not None and golden.variant in (None, variant)
    )


def prove(model: LoadedModel, decode: Decode) -> Proof:
    """Judge a loaded model by the goldens of its bundle, of which there must be some.

    The decoder is run with the bundle's own parameters, whatever thresholds were set; a replaced one with its own.

    Parameters
    ----------
    decode
        Decoder of still images. Preprocessing is not judged, and the proof notes it, where it does not know the coding
        of the goldens.

    Raises
    ------
    BackendError
        The model cannot be run.
    BundleError
        A golden is damaged or does not belong to the model.
    """
    manifest, candidate = model.bundle.manifest, model.candidate
    goldens = goldens_of(manifest, candidate.variant)
    tolerance = tolerance_of(manifest, candidate)
    gauges = {
        f"{graph.name}/{name}": Gauge(rows=output.rows)
        for graph in model.graphs
        for name, output in manifest.graphs[graph.name].outputs.items()
    }
    pixels = PixelGauge()
    agreed = Agreement()
    for number, answer in enumerate(_answers(model, goldens, decode)):
        for path, gauge in gauges.items():
            graph, _, name = path.partition("/")
            gauge.add(
                answer.outputs[graph][name], recorded(answer.recording.outputs, graph, name, "output"), number
            )
        pixels.add(answer.pixels, number)
        agreed += judge_decoded(model, answer.recording, answer.outputs, margin_of(tolerance))
    outputs = {path: _output(path, gauge, gauges) for path, gauge in gauges.items()}
    oracle = manifest.variants[candidate.variant].oracle
    preprocess = pixels.proof()
    decoded = DecodedProof(agreeing=agreed.agreeing, total=agreed.total, problem=agreed.problem)
    return Proof(
        problem=next(_problems(outputs, tolerance, oracle.kind if oracle else "", preprocess, decoded), ""),
        oracle=oracle_text(oracle),
        goldens=len(goldens),
        tolerance=tolerance,
        preprocess=preprocess,
        outputs=outputs,
        decoded=decoded,
        device=_distinct(graph.session.device for graph in model.graphs),
        precision=_distinct(graph.session.execution_precision for graph in model.graphs),
        placement=_distinct(graph.session.placement for graph in model.graphs),
        notes=(f"preprocess: {pixels.note}",) if pixels.note else (),
    )


def _distinct(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _output(path: str, gauge: Gauge, gauges: Mapping[str, Gauge]) -> OutputProof:
    graph = path.partition("/")[0]
    widest = max(other.range for name, other in gauges.items() if name.partition("/")[0] == graph)
    found = gauge.difference(LEAST_RANGE * widest)
    return OutputProof(worst=found.worst, rms=found.rms, mean=found.mean, worst_at=found.worst_at)


def _problems(
    outputs: Mapping[str, OutputProof],
    tolerance: Tolerance,
    oracle: str,
    preprocess: PreprocessProof,
    decoded: DecodedProof,
) -> Iterator[str]:
    """Why a proof fails, the most telling reason first."""
    by = f"the {oracle} oracle" if oracle else "the goldens"
    for path, output in sorted(outputs.items(), key=lambda item: -item[1].worst):
        what = f"output {path!r} differs from {by} by"
        if not output.worst <= tolerance.worst:
            yield (
                f"{what} {output.worst:.2g} of its range on golden {output.worst_at} (allowed: {tolerance.worst:g})"
            )
        if tolerance.rms is not None and not output.rms <= tolerance.rms:
            yield f"{what} {output.rms:.2g} of its range in the square mean (allowed: {tolerance.rms:g})"
    if preprocess.problem:
        yield f"preprocess: {preprocess.problem}"
    if decoded.agreeing < decoded.total:
        yield (
            f"decoded results agree in {decoded.agreeing} of {decoded.total} clear findings: {decoded.problem}"
        )


# --- running ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    recording: Recording
    outputs: Mapping[str, Mapping[str, Tensor]]
    pixels: Judged


def _answers(model: LoadedModel, goldens: Sequence[Golden], decode: Decode) -> Iterator[_Answer]:
    """What the model says to each golden, in order; several at once where none depends on the one before."""
    images = images_of(model.bundle.manifest)
    if any(graph.state for graph in model.graphs):
        state = {graph.name: graph.initial_state() for graph in model.graphs}
        for golden in goldens:
            yield _answer(model, golden, images, decode, state)
        return
    with ThreadPoolExecutor(min(model.pool.threads, len(goldens))) as threads:
        yield from threads.map(lambda golden: _answer(model, golden, images, decode, {}), goldens)


def _answer(
    model: LoadedModel,
    golden: Golden,
    images: Images,
    decode: Decode,
    state: dict[str, dict[str, Tensor]],
) -> _Answer:
    assert golden.tensors is not None
    types = (*RESULT_TYPES, model.parts.postprocess.result)
    recording = Recording.from_npz(
        model.bundle.read(golden.tensors), f"{model.bundle.path}: {golden.tensors!r}", images, types
    )
    outputs: dict[str, dict[str, Tensor]] = {}
    for graph in model.graphs:
        feeds = {item.name: reference_input(model, graph, item.name, recording) for item in graph.inputs}
        for name, array in state.get(graph.name, {}).items():
            feeds[name] = np.broadcast_to(array, feeds[name].shape)
        outputs[graph.name] = infer(graph.session, feeds)
        for pair in graph.state:
            state[graph.name][pair.input] = outputs[graph.name][pair.output][0]
    return _Answer(recording, outputs, judge_pixels(model, golden, recording, images, decode))
