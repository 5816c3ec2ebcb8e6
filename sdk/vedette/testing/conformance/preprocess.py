"""What a preprocessor must keep to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.errors import VedetteError
from vedette.frame import Frame, Packed
from vedette.specs import Affine, Preprocess, PreprocessSpec, Roi, TensorInfo
from vedette.testing.conformance import samples
from vedette.testing.conformance.base import Conformance, demand, in_threads, refuse, same
from vedette.vision.geometry import apply

Layout = Literal["nchw", "nhwc"]
PROBES = ((0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))
"""Where in a region the map is tried, as fractions: near its corners, but not where a crop cuts."""


class PreprocessConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.PreprocessSpec`.

    Must give: ``spec``, ``tensor``. May give: ``params``, ``layout``.
    """

    spec_type = PreprocessSpec

    @pytest.fixture
    def tensor(self) -> TensorInfo:
        """An input that the preprocessor fills: name, dtype and shape with the batch first."""
        self.must_give(
            "tensor",
            'returns the input to fill, as in TensorInfo(name="x", dtype="float32", shape=(1, 3, 32, 32))',
        )

    @pytest.fixture
    def layout(self, tensor: TensorInfo) -> Layout | None:
        """Where height and width of the tensor are; ``None`` if it is no picture. Default: by its shape."""
        if len(tensor.shape) != 4:
            return None
        return "nhwc" if tensor.shape[3] in (1, 3, 4) and tensor.shape[1] not in (1, 3, 4) else "nchw"

    @pytest.fixture
    def writer(self, spec: PreprocessSpec, converted: Any, tensor: TensorInfo) -> Preprocess:
        """What ``build`` makes. Not to be overridden."""
        return spec.build(converted, tensor)

    @pytest.fixture
    def row(self, tensor: TensorInfo) -> NDArray[Any]:
        """An array like one batch row of the tensor. Not to be overridden."""
        return np.zeros([4 if size is None else size for size in tensor.shape[1:]], tensor.dtype)

    def test_the_whole_row_is_written(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """The row is memory of a request that was used before: what is not written is the last picture's."""
        frame = _frame(1)
        low, high = _filled(row, 1), _filled(row, 90)
        for out in (low, high):
            writer.write(frame, Roi.whole(frame.size_wh), out)
        stale = ~((low == high) | ((low != low) & (high != high)))
        demand(
            not stale.any(),
            f"{np.count_nonzero(stale)} of {stale.size} elements depend on what was in `out` before, the first "
            f"at {np.argwhere(stale)[:1].tolist()}",
            "assign every element of `out`, padding too, before you read any (`out[...] = value`)",
        )

    def test_nothing_but_the_row_is_written(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """The rows before and after belong to other frames."""
        frame = _frame(1)
        batch = np.stack([_filled(row, 7)] * 3)
        writer.write(frame, Roi.whole(frame.size_wh), batch[1])
        for other in (0, 2):
            demand(
                same(batch[other], _filled(row, 7)),
                f"filling row 1 of a batch of 3 changed row {other}",
                "write to the array `out` alone; do not reach for `out.base` or resize it",
            )
        demand(
            not same(batch[1], _filled(row, 7)),
            "the row was not written to at all",
            "fill `out` in place (`out[...] = value`); `out = value` only rebinds the name",
        )

    def test_the_map_is_sound(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """``write`` returns tensor to frame coordinates as ``(2, 3) float64``."""
        frame = _frame(1)
        _sound(writer.write(frame, Roi.whole(frame.size_wh), row))

    @pytest.mark.parametrize("region", ["frame", "box", "turned"])
    def test_the_map_leads_back_to_the_frame(
        self, writer: Preprocess, row: NDArray[Any], layout: Layout | None, region: str
    ) -> None:
        """A bright patch of the frame is looked for in the tensor, and mapped back to where it was."""
        if layout is None:
            return  # no picture: nothing to point at
        roi = _ROIS[region]
        try:
            for u, v in PROBES:
                self._probe(writer, row, layout, roi, u, v)
        except VedetteError:
            if region != "turned":  # which may be refused, but not done wrong
                raise

    def _probe(
        self, writer: Preprocess, row: NDArray[Any], layout: Layout, roi: Roi, u: float, v: float
    ) -> None:
        w, h = roi.size_wh
        patch = [
            apply(roi.affine, np.array([(u + du) * w, (v + dv) * h]))
            for du in (-0.1, 0.1)
            for dv in (-0.1, 0.1)
        ]
        x0, y0 = np.floor(np.min(patch, axis=0)).astype(int)
        x1, y1 = np.ceil(np.max(patch, axis=0)).astype(int)
        pixels = np.full((*samples.SIZE_WH[::-1], 3), 60, np.uint8)
        plain, lit = row.copy(), row.copy()
        writer.write(samples.frame(Packed("bgr", pixels)), roi, plain)
        pixels = pixels.copy()
        pixels[y0:y1, x0:x1] = 250
        affine = writer.write(samples.frame(Packed("bgr", pixels)), roi, lit)
        _sound(affine)
        change = np.abs(lit.astype(np.float64) - plain).sum(axis=0 if layout == "nchw" else 2)
        change[change < 0.5 * change.max()] = 0
        wanted = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        demand(
            change.any(),
            f"a bright patch at {_point(wanted)} of the frame leaves no trace in the tensor",
            "write the pixels of `roi`; its affine map leads from its own to the frame's coordinates",
        )
        ys, xs = np.nonzero(change)
        weights = change[ys, xs]
        centre = np.array([np.average(xs + 0.5, weights=weights), np.average(ys + 0.5, weights=weights)])
        found = apply(affine, centre)
        step = np.abs(affine[:, :2]).sum(axis=1)  # pixels of the frame per pixel of the tensor
        demand(
            (np.abs(found - wanted) <= step + 1.5).all(),
            f"what is at {_point(wanted)} of the frame is at {_point(centre)} of the tensor, which the returned map "
            f"takes for {_point(found)}",
            "return the map from the tensor's to the frame's pixel coordinates: resize, padding and "
            "`roi.affine` composed (vedette.vision.geometry.compose); x comes before y",
        )

    def test_a_region_may_reach_over_the_edge(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """Boxes of detectors do."""
        w, h = samples.SIZE_WH
        _sound(writer.write(_frame(1), Roi.box((-20.0, h * 0.5, w * 0.5, h + 30.0)), row))

    def test_one_picture_does_not_change_the_next(
        self, spec: PreprocessSpec, converted: Any, tensor: TensorInfo, row: NDArray[Any]
    ) -> None:
        """A preprocessor serves all streams: it has no memory."""
        writer = spec.build(converted, tensor)
        first = _written(writer, _frame(1), row)
        _written(writer, samples.frame(samples.planar(3, (96, 160))), row)
        again = _written(writer, _frame(1), row)
        demand(
            same(first[0], again[0]) and same(first[1], again[1]),
            "the same frame gives another tensor after a different frame was written",
            "keep nothing of a frame in the preprocessor: it is shared by all streams and threads",
        )

    def test_other_images_are_read(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """Planar video, grey pictures and pictures that lie on their side."""
        for image in (samples.planar(5), Packed("gray8", samples.noise(6)[..., 0].copy())):
            for orientation in (0, 90):
                frame = samples.frame(image, orientation=orientation)
                try:
                    writer.write(frame, Roi.whole(frame.size_wh), row)
                except Exception as error:
                    refuse(
                        f"an image {image.format!r} turned by {orientation} degrees raises "
                        f"{type(error).__name__}: {error}",
                        "take pixels from frame.view(format, size_wh, kernel, rect), which reads every kind of image",
                    )

    def test_several_threads_share_it(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """Workers call one preprocessor at the same time."""
        alone = [_written(writer, _frame(seed), row)[0] for seed in range(4)]

        def work(index: int) -> bool:
            return all(same(_written(writer, _frame(index), row)[0], alone[index]) for _ in range(8))

        demand(
            all(in_threads(work)),
            "threads that write different frames at the same time disturb each other",
            "keep no scratch memory in the preprocessor; make it in `write`, or keep it per thread",
        )

    def test_the_frame_is_not_changed(self, writer: Preprocess, row: NDArray[Any]) -> None:
        """Other stages see the same pixels."""
        pixels = samples.noise(8)
        frame = samples.frame(Packed("bgr", pixels))
        writer.write(frame, Roi.whole(frame.size_wh), row)
        demand(
            same(pixels, samples.noise(8)),
            "the frame's own pixels were changed",
            "copy before you compute in place",
        )

    def test_another_tensor_is_refused(
        self, spec: PreprocessSpec, converted: Any, tensor: TensorInfo, row: NDArray[Any]
    ) -> None:
        """A bundle that names this preprocessor for an input that it cannot fill."""
        wrong = replace(tensor, shape=(*tensor.shape, 7))
        frame = _frame(1)
        try:
            spec.build(converted, wrong).write(
                frame, Roi.whole(frame.size_wh), np.zeros((*row.shape, 7), row.dtype)
            )
        except VedetteError as error:
            demand(
                tensor.name in str(error),
                f"the refusal of a tensor that does not fit does not name it: {error}",
                f"name the tensor ({tensor.name!r}), what it takes and what you make in the message",
            )
        except Exception as error:
            refuse(
                f"a tensor of shape {wrong.shape} raises {type(error).__name__}: {error}",
                "compare `tensor.dtype` and `tensor.shape` in `build` and raise a vedette.BackendError that names it",
            )
        else:
            refuse(
                f"a tensor of shape {wrong.shape} is filled as if it were {tensor.shape}",
                "compare `tensor.dtype` and `tensor.shape` in `build` and raise a vedette.BackendError that names it",
            )

    def test_what_a_backend_takes_over_is_the_same(
        self, spec: PreprocessSpec, converted: Any, tensor: TensorInfo, row: NDArray[Any]
    ) -> None:
        """If ``fuse`` gives an InputSpec, its tensor half on the fused row equals the row that is written whole."""
        given = spec.fuse(converted)
        if given is None:
            return
        half = given.pixel_half()
        fused = TensorInfo(name=tensor.name, dtype="uint8", shape=(1, *half.row_shape))
        pixels = np.zeros(half.row_shape, np.uint8)
        frame = _frame(4)
        spec.build(converted, fused).write(frame, Roi.whole(frame.size_wh), pixels)
        whole = _written(spec.build(converted, tensor), frame, row)[0]
        mean, scale = np.array([given.mean, given.scale], np.float32)
        values = (pixels - mean) / scale
        values = values.transpose(2, 0, 1) if given.layout == "nchw" else values
        demand(
            values.shape == whole.shape and np.allclose(values, whole, rtol=1e-4, atol=1e-4),
            "the tensor half that `fuse` hands over does not give what `write` gives",
            "return from `fuse` the InputSpec that describes exactly what `write` does, or None",
        )


def _turned() -> Roi:
    """The middle of the frame, turned by 30 degrees."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    w, h = 140.0, 100.0
    linear = np.array([[cos, -sin], [sin, cos]])
    centre = np.array(samples.SIZE_WH) / 2 - linear @ np.array([w / 2, h / 2])
    return Roi(affine=np.concatenate([linear, centre[:, None]], axis=1), size_wh=(w, h))


_ROIS = {
    "frame": Roi.whole(samples.SIZE_WH),
    "box": Roi.box((80.0, 40.0, 300.0, 220.0)),
    "turned": _turned(),
}


def _frame(seed: int) -> Frame:
    return samples.frame(Packed("bgr", samples.noise(seed)))


def _filled(row: NDArray[Any], value: int) -> NDArray[Any]:
    return np.full_like(row, value)


def _written(writer: Preprocess, frame: Frame, row: NDArray[Any]) -> tuple[NDArray[Any], Affine]:
    out = row.copy()
    return out, np.array(writer.write(frame, Roi.whole(frame.size_wh), out))


def _sound(affine: object) -> None:
    sound = (
        isinstance(affine, np.ndarray)
        and affine.shape == (2, 3)
        and affine.dtype == np.float64
        and np.isfinite(affine).all()
    )
    shown = f"{affine.shape} {affine.dtype}" if isinstance(affine, np.ndarray) else type(affine).__name__
    demand(
        sound,
        f"`write` returned {shown} instead of a finite (2, 3) float64 array",
        "return the map from the tensor's to the frame's pixel coordinates, for example "
        "np.array([[sx, 0, x0], [0, sy, y0]], np.float64)",
    )


def _point(xy: NDArray[np.float64]) -> str:
    return f"({xy[0]:.1f}, {xy[1]:.1f})"
