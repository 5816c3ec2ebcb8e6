"""How the inputs of a graph are filled: each feed of the manifest becomes one function that writes one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from vedette.bundle.bundle import Bundle
from vedette.bundle.manifest import (
    ConstantFeed,
    Feed,
    PreprocessFeed,
    ReferenceFeed,
    ResultFeed,
    StateFeed,
    TensorFeed,
)
from vedette.errors import BundleError, PipelineError
from vedette.frame import Clock, Decode, Encoded, Frame, Pixels, fourcc_of
from vedette.results import Result
from vedette.specs import Affine, Preprocess, PreprocessSpec, Roi, Tensor, TensorInfo, Tensors


@dataclass(slots=True, eq=False)
class Row:
    """What one batch row is made from."""

    frame: Frame
    roi: Roi
    index: int
    results: Mapping[str, Result] = field(default_factory=dict)
    tensors: Mapping[str, Tensors] = field(default_factory=dict)
    """Outputs of the graphs that ran before, by graph and name, all rows."""
    state: Tensors = field(default_factory=dict)
    clips: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)
    """The samples of each clip input, the oldest first."""
    reference: Frame | None = None
    """In place of the one that the bundle has."""


Write = Callable[[Row, Tensor], Affine | None]
"""Fills one row of an input; a preprocessor returns the geometry of what it wrote."""


@dataclass(frozen=True, slots=True)
class PreparedInput:
    """An input of a graph, ready to be filled. ``row_shape`` is ``None`` where it depends on the data. ``sample``: what
    writes one sample of an input that is a clip."""

    name: str
    write: Write
    row_shape: tuple[int, ...] | None
    shape_of: Callable[[Row], tuple[int, ...]]
    sample: PreparedInput | None = None


def prepare_input(
    feed: Feed,
    info: TensorInfo,
    declared: tuple[int | None, ...],
    bundle: Bundle,
    preprocess: tuple[PreprocessSpec, Any] | None,
    decode: Decode,
    clip: bool = False,
    reference: Pixels | None = None,
) -> PreparedInput:
    """Bind a feed to the real tensor of a session.

    Parameters
    ----------
    info
        The session's input, fused or not.
    declared
        The manifest's shape of the input: settles free dimensions other than the batch.
    preprocess
        Specification and converted parameters, for feeds that have one.
    clip
        Axis 1 of the tensor is time. Where a row has no clip (a still picture) its one sample fills all of it.
    reference
        What a model that compares is to compare with, in place of the bundle's picture.
    """
    if clip:
        one = replace(info, shape=(info.shape[0], *info.shape[2:]))
        sample = prepare_input(feed, one, (declared[0], *declared[2:]), bundle, preprocess, decode)
        return _clip(sample, info.shape[1] or declared[1] or 1)
    fixed = _row_shape(info, declared)
    if isinstance(feed, PreprocessFeed):
        assert preprocess is not None
        spec, params = preprocess
        writer = spec.build(params, info)
        return _prepared(info.name, lambda row, out: writer.write(row.frame, row.roi, out), fixed, None)
    if isinstance(feed, ReferenceFeed):
        assert preprocess is not None
        spec, params = preprocess
        stored = np.zeros(_demand(fixed, info.name), info.dtype)
        writer = spec.build(params, info)
        _write_whole(writer, still(reference or stored_picture(bundle, feed, decode)), stored)
        return _prepared(info.name, _reference(writer, stored), fixed, None)
    if isinstance(feed, ConstantFeed):
        constant = _constant(feed, info, fixed)
        return _prepared(info.name, _copier(lambda row: constant), constant.shape, None)
    if isinstance(feed, StateFeed):
        return _prepared(info.name, _copier(lambda row: row.state[info.name]), fixed, None)
    if isinstance(feed, TensorFeed):
        graph, output = feed.graph, feed.output
        return _dynamic(info, fixed, lambda row: row.tensors[graph][output][row.index])
    assert isinstance(feed, ResultFeed)
    role, column = feed.stage, feed.field
    return _dynamic(info, fixed, lambda row: _column(row, role, column))


def still(pixels: Pixels) -> Frame:
    """A frame of its own around one picture: for single images, goldens and references."""
    clock = Clock(mono_ns=0, wall_ns=0)
    return Frame(stream="", epoch=0, ticket=0, seq=0, size_wh=pixels.size_wh, clock=clock, image=pixels)


def stored_picture(bundle: Bundle, feed: ReferenceFeed, decode: Decode) -> Pixels:
    """What the bundle itself compares with."""
    data = bundle.read(feed.file)
    return decode(Encoded(fourcc_of(data), data, (0, 0)))


def _reference(writer: Preprocess, stored: Tensor) -> Write:
    """The bundle's own reference, prepared once, or a row's."""

    def write(row: Row, out: Tensor) -> None:
        if row.reference is None:
            np.copyto(out, stored)
        else:
            _write_whole(writer, row.reference, out)

    return write


def _write_whole(writer: Preprocess, frame: Frame, out: Tensor) -> None:
    writer.write(frame, Roi.whole(frame.size_wh), out)


def _clip(sample: PreparedInput, length: int) -> PreparedInput:
    """An input of ``length`` samples."""

    def write(row: Row, out: Tensor) -> Affine | None:
        samples = row.clips.get(sample.name)
        if samples is None:
            affine = sample.write(row, out[0, ...])
            out[1:] = out[0]
            return affine
        for at, value in enumerate(samples):
            out[at] = value
        return None

    return PreparedInput(
        sample.name,
        write,
        None if sample.row_shape is None else (length, *sample.row_shape),
        lambda row: (length, *sample.shape_of(row)),
        sample,
    )


def _prepared(
    name: str, write: Write, fixed: tuple[int, ...] | None, shape_of: Callable[[Row], tuple[int, ...]] | None
) -> PreparedInput:
    return PreparedInput(name, write, fixed, shape_of or (lambda row: _demand(fixed, name)))


def _dynamic(
    info: TensorInfo, fixed: tuple[int, ...] | None, value: Callable[[Row], Tensor]
) -> PreparedInput:
    return _prepared(info.name, _copier(value), fixed, lambda row: value(row).shape)


def _copier(value: Callable[[Row], Tensor]) -> Write:
    def write(row: Row, out: Tensor) -> None:
        given = value(row)
        if given.shape != out.shape:
            raise PipelineError(f"an input row must be {out.shape}, but its feed gives {given.shape}")
        np.copyto(out, given, casting="same_kind")

    return write


def _column(row: Row, role: str, column: str) -> Tensor:
    value = getattr(row.results.get(role), column, None)
    if not isinstance(value, np.ndarray):
        raise PipelineError(f"the result of {role!r} has no column {column!r}, which the model is fed with")
    return np.asarray(value[row.index])


def _row_shape(info: TensorInfo, declared: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """The shape of one row, the declared size standing in for free dimensions; ``None`` if still not settled."""
    row: list[int] = []
    for axis, size in enumerate(info.shape[1:], 1):
        known = size if size is not None else (declared[axis] if len(declared) == len(info.shape) else None)
        if known is None:
            return None
        row.append(known)
    return tuple(row)


def _demand(shape: tuple[int, ...] | None, name: str) -> tuple[int, ...]:
    if shape is None:
        raise BundleError(
            f"input {name!r} has free dimensions besides the batch",
            fix="give its shape in the manifest (pack with --input-size)",
        )
    return shape


def _constant(feed: ConstantFeed, info: TensorInfo, fixed: tuple[int, ...] | None) -> Tensor:
    try:
        constant = np.asarray(feed.value, info.dtype)
    except (ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise BundleError(f"input {info.name!r}: the constant does not fit {info.dtype}: {error}") from None
    if fixed is not None and constant.shape != fixed:
        raise BundleError(
            f"input {info.name!r}: the constant must be one row of {fixed}, not {constant.shape}"
        )
    return constant
