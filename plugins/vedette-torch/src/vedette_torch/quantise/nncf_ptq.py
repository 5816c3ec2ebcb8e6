"""Quantisation by NNCF (https://github.com/openvinotoolkit/nncf), for OpenVINO alone: an IR with FakeQuantize.

The ONNX file goes through ``ov.convert_model``: read by ``core.read_model`` instead, depthwise convolutions silently
stay in float. Recurrent operators are left alone, which on an LSTM is worth more than 20 points.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from vedette.bundle.bundle import Bundle
from vedette_torch.quantise.calibration import CalibrationSet
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.method import GraphContent, QdqMethod, Say, prepare_qdq
from vedette_torch.quantise.pairs import LAYERS
from vedette_torch.quantise.sensitivity import Sensitivity

_REPORTING = "openvino_telemetry"
RECURRENT = [
    "LSTMSequence",
    "LSTMCell",
    "GRUSequence",
    "GRUCell",
    "RNNSequence",
    "RNNCell",
    "TensorIterator",
    "Loop",
]


@dataclass(eq=False)
class NncfMethod:
    """NNCF on the prepared float graphs of a bundle; the ranking is that of :class:`QdqMethod`."""

    qdq: QdqMethod
    variant: str = "int8-openvino"
    format: str = "openvino"
    literal: bool = False

    @property
    def layers(self) -> Sequence[str]:
        return self.qdq.layers

    def describe(self) -> str:
        nncf, ov = _load()
        return f"NNCF {nncf.__version__} post-training, preset mixed, openvino {ov.__version__.partition('-')[0]}"

    def rank(self, say: Say) -> list[Sensitivity]:
        return self.qdq.rank(say)

    def quantise(self, keep: Collection[str], folder: Path) -> Mapping[str, GraphContent]:
        made = dict(self.qdq.untouched)
        for graph, found in self.qdq.graphs.items():
            own = {name.partition("/")[2] for name in keep if name.partition("/")[0] == graph}
            inputs = list(self.qdq.calibration.feeds(graph))
            model = _quantise(found.model, {*found.decoding, *own}, inputs, folder / f"{graph}.onnx")
            _, ov = _load()
            ov.save_model(model, folder / f"{graph}.xml", compress_to_fp16=False)
            made[graph] = GraphContent(
                format="openvino",
                storage="mixed" if own else "int8",
                files={f"{graph}{suffix}": folder / f"{graph}{suffix}" for suffix in (".xml", ".bin")},
            )
        return made


def prepare_nncf(bundle: Bundle, variant: str, calibration: CalibrationSet, say: Say) -> NncfMethod:
    """Read the graphs of a float variant.

    Raises
    ------
    QuantiseError
        NNCF is not installed; or as :func:`~vedette_torch.quantise.method.prepare_qdq`.
    """
    _load()
    return NncfMethod(qdq=prepare_qdq(bundle, variant, calibration, "minmax", say))


def _quantise(model: ModelProto, ignore: set[str], inputs: Sequence[Any], path: Path) -> Any:
    nncf, ov = _load()
    onnx.save(model, path)
    try:
        converted = ov.convert_model(path)
        present = {operation.get_friendly_name() for operation in converted.get_ops()}
        layers = {node.name for node in model.graph.node if node.op_type in LAYERS}
        names = {f"{name}/WithoutBiases" if name in layers else name for name in ignore}
        names = (names | ignore) & present
        with _quiet():
            return nncf.quantize(
                converted,
                nncf.Dataset([dict(feed) for feed in inputs]),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(inputs),
                ignored_scope=nncf.IgnoredScope(names=sorted(names), types=RECURRENT, validate=False),
            )
    except Exception as error:  # NNCF's and OpenVINO's own classes
        raise QuantiseError(
            f"NNCF cannot quantise the model: {' '.join(str(error).split())[:400]}"
        ) from error


def _load() -> tuple[Any, Any]:
    """NNCF and OpenVINO, both without their usage reporting."""
    try:
        from vedette_openvino.runtime import ov

        return _import_quietly("nncf"), ov
    except ImportError as error:
        raise QuantiseError(
            f"the method nncf needs NNCF and OpenVINO: {error}",
            fix="pip install 'vedette-torch[nncf]' vedette-openvino",
        ) from error


def _import_quietly(name: str) -> Any:
    """Import while ``openvino_telemetry`` cannot be imported: each use of NNCF would send an event to a web service."""
    absent = object()
    before: Any = sys.modules.get(_REPORTING, absent)
    sys.modules[_REPORTING] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_REPORTING]
        if before is not absent:
            sys.modules[_REPORTING] = before


@contextmanager
def _quiet() -> Iterator[None]:
    """NNCF logs and prints its progress."""
    logger = logging.getLogger("nncf")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.setLevel(before)
