"""What this distribution adds to Vedette."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vedette.hookspecs import hookimpl
from vedette.specs import ModelSpec, PostprocessSpec, RecipeSpec


@hookimpl
def vedette_postprocessors() -> Iterable[PostprocessSpec]:
    """Decoders of the common output formats of classifiers and detectors."""
    from vedette_cnn.decoders import DECODERS

    return DECODERS


@hookimpl
def vedette_models() -> Iterable[ModelSpec]:
    """Models of this project's own, trained by the recipes below."""
    from vedette_cnn.bundled import BUNDLED

    return BUNDLED


def _cifar_classifier() -> Any:
    from vedette_cnn.recipes.cifar_classifier import CifarClassifier

    return CifarClassifier()


def _defect_detector() -> Any:
    from vedette_cnn.recipes.defect_detector import DefectDetector

    return DefectDetector()


@hookimpl
def vedette_recipes() -> Iterable[RecipeSpec]:
    """How networks of this distribution are trained."""
    return [
        RecipeSpec(
            name="cifar_classifier",
            summary="A small classifier of 32x32 pictures, at ease in int8.",
            task="classification",
            build=_cifar_classifier,
        ),
        RecipeSpec(
            name="defect_detector",
            summary="A small detector of defects in gray pictures at their own size, at ease in int8.",
            task="detection",
            build=_defect_detector,
        ),
    ]
