"""One map in the making: which rows are to be run through a loaded model, and what becomes of its answers.

An explanation runs nothing by itself, so that a single model and a pipeline can each run it their way: they fill and
run :attr:`Explanation.rows` rows through :meth:`Explanation.graphs`, hand over the outputs, and go on until there are
no more rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.manifest import PreprocessFeed, ResultFeed
from vedette.errors import BundleError, ResultError
from vedette.explain.activation import ActivationMap, activation_map_of, class_map, read_weights
from vedette.explain.answer import scores, widened
from vedette.explain.occlusion import Cover, Occlusion, as_pixels, cost, cover, fill_value
from vedette.explain.saliency import Saliency, Target
from vedette.frame import Frame
from vedette.model.feeds import PreparedInput, Row
from vedette.model.loading import LoadedGraph, LoadedModel
from vedette.results import Classification, Detections
from vedette.specs import Affine, Roi, Tensor, Tensors
from vedette.vision.geometry import scale_translate
from vedette.vision.spec import InputSpec

Method = Literal["auto", "occlusion", "activation"]
BLOCK = 16
"""Rows that are run before their answers are looked at: their raw outputs are in memory together."""


class Explanation(Protocol):
    """What a runner needs of a method."""

    @property
    def rows(self) -> int:
        """Rows of the next block; 0: there are no more."""
        ...

    def graphs(self) -> tuple[LoadedGraph, ...]:
        """The model's graphs, which fill their inputs for the next block."""
        ...

    def take(self, tensors: Mapping[str, Tensors], affines: NDArray[np.float64]) -> None:
        """The block's raw outputs by graph and name, and where its tensors lie in the frame."""
        ...

    def saliency(self) -> Saliency:
        """The map, when there are no more rows."""
        ...


def method_for(model: LoadedModel, wanted: Method) -> Literal["occlusion", "activation"]:
    """The method to use: activation maps where the bundle gives them, unless told otherwise.

    Raises
    ------
    BundleError
        The model cannot be explained so: it is recurrent, looks at clips or at other results, gives neither classes
        nor boxes, or has no activation map.
    """
    manifest = model.bundle.manifest
    inputs = [item for graph in manifest.graphs.values() for item in graph.inputs.values()]
    if any(graph.state for graph in manifest.graphs.values()) or any(
        item.clip or isinstance(item.feed, ResultFeed) for item in inputs
    ):
        raise BundleError(f"bundle {manifest.name!r}: only models of one picture at a time can be explained")
    if not any(isinstance(item.feed, PreprocessFeed) for item in inputs):
        raise BundleError(f"bundle {manifest.name!r} has no picture input that could be explained")
    result = model.parts.postprocess.result
    if not issubclass(result, Classification | Detections):
        raise BundleError(
            f"bundle {manifest.name!r} gives {result.type!r}: no class whose place could be shown"
        )
    has_map = activation_map_of(model.bundle) is not None and issubclass(result, Classification)
    if wanted == "activation" and not has_map:
        raise BundleError(
            f"bundle {manifest.name!r} gives no activation map",
            fix="add one where it is packed (vedette add-cam), or use occlusion",
        )
    return "activation" if has_map and wanted != "occlusion" else "occlusion"


def inferences_for(model: LoadedModel, wanted: Method, occlusion: Occlusion) -> int:
    """The most inferences that one map costs. Raises as :func:`method_for`."""
    if method_for(model, wanted) == "activation":
        return 1
    height, width, _ = as_pixels(_empty(*next(_pictures(model)))).shape
    return cost((width, height), occlusion.cells)


def begin(
    model: LoadedModel,
    frame: Frame,
    roi: Roi,
    target: Target,
    wanted: Method = "auto",
    occlusion: Occlusion = Occlusion(),  # noqa: B008 - frozen
) -> Explanation:
    """Begin to explain ``target``, which the model saw in ``roi`` of ``frame``.

    Raises
    ------
    BundleError
        As :func:`method_for`.
    ConfigError
        ``occlusion`` does not fit the model.
    """
    if method_for(model, wanted) == "activation":
        return ByActivation(model, frame, target)
    return ByOcclusion(model, frame, roi, target, occlusion)


class ByActivation:
    """A class activation map: the picture is run once more."""

    def __init__(self, model: LoadedModel, frame: Frame, target: Target) -> None:
        stated = activation_map_of(model.bundle)
        assert stated is not None
        self._model, self._frame, self._target = model, frame, target
        self._stated: ActivationMap = stated
        self._found: Saliency | None = None

    @property
    def rows(self) -> int:
        return 0 if self._found else 1

    def graphs(self) -> tuple[LoadedGraph, ...]:
        return self._model.graphs

    def take(self, tensors: Mapping[str, Tensors], affines: NDArray[np.float64]) -> None:
        stated = self._stated
        unit = self._target.class_id + int(getattr(self._model.params, "first_class", 0))
        features = tensors[stated.graph][stated.features][0]
        heat = class_map(features, read_weights(self._model.bundle, stated), unit)
        height, width, _ = as_pixels(_empty(*next(_pictures(self._model)))).shape
        scale = scale_translate(width / heat.shape[1], height / heat.shape[0])
        affine = np.hstack([affines[0][:, :2] @ scale[:, :2], affines[0][:, 2:]])
        self._found = Saliency(
            heat=heat,
            affine=affine,
            size_wh=self._frame.size_wh,
            target=self._target,
            method="activation",
            inferences=1,
        )

    def saliency(self) -> Saliency:
        assert self._found is not None
        return self._found


class ByOcclusion:
    """Occlusion sensitivity: one row per patch, after the picture as it is."""

    def __init__(
        self, model: LoadedModel, frame: Frame, roi: Roi, target: Target, settings: Occlusion
    ) -> None:
        self._model, self._frame, self._target = model, frame, target
        self._left: list[NDArray[np.float64]] = []
        self._done = 0
        self._params = widened(model.params, model.parts.postprocess.result)
        self._pictures: dict[tuple[str, str], Tensor] = {}
        self._covers: dict[tuple[str, str], tuple[Cover, Tensor]] = {}
        self._affines: dict[tuple[str, str], Affine] = {}
        for graph, item in _pictures(model):
            self._prepare(graph, item, roi, settings)

    @property
    def rows(self) -> int:
        return min(self._block, 1 + self._patches - self._done)

    def graphs(self) -> tuple[LoadedGraph, ...]:
        return tuple(
            replace(graph, inputs=tuple(self._altered(graph, item) for item in graph.inputs))
            for graph in self._model.graphs
        )

    def take(self, tensors: Mapping[str, Tensors], affines: NDArray[np.float64]) -> None:
        outputs = tensors[self._model.graphs[-1].name]
        result = self._model.decode(outputs, affines, self._frame.size_wh, self._params)
        self._left.append(scores(result, len(affines), self._target))
        self._done += len(affines)

    def saliency(self) -> Saliency:
        left = np.concatenate(self._left)
        key, (patches, _) = next(iter(self._covers.items()))
        if not left[0]:
            raise ResultError(
                f"{self._target} is not what the model sees in this place when it looks again, so that nothing can be "
                "taken away from it",
                fix="explain an answer of this model to this very picture",
            )
        height, width, _ = as_pixels(self._pictures[key]).shape
        return Saliency(
            heat=patches.heat(float(left[0]), left[1:]),
            affine=patches.to_frame(self._affines[key], (width, height)),
            size_wh=self._frame.size_wh,
            target=self._target,
            method="occlusion",
            inferences=self._done,
        )

    @property
    def _patches(self) -> int:
        return max(len(patches) for patches, _ in self._covers.values())

    @property
    def _block(self) -> int:
        """A whole number of requests."""
        batch = self._model.graphs[0].batch
        return batch * max(1, BLOCK // batch)

    def _prepare(self, graph: LoadedGraph, item: PreparedInput, roi: Roi, settings: Occlusion) -> None:
        key = graph.name, item.name
        picture = _empty(graph, item)
        pixels = as_pixels(picture)
        affine = item.write(Row(frame=self._frame, roi=roi, index=0), picture)
        affine = roi.affine if affine is None else affine
        height, width, _ = pixels.shape
        patches = cover((width, height), affine, self._frame.size_wh, settings.cells)
        if any(other.shape != patches.shape for other, _ in self._covers.values()):
            raise BundleError(
                f"bundle {self._model.bundle.manifest.name!r}: its picture inputs differ in size, so that no patch "
                "covers the same place of all"
            )
        self._pictures[key], self._affines[key] = picture, affine
        self._covers[key] = patches, fill_value(pixels, settings.fill, _spec(self._model, key))

    def _altered(self, graph: LoadedGraph, item: PreparedInput) -> PreparedInput:
        """An input that writes the picture with a patch: that of the row, the first row of all being bare."""
        key = graph.name, item.name
        if key not in self._covers:
            return item
        picture, affine, first = self._pictures[key], self._affines[key], self._done
        patches, fill = self._covers[key]

        def write(row: Row, out: Tensor) -> Affine:
            np.copyto(out, picture)
            number = first + row.index - 1
            if 0 <= number < len(patches):
                x0, y0, x1, y1 = patches.patches[number]
                as_pixels(out)[y0:y1, x0:x1] = fill
            return affine

        return replace(item, write=write)


def _pictures(model: LoadedModel) -> Iterator[tuple[LoadedGraph, PreparedInput]]:
    """The inputs that are filled from the frame."""
    for graph in model.graphs:
        declared = model.bundle.manifest.graphs[graph.name].inputs
        for item in graph.inputs:
            if isinstance(declared[item.name].feed, PreprocessFeed):
                yield graph, item


def _empty(graph: LoadedGraph, item: PreparedInput) -> Tensor:
    """A batch row of an input, not filled yet."""
    if item.row_shape is None or len(item.row_shape) != 3:
        raise BundleError(f"input {item.name!r} of graph {graph.name!r} is no picture of one size")
    return np.zeros(item.row_shape, graph.session.inputs[item.name].dtype)


def _spec(model: LoadedModel, key: tuple[str, str]) -> InputSpec | None:
    preprocess, params = model.parts.preprocess[key]
    return preprocess.fuse(params)
