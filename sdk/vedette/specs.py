"""What a plugin hands over: one frozen specification per kind of plugin, and the protocols of what it builds.

A specification is *data*: a name, a one-line summary, the schema of its parameters, and a factory. The factory is where
a heavy library is imported, so that listing plugins stays cheap. Parameters are :class:`msgspec.Struct` classes
with ``forbid_unknown_fields=True``: the host converts what the user wrote and reports errors with their path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.events import Event, EventDraft
from vedette.frame import Clock, Encoded, Frame, Image, Orientation, Pixels
from vedette.results import Result
from vedette.vision.spec import InputSpec

if TYPE_CHECKING:
    import click

    from vedette.packet import Packet

Tensor = NDArray[Any]
Tensors = Mapping[str, Tensor]
Affine = NDArray[np.float64]
"""``(2, 3) float64``: maps ``(x, y, 1)`` of a tensor's or region's pixel coordinates to frame coordinates."""
Precision = Literal["f32", "bf16", "f16"]
"""The type that floating-point operators compute in. An int8 graph has one too: its float remainder."""


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For plugins that take no parameters."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base of all specifications. ``name`` is what bundles, configurations and messages use."""

    name: str
    summary: str


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """A graph's input or output: numpy dtype name (``float32``) and shape, ``None`` for a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


# --- preprocess ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Roi:
    """A region of interest: the whole frame, a box or an aligned face, all as one affine map.

    ``affine`` maps the region's own coordinates (0..w, 0..h of ``size_wh``) to frame coordinates.
    """

    affine: Affine
    size_wh: tuple[float, float]

    @classmethod
    def whole(cls, size_wh: tuple[int, int]) -> Roi:
        """The whole frame."""
        return cls(affine=np.array([[1.0, 0, 0], [0, 1, 0]]), size_wh=size_wh)

    @classmethod
    def box(cls, xyxy: Sequence[float] | NDArray[np.float32]) -> Roi:
        """An upright box in frame pixels; it may reach over the frame's edge."""
        x0, y0, x1, y1 = (float(value) for value in xyxy)
        return cls(affine=np.array([[1.0, 0, x0], [0, 1, y0]]), size_wh=(x1 - x0, y1 - y0))


class Preprocess(Protocol):
    """Writes one row of a graph's input."""

    def write(self, frame: Frame, roi: Roi, out: Tensor) -> Affine:
        """Fill ``out`` (one batch row, writable, owned by the request) from ``roi`` of ``frame``.

        Returns the affine map from the tensor's pixel coordinates to the frame's.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class PreprocessSpec(Spec):
    """A way to turn pixels into an input tensor.

    ``build(params, tensor)`` makes the writer for an input whose real dtype and shape are ``tensor``. ``fuse(params)``
    may return an :class:`InputSpec` whose tensor half a backend takes into its graph; ``tensor`` is then the
    ``uint8 (n, h, w, c)`` input of the fused graph.
    """

    params: type[msgspec.Struct] = NoParams
    build: Callable[[Any, TensorInfo], Preprocess]
    fuse: Callable[[Any], InputSpec | None] = lambda params: None


# --- backend ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device that a backend can use: ``cpu``, ``gpu``, ``gpu:1``, ``npu``; ``detail`` is its full name.

    ``precisions`` are the execution precisions it offers, the fastest first.
    """

    name: str
    detail: str
    precisions: tuple[Precision, ...] = ("f32",)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a model is to be run. Nothing here is inherited from a runtime's own defaults.

    Attributes
    ----------
    precision
        The type that floating-point operators compute in; a backend that cannot do it refuses.
    slots
        Requests that can be leased at once; ``None``: as many as keep ``threads`` busy.
    threads
        Threads of the processor that this session may keep busy.
    threads_per_request
        Threads that one request uses; 1 gives the best throughput, ``threads`` the shortest latency.
    batch
        The largest batch of a slot; a graph with a fixed batch refuses another one.
    fuse
        Inputs whose tensor half the backend may take into the graph, by name. What it took is seen in
        ``Session.inputs``: a fused input is ``uint8 (n, h, w, c)``.
    cache_dir
        Folder for compiled models; ``None``: no cache.
    """

    precision: Precision = "f32"
    slots: int | None = None
    threads: int = 1
    threads_per_request: int = 1
    batch: int = 1
    fuse: Mapping[str, InputSpec] = field(default_factory=dict)
    cache_dir: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The files of one graph in one variant: ``format`` (``onnx``, ``openvino``, ``tflite``) and verified paths, the
    model itself first."""

    format: str
    paths: tuple[Path, ...]

    @property
    def model(self) -> Path:
        return self.paths[0]


class Slot(Protocol):
    """One leased request. Fill ``inputs``, ``submit``, read ``outputs``, ``release``."""

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """Writable arrays that belong to the request; the first axis is the batch."""
        ...

    def submit(self, done: Callable[[Slot, Exception | None], None]) -> None:
        """Start the request. ``done`` is called once, from any thread, and must only enqueue."""
        ...

    @property
    def outputs(self) -> Mapping[str, Tensor]:
        """Valid from ``done`` until :meth:`release`; copy what must live longer."""
        ...

    def release(self) -> None:
        """Give the slot back. Its arrays must not be touched any more."""
        ...


class Session(Protocol):
    """One loaded model on one device. Thread-safe."""

    backend: str
    device: str
    """The real device, for example ``cpu``."""
    execution_precision: Precision
    """Read back from the runtime, never assumed."""
    placement: str
    """Where the operators really run, in words for the summary and ``doctor``."""
    max_batch: int
    slots: int
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]

    def acquire(self, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Slot | None:
        """Lease a slot, or ``None`` while all are out. Never blocks.

        ``shapes`` gives the full shape of each input that has a free dimension.

        Raises
        ------
        BackendError
            The session is closed, or a shape is missing or does not fit; the message names the tensor.
        """
        ...

    def close(self) -> None:
        """Free the model. Waits for requests in flight; closing twice is fine."""
        ...


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What became of a model of another format: its files, and by what, with versions (``OpenVINO 2026.4.1``)."""

    files: ModelFiles
    by: str


@dataclass(frozen=True, kw_only=True)
class BackendSpec(Spec):
    """A runtime.

    ``formats``: the model formats it reads. ``probe()``: ``None`` when usable, else the reason in one line.
    ``version()``: the runtime's version. ``devices()``: what is here now. ``open(files, device, execution, options)``:
    load a model; ``options`` are the runtime's own, passed through and refused if unknown. ``rank``: which backend to
    try first on a device, the higher the earlier, as long as nothing was measured or configured.
    ``converts``: formats that it does not read but turns into one that it does, where models are packed; the function
    takes the model's path and an empty folder for what it writes, and raises
    :class:`~vedette.errors.BackendError`.
    """

    formats: tuple[str, ...]
    probe: Callable[[], str | None]
    version: Callable[[], str]
    devices: Callable[[], tuple[Device, ...]]
    open: Callable[[ModelFiles, str, Execution, Mapping[str, Any]], Session]
    rank: int = 0
    converts: Mapping[str, Callable[[Path, Path], Converted]] = field(default_factory=dict)


# --- postprocess --------------------------------------------------------------------------------------------------


class Postprocess(Protocol):
    """A pure function from raw outputs to a result."""

    def __call__(
        self, outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int], params: Any
    ) -> Result:
        """Decode ``n`` batch rows.

        Parameters
        ----------
        outputs
            Raw outputs by name, first axis ``n``. Read-only, reused afterwards: results must own their arrays.
        affines
            ``(n, 2, 3)``: tensor to frame coordinates, per batch row.
        size_wh
            Size of the frame; boxes are clipped to it.
        params
            An instance of the specification's ``params`` class.

        Returns
        -------
        Result
            With ``source_row`` = the batch row that each row comes from.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model file tells of itself before it runs.

    Attributes
    ----------
    format
        ``onnx``, ``openvino`` or ``tflite``.
    inputs, outputs
        Its tensors, in the file's order.
    metadata
        What its exporter wrote into it: ONNX ``metadata_props``; OpenVINO ``rt_info`` with ``/`` between the levels
        (``model_info/labels``); TensorFlow Lite: ``quantisation/TENSOR`` is ``SCALE ZERO_POINT`` and
        ``normalisation/INPUT`` is ``MEANS SCALES``. Values are text as they stand in the file.
    labels
        Class names that came with the file, where its format has a place for them (TFLite's associated files).
    """

    format: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One way in which a decoder could read a model: what a user would otherwise have to say when packing it.

    Attributes
    ----------
    task
        A task of the manifest: ``detection``, ``classification`` ...
    params
        Parameters of the decoder.
    image
        Fields of :class:`~vedette.vision.spec.InputSpec` for the picture input, as far as they are known.
    labels
        Class names.
    rows
        Outputs that are lists of records in no certain order.
    stated
        The file itself names its layout (metadata of its exporter). Else only names or shapes of its tensors fit,
        and another decoder may claim it too.
    why
        In one line, for people: ``metadata of Ultralytics 8.3: task detect, stride 32``.
    """

    task: str
    params: Mapping[str, Any] = field(default_factory=dict)
    image: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    stated: bool = False
    why: str


def recognise_nothing(facts: ModelFacts) -> Iterable[Proposal]:
    """For decoders that do not know their models by sight."""
    return ()


@dataclass(frozen=True, kw_only=True)
class PostprocessSpec(Spec):
    """A decoder of raw outputs. ``build(labels)`` makes the function; ``result`` is the type that it returns.

    ``recognise(facts)`` says in which ways, if any, the decoder could read a model of another tool; it must be quick,
    and a model that it does not know is an empty answer, never an error.
    """

    result: type[Result]
    build: Callable[[tuple[str, ...]], Postprocess]
    params: type[msgspec.Struct] = NoParams
    recognise: Callable[[ModelFacts], Iterable[Proposal]] = recognise_nothing


# --- stages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class StageInputs:
    """What a stage sees of one packet: the frame, and the results it takes, by role."""

    frame: Frame
    results: Mapping[str, Result]


@dataclass(frozen=True, kw_only=True, eq=False)
class StageOutput:
    """A stage's result together with the events it raises."""

    result: Result | None = None
    events: tuple[EventDraft, ...] = ()


class Stage(Protocol):
    """User code between the models. Holds no state of its own: state is per stream and handed in."""

    def start(self, stream: str) -> Any:
        """The initial state of a stream; called again after each reset (new epoch)."""
        ...

    def process(self, inputs: StageInputs, state: Any) -> Result | StageOutput | None:
        """One packet. An ordered stage may change ``state``; packets of a stream then come in order, one at a time."""
        ...


@dataclass(frozen=True, kw_only=True)
class StageSpec(Spec):
    """``takes``: the result types wanted, by role. ``gives``: the type returned, ``None`` if only events.
    ``ordered``: needs the packets of a stream in order (it keeps state)."""

    build: Callable[[Any], Stage]
    takes: Mapping[str, type[Result]] = field(default_factory=dict)
    gives: type[Result] | None = None
    ordered: bool = False
    params: type[msgspec.Struct] = NoParams


# --- sources, decoders, sinks -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What a decoder must be told before its first unit, so that it gives the same pictures again.

    ``codec`` and ``parameters`` are in the words of who decodes it (FFmpeg's, for the sources of vedette-video);
    ``extradata`` is what the medium carries beside its units; time stamps count ticks of ``tick_s`` seconds.
    """

    codec: str
    extradata: bytes
    tick_s: Fraction
    parameters: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """One compressed packet of a video, as it was given to a decoder.

    ``number`` counts from 0 with each new decoder; ``key``: decoding can begin here.
    """

    coding: Coding
    number: int
    data: bytes
    pts: int | None
    dts: int | None
    key: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture:
    """One captured image, before it becomes a frame of a stream. ``epoch`` rises on seek, reconnect, playlist item.

    A source that decodes compressed video says from what, so that a recording can keep the compressed bytes: ``units``
    are those that its decoder was given since the capture before, in order and without a gap (a decoder may read ahead
    of its pictures), and ``unit`` is the number of the one that holds this image. Other sources leave both out.
    """

    image: Image
    clock: Clock
    seq: int
    epoch: int = 0
    orientation: Orientation = 0
    units: tuple[Unit, ...] = ()
    unit: int | None = None


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """``live``: images are lost if nobody takes them (latest wins), else every image is kept. ``frames`` and
    ``rate_hz`` are what the medium *declares*: for progress only, never for decisions."""

    live: bool
    size_wh: tuple[int, int] | None = None
    rate_hz: float | None = None
    frames: int | None = None


class Source(Protocol):
    """Where images come from. Used by one thread at a time."""

    info: SourceInfo

    def read(self, timeout_s: float) -> Capture | None:
        """The next image, or ``None`` if none came within ``timeout_s``.

        Raises
        ------
        EndOfStream
            There are no more.
        SourceError
            The source failed; it may be opened again.
        """
        ...

    def close(self) -> None:
        """Release everything. Closing twice is fine."""
        ...


@dataclass(frozen=True, kw_only=True)
class SourceSpec(Spec):
    """``matches(uri)`` says whether this source reads ``uri`` (a path, a glob, a URL): 0 = no, higher = more specific.
    ``open(uri, params)`` opens it or raises :class:`~vedette.errors.SourceError`."""

    matches: Callable[[str], int]
    open: Callable[[str, Any], Source]
    params: type[msgspec.Struct] = NoParams


@dataclass(frozen=True, kw_only=True)
class DecoderSpec(Spec):
    """Decodes still images: ``fourccs`` it knows, ``build()`` the function."""

    fourccs: tuple[str, ...]
    build: Callable[[], Callable[[Encoded], Pixels]]


class Sink(Protocol):
    """Where results go. Called by one thread at a time; packets of a stream come in order."""

    def write(self, packet: Packet) -> None:
        """Take one packet."""
        ...

    def write_event(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Finish: what is written is complete and readable. Closing twice is fine."""
        ...

    def abort(self) -> None:
        """Finish after a failure or interrupt: keep what is complete, leave nothing half-written."""
        ...


@dataclass(frozen=True, kw_only=True)
class SinkSpec(Spec):
    """``open(params)`` opens it. A sink that shows ``needs_pixels=True`` keeps the frame's full pixels alive."""

    open: Callable[[Any], Sink]
    params: type[msgspec.Struct] = NoParams
    needs_pixels: bool = False


# --- models, recipes, results, commands ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A bundle that a distribution carries: ``locate()`` returns the path of its folder or ``.vedette`` file."""

    task: str
    locate: Callable[[], Path]


@dataclass(frozen=True, kw_only=True)
class RecipeSpec(Spec):
    """A way to train a model: server side only. ``build()`` imports the training code and returns its recipe object."""

    task: str
    build: Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class ResultSpec(Spec):
    """A result type of a plugin; ``name`` equals ``result.type``."""

    result: type[Result]


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A subcommand of ``vedette``; ``build()`` is called only when the command is used."""

    build: Callable[[], click.Command]


@runtime_checkable
class Observer(Protocol):
    """Called with each finished packet, in order per stream. Must be quick; an error is counted and blamed."""

    def __call__(self, packet: Packet) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to run a bundle on this box."""

    variant: str
    backend: str
    device: str
    precision: Precision


Specs = Iterable[Spec]
