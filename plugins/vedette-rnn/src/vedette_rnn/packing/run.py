"""A bundle of a trained recurrent network, as a clip at a time or as a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from vedette.bundle.documents import Documents
from vedette.bundle.manifest import (
    Decoder,
    Grade,
    GraphFiles,
    Manifest,
    PreprocessFeed,
    Provenance,
    ResultFeed,
    Run,
    Storage,
    Variant,
)
from vedette.bundle.pack_program import Moment, pack_program
from vedette.bundle.write import Content
from vedette.errors import VedetteError
from vedette.registry import Registry, load_plugins
from vedette_rnn.packing.drawn import drawn_scene, drawn_track
from vedette_rnn.recipes.sequence import Form, FormName, TemporalRecipe
from vedette_torch.train_command import find_recipe
from vedette_torch.training.run_folder import RunFolder

SCENE = 24
"""Moments of a drawn scene: more than a window, so that a clip moves on."""
FLOAT: Final = "f32"
INT8: Final = "int8"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """A finished run, read: its recipe, what it was trained with, and the folder with the exported graphs."""

    recipe: TemporalRecipe[Any, Any]
    settings: Any
    labels: tuple[str, ...]
    folder: Path

    def form(self, name: FormName) -> Form:
        """A way to run it."""
        return self.recipe.form(self.settings, self.labels, name)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run does not know: the bundle's name and version, the model's licence, names for its classes in place of
    those of the data, where it comes from, what it was trained on, what was measured, and what it says to people."""

    licence: str
    name: str | None = None
    version: str = "1.0.0"
    labels: tuple[str, ...] | None = None
    origin: str = ""
    data: tuple[str, ...] = ()
    grades: tuple[Grade, ...] = ()
    documents: Documents = field(default_factory=Documents)


def read_run(folder: Path, registry: Registry) -> TrainedModel:
    """Read the folder of a training by a recipe of clips or sequences.

    Raises
    ------
    VedetteError
        It is no such folder, or its training has not come to an end.
    """
    info = RunFolder(folder).read_info()
    recipe = find_recipe(registry, info.recipe)
    if not isinstance(recipe, TemporalRecipe):
        raise VedetteError(
            f"{folder}: recipe {info.recipe!r} is not of clips or sequences",
            fix="pack its model: vedette pack",
        )
    settings = msgspec.convert(info.settings, recipe.settings_type)
    model = TrainedModel(recipe=recipe, settings=settings, labels=info.labels, folder=folder)
    for name in ("clip", "stream"):
        for file in model.form(name).files.values():
            if not (folder / file).is_file():
                raise VedetteError(
                    f"{folder} has no {file}", fix="let the training end: vedette train --resume"
                )
    return model


def pack_run(
    model: TrainedModel,
    form: FormName,
    output: Path,
    told: Told,
    *,
    int8: Mapping[str, bytes] | None = None,
    registry: Registry | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a bundle of a trained network, with goldens that are recorded here from what is drawn.

    Parameters
    ----------
    int8
        Quantised files of some of the graphs, by graph: the variant ``int8``, in which the others stay in float. It
        needs a grade.

    Raises
    ------
    VedetteError
        As :func:`~vedette.bundle.pack_program.pack_program`; or the labels are not as many as the classes.
    """
    registry = load_plugins() if registry is None else registry
    own = model.form(form)
    parts = [variant_of(model, own, {}), *([variant_of(model, own, int8)] if int8 else [])]
    manifest, contents = draft(model, own, told, parts)
    return pack_program(manifest, contents, _moments(own), output, registry=registry, overwrite=overwrite)


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A variant with its name and its files by their names in the bundle."""

    name: str
    variant: Variant
    contents: Mapping[str, Content]


def variant_of(model: TrainedModel, form: Form, int8: Mapping[str, bytes]) -> Part:
    """The variant ``f32`` as the run has it; or ``int8``, with some of its graphs quantised, and the others as they
    are."""
    contents: dict[str, Content] = {}
    graphs = {}
    for name in form.graphs:
        storage: Storage = INT8 if name in int8 else FLOAT
        file = f"variants/{storage}/{name}.onnx"
        contents[file] = int8.get(name, model.folder / form.files[name])
        graphs[name] = GraphFiles(format="onnx", files=(file,), storage=storage)
    return Part(name=INT8 if int8 else FLOAT, variant=Variant(graphs=graphs), contents=contents)


def draft(
    model: TrainedModel, form: Form, told: Told, parts: Sequence[Part]
) -> tuple[Manifest, dict[str, Content]]:
    """The manifest and the files, without goldens.

    Raises
    ------
    VedetteError
        The labels are not as many as the classes, or a document cannot be read.
    """
    labels = model.labels if told.labels is None else told.labels
    if len(labels) != len(model.labels):
        raise VedetteError(
            f"{len(labels)} labels were given, and the network has {len(model.labels)} classes: "
            f"{', '.join(model.labels)}",
            fix="name each class, in this order",
        )
    contents: dict[str, Content] = {"labels.txt": "".join(f"{label}\n" for label in labels).encode()}
    contents |= told.documents.read()
    for part in parts:
        contents |= part.contents
    plan = model.recipe.export(model.settings, labels)
    manifest = Manifest(
        schema=1,
        name=told.name or model.recipe.name.replace("_", "-"),
        version=told.version,
        task=model.recipe.task,
        licence=told.licence,
        graphs=dict(form.graphs),
        program=tuple(Run(run=name) for name in form.graphs),
        decoder=Decoder(name=plan.decoder, params=dict(plan.params)),
        variants={part.name: part.variant for part in parts},
        files={},
        labels="labels.txt",
        provenance=Provenance(
            origin=told.origin,
            data=told.data,
            recipe=f"vedette train {model.recipe.name}; vedette pack-recurrent",
            seeds=(model.settings.seed,),
        ),
        temporal=form.temporal,
        grades=told.grades,
    )
    return manifest, contents


def _moments(form: Form) -> Sequence[Moment]:
    """What the goldens are recorded from, by what the first graph is fed with."""
    feeds = [item.feed for graph in form.graphs.values() for item in graph.inputs.values()]
    for feed in feeds:
        if isinstance(feed, ResultFeed):
            return drawn_track(feed.stage)
        if isinstance(feed, PreprocessFeed):
            return drawn_scene(SCENE)
    raise VedetteError("the network is fed with nothing that can be drawn")
