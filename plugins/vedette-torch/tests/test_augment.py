"""Augmentations against cases worked out by hand; boxes along with pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import VedetteError
from vedette_torch.augment import (
    Blur,
    Colour,
    CropAround,
    CutMix,
    Erase,
    Flip,
    MixUp,
    Negative,
    PadCrop,
    QuarterTurn,
    RandomCrop,
    Turn,
)
from vedette_torch.augment.boxes import IGNORED, clip_boxes, move_boxes
from vedette_torch.augment.crop import cut
from vedette_torch.augment.turn import turned
from vedette_torch.example import Example


def rng(seed=0):
    return np.random.default_rng(seed)


def numbered(h=4, w=6, boxes=((1.0, 0.0, 3.0, 2.0),)):
    """Each pixel has its own value; class ids count up."""
    pixels = torch.arange(3 * h * w, dtype=torch.float32).reshape(3, h, w)
    xyxy = torch.tensor(boxes).reshape(-1, 4)
    return Example.of_boxes(pixels, xyxy, torch.arange(len(xyxy)))


def marked(h, w, box):
    """Black but for the pixels of one box, which is a box of the example."""
    pixels = torch.zeros(3, h, w)
    x0, y0, x1, y1 = box
    pixels[:, y0:y1, x0:x1] = 255.0
    return Example.of_boxes(pixels, torch.tensor([box], dtype=torch.float32), torch.tensor([0]))


def bounds(pixels):
    """The box around what is lighter than half."""
    y, x = torch.nonzero(pixels[0] > 127, as_tuple=True)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]


def test_flip_moves_pixels_and_boxes():
    example = numbered()
    across = Flip(horizontal=1)(example, rng())
    assert torch.equal(across.input, example.input.flip(2))
    assert across.xyxy.tolist() == [[3, 0, 5, 2]]  # 6 - 3, 6 - 1
    down = Flip(horizontal=0, vertical=1)(example, rng())
    assert down.xyxy.tolist() == [[1, 2, 3, 4]]
    assert Flip(horizontal=0)(example, rng()) is example


def test_cut_beyond_the_edge():
    example = numbered(boxes=((0, 0, 2, 2), (4, 2, 6, 4)))
    piece = cut(example, (-1, -2), (4, 4), 7.0, 0.25)
    assert (piece.input[:, :2] == 7).all()
    assert (piece.input[:, :, 0] == 7).all()
    assert torch.equal(piece.input[:, 2:, 1:], example.input[:, :2, :3])
    assert piece.xyxy.tolist() == [[1, 2, 3, 4]]
    assert piece.class_id.tolist() == [0]


@pytest.mark.parametrize(("min_left", "kept"), [(0.25, [0]), (0.26, [])])
def test_a_box_is_dropped_when_little_is_left(min_left, kept):
    piece = cut(numbered(boxes=((0, 0, 4, 2),)), (3, 0), (3, 4), 0.0, min_left)  # a quarter: x 3..4
    assert piece.class_id.tolist() == kept
    assert piece.xyxy.tolist() == ([[0, 0, 1, 2]] if kept else [])


def test_boxes_turned_inside_out_or_empty_go():
    xyxy, kept = clip_boxes(torch.tensor([[2.0, 2, 2, 5], [9, 9, 12, 12], [1, 1, 2, 2]]), (8, 8), 0.0)
    assert kept.tolist() == [False, False, True]
    assert xyxy.tolist() == [[1, 1, 2, 2]]


def test_pad_crop_keeps_size_and_finds_every_shift():
    shifts = set()
    for seed in range(200):
        moved = PadCrop(padding=1, fill=0)(marked(6, 6, (2, 2, 4, 4)), rng(seed))
        assert moved.size_wh == (6, 6)
        assert bounds(moved.input) == moved.xyxy[0].tolist()
        shifts.add(tuple(moved.xyxy[0, :2].tolist()))
    assert shifts == {(x, y) for x in (1, 2, 3) for y in (1, 2, 3)}


def test_crop_around_holds_the_middle_of_a_box():
    for seed in range(50):
        piece = CropAround(size_wh=(8, 6), positive=1.0, min_left=0.0)(
            marked(40, 50, (30, 4, 34, 8)), rng(seed)
        )
        assert piece.size_wh == (8, 6)
        assert len(piece.xyxy) == 1
        assert bounds(piece.input) == piece.xyxy[0].tolist()


def test_crop_around_aims_at_what_is_to_be_found_and_ignores_fragments():
    example = marked(40, 40, (2, 2, 6, 6))
    example = replace(
        example, xyxy=torch.tensor([[2.0, 2, 6, 6], [30, 30, 38, 38]]), class_id=torch.tensor([IGNORED, 4])
    )
    crop = CropAround(size_wh=(8, 8), positive=1.0, min_left=0.0, whole=0.5)
    shares = []
    for seed in range(60):
        piece = crop(example, rng(seed))
        assert len(piece.xyxy) == 1, "the box that is ignored is far off"
        w, h = (piece.xyxy[0, 2:] - piece.xyxy[0, :2]).tolist()
        shares.append(w * h / 64)
        assert piece.class_id.tolist() == [4 if shares[-1] >= 0.5 else IGNORED]
    assert min(shares) < 0.5 < max(shares)


def test_crop_around_of_a_smaller_picture_is_filled():
    piece = CropAround(size_wh=(8, 8), fill=9.0)(numbered(), rng())
    assert piece.size_wh == (8, 8)
    assert (piece.input[:, 4:] == 9).all()
    assert (piece.input[:, :, 6:] == 9).all()


def test_random_crop_scales_boxes_with_pixels():
    example = marked(40, 40, (12, 12, 28, 28))
    for seed in range(20):
        piece = RandomCrop(area=(0.5, 0.9), min_left=0.0)(example, rng(seed))
        assert piece.size_wh == (40, 40)
        np.testing.assert_allclose(bounds(piece.input), piece.xyxy[0].tolist(), atol=1.0)


def test_a_quarter_turn_is_exact():
    example = numbered(h=4, w=4)
    quarter = turned(example, 90, 1.0, (0, 0), 0.0, 0.0)
    torch.testing.assert_close(quarter.input, example.input.rot90(-1, (1, 2)), atol=1e-3, rtol=0)
    torch.testing.assert_close(quarter.xyxy, torch.tensor([[2.0, 1, 4, 3]]), atol=1e-5, rtol=0)


def test_quarter_turns_come_in_all_four_ways_and_take_boxes_along():
    example = marked(6, 6, (1, 0, 4, 2))
    found = [QuarterTurn()(example, rng(seed)) for seed in range(40)]
    assert {tuple(turn.xyxy[0].tolist()) for turn in found} == {
        (1, 0, 4, 2), (4, 1, 6, 4), (2, 4, 5, 6), (0, 2, 2, 5)
    }  # fmt: skip
    assert all(bounds(turn.input) == turn.xyxy[0].tolist() for turn in found)


def test_a_quarter_turn_of_an_oblong_changes_its_sides():
    example = marked(5, 9, (6, 1, 9, 2))
    turns = [QuarterTurn()(example, rng(seed)) for seed in range(40)]
    assert {turn.size_wh for turn in turns} == {(9, 5), (5, 9)}
    assert all(bounds(turn.input) == turn.xyxy[0].tolist() for turn in turns)


def test_a_negative_has_the_opposite_classes_and_ignored_boxes_stay_ignored():
    example = replace(
        numbered(boxes=[(0.0, 0, 1, 1)] * 3),
        class_id=torch.tensor([1, IGNORED, 2]),
        classes=torch.tensor([0.2, 0.8, 0]),
    )
    negative = Negative(probability=1, opposite=(2, 1, 0))(example, rng())
    assert torch.equal(negative.input, 255 - example.input)
    assert negative.class_id.tolist() == [1, IGNORED, 0]
    assert negative.classes.tolist() == example.classes.flip(0).tolist()
    assert torch.equal(negative.xyxy, example.xyxy)
    assert Negative(probability=1)(example, rng()).class_id.tolist() == [1, IGNORED, 2]
    assert Negative(probability=0)(example, rng()) is example


def test_turn_fills_and_moves():
    moved = turned(marked(8, 8, (1, 1, 3, 3)), 0, 1.0, (2, 3), 0.0, 0.0)
    assert bounds(moved.input) == [3, 4, 5, 6]
    assert moved.xyxy[0].tolist() == [3, 4, 5, 6]
    doubled = turned(marked(8, 8, (3, 3, 5, 5)), 0, 2.0, (0, 0), 0.0, 0.0)
    assert doubled.xyxy[0].tolist() == [2, 2, 6, 6]
    away = turned(numbered(), 0, 1.0, (6, 0), 33.0, 0.25)
    assert (away.input == 33).all()
    assert len(away.xyxy) == 0


def test_a_turned_box_holds_its_corners():
    half = 45
    box = move_boxes(
        torch.tensor([[-1.0, -1, 1, 1]]), torch.tensor([[0.5**0.5, -(0.5**0.5), 0], [0.5**0.5, 0.5**0.5, 0]])
    )
    torch.testing.assert_close(box, torch.tensor([[-1.0, -1, 1, 1]]) * 2**0.5)
    assert Turn(degrees=half)(numbered(boxes=()), rng()).xyxy.shape == (0, 4)


def test_colour_by_hand():
    class Fixed:
        def uniform(self, low, high, n):
            return np.array([1.0, -1.0, 0.0, 0.0])

    example = Example.of_class(torch.tensor([[[100.0, 200.0]]]), 0, 2)
    # contrast halves the distance from the mean of 150, brightness adds 25.5
    out = Colour(brightness=0.1, contrast=0.5)(example, Fixed())
    torch.testing.assert_close(out.input, torch.tensor([[[150.5, 200.5]]]))


def test_hue_and_saturation_leave_grey_grey_and_need_rgb():
    grey = Example.of_class(torch.full((3, 4, 4), 90.0), 0, 2)
    out = Colour(brightness=0, contrast=0, saturation=0.5, hue=0.5)(grey, rng(3))
    torch.testing.assert_close(out.input, grey.input, atol=0.01, rtol=0)
    with pytest.raises(VedetteError, match="for RGB pictures, not for 1 channels"):
        Colour(hue=0.1)(Example.of_class(torch.zeros(1, 2, 2), 0, 2), rng())


def test_blur_keeps_the_sum_and_spreads():
    example = marked(21, 21, (10, 10, 11, 11))
    out = Blur(probability=1.0, sigma=(1.0, 1.0))(example, rng())
    assert float(out.input[0].sum()) == pytest.approx(255, rel=1e-4)
    assert float(out.input[0, 10, 10]) == pytest.approx(255 * 0.1592, rel=0.02)  # 1 / (2 pi)


def test_erase_covers_a_square_cut_at_the_edge():
    white = Example.of_class(torch.full((3, 10, 10), 255.0), 0, 2)
    areas = {int((Erase(size=4)(white, rng(seed)).input[0] == 0).sum()) for seed in range(300)}
    assert max(areas) == 16
    assert min(areas) == 4
    assert (white.input == 255).all(), "the picture handed in is not written to"


def test_mix_up_shares_pixels_and_classes():
    first, second = (
        Example.of_class(torch.full((1, 2, 2), value), c, 3) for value, c in ((0.0, 0), (100.0, 2))
    )
    mixed = MixUp(alpha=1.0)(first, second, rng(1))
    share = float(mixed.classes[0])
    assert 0.05 < share < 0.95
    assert mixed.classes.tolist() == pytest.approx([share, 0, 1 - share])
    torch.testing.assert_close(mixed.input, torch.full((1, 2, 2), 100 * (1 - share)))
    both = MixUp()(numbered(), numbered(boxes=((0, 0, 1, 1), (2, 2, 3, 3))), rng())
    assert len(both.xyxy) == len(both.class_id) == 3


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_cut_mix_shares_classes_by_area(seed):
    first, second = (
        Example.of_class(torch.full((1, 8, 10), value), c, 2) for value, c in ((0.0, 0), (1.0, 1))
    )
    mixed = CutMix(probability=1.0)(first, second, rng(seed))
    assert float(mixed.classes[1]) == pytest.approx(float(mixed.input.mean()), abs=1e-6)


def test_cut_mix_is_not_for_boxes():
    with pytest.raises(VedetteError, match="CutMix is for classification"):
        CutMix()(numbered(), numbered(), rng())


@pytest.mark.parametrize(
    "change",
    [
        Blur(probability=1.0),
        Colour(saturation=0.2, hue=0.1),
        CropAround(size_wh=(5, 5)),
        Erase(size=3),
        Flip(),
        Negative(),
        PadCrop(padding=2),
        QuarterTurn(),
        RandomCrop(),
        Turn(),
    ],
    ids=lambda change: type(change).__name__,
)
def test_the_same_generator_gives_the_same_and_the_input_stays(change):
    example = numbered(h=9, w=9)
    before = example.input.clone(), example.xyxy.clone()
    one, other = change(example, rng(5)), change(example, rng(5))
    assert torch.equal(one.input, other.input)
    assert torch.equal(one.xyxy, other.xyxy)
    assert torch.equal(example.input, before[0])
    assert torch.equal(example.xyxy, before[1])
    assert len(one.xyxy) == len(one.class_id)
