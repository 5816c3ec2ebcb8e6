"""A trained network becomes an ONNX file and what ``vedette pack`` is to be told of it."""

from __future__ import annotations

import logging
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn

from vedette.bundle.atomic import replace_file
from vedette.bundle.options import as_options
from vedette.errors import VedetteError
from vedette.vision.spec import InputSpec
from vedette_torch.recipe import ExportPlan, Recipe, SampleT, SettingsT
from vedette_torch.training.loop import TrainedRun

OPSET = 18
MODEL = "model.onnx"
LABELS = "labels.txt"
_PACKED = (
    "size_wh",
    "resize",
    "anchor",
    "crop_fraction",
    "kernel",
    "colour",
    "layout",
    "mean",
    "scale",
    "pad",
)


def export_run(recipe: Recipe[SettingsT, SampleT], settings: SettingsT, done: TrainedRun) -> Path:
    """Write the model (``model.onnx``) and ``labels.txt`` into the folder of the run; returns the model's path.

    Raises
    ------
    VedetteError
        The network cannot be exported, or the files cannot be written.
    """
    model = recipe.write(done.network, settings, done.labels, done.run.path)
    done.run.write(LABELS, "".join(f"{label}\n" for label in done.labels).encode())
    return model


def export_picture_network(
    recipe: Recipe[SettingsT, SampleT],
    network: nn.Module,
    settings: SettingsT,
    labels: tuple[str, ...],
    folder: Path,
) -> Path:
    """One graph that takes the recipe's pictures, as ``model.onnx``; returns its path."""
    model = folder / MODEL
    export_onnx(network, recipe.inputs(settings), recipe.export(settings, labels), model)
    return model


def export_onnx(network: nn.Module, inputs: Mapping[str, InputSpec], plan: ExportPlan, path: Path) -> None:
    """Write a network of pictures in ``eval`` mode as ONNX, weights included, with any number of pictures per batch.

    Raises
    ------
    VedetteError
        An operation cannot be exported, or the outputs are not as many as the plan names.
    """
    export_graph(
        network, {name: torch.zeros(2, *spec.row_shape) for name, spec in inputs.items()}, plan.outputs, path
    )


def export_graph(
    network: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Write a network in ``eval`` mode as ONNX, weights included, with any number of rows per batch.

    Parameters
    ----------
    example
        Inputs by name, in the order in which the network takes them, of any values; batches of 2 or more.

    Raises
    ------
    VedetteError
        An operation cannot be exported, or the outputs are not as many as named.
    """
    batch = torch.export.Dim("batch")
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                network,
                tuple(example.values()),
                input_names=list(example),
                output_names=list(outputs),
                dynamic_shapes=[{0: batch} for _ in example],
                opset_version=OPSET,
                dynamo=True,
                optimize=True,
                verbose=False,
            )
    except Exception as error:  # of many kinds, by part of the exporter
        raise VedetteError(f"the network cannot be exported to ONNX: {_reason(error)}") from error
    assert program is not None
    proto = program.model_proto
    names = [output.name for output in proto.graph.output]
    if names != list(outputs):
        raise VedetteError(
            f"the exported network gives {', '.join(names)}, the recipe says {', '.join(outputs)}"
        )
    without_traces(proto)
    try:
        replace_file(path, proto.SerializeToString())
    except OSError as error:
        raise VedetteError(f"cannot write {path}: {error.strerror}") from error


def without_traces(proto: ModelProto) -> None:
    """Take out what the exporter notes for its own authors: where in whose files each operation was called."""
    del proto.metadata_props[:], proto.graph.metadata_props[:]
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for weights in proto.graph.initializer:
        del weights.metadata_props[:]


def pack_command(recipe: Recipe[SettingsT, SampleT], settings: SettingsT, done: TrainedRun) -> str:
    """The line that makes a bundle of the exported model, for a shell."""
    if recipe.packer is not None:
        return f"vedette {recipe.packer} {shlex.quote(str(done.run.path))}"
    return " ".join(["vedette pack", *_pack_options(recipe, settings, done)])


def _pack_options(recipe: Recipe[SettingsT, SampleT], settings: SettingsT, done: TrainedRun) -> Iterator[str]:
    folder, plan = done.run.path, recipe.export(settings, done.labels)
    spec = next(iter(recipe.inputs(settings).values()))
    image: dict[str, Any] = {name: getattr(spec, name) for name in _PACKED}
    neutral = InputSpec(size_wh=spec.size_wh, colour=spec.colour)
    beside = ("anchor", "pad") if spec.resize == "letterbox" else ()
    shown = {
        name: value
        for name, value in image.items()
        if name in ("size_wh", "resize", "kernel", "colour", *beside) or value != getattr(neutral, name)
    }
    yield shlex.quote(str(folder / MODEL))
    yield from as_options(task=recipe.task, decoder=plan.decoder, params=plan.params, image=shown)
    references = recipe.references(settings)
    if references:
        yield from (f"--feed {name}=image" for name in recipe.inputs(settings) if name not in references)
        yield from (f"--feed {name}=reference:FLAWLESS.png" for name in references)
    yield f"--labels {shlex.quote(str(folder / LABELS))}"
    yield f"--name {recipe.name.replace('_', '-')}"


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without what the exporter has to say about itself (torchvision is not installed ...)."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _reason(error: BaseException) -> str:
    """The innermost reason, which names the operator; the exporter wraps it several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
