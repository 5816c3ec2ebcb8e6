"""Pairs with the greatest total, against trying them all."""

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vedette_tracking.assignment import assign
from vedette_tracking.boxes import box_iou_batch, cxcywh_to_xyxy, xyxy_to_cxcywh


def best_of_all(similarity, allowed):
    n, m = similarity.shape
    if n > m:
        similarity, allowed, n, m = similarity.T, allowed.T, m, n
    worth = np.where(allowed, similarity, 0.0)
    return max(
        sum(worth[row, column] for row, column in enumerate(order)) for order in permutations(range(m), n)
    )


@st.composite
def problems(draw):
    shape = draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    similarity = draw(hnp.arrays(np.float64, shape, elements=st.floats(0.01, 1)))
    return similarity, draw(hnp.arrays(np.bool_, shape))


@given(problems())
def test_the_total_is_the_greatest(problem):
    similarity, allowed = problem
    rows, columns = assign(similarity, allowed)
    assert len(set(rows.tolist())) == len(rows) == len(columns) == len(set(columns.tolist()))
    assert allowed[rows, columns].all()
    assert abs(similarity[rows, columns].sum() - best_of_all(similarity, allowed)) < 1e-9


boxes = hnp.arrays(np.float64, (4, 4), elements=st.floats(0, 100)).map(
    lambda raw: np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:]], axis=1)
)


@given(boxes)
def test_overlap_is_symmetric_and_complete_with_itself(xyxy):
    overlap = box_iou_batch(xyxy, xyxy)
    assert np.allclose(overlap, overlap.T)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-12)).all()
    area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    assert np.allclose(np.diag(overlap)[area > 1e-6], 1)


@given(boxes)
def test_both_ways_to_write_boxes(xyxy):
    assert np.allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(xyxy)), xyxy)
