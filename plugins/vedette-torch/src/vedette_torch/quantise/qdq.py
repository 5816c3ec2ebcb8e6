"""Static quantisation of an ONNX graph: weights int8 per channel, activations uint8 per tensor, as pairs of
QuantizeLinear and DequantizeLinear (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", https://arxiv.org/abs/1712.05877; https://onnxruntime.ai/docs/performance/
model-optimizations/quantization.html). One file for ONNX Runtime and OpenVINO."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import ModelProto
from onnxruntime.quantization import CalibrationMethod, QuantType, TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from vedette.specs import Tensors
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.onnx_graph import (
    FUSED,
    decode_nodes,
    features_of,
    float_activations,
    layers_of,
    with_outputs,
)
from vedette_torch.quantise.pairs import bypass

Ranges = Literal["minmax", "percentile", "entropy"]
"""How the range of an activation is chosen: all that was seen; all but the outermost 0.001 % (99.999 %); or what loses
the least information."""

OPERATORS = (
    "Conv", "ConvTranspose", "Gemm", "MatMul",
    "Relu", "Clip", "LeakyRelu", "Sigmoid", "Mul", "Add", "Concat",
    "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Split", "Slice", "Gather", "Pad",
    "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten",
)  # fmt: skip
"""What is quantised. A layer without what stands between it and the next (Add, Concat, Clip) is not fused, and slower
than float. What is not here stays float: PRelu, for which ONNX Runtime has no integer kernel, and all that decodes."""

_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_AT_ONCE = 4
"""Pictures whose activations are in memory together."""
_OPTIONS = {"WeightSymmetric": True, "ActivationSymmetric": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """A prepared float graph with the ranges of its activations.

    ``layers``: names of those that may be quantised; ``decoding``: names of the nodes that never are; ``activations``
    likewise, and ``unrounded`` the tensors that those read.
    """

    model: ModelProto
    ranges: TensorsData
    layers: tuple[str, ...]
    decoding: frozenset[str]
    activations: frozenset[str]
    unrounded: frozenset[str]

    def quantise(self, keep: Collection[str] = ()) -> ModelProto:
        """The int8 graph, with the layers named in ``keep`` left in float.

        Raises
        ------
        QuantiseError
            ONNX Runtime cannot quantise an operator.
        """
        return self._quantise(
            self.model,
            [node.name for node in self.model.graph.node],
            {*self.decoding, *self.activations, *keep},
        )

    def quantise_only(self, layer: str) -> ModelProto:
        """The float graph with one layer in int8: its weights, its input and its output. The features
        (:func:`~vedette_torch.quantise.onnx_graph.features_of`) are among its outputs.

        Raises
        ------
        QuantiseError
            As :meth:`quantise`.
        """
        (node,) = (node for node in self.model.graph.node if node.name == layer)
        fused = [
            other.name
            for other in self.model.graph.node
            if other.op_type in FUSED and other.input[0] == node.output[0]
        ]
        return self._quantise(with_outputs(self.model, features_of(self.model)), [layer, *fused], set())

    def _quantise(self, given: ModelProto, nodes: list[str], exclude: set[str]) -> ModelProto:
        model = ModelProto()
        model.CopyFrom(given)
        try:
            with _quiet():
                quantiser = QDQQuantizer(
                    model,
                    True,  # per channel
                    False,  # not reduced to 7 bits: for processors without VNNI, see docs/quantisation.md
                    QuantType.QInt8,
                    QuantType.QUInt8,
                    self.ranges,
                    nodes,
                    sorted(exclude),
                    list(OPERATORS),
                    dict(_OPTIONS),
                )
                quantiser.quantize_model()
                quantiser.model.topological_sort()
        except Exception as error:  # ONNX Runtime's tools raise ValueError, KeyError, RuntimeError ...
            raise QuantiseError(
                f"ONNX Runtime cannot quantise the model: {type(error).__name__}: {error}{_operator(error, model)}"
            ) from error
        made: ModelProto = quantiser.model.model
        bypass(made, self.unrounded)
        onnx.checker.check_model(made)
        _drop_unused_domains(made)
        return made


def calibrate(model: ModelProto, feeds: Iterable[Tensors], ranges: Ranges = "minmax") -> Calibrated:
    """Run a prepared float graph (:func:`~vedette_torch.quantise.onnx_graph.prepare`), and note the ranges of tensors.

    Parameters
    ----------
    feeds
        Inputs by name, for each picture.

    Raises
    ------
    QuantiseError
        There is nothing to quantise or to calibrate by, or the graph cannot be run on what it is fed.
    """
    layers = layers_of(model)
    if not layers:
        raise QuantiseError("there is no layer with weights in the graph (Conv, ConvTranspose, Gemm, MatMul)")
    try:
        with tempfile.TemporaryDirectory(prefix="vedette-quantise-") as folder, _quiet():
            path = Path(folder) / "float.onnx"
            onnx.save(model, path)
            calibrator = create_calibrator(
                path,
                list(OPERATORS),
                augmented_model_path=str(Path(folder) / "augmented.onnx"),
                calibrate_method=_METHODS[ranges],
                providers=["CPUExecutionProvider"],
            )
            if not _collect(calibrator, feeds):
                raise QuantiseError("there is no picture to calibrate by")
            found = calibrator.compute_data()
    except QuantiseError:
        raise
    except Exception as error:  # the runtime's own classes
        raise QuantiseError(f"the calibration failed: {' '.join(str(error).split())[:400]}") from error
    activations, unrounded = float_activations(model)
    return Calibrated(
        model=model,
        ranges=found,
        layers=tuple(layers),
        decoding=frozenset(decode_nodes(model)),
        activations=frozenset(activations),
        unrounded=frozenset(unrounded),
    )


class _Chunk:
    """Some feeds, as ONNX Runtime wants to read them."""

    def __init__(self, feeds: list[Tensors]) -> None:
        self._rest: Iterator[Tensors] = iter(feeds)

    def get_next(self) -> Tensors | None:
        return next(self._rest, None)


def _collect(calibrator: Any, feeds: Iterable[Tensors]) -> bool:
    source, some = iter(feeds), False
    while chunk := list(islice(source, _AT_ONCE)):
        calibrator.collect_data(_Chunk(chunk))
        some = True
    return some


def _operator(error: Exception, model: ModelProto) -> str:
    """The operator that an error is about, if it names one of the nodes."""
    text = str(error)
    for node in model.graph.node:
        if node.name in text or any(name and name in text for name in node.output):
            return f" (operator {node.op_type}, node {node.name!r})"
    return ""


def _drop_unused_domains(model: ModelProto) -> None:
    used = {node.domain for node in model.graph.node}
    kept = [item for item in model.opset_import if item.domain in used or item.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tools log advice to the root logger, and print."""
    root = logging.getLogger()
    before, root.disabled = root.disabled, True
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.disabled = before
