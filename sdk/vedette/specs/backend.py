"""Backends: runtimes, devices, sessions and their slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vedette.specs.base import Precision, Spec, Tensor, TensorInfo
from vedette.vision.spec import InputSpec


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
