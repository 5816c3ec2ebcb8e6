"""Measure a bundle where it will run: accuracy and speed, through the backends that are installed here."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
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
from vedette_torch.data.samples import Dataset
from vedette_torch.evaluation.classes import in_classes_of
from vedette_torch.evaluation.edge import EdgePredictor
from vedette_torch.evaluation.evaluate import observe, task_of
from vedette_torch.evaluation.headline import Headline, headline
from vedette_torch.quantise.errors import QuantiseError

Say = Callable[[str], None]

log = logging.getLogger("vedette.quantise")


def check_data(data: Dataset[Any], bundle: Bundle, registry: Registry) -> None:
    """Refuse held-out data that a bundle cannot be measured on, before any work.

    Raises
    ------
    DataError
        There is no sample, the samples are not for results of this type, or their classes are not those of the model.
    """
    task_of(registry.postprocessors[bundle.manifest.decoder.name].result, data)
    _, _, notes = in_classes_of(bundle.labels, data)
    for note in notes:
        log.warning("%s", note)


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


def headline_of(
    bundle: Bundle, variant: str, backend: str, data: Dataset[Any], registry: Registry, say: Say
) -> Headline:
    """How well a variant does on a backend, at f32 on the processor.

    Raises
    ------
    VedetteError
        It cannot be opened or run, or a picture cannot be read.
    """

    def progress(done: int, total: int) -> None:
        if done % 25 == 0 or done == total:
            say(f"{variant} on {backend}: {done} of {total} pictures")

    with EdgePredictor(bundle, registry=registry, **_pinned(variant, backend)) as model:
        return headline(observe(model, data, image_decoder(registry), progress))


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
