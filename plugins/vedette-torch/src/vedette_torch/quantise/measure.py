"""Measure a bundle where it will run: accuracy and speed, through the backends that are installed here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from vedette.benchmark.meter import Sample, timed
from vedette.benchmark.parts import make_pictures
from vedette.benchmark.raw import RawRuntime
from vedette.benchmark.rounds import interleave
from vedette.bundle.bundle import Bundle
from vedette.decoding import image_decoder
from vedette.model.candidates import Wanted
from vedette.model.loading import LoadedModel, Replace, load_model
from vedette.model.pool import SessionPool
from vedette.proof.run import Proof, prove
from vedette.registry import Registry
from vedette.specs import BackendSpec
from vedette_torch.data.pictures import read_frame
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample
from vedette_torch.evaluation.classes import in_classes_of
from vedette_torch.evaluation.edge import EdgePredictor
from vedette_torch.quantise.accuracy import Metric, metric_for
from vedette_torch.quantise.errors import QuantiseError

Say = Callable[[str], None]

log = logging.getLogger("vedette.quantise")


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Samples that neither training nor calibration has seen, in the classes of the model, and what to measure."""

    samples: Sequence[ImageSample | BoxesSample]
    metric: Metric[Any]


def held_out(data: Dataset[Any], bundle: Bundle, registry: Registry) -> HeldOut:
    """Samples in the classes of a bundle, and the metric for its results.

    Raises
    ------
    QuantiseError
        There is no sample, or there is no metric for what the model says.
    DataError
        The classes of the data are not those of the model.
    """
    if not data.samples:
        raise QuantiseError(
            "there is no sample to measure on", fix="--data names a folder of labelled pictures"
        )
    samples, labels, notes = in_classes_of(bundle.labels, data)
    for note in notes:
        log.warning("%s", note)
    decoder = registry.postprocessors[bundle.manifest.decoder.name]
    return HeldOut(samples=samples, metric=metric_for(decoder.result, len(labels)))


def backends_for(model_format: str, registry: Registry) -> list[BackendSpec]:
    """The backends here that read a format, the one that a box would try first at the head.

    Raises
    ------
    QuantiseError
        There is none.
    """
    found = [
        spec
        for spec in sorted(registry.backends.values(), key=lambda spec: (-spec.rank, spec.name))
        if model_format in spec.formats and spec.probe() is None
    ]
    if not found:
        raise QuantiseError(
            f"no backend here reads {model_format} files, so nothing can be measured",
            fix="pip install vedette-onnxruntime vedette-openvino",
        )
    return found


def evidence_of(
    bundle: Bundle, variant: str, backend: str, data: HeldOut, registry: Registry, say: Say
) -> list[Any]:
    """What a variant tells of each sample on a backend, at f32 on the processor, in the order of the samples.

    Raises
    ------
    VedetteError
        It cannot be opened or run, or a picture cannot be read.
    """
    decode = image_decoder(registry)
    found = []
    with EdgePredictor(bundle, registry=registry, **_pinned(variant, backend)) as model:
        for number, sample in enumerate(data.samples, 1):
            found.append(data.metric.evidence(model(read_frame(sample.path, decode)), sample))
            if number % 25 == 0 or number == len(data.samples):
                say(f"{variant} on {backend}: {number} of {len(data.samples)} pictures")
    return found


def proof_of(bundle: Bundle, variant: str, backend: str, registry: Registry) -> Proof:
    """How a variant does by its goldens on a backend.

    Raises
    ------
    VedetteError
        It cannot be opened or run.
    """
    decode = image_decoder(registry)
    wanted = Wanted(**_pinned(variant, backend))
    model = load_model(bundle, registry, SessionPool(_threads()), decode, wanted=wanted)
    try:
        return prove(model, decode)
    finally:
        model.close()


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Requests per second of each, and the median over the rounds of ``int8 / f32``.

    ``contended``: rounds in which others used the processor, however often they were repeated.
    """

    f32_hz: float
    int8_hz: float
    ratio: float
    contended: int


def speed_of(
    float_bundle: Bundle,
    int8_bundle: Bundle,
    variants: tuple[str, str],
    backend: str,
    registry: Registry,
    say: Say,
    *,
    rounds: int = 3,
    seconds: float = 1.0,
    batch: int = 1,
) -> Speed:
    """Throughput of the sessions alone, all processors busy, in interleaved rounds.

    Raises
    ------
    VedetteError
        One of them cannot be opened or run.
    """
    threads = _threads()
    with ExitStack() as stack:
        contestants = {}
        for name, bundle, variant in zip(("f32", "int8"), (float_bundle, int8_bundle), variants, strict=True):
            model = load_model(
                bundle,
                registry,
                SessionPool(threads),
                image_decoder(registry),
                wanted=Wanted(**_pinned(variant, backend)),
                replace=Replace(batch=batch),
            )
            stack.callback(model.close)
            contestants[name] = _contestant(model, seconds, batch)
        series = interleave(contestants, rounds, lambda text: say(f"speed on {backend}, {text}"), attempts=2)
    return Speed(
        f32_hz=series["f32"].rate_hz,
        int8_hz=series["int8"].rate_hz,
        ratio=series["int8"].per_round(series["f32"]),
        contended=series["f32"].contended + series["int8"].contended,
    )


def _contestant(model: LoadedModel, seconds: float, batch: int) -> Callable[[], Sample]:
    raw = RawRuntime(model, make_pictures((640, 480))[0], batch)
    return lambda: timed(lambda: raw.run(seconds))


def _pinned(variant: str, backend: str) -> dict[str, Any]:
    """Keywords of :class:`~vedette.model.candidates.Wanted` for just this, whatever is known of it."""
    return {
        "backend": backend,
        "device": "cpu",
        "variant": variant,
        "precision": "f32",
        "allow_ungraded": True,
        "allow_fallback": False,
        "proof": "off",
    }


def _threads() -> int:
    return len(os.sched_getaffinity(0))
