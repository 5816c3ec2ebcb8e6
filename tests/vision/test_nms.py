import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.vision.nms import iou_matrix, nms

few = settings(max_examples=60, deadline=None)


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(w, 0) * max(h, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0


def brute_force(boxes, confidence, threshold, class_id):
    """One box after the other; Python's sort is stable."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -confidence[i]):
        rivals = [k for k in kept if class_id is None or class_id[k] == class_id[i]]
        if all(iou(boxes[i], boxes[k]) <= threshold for k in rivals):
            kept.append(i)
    return kept


@st.composite
def detections(draw, ties=True):
    n = draw(st.integers(0, 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([10, 60, 400]))
    corner = rng.integers(0, spread, (n, 2))
    boxes = np.c_[corner, corner + rng.integers(0, 40, (n, 2))].astype(np.float32)
    confidence = rng.integers(0, 20, n) / 20 if ties else rng.permutation(n) / 200
    return boxes, confidence.astype(np.float32), rng.integers(0, 4, n)


thresholds = st.sampled_from([0.0, 0.3, 0.5, 0.75, 1.0])


@few
@given(detections(), thresholds, st.booleans())
def test_keeps_what_brute_force_keeps(found, threshold, by_class):
    boxes, confidence, class_id = found
    classes = class_id if by_class else None
    kept = nms(boxes, confidence, threshold, classes)
    assert kept.dtype == np.intp
    assert kept.tolist() == brute_force(boxes.tolist(), confidence.tolist(), threshold, classes)


@few
@given(detections(ties=False), thresholds, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(found, threshold, random):
    boxes, confidence, class_id = found
    shuffled = np.array(random.sample(range(len(boxes)), len(boxes)), np.intp)
    kept = nms(boxes, confidence, threshold, class_id)
    again = nms(boxes[shuffled], confidence[shuffled], threshold, class_id[shuffled])
    assert shuffled[again].tolist() == kept.tolist()


@few
@given(detections(), thresholds)
def test_what_is_kept_stays(found, threshold):
    boxes, confidence, _ = found
    kept = nms(boxes, confidence, threshold)
    assert nms(boxes[kept], confidence[kept], threshold).tolist() == list(range(len(kept)))


@few
@given(detections(), thresholds)
def test_classes_are_independent(found, threshold):
    boxes, confidence, class_id = found
    kept = set(nms(boxes, confidence, threshold, class_id).tolist())
    apart = set()
    for one in np.unique(class_id):
        rows = np.flatnonzero(class_id == one)
        apart |= set(rows[nms(boxes[rows], confidence[rows], threshold)].tolist())
    assert kept == apart


def test_classes_far_from_the_origin_do_not_run_into_each_other():
    """Where boxes are shifted by class instead, float32 rounding merges neighbours like these."""
    boxes = np.array([[0, 0, 1, 1], [0.6, 0, 1.6, 1], [0, 0, 1, 1]], np.float32)
    kept = nms(boxes + 1000, np.array([0.9, 0.8, 0.7]), 0.5, np.array([10**6, 10**6, 10**6 + 1]))
    assert kept.tolist() == [0, 1, 2]


def test_exactly_the_threshold_is_kept():
    boxes = np.array([[0, 0, 2, 1], [0, 0, 1, 1]], np.float32)
    assert nms(boxes, np.array([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms(boxes, np.array([0.9, 0.8]), 0.49).tolist() == [0]


def test_equal_confidence_keeps_the_first():
    boxes = np.tile(np.array([[0, 0, 2, 1]], np.float32), (3, 1))
    assert nms(boxes, np.full(3, 0.5), 0.5).tolist() == [0]


@few
@given(detections(), detections())
def test_iou_matrix(a, b):
    a, b = a[0][:12], b[0][:12]
    matrix = iou_matrix(a, b)
    assert matrix.shape == (len(a), len(b))
    want = [[iou(p, q) for q in b.tolist()] for p in a.tolist()]
    np.testing.assert_allclose(matrix, np.reshape(want, matrix.shape), atol=1e-12)


def test_agrees_with_opencv():
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "dnn"):
        pytest.skip("this OpenCV has no dnn module")
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 300, (300, 2))
    boxes = np.c_[corner, corner + rng.uniform(20, 80, (300, 2))].astype(np.float32)
    confidence = rng.permutation(300).astype(np.float32) / 300 + 0.1
    xywh = np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]
    theirs = cv2.dnn.NMSBoxes(xywh.tolist(), confidence.tolist(), 0.0, 0.45)
    assert nms(boxes, confidence, 0.45).tolist() == np.ravel(theirs).tolist()
