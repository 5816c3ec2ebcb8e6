"""What this distribution adds to Vedette. Light: torch is loaded when a recipe is used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.hookspecs import hookimpl
from vedette.specs import CommandSpec, ModelSpec, PostprocessSpec, RecipeSpec, ResultSpec, StageSpec

if TYPE_CHECKING:
    import click


@hookimpl
def vedette_postprocessors() -> Iterable[PostprocessSpec]:
    """Decoders of what networks say of a window of time."""
    from vedette_rnn.decoders import DECODERS

    return DECODERS


@hookimpl
def vedette_stages() -> Iterable[StageSpec]:
    """What goes in front of such networks, and what comes of their answers."""
    from vedette_rnn.stages import STAGES

    return STAGES


@hookimpl
def vedette_results() -> Iterable[ResultSpec]:
    """Points in parts of the picture, which sequences are made of."""
    from vedette_rnn.results import POINTS

    return [POINTS]


@hookimpl
def vedette_models() -> Iterable[ModelSpec]:
    """What comes with this distribution."""
    return [
        ModelSpec(
            name="hand-gesture",
            summary="What a finger draws: a GRU over its last 16 positions.",
            task="clip",
            locate=lambda: Path(__file__).parent / "bundles" / "hand-gesture-1.0.0.vedette",
        )
    ]


def _pack_recurrent() -> click.Command:
    from vedette_rnn.packing.command import pack_recurrent

    return pack_recurrent


@hookimpl
def vedette_commands() -> Iterable[CommandSpec]:
    """What makes bundles of trained networks; it needs the extra ``torch``."""
    return [
        CommandSpec(
            name="pack-recurrent",
            summary="Make a bundle of a trained recurrent network.",
            build=_pack_recurrent,
        )
    ]


def _clip_gru() -> Any:
    from vedette_rnn.recipes.clip_gru import ClipGru

    return ClipGru()


def _gesture_gru() -> Any:
    from vedette_rnn.recipes.gesture_gru import GestureGru

    return GestureGru()


@hookimpl
def vedette_recipes() -> Iterable[RecipeSpec]:
    """How networks of this distribution are trained."""
    return [
        RecipeSpec(
            name="clip_gru",
            summary="What happens in a video: a small int8 network per frame, and a GRU that remembers.",
            task="clip",
            build=_clip_gru,
        ),
        RecipeSpec(
            name="gesture_gru",
            summary="What a moving point draws: a GRU over its track.",
            task="clip",
            build=_gesture_gru,
        ),
    ]
