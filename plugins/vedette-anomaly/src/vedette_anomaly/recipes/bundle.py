"""From an exported network to a bundle that is proved on every box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vedette import __version__
from vedette.bundle.manifest import (
    Decoder,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Provenance,
    Run,
    StateFeed,
    StatePair,
    Storage,
    Variant,
)
from vedette.bundle.pack_program import Moment, pack_program
from vedette.bundle.write import Content
from vedette_anomaly.decoder import Params
from vedette_anomaly.recipes.reconstruction import (
    CELL,
    ERROR,
    FRAME,
    PAST,
    PAST_NEXT,
    ReconstructionRecipe,
    ReconstructionSettings,
)

GRAPH = "model"


@dataclass(frozen=True, kw_only=True)
class Packing:
    """What a bundle is to say besides what follows from its recipe.

    ``models`` are ONNX files by how they are stored; all but ``f32`` need one of ``grades``. ``pictures`` are encoded,
    follow each other in time as the model is to see them, and become its goldens.
    """

    name: str
    version: str
    licence: str
    models: Mapping[Storage, Path]
    pictures: Sequence[bytes]
    decoder: Params
    origin: str
    grades: tuple[Grade, ...] = ()
    data: tuple[str, ...] = ()


def pack_stream(
    recipe: ReconstructionRecipe[Any], settings: ReconstructionSettings, packing: Packing, output: Path
) -> Path:
    """Make a bundle in place of the one that may be there; returns its path.

    Raises
    ------
    VedetteError
        As :func:`vedette.bundle.pack_program.pack_program`.
    """
    contents: dict[str, Content] = {_file(kind): path for kind, path in packing.models.items()}
    manifest = Manifest(
        schema=1,
        name=packing.name,
        version=packing.version,
        task="anomaly",
        licence=packing.licence,
        graphs={GRAPH: _graph(recipe, settings)},
        program=(Run(run=GRAPH),),
        decoder=Decoder(name="anomaly_error", params=msgspec.to_builtins(packing.decoder)),
        variants={
            kind: Variant(graphs={GRAPH: GraphFiles(format="onnx", files=(_file(kind),), storage=kind)})
            for kind in packing.models
        },
        files={},
        temporal=settings.temporal,
        grades=packing.grades,
        provenance=Provenance(
            origin=packing.origin,
            data=packing.data,
            recipe=f"{recipe.name}, vedette {__version__}",
            seeds=(settings.seed,),
        ),
    )
    moments = [Moment(picture=picture) for picture in packing.pictures]
    return pack_program(manifest, contents, moments, output, overwrite=True)


def _file(kind: str) -> str:
    return f"variants/{kind}/model.onnx"


def _graph(recipe: ReconstructionRecipe[Any], settings: ReconstructionSettings) -> Graph:
    spec = recipe.inputs(settings)[FRAME]
    channels, height, width = spec.row_shape
    feed = PreprocessFeed(name="image", params=msgspec.to_builtins(spec))
    inputs = {FRAME: Input(dtype="float32", shape=(None, *spec.row_shape), feed=feed)}
    outputs = {ERROR: Output(dtype="float32", shape=(None, height // CELL, width // CELL))}
    if not settings.past:
        return Graph(inputs=inputs, outputs=outputs)
    past = (None, settings.past * channels, height, width)
    return Graph(
        inputs=inputs | {PAST: Input(dtype="float32", shape=past, feed=StateFeed())},
        outputs=outputs | {PAST_NEXT: Output(dtype="float32", shape=past)},
        state=(StatePair(input=PAST, output=PAST_NEXT),),
    )
