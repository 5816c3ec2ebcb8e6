"""What this plugin adds: the module that the entry point in ``pyproject.toml`` names.

Specifications are data, so this module imports quickly and ``vedette plugins`` can list it anywhere. The work sits in
modules of its own; if one needs a heavy library, import that module inside a ``build`` function.
"""

from __future__ import annotations

from collections.abc import Iterable

from vedette import Detections, Keypoints, PostprocessSpec, PreprocessSpec, StageSpec, hookimpl
from vedette_template.crowd import Crowd, CrowdParams
from vedette_template.peaks import PeaksParams, find_peaks
from vedette_template.standardize import Standardize, StandardizeParams


@hookimpl
def vedette_preprocessors() -> Iterable[PreprocessSpec]:
    """From pixels to a tensor."""
    return [
        PreprocessSpec(
            name="standardize",
            summary="Each picture minus its mean, divided by its standard deviation.",
            params=StandardizeParams,
            build=Standardize,
        )
    ]


@hookimpl
def vedette_postprocessors() -> Iterable[PostprocessSpec]:
    """From a model's raw outputs to a result."""
    return [
        PostprocessSpec(
            name="peaks",
            summary="Keypoints from heat maps: the highest cell of each.",
            params=PeaksParams,
            result=Keypoints,
            build=lambda labels: find_peaks,
        )
    ]


@hookimpl
def vedette_stages() -> Iterable[StageSpec]:
    """From results to events, or to other results."""
    return [
        StageSpec(
            name="crowd",
            summary="An event while there are many detections.",
            params=CrowdParams,
            takes={"boxes": Detections},
            ordered=True,  # it keeps state, so it wants the packets of a stream in order
            build=Crowd,
        )
    ]
