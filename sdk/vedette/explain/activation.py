"""Class activation maps (Zhou et al. 2016, "Learning deep features for discriminative localization").

Where a network ends in the mean over all places and one linear layer, the logit of a class is the sum over places of
what the last feature map says there for that class, plus a bias. So the map is exact, and costs one matrix product. A
bundle that can be asked for it gives its last feature map as a second output, and carries the weights of the linear
layer, as its manifest says under ``ext``::

    {
        "vedette": {
            "activation_map": {"graph": "model", "features": "features", "weights": "explain/weights.npy"}
        }
    }
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle
from vedette.errors import BundleError
from vedette.specs import Tensor

DISTRIBUTION = "vedette"


class ActivationMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``features``: the output ``(n, channels, h, w)`` of ``graph``; ``weights``: the file of ``(units, channels)
    float32``, by the network's numbers of its classes."""

    graph: str
    features: str
    weights: str


class Ext(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle says under ``ext`` for this distribution."""

    activation_map: ActivationMap


def parse_ext(entry: Mapping[str, Any]) -> Ext:
    """Check the entry of a bundle.

    Raises
    ------
    BundleError
        A field is missing, unknown or of the wrong type.
    """
    try:
        return msgspec.convert(entry, Ext)
    except msgspec.ValidationError as error:
        raise BundleError(str(error), fix="pack the model again with this version of vedette") from None


def activation_map_of(bundle: Bundle) -> ActivationMap | None:
    """How the bundle gives class activation maps; ``None`` where it does not."""
    entry = bundle.manifest.ext.get(DISTRIBUTION)
    return None if entry is None else parse_ext(entry).activation_map


def read_weights(bundle: Bundle, stated: ActivationMap) -> NDArray[np.float32]:
    """The weights of the linear layer, ``(units, channels) float32``.

    Raises
    ------
    BundleError
        The file is missing or is no such array, or the graph has no such output.
    """
    graph = bundle.manifest.graphs.get(stated.graph)
    if graph is None or stated.features not in graph.outputs:
        raise BundleError(f"{bundle.path}: graph {stated.graph!r} has no output {stated.features!r}")
    if stated.weights not in bundle.manifest.files:
        raise BundleError(f"{bundle.path}: there is no file {stated.weights!r}")
    try:
        weights = np.load(io.BytesIO(bundle.read(stated.weights)), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BundleError(f"{bundle.path}: {stated.weights}: not an array: {error}") from None
    if not isinstance(weights, np.ndarray) or weights.dtype != np.float32 or weights.ndim != 2:
        raise BundleError(f"{bundle.path}: {stated.weights}: not (units, channels) float32")
    return weights


def class_map(features: Tensor, weights: NDArray[np.float32], unit: int) -> NDArray[np.float32]:
    """What each place adds to the logit of ``unit``: ``(h, w) float32``, whose sum is the logit without its bias.

    Parameters
    ----------
    features
        ``(channels, h, w)``, of one picture.

    Raises
    ------
    BundleError
        Features and weights do not fit, or there is no such unit.
    """
    if features.ndim != 3 or len(features) != weights.shape[1] or not 0 <= unit < len(weights):
        raise BundleError(
            f"features of shape {features.shape} do not fit weights of shape {weights.shape} for class {unit}",
            fix="make the bundle again: vedette add-cam",
        )
    places = features.shape[1] * features.shape[2]
    heat: NDArray[np.float32] = np.tensordot(weights[unit], features.astype(np.float32), axes=1) / places
    return heat.astype(np.float32)
