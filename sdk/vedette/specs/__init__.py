"""What a plugin hands over: one frozen specification per kind of plugin, and the protocols of what it builds.

A specification is *data*: a name, a one-line summary, the schema of its parameters, and a factory. The factory is where
a heavy library is imported, so that listing plugins stays cheap. Parameters are :class:`msgspec.Struct` classes
with ``forbid_unknown_fields=True``: the host converts what the user wrote and reports errors with their path.
"""

from __future__ import annotations

from vedette.specs.backend import BackendSpec, Converted, Device, Execution, ModelFiles, Session, Slot
from vedette.specs.base import Affine, NoParams, Precision, Spec, Tensor, TensorInfo, Tensors
from vedette.specs.models import Candidate, CommandSpec, ModelSpec, Observer, RecipeSpec, ResultSpec, Specs
from vedette.specs.postprocess import ModelFacts, Postprocess, PostprocessSpec, Proposal, recognise_nothing
from vedette.specs.preprocess import Placed, Preprocess, PreprocessSpec, Roi
from vedette.specs.sinks import FlushingSink, HoldingSink, Sink, SinkSpec
from vedette.specs.sources import Capture, Coding, DecoderSpec, Source, SourceInfo, SourceSpec, Unit
from vedette.specs.stages import (
    ContinuingStage,
    EndingStage,
    SavingStage,
    Stage,
    StageInputs,
    StageOutput,
    StageSpec,
)

__all__ = [
    "Affine",
    "BackendSpec",
    "Candidate",
    "Capture",
    "Coding",
    "CommandSpec",
    "ContinuingStage",
    "Converted",
    "DecoderSpec",
    "Device",
    "EndingStage",
    "Execution",
    "FlushingSink",
    "HoldingSink",
    "ModelFacts",
    "ModelFiles",
    "ModelSpec",
    "NoParams",
    "Observer",
    "Placed",
    "Postprocess",
    "PostprocessSpec",
    "Precision",
    "Preprocess",
    "PreprocessSpec",
    "Proposal",
    "RecipeSpec",
    "ResultSpec",
    "Roi",
    "SavingStage",
    "Session",
    "Sink",
    "SinkSpec",
    "Slot",
    "Source",
    "SourceInfo",
    "SourceSpec",
    "Spec",
    "Specs",
    "Stage",
    "StageInputs",
    "StageOutput",
    "StageSpec",
    "Tensor",
    "TensorInfo",
    "Tensors",
    "Unit",
    "recognise_nothing",
]
