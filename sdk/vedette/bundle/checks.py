"""What holds between the fields of a manifest: every name refers to something, and both ends fit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
import numpy as np

from vedette.bundle import manifest as schema
from vedette.bundle.names import MANIFEST, SIGNATURE, names_problem
from vedette.inference import shape_text
from vedette.vision.spec import InputSpec

DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)
FEATURES: frozenset[str] = frozenset()
"""Abilities beyond schema version 1 that a bundle may require of its reader: none yet."""

_DISTRIBUTION = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MAX_TENSOR_NAME = 256
_MAX_VALUES = 2**30
"""Of one tensor, free dimensions as 1."""

Shape = tuple[int | None, ...]


def problems(manifest: schema.Manifest) -> Iterator[str]:
    """Each contradiction in ``manifest``, with the path of the offending field, the most basic ones first."""
    yield from _check_files(manifest)
    for name, graph in manifest.graphs.items():
        yield from _check_graph(_at("graphs", name), graph, manifest.files)
    yield from _check_time(manifest)
    yield from _check_program(manifest)
    yield from _check_variants(manifest)
    yield from _check_grades(manifest)
    yield from _check_rest(manifest)


def _check_files(manifest: schema.Manifest) -> Iterator[str]:
    problem = names_problem(manifest.files)
    if problem:
        yield f"{problem} - at `$.files`"
    for name, what in ((MANIFEST, "itself"), (SIGNATURE, "the signature over it")):
        if name in manifest.files:
            yield f"the manifest cannot list {what} - at `{_at('files', name)}`"


def _check_graph(at: str, graph: schema.Graph, files: Collection[str]) -> Iterator[str]:
    for kind, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if not tensors:
            yield f"a graph needs at least one - at `{at}.{kind}`"
        for name, tensor in tensors.items():
            where = at + _at(kind, name)[1:]
            if not 0 < len(name) <= _MAX_TENSOR_NAME or not name.isprintable():
                yield f"a tensor's name is 1 to {_MAX_TENSOR_NAME} printable characters - at `{at}.{kind}`"
            elif tensor.dtype not in DTYPES:
                yield f"dtype {tensor.dtype!r} is none of {', '.join(DTYPES)} - at `{where}.dtype`"
            elif math.prod(size or 1 for size in tensor.shape) > _MAX_VALUES:
                yield f"{shape_text(tensor.shape)} is more than {_MAX_VALUES:,} values - at `{where}.shape`"
    for name, entry in graph.inputs.items():
        yield from _check_feed(at + _at("inputs", name)[1:], entry, files)
    yield from _check_state(at, graph)


def _check_feed(at: str, entry: schema.Input, files: Collection[str]) -> Iterator[str]:
    feed, at_feed = entry.feed, f"{at}.feed"
    if isinstance(feed, schema.PreprocessFeed | schema.ReferenceFeed) and feed.name == "image":
        yield from _check_image(at, entry, feed.params)
    if isinstance(feed, schema.ReferenceFeed) and feed.file not in files:
        yield f"{feed.file!r} is not in `files` - at `{at_feed}.file`"
    if isinstance(feed, schema.ConstantFeed):
        try:
            with np.errstate(over="ignore"):  # infinity is found below
                value = np.asarray(feed.value, entry.dtype)
        except (ValueError, TypeError, OverflowError) as error:
            yield f"not a constant of dtype {entry.dtype}: {error} - at `{at_feed}.value`"
            return
        row, given = entry.shape[1:], np.asarray(feed.value)
        if not np.isfinite(value).all():
            yield f"the constant holds null or a number that is too large - at `{at_feed}.value`"
        elif given.dtype.kind == "U" or (value.dtype.kind != "f" and not np.array_equal(value, given)):
            yield f"the constant holds what {entry.dtype} cannot hold - at `{at_feed}.value`"
        elif not _fits(value.shape, row):
            yield f"the constant is {shape_text(value.shape)}, a row {shape_text(row)} - at `{at_feed}.value`"


def _check_image(at: str, entry: schema.Input, params: Mapping[str, Any]) -> Iterator[str]:
    try:
        spec = msgspec.convert(params, InputSpec)
    except msgspec.ValidationError as error:
        text, _, inner = str(error).partition(" - at `$")
        yield f"{text} - at `{at}.feed.params{inner.rstrip('`')}`"
        return
    if spec.dtype != entry.dtype:
        yield f"the image is {spec.dtype}, the input {entry.dtype} - at `{at}.feed.params.dtype`"
    sample = _sample(entry)
    if None in sample[1:]:
        yield f"only the batch of a picture may be free, not {shape_text(entry.shape)} - at `{at}.shape`"
    elif not _fits((None, *spec.row_shape), sample):
        row, of = shape_text((None, *spec.row_shape)), "a sample of the input" if entry.clip else "the input"
        yield f"the image fills {row}, {of} is {shape_text(sample)} - at `{at}.feed.params`"


def _check_state(at: str, graph: schema.Graph) -> Iterator[str]:
    taken: set[str] = set()
    given: set[str] = set()
    for index, pair in enumerate(graph.state):
        where = f"{at}.state[{index}]"
        source, target = graph.outputs.get(pair.output), graph.inputs.get(pair.input)
        if target is None:
            yield f"the graph has no input {pair.input!r} - at `{where}.in`"
        elif source is None:
            yield f"the graph has no output {pair.output!r} - at `{where}.out`"
        elif pair.input in taken or pair.output in given:
            yield f"{pair.input!r} or {pair.output!r} is in another pair already - at `{where}`"
        elif not isinstance(target.feed, schema.StateFeed):
            yield f"input {pair.input!r} is not fed from the state - at `{where}.in`"
        elif source.dtype != target.dtype or not _fits(source.shape, target.shape):
            there, here = _tensor(source), _tensor(target)
            yield f"output {pair.output!r} is {there}, input {pair.input!r} {here} - at `{where}`"
        elif None in target.shape[1:]:
            yield f"only the batch of a state may be free, not {shape_text(target.shape)} - at `{where}.in`"
        elif not _holds(target.dtype, pair.init):
            yield f"{target.dtype} cannot hold {pair.init!r} - at `{where}.init`"
        taken.add(pair.input)
        given.add(pair.output)
    for name, entry in graph.inputs.items():
        if isinstance(entry.feed, schema.StateFeed) and name not in taken:
            yield f"no pair of `state` fills it - at `{at}{_at('inputs', name)[1:]}.feed`"


def _check_time(manifest: schema.Manifest) -> Iterator[str]:
    """Clips fit the window, and the longest gap is longer than the way from one sample to the next."""
    temporal = manifest.temporal
    if temporal is not None and temporal.max_gap_ms * temporal.rate_hz < 1000 * (1 + temporal.tolerance):
        yield (
            f"{temporal.max_gap_ms:g} ms are no gap: at {temporal.rate_hz:g} Hz samples may be "
            f"{1000 * (1 + temporal.tolerance) / temporal.rate_hz:g} ms apart - at `$.temporal.max_gap_ms`"
        )
    with_clips: list[str] = []
    for name, graph in manifest.graphs.items():
        clips = {key: entry for key, entry in graph.inputs.items() if entry.clip}
        for key, entry in clips.items():
            yield from _check_clip(_at("graphs", name, "inputs", key), entry, temporal)
        with_clips += [name] if clips else []
        if clips and graph.state:
            yield f"a graph has state or clips, not both - at `{_at('graphs', name)}.state`"
    if len(with_clips) > 1:
        yield f"graph {with_clips[0]!r} has clips already - at `{_at('graphs', with_clips[1])}`"


def _check_clip(at: str, entry: schema.Input, temporal: schema.Temporal | None) -> Iterator[str]:
    if temporal is None:
        yield f"a clip needs `temporal`, which says how long it is - at `{at}.clip`"
    elif len(entry.shape) < 2 or entry.shape[1] not in (None, temporal.window):
        yield (
            f"{shape_text(entry.shape)} is not a clip of {temporal.window} samples, which axis 1 counts "
            f"- at `{at}.shape`"
        )
    elif not isinstance(entry.feed, schema.PreprocessFeed | schema.TensorFeed | schema.ResultFeed):
        yield f"what comes from here is the same in each sample, so it makes no clip - at `{at}.feed`"


def _sample(entry: schema.Input) -> Shape:
    """The shape that the feed fills: that of one sample, where the input is a clip."""
    return (*entry.shape[:1], *entry.shape[2:]) if entry.clip else entry.shape


def _check_program(manifest: schema.Manifest) -> Iterator[str]:
    done: set[str] = set()
    for index, step in enumerate(manifest.program):
        where = f"$.program[{index}].run"
        graph = manifest.graphs.get(step.run)
        if graph is None:
            yield f"there is no graph {step.run!r} - at `{where}`"
            continue
        if step.run in done:
            yield f"graph {step.run!r} runs twice - at `{where}`"
        for name, entry in graph.inputs.items():
            if isinstance(entry.feed, schema.TensorFeed):
                yield from _check_tensor(
                    _at("graphs", step.run, "inputs", name), entry, entry.feed, done, manifest
                )
        done.add(step.run)
    idle = sorted(manifest.graphs.keys() - done)
    if idle:
        yield f"graph {idle[0]!r} never runs - at `$.program`"


def _check_tensor(
    at: str, entry: schema.Input, feed: schema.TensorFeed, done: Collection[str], manifest: schema.Manifest
) -> Iterator[str]:
    if feed.graph not in done:
        yield f"no graph {feed.graph!r} runs earlier in the program - at `{at}.feed.graph`"
        return
    source = manifest.graphs[feed.graph].outputs.get(feed.output)
    if source is None:
        yield f"graph {feed.graph!r} has no output {feed.output!r} - at `{at}.feed.output`"
    elif source.dtype != entry.dtype or not _fits(source.shape, _sample(entry)):
        yield f"the output is {_tensor(source)}, the input {_tensor(entry)} - at `{at}.feed`"


def _check_variants(manifest: schema.Manifest) -> Iterator[str]:
    if not manifest.variants:
        yield "a bundle needs at least one variant - at `$.variants`"
    for name, variant in manifest.variants.items():
        at = _at("variants", name, "graphs")
        wrong = sorted(manifest.graphs.keys() ^ variant.graphs.keys())
        if wrong:
            what = "has no files" if wrong[0] in manifest.graphs else "does not exist"
            yield f"graph {wrong[0]!r} {what} - at `{at}`"
        for graph, entry in variant.graphs.items():
            where = at + _at(graph, "files")[1:]
            if not entry.files:
                yield f"a graph needs at least one file - at `{where}`"
            before: set[str] = set()
            for index, file in enumerate(entry.files):
                if file not in manifest.files:
                    yield f"{file!r} is not in `files` - at `{where}[{index}]`"
                elif file in before:
                    yield f"{file!r} is there twice - at `{where}[{index}]`"
                before.add(file)
            if entry.format == "openvino" and _suffixes(entry.files) != [".xml", ".bin"]:
                yield f"an OpenVINO model is an .xml and its .bin, in this order - at `{where}`"


def _check_grades(manifest: schema.Manifest) -> Iterator[str]:
    seen = set()
    for index, grade in enumerate(manifest.grades):
        at = f"$.grades[{index}]"
        if grade.variant not in manifest.variants:
            yield f"there is no variant {grade.variant!r} - at `{at}.variant`"
        numbers = (grade.value, grade.tolerance or 0.0, *(grade.interval or ()))
        if not all(map(math.isfinite, numbers)):
            yield f"a figure is not finite - at `{at}`"
        elif grade.tolerance is not None and grade.tolerance <= 0:
            yield f"a tolerance is above 0 - at `{at}.tolerance`"
        elif grade.interval and grade.interval[0] > grade.interval[1]:
            yield f"its lower end is above its upper end - at `{at}.interval`"
        key = (grade.variant, grade.precision, grade.metric, grade.backend)
        if key in seen:
            yield f"the same variant, precision, metric and backend have a grade already - at `{at}`"
        seen.add(key)


def _check_rest(manifest: schema.Manifest) -> Iterator[str]:
    if manifest.labels is not None and manifest.labels not in manifest.files:
        yield f"{manifest.labels!r} is not in `files` - at `$.labels`"
    for index, golden in enumerate(manifest.goldens):
        if golden.image is None and golden.tensors is None:
            yield f"a golden needs an image or tensors - at `$.goldens[{index}]`"
        if golden.variant is not None and golden.variant not in manifest.variants:
            yield f"there is no variant {golden.variant!r} - at `$.goldens[{index}].variant`"
        for field, file in (("image", golden.image), ("tensors", golden.tensors)):
            if file is not None and file not in manifest.files:
                yield f"{file!r} is not in `files` - at `$.goldens[{index}].{field}`"
    for index, feature in enumerate(manifest.requires):
        if feature not in FEATURES:
            yield f"this version of vedette cannot do {feature!r} - at `$.requires[{index}]`"
    for name, value in manifest.ext.items():
        if not _DISTRIBUTION.fullmatch(name):
            yield f"{name!r} is not the name of a distribution - at `$.ext`"
        elif not isinstance(value, dict):
            yield f"what a distribution adds is an object - at `{_at('ext', name)}`"


def _suffixes(files: Sequence[str]) -> list[str]:
    return [PurePosixPath(file).suffix for file in files]


def _holds(dtype: str, value: float) -> bool:
    with np.errstate(all="ignore"):
        return math.isclose(float(np.float64(value).astype(dtype)), value, rel_tol=1e-3)


def _fits(have: Shape, want: Shape) -> bool:
    """Equal number of dimensions, each equal or free on one side."""
    return len(have) == len(want) and all(
        a is None or b is None or a == b for a, b in zip(have, want, strict=True)
    )


def _at(*steps: str) -> str:
    return "$" + "".join(f".{step}" if _PLAIN.fullmatch(step) else f"[{json.dumps(step)}]" for step in steps)


def _tensor(tensor: schema.Input | schema.Output) -> str:
    return f"{tensor.dtype} {shape_text(tensor.shape)}"
