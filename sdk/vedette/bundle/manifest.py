"""The manifest of a bundle: ``manifest.json``, parsed strictly. Unknown and missing fields are errors with a path."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec

from vedette.bundle.quoting import one_line
from vedette.errors import BundleError
from vedette.specs import Precision

SCHEMA_VERSION = 1

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z")]
Version = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([-.][0-9A-Za-z.-]+)?\Z", max_length=64)
]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Dim = Annotated[int, msgspec.Meta(ge=0, le=2**24)]
Shape = Annotated[tuple[Dim | None, ...], msgspec.Meta(max_length=16)]
Samples = Annotated[int, msgspec.Meta(ge=1, le=2**16)]
Few = msgspec.Meta(max_length=64)
Many = msgspec.Meta(max_length=1024)
Task = Literal["classification", "detection", "keypoints", "embedding", "anomaly", "clip", "other"]
Storage = Literal["f32", "f16", "bf16", "int8", "mixed"]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every part of the manifest."""


class PreprocessFeed(Strict, frozen=True, tag="preprocess", tag_field="from"):
    """Filled by a preprocessor from the region's pixels: ``name`` and its parameters (for ``image``, an InputSpec)."""

    name: Name
    params: dict[str, Any] = {}


class StateFeed(Strict, frozen=True, tag="state", tag_field="from"):
    """Filled from the recurrent state; the graph's ``state`` list names the pair."""


class TensorFeed(Strict, frozen=True, tag="tensor", tag_field="from"):
    """Filled from the output of an earlier graph of the program."""

    graph: Name
    output: str


class ResultFeed(Strict, frozen=True, tag="result", tag_field="from"):
    """Filled from a column of another stage's result, by the role that the pipeline's ``takes`` binds to a stage."""

    stage: Name
    field: str


class ConstantFeed(Strict, frozen=True, tag="constant", tag_field="from"):
    """A fixed array, the same in every row of the batch: the input's shape without its first axis, as nested lists."""

    value: Any


class ReferenceFeed(Strict, frozen=True, tag="reference", tag_field="from"):
    """A stored template image of the bundle, preprocessed once: ``file`` and the preprocessor."""

    file: str
    name: Name
    params: dict[str, Any] = {}


Feed = PreprocessFeed | StateFeed | TensorFeed | ResultFeed | ConstantFeed | ReferenceFeed


class Input(Strict, frozen=True):
    """A graph's input. ``shape`` has the batch first; ``null`` is a free dimension.

    ``clip``: axis 1 is time, and holds what ``feed`` gave in the last ``temporal.window`` samples, the oldest first.
    """

    dtype: str
    shape: Shape
    feed: Feed
    clip: bool = False


class Output(Strict, frozen=True):
    """A graph's output. ``rows``: its last axis is a record and the order of the records means nothing (suppression in
    the graph, DETR), so that a proof compares two sets."""

    dtype: str
    shape: Shape
    rows: bool = False


class StatePair(Strict, frozen=True):
    """Recurrent state: the graph's output ``out`` becomes its input ``in`` of the next step.

    ``init`` fills the state at the start of a stream; ``reset`` names what starts it afresh besides a new epoch.
    """

    input: str = msgspec.field(name="in")
    output: str = msgspec.field(name="out")
    init: float = 0.0
    reset: tuple[Literal["gap"], ...] = ("gap",)


class Graph(Strict, frozen=True):
    """One network: its named inputs and outputs, and the state it carries."""

    inputs: Annotated[dict[str, Input], Many]
    outputs: Annotated[dict[str, Output], Many]
    state: Annotated[tuple[StatePair, ...], Many] = ()


class Run(Strict, frozen=True):
    """One step of the program: run this graph. Graphs run in the order of the list."""

    run: Name


class Temporal(Strict, frozen=True):
    """Sampling in time, for training and runtime alike. Times are capture times, not frame counts.

    ``rate_hz`` samples per second, each taken within ``tolerance`` (a fraction of the period); ``window`` samples
    make a clip, a new one every ``stride``; a gap longer than ``max_gap_ms`` resets the state.
    """

    rate_hz: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    tolerance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    window: Samples = 1
    stride: Samples = 1
    max_gap_ms: Annotated[float, msgspec.Meta(gt=0)] = 1000.0


class Decoder(Strict, frozen=True):
    """The postprocessor and its default parameters (thresholds included)."""

    name: Name
    params: dict[str, Any] = {}


class GraphFiles(Strict, frozen=True):
    """One graph of one variant: its files (the model itself first), their format, and how the weights are stored."""

    format: Name
    files: tuple[str, ...]
    storage: Storage = "f32"


class Oracle(Strict, frozen=True):
    """What answered the goldens of a variant: what its raw outputs are right *by*.

    ``literal``: its own files, operator by operator, nothing optimised; ``fp32-relative``: the model that it was
    quantised from; ``self``: its own files as ``runtime`` runs them at f32, which says that other runtimes agree with
    that one.
    """

    kind: Literal["literal", "fp32-relative", "self"]
    runtime: Name
    version: str


class Tolerance(Strict, frozen=True):
    """By how much a raw output may differ from a golden, as parts of the output's range: the worst element, and the
    root of the mean square over all elements (``null``: not judged)."""

    worst: Annotated[float, msgspec.Meta(gt=0, le=10)]
    rms: Annotated[float, msgspec.Meta(gt=0, le=10)] | None = None


class Variant(Strict, frozen=True):
    """The same model in one storage: files for every graph.

    ``tolerance`` is ``null`` for the usual one of its storage; a grade may set one for its precision.
    """

    graphs: dict[Name, GraphFiles]
    oracle: Oracle | None = None
    tolerance: Tolerance | None = None


class Grade(Strict, frozen=True):
    """What was measured of a (variant, execution precision), on ``n`` samples, with the interval at 95 %.

    ``backend`` is ``null`` where the figure holds for every backend. A pair without a grade is not used
    unless the user allows it.
    """

    variant: Name
    precision: Precision
    metric: str
    value: float
    n: Count
    backend: Name | None = None
    interval: tuple[float, float] | None = None
    tolerance: float | None = None


class Provenance(Strict, frozen=True):
    """Where the model comes from."""

    origin: str = ""
    data: tuple[str, ...] = ()
    recipe: str = ""
    commit: str = ""
    seeds: tuple[int, ...] = ()


class File(Strict, frozen=True):
    """Hash and size of one file of the bundle."""

    sha256: Sha256
    size: Count


class Golden(Strict, frozen=True):
    """One sample with known answers: ``image`` (an encoded picture) and ``tensors`` (an ``.npz`` of reference inputs,
    raw outputs per graph and the decoded result as JSON).

    ``variant``: whose answers they are; ``null``: those of all. ``origin``: a picture that was given, one made from
    such, or one that was drawn. Goldens of a recurrent model follow upon each other in one stream.
    """

    image: str | None = None
    tensors: str | None = None
    variant: Name | None = None
    origin: Literal["sample", "derived", "synthetic"] = "sample"


class Manifest(Strict, frozen=True):
    """Everything that is known of a model. ``files`` holds the hash of every other file of the bundle."""

    schema: Literal[1]
    name: Name
    version: Version
    task: Task
    licence: str
    graphs: Annotated[dict[Name, Graph], Few]
    program: Annotated[tuple[Run, ...], Few]
    decoder: Decoder
    variants: Annotated[dict[Name, Variant], Few]
    files: dict[str, File]
    labels: str | None = None
    provenance: Provenance = Provenance()
    temporal: Temporal | None = None
    grades: Annotated[tuple[Grade, ...], Many] = ()
    goldens: Annotated[tuple[Golden, ...], Many] = ()
    requires: tuple[str, ...] = ()
    ext: dict[str, Any] = {}


def parse_manifest(raw: bytes, where: str = "manifest.json") -> Manifest:
    """Parse the exact bytes of a manifest, and check that its parts fit together.

    Raises
    ------
    BundleError
        Not JSON, an unknown, repeated or missing field, a value out of range, or a reference to something that is not
        there or does not fit; the message has the path.
    """
    from vedette.bundle.checks import problems

    try:
        _check_schema(raw, where)
        manifest = msgspec.json.decode(raw, type=Manifest)
        json.loads(raw, object_pairs_hook=_refuse_repeated)
        problem = next(problems(manifest), None)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        problem = str(error)
    if problem is not None:
        raise BundleError(
            f"{where}: {one_line(problem)}", fix="pack the model again with this version of vedette"
        )
    return manifest


class _Head(msgspec.Struct):
    """What every version of the schema has."""

    schema: int


def _check_schema(raw: bytes, where: str) -> None:
    found = msgspec.json.decode(raw, type=_Head).schema
    if found != SCHEMA_VERSION:
        raise BundleError(
            f"{where}: schema version {found}, this version of vedette reads {SCHEMA_VERSION} - at `$.schema`",
            fix="update vedette, or pack the model again with this version",
        )


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    """JSON lets a key appear twice, and parsers disagree about which one counts."""
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key[:80]!r} is there twice in one object")
        seen.add(key)
