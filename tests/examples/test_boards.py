"""The boards that the demo draws: their defects are where and what the boxes say, and the same for a seed."""

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from belt.boards import SIDE, draw_design, write_boards
from belt.copper import Plane, beside
from belt.defects import APART, KINDS
from belt.layout import CLEARANCE, lay_out
from belt.ride import MOVING_MS, PERIOD, STEP, STOPPED_MS, draw_ride, write_video
from belt.score import Score

from vedette import Detections

ADDED = {"short", "spur", "copper"}


@pytest.fixture(scope="module")
def boards():
    return [draw_design(seed).board(seed, 8) for seed in range(4)]


def pieces(mask):
    """Connected parts of more than a speck."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return int((stats[1:, cv2.CC_STAT_AREA] > 12).sum())


def test_only_what_is_in_a_box_differs(boards):
    for board in boards:
        outside = np.ones((SIDE, SIDE), bool)
        for defect in board.defects:
            x0, y0, x1, y1 = (int(value) for value in defect.xyxy)
            outside[y0:y1, x0:x1] = False
        assert (board.pixels[outside] == board.flawless[outside]).all()
        assert set(np.unique(board.pixels)) == {0, 255}


def test_each_defect_is_what_it_is_called(boards):
    for board in boards:
        for defect in board.defects:
            x0, y0, x1, y1 = (int(value) for value in defect.xyxy)
            before, after = (picture[y0:y1, x0:x1] == 0 for picture in (board.flawless, board.pixels))
            added, removed = (after & ~before).sum(), (before & ~after).sum()
            assert (added > 0) == (defect.kind in ADDED)
            assert (removed > 0) == (defect.kind not in ADDED)
            if defect.kind == "copper":
                assert pieces(after) > pieces(before)
            if defect.kind == "pin-hole":
                assert pieces(~after) > pieces(~before)
            if defect.kind == "open":
                assert pieces(after) > pieces(before) or pieces(~after) < pieces(~before)
            if defect.kind == "short":
                assert pieces(after) < pieces(before) or pieces(~after) > pieces(~before)


def test_boxes_are_like_those_of_the_data_set(boards):
    """Of DeepPCB, 5 % to 95 % of the sides are 25 to 89 pixels long, and no two boxes of ours overlap."""
    sides = []
    for board in boards:
        boxes = np.array([defect.xyxy for defect in board.defects])
        sides += [*(boxes[:, 2:] - boxes[:, :2]).ravel()]
        for index, (x0, y0, x1, y1) in enumerate(boxes):
            others = np.delete(boxes, index, axis=0)
            apart_x = np.maximum(others[:, 0] - x1, x0 - others[:, 2])
            apart_y = np.maximum(others[:, 1] - y1, y0 - others[:, 3])
            assert (np.maximum(apart_x, apart_y) > APART).all()
    low, middle, high = np.percentile(sides, [5, 50, 95])
    assert low >= 24
    assert 28 <= middle <= 42
    assert high <= 89


def test_every_kind_is_drawn(boards):
    assert {defect.kind for board in boards for defect in board.defects} == {*KINDS}


def test_a_seed_is_a_board(boards):
    again = draw_design(3).board(3, 8)
    assert (again.pixels == boards[3].pixels).all()
    assert again.defects == boards[3].defects
    assert (boards[2].pixels != boards[3].pixels).any()


def test_boards_of_a_design_differ_at_their_edges_and_defects(boards):
    """The reference has no defect, and is not to the pixel what a flawless board of the line would be."""
    design = draw_design(3)
    assert (design.reference != boards[3].flawless).any()
    edges = cv2.dilate(cv2.Canny(design.reference, 50, 150), np.ones((5, 5), np.uint8)) > 0
    assert (design.reference == boards[3].flawless)[~edges].all()
    other = design.board(4)
    assert other.defects != boards[3].defects
    assert (design.reference == other.flawless)[~edges].all()


def test_conductors_keep_clear():
    """Grown by half of the clearance they are as many pieces as before."""
    layout = lay_out(np.random.default_rng(7), Plane(SIDE, SIDE))
    assert 0.1 < layout.share < 0.6
    assert pieces(layout.taken < 0) == pieces(layout.taken < CLEARANCE / 2 - 1)


def test_parallel_lines_keep_their_distance():
    line = [(0.0, 0.0), (100.0, 0.0), (200.0, 100.0), (200.0, 300.0)]
    for (ax, ay), (bx, by), (cx, cy) in zip(line, line[1:], beside(line, 10.0), strict=False):
        along = np.array([bx - ax, by - ay]) / np.hypot(bx - ax, by - ay)
        assert abs(along[0] * (cy - ay) - along[1] * (cx - ax)) == pytest.approx(10)


def test_a_ride_past_the_camera(tmp_path):
    ride = draw_ride(2, seed=5)
    assert ride.pictures == 2 * PERIOD
    assert [number for number in range(ride.pictures) if ride.board_in(number)] == [0, PERIOD]
    for number in (0, PERIOD):
        assert (ride.picture(number) == ride.board_in(number).pixels).all()
    assert (ride.picture(1)[:, :-STEP] == ride.picture(0)[:, STEP:]).all()
    assert (ride.picture(ride.pictures - 1) == 255).all()

    write_video(ride, tmp_path / "belt.mp4")
    with av.open(str(tmp_path / "belt.mp4")) as video:
        shown = [(frame.time, frame.to_ndarray(format="gray")) for frame in video.decode(video=0)]
    assert len(shown) == ride.pictures
    stops = [round(1000 * (after - before)) for (before, _), (after, _) in pairwise(shown)]
    assert stops == [STOPPED_MS, *[MOVING_MS] * (PERIOD - 1), STOPPED_MS, *[MOVING_MS] * (PERIOD - 2)]
    assert np.abs(shown[PERIOD][1].astype(int) - ride.boards[1].pixels).mean() < 6


def test_the_score_of_what_is_known(boards):
    """All of it found, then none, then all of it called something else."""
    right, none, wrong = Score(), Score(), Score()
    for board in boards:
        boxes = np.array([item.xyxy for item in board.defects])
        kinds = np.array([KINDS.index(item.kind) for item in board.defects])
        ones = np.ones(len(boxes))
        right.add(board, Detections.of(boxes, ones, kinds, labels=KINDS))
        none.add(board, Detections.of(boxes[:0], ones[:0], kinds[:0], labels=KINDS))
        wrong.add(board, Detections.of(boxes, ones, (kinds + 1) % 6, labels=KINDS))
    assert (right.recall, right.precision) == (1, 1)
    assert (none.recall, none.boxes) == (0, 0)
    assert (wrong.recall, wrong.precision) == (0, 0)
    assert sum(drawn for _, drawn, _ in right.rows()) == sum(len(board.defects) for board in boards)


def test_boards_are_data(tmp_path):
    """``vedette evaluate`` and ``vedette train`` read the folder as DeepPCB."""
    reading = pytest.importorskip("vedette_torch.data.deeppcb", reason="needs vedette-torch")
    write_boards(tmp_path / "boards", 2, seed=3)
    found = reading.find_deeppcb(tmp_path / "boards")
    assert not found.problems
    assert [len(entry.class_id) for entry in found.entries] == [
        len(draw_design(seed).board(seed).defects) for seed in (3, 4)
    ]
