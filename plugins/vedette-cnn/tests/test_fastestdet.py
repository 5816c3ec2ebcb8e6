import encoded
import msgspec
import numpy as np
import pytest
import reference
from encoded import Box
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ResultError
from vedette_cnn.decoders import fastestdet


def decode(outputs, input_wh, *, affine=((1.0, 0, 0), (0, 1, 0)), size_wh=None, **params):
    params = msgspec.convert({"input_wh": input_wh, **params}, fastestdet.Params)
    return fastestdet.SPEC.build(())(outputs, np.array([affine]), size_wh or input_wh, params)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(96, 64), (64, 96)]),
    st.floats(0.0, 0.95),
    st.floats(0.1, 0.9),
    st.booleans(),
)
def test_equals_decoding_every_cell(seed, input_wh, confidence, iou, class_agnostic):
    rng = np.random.default_rng(seed)
    head = rng.normal(0, 1, (1, 9, input_wh[1] // 16, input_wh[0] // 16)).astype(np.float32)
    head[:, 0], head[:, 5:] = rng.random(head[:, 0].shape), rng.random(head[:, 5:].shape)
    thresholds = {"confidence_threshold": confidence, "iou_threshold": iou, "class_agnostic": class_agnostic}
    inset = ((1.0, 0, 500), (0, 1, 500))  # so that no box is clipped

    found = decode({"y": head}, input_wh, affine=inset, size_wh=(1000, 1000), **thresholds)

    want = reference.decode_fastestdet(head[0], input_wh, **thresholds)
    np.testing.assert_allclose(found.confidence, [c for _, c, _ in want], rtol=1e-5)
    assert found.class_id.tolist() == [class_id for _, _, class_id in want]
    np.testing.assert_allclose(found.xyxy - 500, np.reshape([box for box, _, _ in want], (-1, 4)), atol=1e-3)


def test_known_boxes_and_classes():
    boxes = [Box((10, 10, 30, 26), 0.9, 2), Box((100, 20, 160, 80), 0.8, 1)]
    found = decode(encoded.fastestdet([boxes], (192, 160)), (192, 160))
    np.testing.assert_allclose(found.xyxy, [box.xyxy for box in boxes], rtol=1e-4, atol=1e-4)
    assert found.class_id.tolist() == [2, 1]


@pytest.mark.parametrize("input_wh", [(352, 176), (176, 352), (350, 350)])
def test_another_input_size_is_refused(input_wh):
    with pytest.raises(ResultError, match=rf"22 x 22 cells .* {input_wh[0]} x {input_wh[1]} pixels"):
        decode(encoded.fastestdet([[]], (352, 352)), input_wh)


def test_a_box_exactly_at_the_threshold_passes_the_first_gate():
    """The gate is a power of the threshold: rounding it must not lose a box whose class is certain."""
    for confidence in np.linspace(0.05, 0.95, 181, dtype=np.float32):
        outputs = encoded.fastestdet([[Box((40, 40, 100, 100), 1.0)]], (128, 128))
        outputs["758"][:, 0] *= confidence
        (sure,) = decode(outputs, (128, 128), confidence_threshold=0.0, max_detections=1).confidence
        assert len(decode(outputs, (128, 128), confidence_threshold=float(sure))) == 1


def test_nan_class_of_a_sure_object_is_refused():
    outputs = encoded.fastestdet([[Box((40, 40, 100, 100))]], (128, 128))
    outputs["758"][:, 5] = np.nan
    with pytest.raises(ResultError, match="class probability holds NaN"):
        decode(outputs, (128, 128))
