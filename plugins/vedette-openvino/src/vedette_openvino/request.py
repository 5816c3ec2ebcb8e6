"""One infer request of OpenVINO and the numpy memory that it reads its inputs from, without a copy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from vedette.specs import Tensor, TensorInfo
from vedette_openvino.ports import check_bounds
from vedette_openvino.runtime import ov

_KEPT_SHAPES = 4
"""Sets of input shapes whose memory a request keeps; the one unused for longest goes first."""

Shape = tuple[int, ...]


class Request:
    """An infer request with its memory.

    Parameters
    ----------
    compiled
        OpenVINO's compiled model.
    inputs, outputs
        Its tensors, in its own order.
    """

    def __init__(
        self, compiled: Any, inputs: Mapping[str, TensorInfo], outputs: Mapping[str, TensorInfo]
    ) -> None:
        self._native = compiled.create_infer_request()
        self._ports = compiled.inputs
        self._infos = inputs
        self._outputs = outputs
        self._memory: OrderedDict[tuple[Shape, ...], Mapping[str, Tensor]] = OrderedDict()
        self.inputs: Mapping[str, Tensor] = {}

    def bind(self, shapes: Mapping[str, Shape]) -> None:
        """Make ``inputs`` arrays of these shapes, one for every input.

        Raises
        ------
        BackendError
            A shape is outside of the graph's bounds.
        """
        key = tuple(shapes.values())
        arrays = self._memory.get(key)
        if arrays is None:
            arrays = self._memory[key] = self._allocate(shapes)
            if len(self._memory) > _KEPT_SHAPES:
                self._memory.popitem(last=False)
        elif arrays is self.inputs:
            return
        self._memory.move_to_end(key)
        for index, array in enumerate(arrays.values()):
            self._native.set_input_tensor(index, ov.Tensor(array, shared_memory=True))
        self.inputs = arrays

    def _allocate(self, shapes: Mapping[str, Shape]) -> Mapping[str, Tensor]:
        for port, (name, shape) in zip(self._ports, shapes.items(), strict=True):
            check_bounds(port, name, shape)
        return MappingProxyType(
            {name: np.zeros(shape, self._infos[name].dtype) for name, shape in shapes.items()}
        )

    def run(self) -> None:
        """Run and wait, on threads of OpenVINO. Raises what OpenVINO raises."""
        self._native.start_async()
        self._native.wait()

    def read_outputs(self) -> Mapping[str, Tensor]:
        """The outputs of the last run: read-only views of OpenVINO's own memory, overwritten by the next run.

        Arrays set beforehand for it to write to would be no faster, and with them OpenVINO 2026.4 computes a graph that
        hands an input through as an output wrongly, its other outputs included.
        """
        views = {}
        for index, name in enumerate(self._outputs):
            views[name] = view = self._native.get_output_tensor(index).data
            view.flags.writeable = False
        return views
