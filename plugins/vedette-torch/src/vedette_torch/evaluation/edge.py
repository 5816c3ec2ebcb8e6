"""A bundle as an edge box runs it: its preprocessing, a backend, its decoder. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from vedette.bundle.bundle import Bundle
from vedette.bundle.options import typed_params
from vedette.frame import Frame
from vedette.model.loading import LoadedModel, Replace
from vedette.model.named import open_named
from vedette.model.single import Model
from vedette.registry import Registry, load_plugins
from vedette.results import Result
from vedette.specs import PostprocessSpec
from vedette_torch.evaluation.predictor import Subject

THRESHOLD = "confidence_threshold"
LOW = 0.01
"""Boxes are asked for from this confidence up, whatever the bundle's threshold, so that the curve has its end."""


class EdgePredictor:
    """A :class:`~vedette_torch.evaluation.predictor.Predictor` of a bundle.

    Parameters
    ----------
    bundle
        Path of a bundle, name of an installed model, or an open bundle (which is then not closed with this).
    registry
        Plugins to use; default: all that are installed.
    params
        Parameters of the decoder, over the bundle's own. Where the decoder has a ``confidence_threshold`` that is not
        among them, boxes are asked for from :data:`LOW` up.
    wanted
        Keywords of :class:`vedette.model.candidates.Wanted`: backend, device, variant, precision, proof ...
        Variants without a grade are allowed: this is what grades are made by.

    Raises
    ------
    VedetteError
        As :class:`vedette.model.single.Model`.
    """

    def __init__(
        self,
        bundle: Bundle | Path | str,
        *,
        registry: Registry | None = None,
        params: Mapping[str, Any] | None = None,
        **wanted: Any,
    ) -> None:
        registry = registry or load_plugins()
        with ExitStack() as stack:
            opened = (
                bundle if isinstance(bundle, Bundle) else stack.enter_context(open_named(bundle, registry))
            )
            decoder = opened.manifest.decoder
            spec = registry.postprocessors[decoder.name]
            lowered, self.threshold = with_low_threshold(registry, spec, decoder.params, params or {})
            self._model = stack.enter_context(
                Model(
                    opened,
                    registry=registry,
                    parts=Replace(params=lowered),
                    **{"allow_ungraded": True, **wanted},
                )
            )
            self.labels = opened.labels
            self.result = spec.result
            self.subject = _describe(self._model.loaded)
            self._opened = stack.pop_all()

    def __call__(self, frame: Frame, reference: Frame | None = None) -> Result:
        return self._model(frame, reference=reference)

    def close(self) -> None:
        """Free the model. Closing twice is fine."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def with_low_threshold(
    registry: Registry, spec: PostprocessSpec, own: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], float | None]:
    """The parameters ``given`` over a decoder's ``own``, with the threshold lowered to :data:`LOW` unless it was given;
    and the threshold as it is without that, ``None`` where there is none."""
    typed = typed_params(given, spec)
    params = registry.convert_params(spec, {**own, **typed}, f"decoder {spec.name!r}")
    threshold: float | None = getattr(params, THRESHOLD, None)
    if threshold is not None and threshold > LOW:
        typed.setdefault(THRESHOLD, LOW)
    return typed, threshold


def _describe(loaded: LoadedModel) -> Subject:
    manifest = loaded.bundle.manifest
    sessions = [graph.session for graph in loaded.graphs]
    backend = loaded.parts.backend
    return Subject(
        kind="edge",
        name=f"{manifest.name} {manifest.version}",
        path=str(loaded.bundle.path),
        digest=loaded.bundle.digest,
        how={
            "variant": loaded.candidate.variant,
            "backend": f"{backend.name} {backend.version()}",
            "device": ", ".join(dict.fromkeys(session.device for session in sessions)),
            "precision": ", ".join(dict.fromkeys(session.execution_precision for session in sessions)),
        },
        params=msgspec.to_builtins(loaded.params),
        proof=loaded.standing.verdict,
        notes=tuple(f"not used: {reason}" for reason in loaded.fallbacks),
    )
