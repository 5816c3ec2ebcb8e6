"""Model: one bundle, one call at a time, for programs that bring their own loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle
from vedette.bundle.trust import Trust
from vedette.decoding import image_decoder
from vedette.errors import BundleError
from vedette.frame import Encoded, Frame, Packed, Pixels, fourcc_of
from vedette.model.candidates import Wanted
from vedette.model.feeds import Row, still
from vedette.model.loading import LoadedGraph, LoadedModel, Replace, load_model, used_rows
from vedette.model.named import open_named
from vedette.model.pool import SessionPool
from vedette.registry import Registry, load_plugins
from vedette.results import Result
from vedette.specs import Roi, Slot, Tensor

Picture = Frame | Pixels | Encoded | NDArray[np.uint8] | bytes
"""A frame, an image, ``(h, w, 3) uint8`` BGR pixels, or the bytes of a JPEG, PNG ... file (shown as it is stored: a
rotation noted in its EXIF data is not applied)."""


class Model:
    """A bundle, open on the best candidate of this box.

    Each call uses all threads for one request: the shortest latency. Throughput over streams is the pipeline's job.

    >>> with Model("yolox-nano-1.0.0.vedette", device="cpu") as model:  # doctest: +SKIP
    ...     detections = model(image_bgr)

    Parameters
    ----------
    bundle
        Path of a bundle, name of a model that is installed or came with a distribution, or an open bundle (which is
        then not closed with the model).
    trust
        Who must have signed the bundle.
    registry
        Plugins to use; default: all that are installed.
    threads
        Processor threads; default: all that this process may use.
    parts
        Parts of the model taken from elsewhere.
    wanted
        Keywords of :class:`vedette.model.candidates.Wanted`: backend, device, variant, precision, allow_ungraded ...

    Raises
    ------
    BundleError, BackendError, PluginError
        As :func:`vedette.model.loading.load_model`; and for recurrent models, whose state belongs to a stream.
    """

    def __init__(
        self,
        bundle: Bundle | Path | str,
        *,
        trust: Trust = Trust("warn"),  # noqa: B008 - frozen
        registry: Registry | None = None,
        threads: int | None = None,
        parts: Replace = Replace(),  # noqa: B008 - frozen
        **wanted: Any,
    ) -> None:
        registry = registry or load_plugins()
        self.bundle = bundle if isinstance(bundle, Bundle) else open_named(bundle, registry, trust)
        self._owned = self.bundle is not bundle
        self._decode = image_decoder(registry)
        threads = threads or len(os.sched_getaffinity(0))
        try:
            if any(graph.state for graph in self.bundle.manifest.graphs.values()):
                raise BundleError(
                    f"bundle {self.bundle.manifest.name!r} is recurrent: its state belongs to a stream",
                    fix="run it in a Pipeline",
                )
            if any(
                item.clip for graph in self.bundle.manifest.graphs.values() for item in graph.inputs.values()
            ):
                raise BundleError(
                    f"bundle {self.bundle.manifest.name!r} looks at clips, and one picture is none",
                    fix="run it in a Pipeline",
                )
            self.loaded: LoadedModel = load_model(
                self.bundle,
                registry,
                SessionPool(threads),
                self._decode,
                wanted=Wanted(**wanted),
                replace=replace(parts, threads_per_request=threads),
            )
        except BaseException:
            self._close_bundle()
            raise

    def __call__(
        self, picture: Picture, rois: Sequence[Roi] | None = None, *, reference: Picture | None = None
    ) -> Result:
        """Look at a picture, or at regions of it; ``source_row`` tells which region each row belongs to.

        ``reference``: what a model that compares is to compare with, in place of the picture in its bundle.
        """
        frame = self.frame(picture)
        rois = [Roi.whole(frame.size_wh)] if rois is None else list(rois)
        if not rois:
            return self.loaded.parts.postprocess.result.empty(self.bundle.labels)
        outputs, affines = self.run(
            frame, rois, reference=None if reference is None else self.frame(reference)
        )
        return self.loaded.postprocess(outputs[self.loaded.graphs[-1].name], affines, frame.size_wh).owned()

    def raw(self, picture: Picture) -> dict[str, dict[str, Tensor]]:
        """The raw outputs for a whole picture, by graph and name."""
        frame = self.frame(picture)
        return self.run(frame, [Roi.whole(frame.size_wh)])[0]

    def run(
        self,
        frame: Frame,
        rois: Sequence[Roi],
        graphs: Sequence[LoadedGraph] | None = None,
        reference: Frame | None = None,
    ) -> tuple[dict[str, dict[str, Tensor]], NDArray[np.float64]]:
        """The raw outputs for regions of a frame, by graph and name, one row each, and ``(n, 2, 3)``: where each row's
        tensor lies in the frame. ``graphs``: the model's own with other ways to fill their inputs; ``reference`` as for
        a call."""
        affines = np.stack([roi.affine for roi in rois])
        tensors: dict[str, dict[str, Tensor]] = {}
        rows = [
            Row(frame=frame, roi=roi, index=index, tensors=tensors, reference=reference)
            for index, roi in enumerate(rois)
        ]
        for graph in self.loaded.graphs if graphs is None else graphs:
            pieces = [
                self._chunk(graph, rows[first : first + graph.batch], affines)
                for first in range(0, len(rows), graph.batch)
            ]
            tensors[graph.name] = {
                name: np.concatenate([piece[name] for piece in pieces])
                if len(pieces) > 1
                else pieces[0][name]
                for name in pieces[0]
            }
        return tensors, affines

    def frame(self, picture: Picture) -> Frame:
        """A picture as a frame of its own."""
        if isinstance(picture, Frame):
            return picture
        if isinstance(picture, bytes):
            return still(self._decode(Encoded(fourcc_of(picture), picture, (0, 0))))
        if isinstance(picture, Encoded):
            return still(self._decode(picture))
        return still(Packed("bgr", picture) if isinstance(picture, np.ndarray) else picture)

    def close(self) -> None:
        """Free the model. Closing twice is fine."""
        if self.loaded is not None:
            loaded, self.loaded = self.loaded, None  # type: ignore[assignment]
            loaded.close()
            self._close_bundle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chunk(
        self,
        graph: LoadedGraph,
        rows: Sequence[Row],
        affines: NDArray[np.float64],
    ) -> dict[str, Tensor]:
        call = _Call()
        pool = self.loaded.pool
        while (slot := pool.acquire(graph.lease, call, graph.shapes(rows[0], len(rows)))) is None:
            call.wait()
        try:
            for at, row in enumerate(rows):
                affine = graph.fill(slot.inputs, at, row)
                if affine is not None:
                    affines[row.index] = affine
            slot.submit(call.done)
            call.wait()
            if call.error is not None:
                raise call.error
            return {
                name: used_rows(array, len(rows), graph.batch).copy() for name, array in slot.outputs.items()
            }
        finally:
            pool.release(graph.lease, slot)

    def _close_bundle(self) -> None:
        if self._owned:
            self.bundle.close()


class _Call:
    """Waits, in the caller's thread, for a slot and then for its answer."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.error: Exception | None = None

    def wake(self) -> None:
        self._event.set()

    def done(self, slot: Slot, error: Exception | None) -> None:
        self.error = error
        self._event.set()

    def wait(self) -> None:
        self._event.wait()
        self._event.clear()
