"""What was recorded, as a loaded model takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vedette.bundle.recording import Recording, pixel_half
from vedette.errors import BundleError
from vedette.specs import Tensor, TensorInfo
from vedette.vision.spec import InputSpec

if TYPE_CHECKING:
    from vedette.model.loading import LoadedGraph, LoadedModel


def reference_input(model: LoadedModel, graph: LoadedGraph, name: str, recording: Recording) -> Tensor:
    """The recorded input: the pixels that it was made from, where the session took the tensor half in."""
    tensor = recorded(recording.inputs, graph.name, name, "input")
    fused = fused_spec(model, graph, name)
    return tensor if fused is None else pixel_half(tensor, fused)


def fused_spec(model: LoadedModel, graph: LoadedGraph, name: str) -> InputSpec | None:
    """The specification whose tensor half the session took in."""
    spec, params = model.parts.preprocess.get((graph.name, name), (None, None))
    wish = None if spec is None else spec.fuse(params)
    return wish if wish is not None and _takes_pixels(graph.session.inputs[name], wish) else None


def _takes_pixels(info: TensorInfo, spec: InputSpec) -> bool:
    return info.dtype == "uint8" and info.shape[1:] == spec.pixel_half().row_shape


def recorded(tensors: Mapping[str, Mapping[str, Tensor]], graph: str, name: str, kind: str) -> Tensor:
    """A tensor of a recording.

    Raises
    ------
    BundleError
        It was not recorded.
    """
    try:
        return tensors[graph][name]
    except KeyError:
        raise BundleError(
            f"a golden has no {kind} {name!r} of graph {graph!r}", fix="pack the model again"
        ) from None
