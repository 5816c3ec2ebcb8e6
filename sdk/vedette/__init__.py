"""Vedette: an edge vision SDK.

What applications and plugin authors use can be imported from here. A name is loaded when it is first used, so that
``import vedette`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette.bundle.bundle import Bundle as Bundle
    from vedette.bundle.bundle import open_bundle as open_bundle
    from vedette.bundle.trust import Trust as Trust
    from vedette.errors import BackendError as BackendError
    from vedette.errors import BundleError as BundleError
    from vedette.errors import ConfigError as ConfigError
    from vedette.errors import EndOfStream as EndOfStream
    from vedette.errors import LinkError as LinkError
    from vedette.errors import PipelineError as PipelineError
    from vedette.errors import PluginError as PluginError
    from vedette.errors import ResultError as ResultError
    from vedette.errors import SourceError as SourceError
    from vedette.errors import StageError as StageError
    from vedette.errors import VedetteError as VedetteError
    from vedette.events import Event as Event
    from vedette.events import EventDraft as EventDraft
    from vedette.events import Evidence as Evidence
    from vedette.frame import Clock as Clock
    from vedette.frame import Encoded as Encoded
    from vedette.frame import Frame as Frame
    from vedette.frame import Packed as Packed
    from vedette.frame import Planar as Planar
    from vedette.hookspecs import hookimpl as hookimpl
    from vedette.inference import infer as infer
    from vedette.model.single import Model as Model
    from vedette.packet import Failed as Failed
    from vedette.packet import NotRun as NotRun
    from vedette.packet import Packet as Packet
    from vedette.packet import Quarantined as Quarantined
    from vedette.packet import Ran as Ran
    from vedette.pipeline.run import Pipeline as Pipeline
    from vedette.registry import Registry as Registry
    from vedette.registry import load_plugins as load_plugins
    from vedette.results import AnomalyMap as AnomalyMap
    from vedette.results import Classification as Classification
    from vedette.results import ClipPrediction as ClipPrediction
    from vedette.results import Column as Column
    from vedette.results import Detections as Detections
    from vedette.results import Embedding as Embedding
    from vedette.results import Keypoints as Keypoints
    from vedette.results import Result as Result
    from vedette.results import from_builtins as from_builtins
    from vedette.specs import BackendSpec as BackendSpec
    from vedette.specs import Candidate as Candidate
    from vedette.specs import Capture as Capture
    from vedette.specs import CommandSpec as CommandSpec
    from vedette.specs import DecoderSpec as DecoderSpec
    from vedette.specs import Device as Device
    from vedette.specs import Execution as Execution
    from vedette.specs import ModelFiles as ModelFiles
    from vedette.specs import ModelSpec as ModelSpec
    from vedette.specs import NoParams as NoParams
    from vedette.specs import PostprocessSpec as PostprocessSpec
    from vedette.specs import PreprocessSpec as PreprocessSpec
    from vedette.specs import RecipeSpec as RecipeSpec
    from vedette.specs import ResultSpec as ResultSpec
    from vedette.specs import Roi as Roi
    from vedette.specs import SinkSpec as SinkSpec
    from vedette.specs import SourceInfo as SourceInfo
    from vedette.specs import SourceSpec as SourceSpec
    from vedette.specs import StageInputs as StageInputs
    from vedette.specs import StageOutput as StageOutput
    from vedette.specs import StageSpec as StageSpec
    from vedette.specs import TensorInfo as TensorInfo
    from vedette.vision.spec import InputSpec as InputSpec

__version__ = "0.1.0"

_NAMES = {
    "bundle.bundle": "Bundle open_bundle",
    "bundle.trust": "Trust",
    "errors": "BackendError BundleError ConfigError EndOfStream LinkError PipelineError PluginError ResultError "
    "SourceError StageError VedetteError",
    "events": "Event EventDraft Evidence",
    "frame": "Clock Encoded Frame Packed Planar",
    "hookspecs": "hookimpl",
    "inference": "infer",
    "model.single": "Model",
    "packet": "Failed NotRun Packet Quarantined Ran",
    "pipeline.run": "Pipeline",
    "registry": "Registry load_plugins",
    "results": "AnomalyMap Classification ClipPrediction Column Detections Embedding Keypoints Result from_builtins",
    "specs": "BackendSpec Candidate Capture CommandSpec DecoderSpec Device Execution ModelFiles ModelSpec NoParams "
    "PostprocessSpec PreprocessSpec RecipeSpec ResultSpec Roi SinkSpec SourceInfo SourceSpec StageInputs StageOutput "
    "StageSpec TensorInfo",
    "vision.spec": "InputSpec",
}
"""The same names as above, for the interpreter: by module."""

_MODULES = {name: f"vedette.{module}" for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'vedette' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
