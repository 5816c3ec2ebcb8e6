"""Decoders of outputs, and how they recognise a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Result
from vedette.specs.base import NoParams, Spec, TensorInfo, Tensors


class Postprocess(Protocol):
    """A pure function from raw outputs to a result."""

    def __call__(
        self, outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int], params: Any
    ) -> Result:
        """Decode ``n`` batch rows.

        Parameters
        ----------
        outputs
            Raw outputs by name, first axis ``n``. Read-only, reused afterwards: results must own their arrays.
        affines
            ``(n, 2, 3)``: tensor to frame coordinates, per batch row.
        size_wh
            Size of the frame; boxes are clipped to it.
        params
            An instance of the specification's ``params`` class.

        Returns
        -------
        Result
            With ``source_row`` = the batch row that each row comes from.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model file tells of itself before it runs.

    Attributes
    ----------
    format
        ``onnx``, ``openvino`` or ``tflite``.
    inputs, outputs
        Its tensors, in the file's order.
    metadata
        What its exporter wrote into it: ONNX ``metadata_props``; OpenVINO ``rt_info`` with ``/`` between the levels
        (``model_info/labels``); TensorFlow Lite: ``quantisation/TENSOR`` is ``SCALE ZERO_POINT`` and
        ``normalisation/INPUT`` is ``MEANS SCALES``. Values are text as they stand in the file.
    labels
        Class names that came with the file, where its format has a place for them (TFLite's associated files).
    """

    format: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One way in which a decoder could read a model: what a user would otherwise have to say when packing it.

    Attributes
    ----------
    task
        A task of the manifest: ``detection``, ``classification`` ...
    params
        Parameters of the decoder.
    image
        Fields of :class:`~vedette.vision.spec.InputSpec` for the picture input, as far as they are known.
    labels
        Class names.
    rows
        Outputs that are lists of records in no certain order.
    stated
        The file itself names its layout (metadata of its exporter). Else only names or shapes of its tensors fit,
        and another decoder may claim it too.
    why
        In one line, for people: ``metadata of Ultralytics 8.3: task detect, stride 32``.
    """

    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    image: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    stated: bool = False
    why: str


def recognise_nothing(facts: ModelFacts) -> Iterable[Proposal]:
    """For decoders that do not know their models by sight."""
    return ()


@dataclass(frozen=True, kw_only=True)
class PostprocessSpec(Spec):
    """A decoder of raw outputs. ``build(labels)`` makes the function; ``result`` is the type that it returns.

    ``recognise(facts)`` says in which ways, if any, the decoder could read a model of another tool; it must be quick,
    and a model that it does not know is an empty answer, never an error.
    """

    result: type[Result]
    build: Callable[[tuple[str, ...]], Postprocess]
    params: type[msgspec.Struct] = NoParams
    recognise: Callable[[ModelFacts], Iterable[Proposal]] = recognise_nothing
