"""One vector per image by which things are found again: of people (OSNet: Zhou et al. 2019, "Omni-Scale Feature
Learning for Person Re-Identification", https://arxiv.org/abs/1905.00953), of faces (MobileFaceNet: Chen et al. 2018,
https://arxiv.org/abs/1804.07573), of anything."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.results import Embedding
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, Tensors
from vedette_cnn.decoders.raw import Raw
from vedette_cnn.decoders.sight import vector_length

LENGTH = 0.01
"""By how much the length of a vector that the graph normalised may differ from 1: half-precision and 8-bit graphs."""


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters.

    Attributes
    ----------
    output
        Name of the output; ``None``: the only one.
    normalise
        Divide each vector by its length (L2). ``False`` where the graph does it: a vector whose length is not 1 is
        then refused, because the dot product of two would not be their cosine.
    """

    output: str | None = None
    normalise: bool = True


def decode(
    outputs: Tensors,
    affines: NDArray[np.float64],
    size_wh: tuple[int, int],
    params: Params,
    labels: tuple[str, ...] = (),
) -> Embedding:
    """Decode one output ``(n, d)`` of floats, trailing axes of length 1 allowed.

    Raises
    ------
    ResultError
        The output does not fit ``params``, is not finite, or a vector is zero.
    """
    raw = Raw("embedding", outputs)
    name, tensor = raw.find(params.output)
    whole = tensor.ndim >= 2 and len(tensor) == len(affines) and not set(tensor.shape[2:]) - {1}
    if not whole or tensor.dtype.kind != "f" or tensor.shape[1] < 2:
        raise raw.error(
            f"output {name!r} must be ({len(affines)}, d) of floats, not {tensor.shape} {tensor.dtype}"
        )
    vector = tensor.reshape(tensor.shape[:2]).astype(np.float32)
    length = np.linalg.norm(vector.astype(np.float64), axis=1, keepdims=True)
    _check(raw, name, length, params.normalise)
    if params.normalise:
        vector = (vector / length).astype(np.float32)
    return Embedding(vector=vector, source_row=np.arange(len(vector), dtype=np.int32), labels=labels)


def _check(raw: Raw, name: str, length: NDArray[np.float64], normalise: bool) -> None:
    if not np.isfinite(length).all():
        raise raw.error(
            f"output {name!r} is not finite",
            "run it at precision f32 and on another backend: if that does not help, the model file is broken",
        )
    if normalise and (length == 0).any():
        raise raw.error(f"a vector of output {name!r} is zero, so it has no direction")
    if not normalise and (np.abs(length - 1) > LENGTH).any():
        worst = float(length.ravel()[np.abs(length - 1).argmax()])
        raise raw.error(
            f"a vector of output {name!r} has the length {worst:.4g}, not 1", "set normalise = true"
        )


SIZES = (64, 128, 192, 256, 320, 384, 512, 768, 1024, 2048)
"""Lengths of published embeddings."""


def recognise(facts: ModelFacts) -> Iterator[Proposal]:
    """One output of a usual length. A classifier may look the same."""
    length = vector_length(facts)
    if length in SIZES:
        yield Proposal(task="embedding", why=f"one vector of {length} numbers per picture")


SPEC = PostprocessSpec(
    name="embedding",
    summary="Re-identification, faces: one vector per image, compared by its cosine",
    result=Embedding,
    params=Params,
    build=lambda labels: partial(decode, labels=labels),
    recognise=recognise,
)
