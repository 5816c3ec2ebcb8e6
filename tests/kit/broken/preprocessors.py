"""A sound preprocessor, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from vedette import BackendError, InputSpec, NoParams, PreprocessSpec, TensorInfo
from vedette.testing.conformance import PreprocessConformance
from vedette.vision.preprocess import ImagePreprocess

SPEC = InputSpec(size_wh=(40, 32), resize="letterbox", colour="rgb", scale=(255, 255, 255), pad=(9, 9, 9))


class Scaled:
    """What ``image`` does, computed by hand on top of it."""

    def __init__(self, params, tensor):
        self.tensor = tensor
        self.image = ImagePreprocess(SPEC, tensor)

    def write(self, frame, roi, out):
        return self.image.write(frame, roi, out)


class Suite(PreprocessConformance):
    writer_type = Scaled
    options = {}

    @pytest.fixture
    def spec(self):
        return PreprocessSpec(name="scaled", summary="Scaled.", build=self.writer_type, **self.options)

    @pytest.fixture
    def tensor(self):
        return TensorInfo(name="pixels", dtype="float32", shape=(1, 3, 32, 40))


class TestSound(Suite):
    pass


class LeavesThePadding(Scaled):
    def write(self, frame, roi, out):
        before = out.copy()
        affine = super().write(frame, roi, out)
        out[:, :1] = before[:, :1]
        return affine


class TestLeavesThePadding(Suite):
    told = {"test_the_whole_row_is_written": "120 of 3840 elements depend on what was in `out` before"}
    writer_type = LeavesThePadding


class RebindsOut(Scaled):
    def write(self, frame, roi, out):
        out = out.copy()
        return super().write(frame, roi, out)


class TestRebindsOut(Suite):
    told = {"test_nothing_but_the_row_is_written": "`out = value` only rebinds the name"}
    writer_type = RebindsOut


class WritesTheNextRow(Scaled):
    def write(self, frame, roi, out):
        if out.base is not None and out.base.ndim == 4:
            out.base[...] = 0
        return super().write(frame, roi, out)


class TestWritesTheNextRow(Suite):
    told = {"test_nothing_but_the_row_is_written": "filling row 1 of a batch of 3 changed row 0"}
    writer_type = WritesTheNextRow


class ForgetsTheMap(Scaled):
    def write(self, frame, roi, out):
        super().write(frame, roi, out)


class TestForgetsTheMap(Suite):
    told = {"test_the_map_is_sound": "`write` returned NoneType"}
    writer_type = ForgetsTheMap


class MapsTheOtherWay(Scaled):
    def write(self, frame, roi, out):
        affine = super().write(frame, roi, out)
        return np.array([[1 / affine[0, 0], 0, 0], [0, 1 / affine[1, 1], 0]])


class TestMapsTheOtherWay(Suite):
    told = {"test_the_map_leads_back_to_the_frame": "return the map from the tensor's to the frame's pixel"}
    writer_type = MapsTheOtherWay


class IgnoresThePadding(Scaled):
    def write(self, frame, roi, out):
        super().write(frame, roi, out)
        (w, h), (width, height) = roi.size_wh, SPEC.size_wh
        return np.array([[w / width, 0, roi.affine[0, 2]], [0, h / height, roi.affine[1, 2]]])


class TestIgnoresThePadding(Suite):
    told = {"test_the_map_leads_back_to_the_frame": "which the returned map takes for"}
    writer_type = IgnoresThePadding


class SwapsXAndY(Scaled):
    def write(self, frame, roi, out):
        return super().write(frame, roi, out)[::-1].copy()


class TestSwapsXAndY(Suite):
    told = {"test_the_map_leads_back_to_the_frame": "x comes before y"}
    writer_type = SwapsXAndY


class IgnoresTheRegion(Scaled):
    def write(self, frame, roi, out):
        whole = replace(roi, affine=np.array([[1.0, 0, 0], [0, 1, 0]]), size_wh=frame.size_wh)
        super().write(frame, whole, out)
        return super().write(frame, roi, out.copy())


class TestIgnoresTheRegion(Suite):
    told = {"test_the_map_leads_back_to_the_frame": "which the returned map takes for"}
    writer_type = IgnoresTheRegion


class Averages(Scaled):
    last = 0.0

    def write(self, frame, roi, out):
        affine = super().write(frame, roi, out)
        out += self.last
        self.last = float(out.mean())
        return affine


class TestRemembersTheFrame(Suite):
    told = {"test_one_picture_does_not_change_the_next": "keep nothing of a frame in the preprocessor"}
    writer_type = Averages


class TakesThePixelsItself(Scaled):
    def write(self, frame, roi, out):
        assert frame.image.pixels.ndim == 3
        return super().write(frame, roi, out)


class TestTakesThePixelsItself(Suite):
    told = {"test_other_images_are_read": "take pixels from frame.view(format, size_wh, kernel, rect)"}
    writer_type = TakesThePixelsItself


class ChangesTheFrame(Scaled):
    def write(self, frame, roi, out):
        affine = super().write(frame, roi, out)
        frame.image.pixels[...] //= 2
        return affine


class TestChangesTheFrame(Suite):
    told = {"test_the_frame_is_not_changed": "the frame's own pixels were changed"}
    writer_type = ChangesTheFrame


class BroadcastsIntoAnything(Scaled):
    def __init__(self, params, tensor):
        super().__init__(params, replace(tensor, shape=tensor.shape[:4]))

    def write(self, frame, roi, out):
        row = np.empty((3, 32, 40), np.float32)
        affine = super().write(frame, roi, row)
        out[...] = row if out.ndim == 3 else row[..., None]
        return affine


class TestBroadcastsIntoAnything(Suite):
    told = {"test_another_tensor_is_refused": "is filled as if it were (1, 3, 32, 40)"}
    writer_type = BroadcastsIntoAnything


class RefusesWithoutAName(Scaled):
    def __init__(self, params, tensor):
        if len(tensor.shape) != 4:
            raise BackendError("wrong shape")
        super().__init__(params, tensor)


class TestRefusesWithoutAName(Suite):
    told = {"test_another_tensor_is_refused": "name the tensor ('pixels'), what it takes"}
    writer_type = RefusesWithoutAName


class TestFusesSomethingElse(Suite):
    told = {
        "test_what_a_backend_takes_over_is_the_same": "the InputSpec that describes exactly what `write` does"
    }
    options = {"fuse": lambda params: msgspec.structs.replace(SPEC, scale=(1, 1, 1))}


class TestHasAnUnsoundName(Suite):
    told = {"test_the_specification_is_sound": "the registry would refuse it: PreprocessSpec name 'Scaled!'"}

    @pytest.fixture
    def spec(self):
        return PreprocessSpec(name="Scaled!", summary="Scaled.", params=NoParams, build=Scaled)
