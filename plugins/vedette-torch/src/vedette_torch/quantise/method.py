"""What a way to quantise is to the gate: layers that can be left in float, and files for every graph."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import onnxruntime

from vedette.bundle.bundle import Bundle
from vedette.bundle.manifest import Storage
from vedette.bundle.write import Content
from vedette_torch.quantise.calibration import CalibrationSet
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.onnx_graph import is_recurrent, load_float, prepare
from vedette_torch.quantise.qdq import Calibrated, Ranges, calibrate
from vedette_torch.quantise.sensitivity import PICTURES, Sensitivity, rank

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class GraphContent:
    """The files of one graph by their names below the variant's folder, the model first."""

    format: str
    storage: Storage
    files: Mapping[str, Content]


class Method(Protocol):
    """A way to quantise, prepared for one bundle. Layers are named ``GRAPH/LAYER``."""

    variant: str
    """What the new variant is called."""
    format: str
    """Of its files."""
    literal: bool
    """Whether its files say each rounding step, so that ONNX Runtime without optimisations is right about them."""

    @property
    def layers(self) -> Sequence[str]:
        """Those that are quantised unless they are kept."""
        ...

    def describe(self) -> str:
        """By what and how, with versions, for the provenance."""
        ...

    def rank(self, say: Say) -> list[Sensitivity]:
        """The layers, the most sensitive first."""
        ...

    def quantise(self, keep: Collection[str], folder: Path) -> Mapping[str, GraphContent]:
        """The files of all graphs, ``keep`` in float; new files may be put into ``folder``, which is empty."""
        ...


@dataclass(eq=False)
class QdqMethod:
    """:mod:`vedette_torch.quantise.qdq` on the graphs of a bundle; recurrent ones stay as they are."""

    graphs: Mapping[str, Calibrated]
    untouched: Mapping[str, GraphContent]
    calibration: CalibrationSet
    ranges: Ranges
    variant: str = "int8"
    format: str = "onnx"
    literal: bool = True
    _ranked: list[Sensitivity] = field(default_factory=list)

    @property
    def layers(self) -> Sequence[str]:
        return [f"{graph}/{layer}" for graph, found in self.graphs.items() for layer in found.layers]

    def describe(self) -> str:
        how = f"static QDQ, weights int8 per channel, activations uint8 by {self.ranges}"
        return f"{how}, onnxruntime {onnxruntime.__version__}"

    def rank(self, say: Say) -> list[Sensitivity]:
        if not self._ranked:
            for graph, found in self.graphs.items():
                feeds = list(self.calibration.feeds(graph, PICTURES))
                self._ranked += [
                    Sensitivity(layer=f"{graph}/{item.layer}", error=item.error)
                    for item in rank(found, feeds, say)
                ]
            self._ranked.sort(key=lambda item: -item.error)
        return self._ranked

    def quantise(self, keep: Collection[str], folder: Path) -> Mapping[str, GraphContent]:
        made = dict(self.untouched)
        for graph, found in self.graphs.items():
            own = {name.partition("/")[2] for name in keep if name.partition("/")[0] == graph}
            storage: Storage = "mixed" if own else "int8"
            model = found.quantise(own).SerializeToString()
            made[graph] = GraphContent(format="onnx", storage=storage, files={f"{graph}.onnx": model})
        return made


def prepare_qdq(
    bundle: Bundle, variant: str, calibration: CalibrationSet, ranges: Ranges, say: Say
) -> QdqMethod:
    """Read and calibrate the graphs of a float variant.

    Raises
    ------
    QuantiseError
        A graph cannot be read, prepared or calibrated, or there is none to quantise.
    """
    graphs, untouched = {}, {}
    for name in bundle.manifest.graphs:
        files = bundle.graph_files(variant, name)
        if files.format != "onnx":
            raise QuantiseError(
                f"{bundle.path}: graph {name!r} of variant {variant!r} is {files.format}, and only ONNX is quantised",
                fix="pack the ONNX file of the model",
            )
        try:
            model = load_float(files.model)
            if is_recurrent(model):
                untouched[name] = _as_it_is(bundle, variant, name)
                continue
            say(f"calibrating graph {name} on {len(calibration)} pictures")
            graphs[name] = calibrate(prepare(model), calibration.feeds(name), ranges)
        except QuantiseError as error:
            raise QuantiseError(f"{bundle.path}: graph {name!r}: {error.message}", fix=error.fix) from error
    if not graphs:
        raise QuantiseError(
            f"{bundle.path}: all graphs are recurrent, and recurrent operators are not quantised",
            fix="pack the convolutions as a graph of their own: int8 before, the recurrent step in float after",
        )
    return QdqMethod(graphs=graphs, untouched=untouched, calibration=calibration, ranges=ranges)


def _as_it_is(bundle: Bundle, variant: str, graph: str) -> GraphContent:
    stored = bundle.manifest.variants[variant].graphs[graph]
    files = {Path(name).name: bundle.read(name) for name in stored.files}
    return GraphContent(format=stored.format, storage=stored.storage, files=files)
