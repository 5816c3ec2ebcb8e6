import encoded
import msgspec
import numpy as np
import pytest
import reference
from encoded import Box
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import ResultError
from vedette_cnn.decoders import yolox

SAME = np.array([[[1.0, 0, 0], [0, 1, 0]]])


def decode(outputs, input_wh, *, affines=SAME, size_wh=None, labels=(), **params):
    params = msgspec.convert({"input_wh": input_wh, **params}, yolox.Params)
    return yolox.SPEC.build(labels)(outputs, affines, size_wh or input_wh, params)


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(32, 64), (64, 32), (96, 96)]),
    st.sampled_from([(8, 16, 32), (16, 8), (32,)]),
    st.floats(0.0, 0.9),
    st.floats(0.1, 0.9),
    st.booleans(),
)
def test_equals_decoding_every_anchor(seed, input_wh, strides, confidence, iou, class_agnostic):
    rng = np.random.default_rng(seed)
    anchors = sum((input_wh[0] // s) * (input_wh[1] // s) for s in strides)
    head = rng.normal(0, 0.7, (2, anchors, 9)).astype(np.float32)
    head[..., 4:] = rng.random((2, anchors, 5), np.float32)
    thresholds = {"confidence_threshold": confidence, "iou_threshold": iou, "class_agnostic": class_agnostic}
    inset = np.array([[[1.0, 0, 500], [0, 1, 500]]] * 2)  # so that no box is clipped
    params = {"strides": strides, "max_detections": 10**6, **thresholds}

    found = decode({"y": head}, input_wh, affines=inset, size_wh=(1000, 1000), **params)

    for row in range(2):
        mine = found.select(found.source_row == row)
        want = reference.decode_yolox(head[row], input_wh, strides, **thresholds)
        assert len(mine) == len(want)
        np.testing.assert_allclose(mine.confidence, [c for _, c, _ in want], rtol=1e-6)
        assert mine.class_id.tolist() == [class_id for _, _, class_id in want]
        np.testing.assert_allclose(
            mine.xyxy - 500, np.reshape([box for box, _, _ in want], (-1, 4)), atol=1e-3
        )


def test_all_strides_are_decoded():
    boxes = [Box((10, 10, 30, 26), 0.9, 0), Box((100, 20, 160, 80), 0.8, 1), Box((0, 70, 190, 158), 0.7, 2)]
    found = decode(encoded.yolox([boxes], (192, 160)), (192, 160))
    np.testing.assert_allclose(found.xyxy, [box.xyxy for box in boxes], rtol=1e-5, atol=1e-4)
    assert found.class_id.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("class_agnostic", "left"), [(False, 2), (True, 1)])
def test_classes_suppress_each_other_only_when_asked(class_agnostic, left):
    boxes = [Box((40, 40, 100, 100), 0.9, 0), Box((42, 40, 100, 100), 0.8, 1)]
    outputs = encoded.yolox([boxes], (128, 128))
    assert len(decode(outputs, (128, 128), class_agnostic=class_agnostic)) == left


def test_equal_boxes_beyond_the_overlap_are_one():
    boxes = [
        Box((40, 40, 100, 100), 0.8, 0),
        Box((24, 40, 84, 100), 0.9, 0),
    ]  # IoU 44/76 = 0.58, in two cells
    outputs = encoded.yolox([boxes], (128, 128))
    np.testing.assert_allclose(decode(outputs, (128, 128), iou_threshold=0.57).confidence, [0.9], rtol=1e-6)
    assert len(decode(outputs, (128, 128), iou_threshold=0.59)) == 2


def test_logits_are_read_as_the_probabilities_that_they_are():
    boxes = [Box((10, 10, 30, 26), 0.9, 0), Box((100, 20, 160, 80), 0.8, 1), Box((0, 70, 190, 158), 0.3, 2)]
    outputs = encoded.yolox([boxes], (192, 160))
    (name, head), want = *outputs.items(), decode(outputs, (192, 160), confidence_threshold=0.25)
    with np.errstate(divide="ignore"):
        logits = np.log(head[..., 4:]) - np.log1p(-head[..., 4:])
    raw = {name: np.concatenate([head[..., :4], logits], axis=-1)}
    found = decode(raw, (192, 160), confidence_threshold=0.25, activation="sigmoid")
    assert found.class_id.tolist() == want.class_id.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.confidence, want.confidence, rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, want.xyxy)


def test_another_input_size_names_both_numbers_of_anchors():
    outputs = encoded.yolox([[]], (416, 416))
    with pytest.raises(
        ResultError, match=r"must be \(1, 8400, any\).* not \(1, 3549, 8\)(.|\n)*\(640, 640\)"
    ):
        decode(outputs, (640, 640))


def test_an_input_that_does_not_divide_into_cells_is_refused():
    with pytest.raises(msgspec.ValidationError, match=r"416 x 400 .* stride 32"):
        msgspec.convert({"input_wh": (416, 400)}, yolox.Params)


@pytest.mark.parametrize("strides", [(), (0,), (8, -16)])
def test_bad_strides_are_refused(strides):
    with pytest.raises(msgspec.ValidationError, match="strides"):
        msgspec.convert({"input_wh": (64, 64), "strides": strides}, yolox.Params)


def test_an_output_without_classes_is_refused():
    with pytest.raises(ResultError, match="no room for a class"):
        decode({"y": np.zeros((1, 21, 5), np.float32)}, (32, 32))


def test_the_output_is_found_by_name_among_several():
    outputs = encoded.yolox([[Box((40, 40, 100, 100))]], (128, 128))
    outputs["other"] = np.zeros(3, np.float32)
    assert len(decode(outputs, (128, 128), output="output")) == 1
    with pytest.raises(ResultError, match=r"several outputs(.|\n)*'output', 'other'"):
        decode(outputs, (128, 128))
    with pytest.raises(ResultError, match=r"no output 'boxes'(.|\n)*'output', 'other'"):
        decode(outputs, (128, 128), output="boxes")


def test_nan_class_of_a_sure_object_is_refused():
    outputs = encoded.yolox([[Box((40, 40, 100, 100), class_id=1)]], (128, 128))
    outputs["output"][..., 5] = np.nan
    with pytest.raises(ResultError, match="class probability holds NaN"):
        decode(outputs, (128, 128))


def test_what_the_gate_drops_is_never_looked_at():
    outputs = encoded.yolox([[]], (128, 128))
    outputs["output"][..., :4] = np.nan
    assert len(decode(outputs, (128, 128))) == 0


def test_a_width_beyond_float32_is_refused():
    outputs = encoded.yolox([[Box((40, 40, 100, 100))]], (128, 128))
    outputs["output"][..., 2] = 1e3
    with pytest.raises(ResultError, match="box above the threshold is not finite"):
        decode(outputs, (128, 128))
