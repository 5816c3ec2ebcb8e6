"""What a postprocess - a decoder of raw outputs - must keep to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.errors import ResultError, VedetteError
from vedette.results import Classification, ClipPrediction, Detections, Result, type_name
from vedette.specs import Postprocess, PostprocessSpec, Tensors
from vedette.testing.conformance.base import Conformance, demand, in_threads, refuse, same

_PIXELS = ("xyxy", "points")
_FAR_WH = (10**6, 10**6)
"""A frame so large that nothing is clipped at its right or lower edge."""


class PostprocessConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.PostprocessSpec`.

    Must give: ``spec``, ``outputs``. May give: ``params``, ``labels``, ``size_wh``, ``affines``, ``rows``,
    ``no_rows``, and the method ``one_row``, for outputs whose first axis is not the batch.
    """

    spec_type = PostprocessSpec

    @pytest.fixture
    def outputs(self) -> Tensors:
        """Raw outputs, by name, of at least two batch rows in which something different is found."""
        self.must_give(
            "outputs",
            "returns raw outputs by name, of at least 2 batch rows with something different to find in each",
        )

    @pytest.fixture
    def labels(self) -> tuple[str, ...]:
        """The class names that ``build`` gets. Default: none."""
        return ()

    @pytest.fixture
    def size_wh(self) -> tuple[int, int]:
        """Size of the frame."""
        return 640, 480

    @pytest.fixture
    def rows(self, outputs: Tensors) -> int:
        """Batch rows of ``outputs``. Default: the length of the first axis."""
        return len(next(iter(outputs.values())))

    @pytest.fixture
    def affines(self, rows: int) -> NDArray[np.float64]:
        """``(n, 2, 3)``: tensor to frame. Default: twice as large, and another place for each row."""
        maps = np.tile(np.array([[2.0, 0, 0], [0, 2, 0]]), (rows, 1, 1))
        maps[:, 0, 2] = 8.0 * np.arange(rows)
        return maps

    @pytest.fixture
    def no_rows(self, outputs: Tensors) -> Tensors:
        """The outputs of no batch row at all. Default: the first axis cut to nothing."""
        return {name: array[:0] for name, array in outputs.items()}

    @pytest.fixture
    def function(self, spec: PostprocessSpec, labels: tuple[str, ...]) -> Postprocess:
        """What ``build`` makes. Not to be overridden."""
        return spec.build(labels)

    def one_row(self, outputs: Tensors, row: int) -> Tensors:
        """The outputs of one batch row alone. Default: one step of the first axis."""
        return {name: array[row : row + 1] for name, array in outputs.items()}

    def test_it_returns_what_it_declares(
        self,
        spec: PostprocessSpec,
        function: Postprocess,
        outputs: Tensors,
        affines: NDArray[np.float64],
        size_wh: tuple[int, int],
        converted: Any,
        rows: int,
    ) -> None:
        """A result of the declared type; the type itself checks dtypes and shapes."""
        demand(
            rows >= 2,
            "the fixture `outputs` has fewer than 2 batch rows",
            "give at least 2: rows that are mixed up are the usual mistake",
        )
        found = _decoded(function, outputs, affines, size_wh, converted)
        demand(
            isinstance(found, spec.result),
            f"it returned {type_name(found)}, but the specification declares {spec.result.__name__}",
            f"return a {spec.result.__name__} (nothing found: {spec.result.__name__}.empty()), or declare another",
        )
        demand(
            len(found) > 0,
            "nothing was found in the fixture `outputs`",
            "give outputs with something to find in each row; an empty result shows nothing",
        )
        for name in found.columns:
            column = getattr(found, name)
            demand(
                column is None or column.dtype.kind != "f" or np.isfinite(column).all(),
                f"{found.type}.{name} is not finite",
                "refuse raw outputs that are not finite: raise a vedette.ResultError that names the output",
            )
        if isinstance(found, Detections | Classification | ClipPrediction):
            demand(
                ((found.confidence >= 0) & (found.confidence <= 1)).all(),
                f"confidences go from {found.confidence.min():.3g} to {found.confidence.max():.3g}",
                "return probabilities from 0 to 1: apply the sigmoid or softmax that the network leaves to you",
            )

    def test_each_row_says_where_it_comes_from(
        self,
        function: Postprocess,
        outputs: Tensors,
        affines: NDArray[np.float64],
        size_wh: tuple[int, int],
        converted: Any,
        rows: int,
    ) -> None:
        """A batch gives what its rows give alone, and ``source_row`` tells them apart."""
        together = _decoded(function, outputs, affines, size_wh, converted)
        strange = together.source_row[(together.source_row < 0) | (together.source_row >= rows)]
        demand(
            not len(strange),
            f"source_row holds {strange[:1].tolist()}, but there are {rows} batch rows",
            "source_row is the index of the batch row, 0 to n - 1",
        )
        for row in range(rows):
            alone = _decoded(function, self.one_row(outputs, row), affines[row : row + 1], size_wh, converted)
            part = together.select(together.source_row == row)
            demand(
                _equal(part, alone),
                f"batch row {row} alone gives {len(alone)} rows; in a batch of {rows} those with source_row {row} "
                f"are {len(part)}, or differ",
                "decode every batch row by itself (no suppression across rows), with its own map of `affines`, and set "
                "source_row=np.int32 array of batch rows",
            )

    def test_positions_are_pixels_of_the_frame(
        self, function: Postprocess, outputs: Tensors, affines: NDArray[np.float64], converted: Any
    ) -> None:
        """Halving the maps halves boxes and points."""
        whole = _decoded(function, outputs, affines, _FAR_WH, converted)
        half = _decoded(function, outputs, affines * 0.5, _FAR_WH, converted)
        for name in _pixel_columns(whole):
            a, b = getattr(whole, name), getattr(half, name)
            demand(
                a.shape == b.shape and np.allclose(a * 0.5, b, rtol=1e-3, atol=0.05),
                f"{whole.type}.{name} does not follow the maps of `affines`",
                "map tensor coordinates to the frame with vedette.vision.geometry.boxes_to_frame or points_to_frame",
            )

    def test_boxes_lie_in_the_frame(
        self, function: Postprocess, outputs: Tensors, affines: NDArray[np.float64], converted: Any
    ) -> None:
        """Left, top, right, bottom, clipped to the frame, here a small one."""
        size_wh = (48, 32)
        found = _decoded(function, outputs, affines, size_wh, converted)
        boxes = getattr(found, "xyxy", None)
        if boxes is None:
            return
        limit = np.array([*size_wh, *size_wh], np.float32)
        demand(
            ((boxes >= 0) & (boxes <= limit)).all() and (boxes[:, :2] <= boxes[:, 2:]).all(),
            f"a box is {boxes[((boxes < 0) | (boxes > limit)).any(axis=1)][:1].tolist()} in a frame of {size_wh}",
            "return left, top, right, bottom, clipped to size_wh (vedette.vision.geometry.boxes_to_frame does it)",
        )

    def test_no_batch_rows_are_no_findings(
        self,
        spec: PostprocessSpec,
        function: Postprocess,
        no_rows: Tensors,
        size_wh: tuple[int, int],
        converted: Any,
    ) -> None:
        """A stage that looks at boxes may have none to look at."""
        try:
            found = function(no_rows, np.zeros((0, 2, 3)), size_wh, converted)
        except Exception as error:
            refuse(
                f"outputs of 0 batch rows raise {type(error).__name__}: {error}",
                "compute with arrays of any length, 0 included (min and argmax need an axis that is not empty)",
            )
        demand(
            isinstance(found, spec.result) and len(found) == 0,
            f"outputs of 0 batch rows give {type_name(found)}",
            f"return a {spec.result.__name__} of zero rows, never None",
        )

    def test_the_result_owns_its_arrays(
        self,
        function: Postprocess,
        outputs: Tensors,
        affines: NDArray[np.float64],
        size_wh: tuple[int, int],
        converted: Any,
    ) -> None:
        """The outputs belong to the request, which the next frame fills: a view of them changes under its owner."""
        buffers = {name: array.copy() for name, array in outputs.items()}
        found = _decoded(function, buffers, affines, size_wh, converted)
        for column in ("source_row", *found.columns):
            value = getattr(found, column)
            for name, array in buffers.items():
                demand(
                    value is None or not np.shares_memory(value, array),
                    f"{found.type}.{column} is a view of the output {name!r}, which the next request overwrites",
                    f"copy it: {column} = np.array(…), or call .copy()",
                )

    def test_outputs_are_not_changed(
        self,
        function: Postprocess,
        outputs: Tensors,
        affines: NDArray[np.float64],
        size_wh: tuple[int, int],
        converted: Any,
    ) -> None:
        """They are read-only where the pipeline hands them in."""
        given = {name: array.copy() for name, array in outputs.items()}
        maps = affines.copy()
        _decoded(function, given, maps, size_wh, converted)
        for name, array in given.items():
            demand(
                same(array, outputs[name]),
                f"the output {name!r} was changed in place",
                "compute into new arrays: y = x * 2, not x *= 2",
            )
        demand(same(maps, affines), "`affines` was changed in place", "compute into new arrays")
        locked = {name: _locked(array) for name, array in outputs.items()}
        try:
            function(locked, _locked(affines), size_wh, converted)
        except ValueError as error:
            refuse(f"read-only outputs raise {error}", "compute into new arrays: y = x * 2, not x *= 2")

    def test_it_has_no_memory(
        self,
        function: Postprocess,
        outputs: Tensors,
        affines: NDArray[np.float64],
        size_wh: tuple[int, int],
        converted: Any,
    ) -> None:
        """One function decodes for all streams and threads."""
        first = _decoded(function, outputs, affines, size_wh, converted)
        _decoded(function, self.one_row(outputs, 1), affines[1:2], size_wh, converted)
        again = in_threads(lambda _: _decoded(function, outputs, affines, size_wh, converted))
        demand(
            all(_equal(first, other) for other in again),
            "the same outputs give another result when they are decoded again",
            "write a pure function of its arguments; keep smoothing and counting for a stage, which has state",
        )

    def test_class_names_are_passed_on(
        self,
        spec: PostprocessSpec,
        outputs: Tensors,
        affines: NDArray[np.float64],
        converted: Any,
        labels: tuple[str, ...],
    ) -> None:
        """A result with classes carries their names."""
        found = _decoded(spec.build(labels), outputs, affines, (640, 480), converted)
        if "class_id" in found.columns:
            demand(
                found.labels == labels,
                f"built with the labels {labels}, it returns a result with {found.labels}",
                "pass `labels` of build() on to the result",
            )

    def test_another_network_is_refused(
        self, function: Postprocess, affines: NDArray[np.float64], size_wh: tuple[int, int], converted: Any
    ) -> None:
        """Outputs of a shape that it cannot know must not look like an empty picture."""
        foreign = {"foreign_output": np.zeros((1, 7, 3, 5, 2), np.float32)}
        fix = "check the number, rank and dtype of the outputs first, and raise a vedette.ResultError that names them"
        try:
            function(foreign, affines[:1], size_wh, converted)
        except VedetteError:
            return
        except Exception as error:
            refuse(f"the outputs of another network raise {type(error).__name__}: {error}", fix)
        refuse("the outputs of another network are decoded as if they were its own", fix)


def _decoded(
    function: Postprocess,
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Any,
) -> Result:
    try:
        found: Any = function(outputs, affines, size_wh, params)
    except ResultError as error:
        refuse(
            f"the result does not fit its type: {error.message}",
            "bring the column to the dtype and shape that the type wants, for example with "
            ".astype(np.float32) and .reshape(-1, 4)",
        )
    demand(
        isinstance(found, Result),
        f"it returned {type_name(found)}, not a result",
        "return one of vedette's result types; nothing found is a result of zero rows, never None",
    )
    result: Result = found
    return result


def _equal(a: Result, b: Result) -> bool:
    """Equal but for ``source_row``, to rounding."""
    return (
        type(a) is type(b)
        and len(a) == len(b)
        and all(_close(getattr(a, n), getattr(b, n)) for n in a.columns)
    )


def _close(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=True)


def _pixel_columns(result: Result) -> list[str]:
    return [name for name in _PIXELS if name in result.columns and getattr(result, name) is not None]


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
