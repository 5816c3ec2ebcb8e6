"""A sound decoder of raw outputs, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import numpy as np
import pytest

from vedette import Detections, PostprocessSpec, ResultError
from vedette.testing.conformance import PostprocessConformance
from vedette.vision.geometry import boxes_to_frame

RAW = np.array(
    [[[4, 4, 20, 12, 0.9], [30, 6, 44, 28, 0.7]], [[10, 9, 33, 29, 0.8], [0, 0, 0, 0, 0.1]]], np.float32
)
"""``(2, 2, 5)``: left, top, right, bottom, confidence of two boxes in each batch row."""


def decode(outputs, affines, size_wh, params, **changed):
    raw = outputs.get("boxes")
    if raw is None or raw.ndim != 3 or raw.shape[2] != 5:
        raise ResultError(f"'boxes' must be (n, k, 5), not {[array.shape for array in outputs.values()]}")
    rows, places = np.nonzero(raw[..., 4] > 0.5)
    found = raw[rows, places]
    columns = {
        "xyxy": boxes_to_frame(found[:, :4], rows, affines, size_wh),
        "confidence": found[:, 4].copy(),
        "class_id": np.zeros(len(rows), np.int32),
        "source_row": rows.astype(np.int32),
        "labels": ("thing",),
    }
    return Detections(**{**columns, **changed})


class Suite(PostprocessConformance):
    result = Detections

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params)

    @pytest.fixture
    def spec(self):
        return PostprocessSpec(
            name="boxes", summary="Boxes.", result=self.result, build=lambda labels: self.decode_it
        )

    @pytest.fixture
    def labels(self):
        return ("thing",)

    @pytest.fixture
    def outputs(self):
        return {"boxes": RAW.copy()}


class TestSound(Suite):
    pass


class TestWrongShape(Suite):
    told = {
        "test_it_returns_what_it_declares": "the result does not fit its type: detections.xyxy must be (3, 4) float32"
    }

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params, xyxy=np.zeros((3, 5), np.float32))


class TestWrongType(Suite):
    told = {"test_it_returns_what_it_declares": "detections.confidence must be (3) float32, not (3,) float64"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params, confidence=np.ones(3))


class TestReturnsNone(Suite):
    told = {
        "test_it_returns_what_it_declares": "it returned NoneType, not a result",
        "test_no_batch_rows_are_no_findings": "return a Detections of zero rows, never None",
    }

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return None


class TestGivesLogits(Suite):
    told = {"test_it_returns_what_it_declares": "apply the sigmoid or softmax"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params, confidence=np.float32([4, -2, 1]))


class TestGivesAView(Suite):
    told = {"test_the_result_owns_its_arrays": "detections.confidence is a view of the output 'boxes'"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        raw = outputs["boxes"].reshape(-1, 5)
        return Detections(
            xyxy=raw[:, :4].copy(),
            confidence=raw[:, 4],
            class_id=np.zeros(len(raw), np.int32),
            labels=("thing",),
        )


class TestForgetsTheRow(Suite):
    told = {"test_each_row_says_where_it_comes_from": "set source_row=np.int32 array of batch rows"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        found = decode(outputs, affines, size_wh, params)
        return Detections(
            xyxy=found.xyxy, confidence=found.confidence, class_id=found.class_id, labels=("thing",)
        )


class TestCountsRowsFromOne(Suite):
    told = {"test_each_row_says_where_it_comes_from": "source_row holds [2], but there are 2 batch rows"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        found = decode(outputs, affines, size_wh, params)
        return decode(outputs, affines, size_wh, params, source_row=found.source_row + 1)


class TestUsesTheFirstMap(Suite):
    told = {"test_each_row_says_where_it_comes_from": "with its own map of `affines`"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, np.broadcast_to(affines[:1], affines.shape), size_wh, params)


class TestStaysInTheTensor(Suite):
    told = {"test_positions_are_pixels_of_the_frame": "detections.xyxy does not follow the maps of `affines`"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, np.tile(np.eye(3)[:2], (len(affines), 1, 1)), size_wh, params)


class TestDoesNotClip(Suite):
    told = {"test_boxes_lie_in_the_frame": "clipped to size_wh"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, (10**6, 10**6), params)


class TestChangesTheOutputs(Suite):
    told = {"test_outputs_are_not_changed": "the output 'boxes' was changed in place"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        outputs["boxes"][..., 4] *= 0.9
        return decode(outputs, affines, size_wh, params)


class TestNeedsARow(Suite):
    told = {
        "test_no_batch_rows_are_no_findings": "0 included (min and argmax need an axis that is not empty)"
    }

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        outputs["boxes"].max()
        return decode(outputs, affines, size_wh, params)


class TestSmooths(Suite):
    told = {"test_it_has_no_memory": "keep smoothing and counting for a stage"}
    calls = []

    def decode_it(self, outputs, affines, size_wh, params):
        self.calls.append(1)
        found = decode(outputs, affines, size_wh, params)
        return decode(outputs, affines, size_wh, params, confidence=found.confidence / len(self.calls))


class TestForgetsTheLabels(Suite):
    told = {"test_class_names_are_passed_on": "pass `labels` of build() on to the result"}

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params, labels=())


class TestTakesAnything(Suite):
    told = {
        "test_another_network_is_refused": "the outputs of another network are decoded as if they were its own"
    }

    @staticmethod
    def decode_it(outputs, affines, size_wh, params):
        return decode(outputs, affines, size_wh, params) if "boxes" in outputs else Detections.empty()
