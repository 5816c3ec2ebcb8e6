"""What this distribution adds to Vedette. Light: torch is loaded when somebody trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vedette.errors import PluginError
from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec, PostprocessSpec, RecipeSpec, StageSpec

if TYPE_CHECKING:
    import click


@hookimpl
def vedette_postprocessors() -> Iterable[PostprocessSpec]:
    """The decoder of networks that were wrong."""
    from vedette_anomaly import decoder

    return [decoder.SPEC]


@hookimpl
def vedette_stages() -> Iterable[StageSpec]:
    """What comes behind it."""
    from vedette_anomaly.stages import events, regions, smooth

    return [smooth.SPEC, regions.SPEC, events.SPEC]


def _next_frame() -> Any:
    from vedette_anomaly.recipes.next_frame import NextFrame

    return NextFrame()


def _frame_autoencoder() -> Any:
    from vedette_anomaly.recipes.frame_autoencoder import FrameAutoencoder

    return FrameAutoencoder()


@hookimpl
def vedette_recipes() -> Iterable[RecipeSpec]:
    """Networks that learn normal footage."""
    return [
        RecipeSpec(
            name="next_frame",
            summary="Predicts the next frame of a still camera; surprised by what is unusual.",
            task="anomaly",
            build=_next_frame,
        ),
        RecipeSpec(
            name="frame_autoencoder",
            summary="Frames through a short vector and back: anomalies, denoising, compression.",
            task="anomaly",
            build=_frame_autoencoder,
        ),
    ]


def _fit_site() -> click.Command:
    try:
        from vedette_anomaly.site.command import fit_site
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "vedette_torch", "lightning_fabric", "torchmetrics", "kornia"):
            raise
        raise PluginError(
            f"vedette fit-site trains a network, and {error.name} is not installed",
            fix="pip install 'vedette-anomaly[torch]', here or on another machine, and carry the bundle over",
        ) from error
    command: click.Command = fit_site
    return command


@hookimpl
def vedette_commands() -> Iterable[CommandSpec]:
    """From video of one place to a model of what is usual there."""
    return [
        CommandSpec(name="fit-site", summary="Learn what is usual in front of one camera.", build=_fit_site)
    ]
