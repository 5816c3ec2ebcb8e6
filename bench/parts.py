"""A plugin for the benchmarks: stages and a model that do nothing, so that what is left is the pipeline's own cost; and
a source of the pictures that a peer is given, too."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vedette.bundle.manifest import (
    ConstantFeed,
    Decoder,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    Run,
    Variant,
)
from vedette.bundle.write import write_bundle
from vedette.frame import Clock, Packed
from vedette.hookspecs import hookimpl
from vedette.results import Classification, Result
from vedette.specs import (
    BackendSpec,
    Capture,
    Device,
    Execution,
    ModelFiles,
    PostprocessSpec,
    Precision,
    Session,
    Slot,
    SourceInfo,
    SourceSpec,
    StageInputs,
    StageSpec,
    Tensor,
    TensorInfo,
)

NOTHING_FOUND = Classification.empty()


class NullStage:
    """A stage that does nothing."""

    def start(self, stream: str) -> None:
        return None

    def process(self, inputs: StageInputs, state: None) -> Result:
        return NOTHING_FOUND


class NullSession:
    """A session that answers as soon as it is asked."""

    backend, device, placement = "null", "cpu", "nowhere"
    execution_precision: Precision = "f32"
    max_batch = 1

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.inputs: Mapping[str, TensorInfo] = {"x": TensorInfo(name="x", dtype="float32", shape=(1, 1))}
        self.outputs: Mapping[str, TensorInfo] = {"y": TensorInfo(name="y", dtype="float32", shape=(1, 1))}
        self._idle = deque(NullSlot(self) for _ in range(slots))

    def acquire(self, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Slot | None:
        return self._idle.pop() if self._idle else None

    def close(self) -> None: ...


class NullSlot:
    """Its arrays are always the same."""

    def __init__(self, session: NullSession) -> None:
        self._session = session
        self.inputs: Mapping[str, Tensor] = {"x": np.zeros((1, 1), np.float32)}
        self.outputs: Mapping[str, Tensor] = {"y": np.zeros((1, 1), np.float32)}

    def submit(self, done: Callable[[Slot, Exception | None], None]) -> None:
        done(self, None)

    def release(self) -> None:
        self._session._idle.append(self)


class ArrayParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of the source ``array``: a ``.npy`` file of ``(n, h, w, 3) uint8`` BGR pictures."""

    path: str


class Array:
    """A source of the pictures of an array, again and again without end."""

    def __init__(self, params: ArrayParams) -> None:
        self._pictures = _load(params.path)
        self._seq = 0
        self.info = SourceInfo(live=False)

    def read(self, timeout_s: float) -> Capture:
        picture = self._pictures[self._seq % len(self._pictures)]
        self._seq += 1
        clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        return Capture(image=Packed("bgr", picture), clock=clock, seq=self._seq - 1)

    def close(self) -> None: ...


@cache
def _load(path: str) -> np.ndarray:
    """Mapped once for the process, whatever number of pipelines reads it."""
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def pack_null_bundle(path: Path) -> Path:
    """A bundle for that backend."""
    graph = Graph(
        inputs={"x": Input(dtype="float32", shape=(1, 1), feed=ConstantFeed(value=[0.0]))},
        outputs={"y": Output(dtype="float32", shape=(1, 1))},
    )
    manifest = Manifest(
        schema=1,
        name="null",
        version="1.0.0",
        task="other",
        licence="Apache-2.0",
        graphs={"model": graph},
        program=(Run(run="model"),),
        decoder=Decoder(name="null"),
        variants={"f32": Variant(graphs={"model": GraphFiles(format="null", files=("model.null",))})},
        grades=(Grade(variant="f32", precision="f32", metric="reference", value=1.0, n=0),),
        files={},
    )
    return write_bundle(path, manifest, {"model.null": b"nothing"}, overwrite=True)


def _open(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> Session:
    return NullSession(execution.threads + 1)


@hookimpl
def vedette_sources() -> list[SourceSpec]:
    """Pictures of an array."""
    return [
        SourceSpec(
            name="array",
            summary="Pictures of a .npy file.",
            matches=lambda uri: int(uri == "array://"),
            open=lambda uri, params: Array(params),
            params=ArrayParams,
        )
    ]


@hookimpl
def vedette_stages() -> list[StageSpec]:
    """The same stage twice: one that any worker may run at any time, one that needs the packets in order."""
    return [
        StageSpec(
            name=f"null-{kind}",
            summary="Does nothing.",
            build=lambda params: NullStage(),
            gives=Classification,
            ordered=kind == "ordered",
        )
        for kind in ("free", "ordered")
    ]


@hookimpl
def vedette_backends() -> list[BackendSpec]:
    """A model that does nothing."""
    return [
        BackendSpec(
            name="null",
            summary="Answers at once.",
            formats=("null",),
            probe=lambda: None,
            version=lambda: "1",
            devices=lambda: (Device(name="cpu", detail="nowhere"),),
            open=_open,
        )
    ]


@hookimpl
def vedette_postprocessors() -> list[PostprocessSpec]:
    """A decoder that finds nothing."""
    return [
        PostprocessSpec(
            name="null",
            summary="Finds nothing.",
            result=Classification,
            build=lambda labels: lambda outputs, affines, size_wh, params: NOTHING_FOUND,
        )
    ]
