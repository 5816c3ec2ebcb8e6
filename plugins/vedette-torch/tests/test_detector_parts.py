"""What detector recipes share: which cell learns which box, what the loss counts, what is measured."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install vedette-torch")
pytest.importorskip("vedette_cnn", reason="needs the decoders of vedette-cnn: pip install vedette-cnn")

from vedette.bundle.samples import encode_png  # noqa: E402
from vedette.vision.spec import InputSpec  # noqa: E402
from vedette_torch.augment.boxes import IGNORED  # noqa: E402
from vedette_torch.data.samples import BoxesSample  # noqa: E402
from vedette_torch.detector import (  # noqa: E402
    IGNORED_CELL,
    NO_BOX,
    DetectorObjective,
    DetectorRecipe,
    DetectorSettings,
    assign,
    cell_middles,
    decoded_boxes,
    edge_decoder,
    known_classes,
    templates_of,
)
from vedette_torch.example import Batch, Example, Targets  # noqa: E402
from vedette_torch.pictures import PictureLoader  # noqa: E402

STRIDE, SIZE = 8, (48, 64)  # height, width
LABELS = ("scratch", "hole")


class Bare(DetectorRecipe[DetectorSettings]):
    name, settings_type, stride = "bare", DetectorSettings, STRIDE

    def inputs(self, settings):
        return {"image": InputSpec(size_wh=settings.size_wh, colour="gray")}

    def network(self, settings, labels):
        raise NotImplementedError


@pytest.fixture(scope="module")
def objective() -> DetectorObjective:
    decoded = edge_decoder(Bare().export(DetectorSettings(), LABELS), LABELS)
    return DetectorObjective(DetectorSettings(), LABELS, STRIDE, decoded)


def targets(*pictures) -> Targets:
    """``pictures``: for each its boxes as ``(xyxy, class_id)``."""
    return Batch.of(
        [
            Example.of_boxes(
                torch.zeros(1, *SIZE),
                torch.tensor([box for box, _ in boxes], dtype=torch.float32).reshape(-1, 4),
                torch.tensor([class_id for _, class_id in boxes], dtype=torch.int64),
            )
            for boxes in pictures
        ]
    ).targets


def perfect(taught: Targets) -> torch.Tensor:
    """The output of a network that knows the boxes of one class each, at every cell whose middle is in them."""
    middles = cell_middles(SIZE, STRIDE, torch.device("cpu"))
    outputs = torch.zeros(len(taught), len(middles), 5 + len(LABELS))
    outputs[..., 4:] = -12
    for row, (xyxy, class_id) in enumerate(zip(taught.xyxy, taught.class_id, strict=True)):
        for box, id_ in zip(xyxy, class_id, strict=True):
            inside = ((middles > box[:2]) & (middles < box[2:])).all(dim=1)
            centre = (box[:2] + box[2:]) / 2
            outputs[row, inside, :2] = (centre - middles[inside]) / STRIDE + 0.5
            outputs[row, inside, 2:4] = ((box[2:] - box[:2]) / STRIDE).log()
            outputs[row, inside, 4] = 12.0
            if id_ >= 0:
                outputs[row, inside, 5 + id_] = 12.0
    return outputs


# --- which cell learns which box ----------------------------------------------------------------------------------


def test_cells_lie_row_by_row():
    middles = cell_middles(SIZE, STRIDE, torch.device("cpu"))
    assert middles.shape == (6 * 8, 2)
    assert middles[0].tolist() == [4, 4]
    assert middles[1].tolist() == [12, 4]
    assert middles[8].tolist() == [4, 12]


def given(boxes, classes, radius=12.0):
    middles = cell_middles(SIZE, STRIDE, torch.device("cpu"))
    return assign(
        middles,
        radius,
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.int64),
    ).reshape(6, 8)


def test_a_picture_without_boxes_teaches_no_cell():
    assert (given([], []) == NO_BOX).all()


def test_the_cells_around_the_middle_learn_a_box():
    table = given([[0, 0, 40, 40]], [1])  # its middle is that of cell 2, 2
    assert (table[1:4, 1:4] == 0).all()
    assert (table != NO_BOX).sum() == 9


def test_the_smaller_of_two_boxes_is_learnt():
    table = given([[0, 0, 64, 48], [24, 16, 40, 32]], [0, 1])
    assert (table[2:4, 3:5] == 1).all()
    assert (table == 1).sum() == 4, "those in it"
    assert (table == 0).sum() == 16 - 4, "the others around the middle of the large one"


def test_a_box_between_the_middles_of_cells_is_learnt_by_the_nearest():
    table = given([[14, 14, 18, 18]], [0])  # its middle, 16 16, is as far from four cells
    assert (table[1:3, 1:3] == 0).all()
    assert (table == 0).sum() == 4


def test_an_ignored_box_is_learnt_by_no_cell_and_its_cells_say_nothing_wrong():
    table = given([[0, 0, 40, 40], [0, 0, 16, 16]], [IGNORED, 0])
    assert (table[:2, :2] == 1).all(), "a box to be found in it is learnt nevertheless"
    assert (table == IGNORED_CELL).sum() == 25 - 4
    assert (table[5] == NO_BOX).all()


def test_an_ignored_box_without_the_middle_of_a_cell_silences_the_nearest():
    table = given([[13, 12, 15, 14]], [IGNORED])
    assert table[1, 1] == IGNORED_CELL
    assert (table == NO_BOX).sum() == 47


# --- the loss -----------------------------------------------------------------------------------------------------


def test_boxes_are_decoded_as_on_the_edge(objective):
    outputs = torch.randn(1, 48, 7, generator=torch.Generator().manual_seed(0))
    outputs[..., 4:] += 4
    raw = outputs.clone()
    found = edge_decoder(Bare().export(DetectorSettings(iou_threshold=1.0), LABELS), LABELS)(raw, SIZE[::-1])
    middles = cell_middles(SIZE, STRIDE, torch.device("cpu"))
    boxes = decoded_boxes(outputs[0, :, :4], middles, STRIDE)
    limits = torch.tensor([64.0, 48, 64, 48])
    mine = torch.minimum(boxes.clamp(min=0), limits)
    away = np.abs(found.xyxy[:, None] - mine.numpy()[None]).max(axis=2).min(axis=1)
    assert len(found) > 40
    assert away.max() < 1e-3


def test_the_truth_has_next_to_no_loss_and_counts_its_cells(objective):
    taught = targets([([0, 0, 40, 40], 1)], [])
    good = objective.loss(perfect(taught), taught)
    assert good.count == 9
    outputs = perfect(taught)
    outputs[..., 4] *= -1
    bad = objective.loss(outputs, taught)
    # 25 cells of the box are sure, and only nine of them shall be: 16 that are wrong cost 12 each, before the focus
    assert float(good.total) < 16 * 12 + 1
    assert float(bad.total) > 9 * 12 + 30 * 12


def test_the_loss_of_a_batch_is_that_of_its_pictures(objective):
    boxes = [([0, 0, 40, 40], 1), ([40, 24, 64, 48], 0), ([48, 0, 60, 18], 1)]
    pictures = [boxes[:2], boxes[2:], [], boxes]
    outputs = torch.randn(4, 48, 7, generator=torch.Generator().manual_seed(1))
    alone = [objective.loss(outputs[row : row + 1], targets(picture)) for row, picture in enumerate(pictures)]
    together = objective.loss(outputs, targets(*pictures))
    assert float(together.total) == pytest.approx(sum(float(one.total) for one in alone), rel=1e-5)
    assert together.count == sum(one.count for one in alone)


@pytest.mark.parametrize(
    ("column", "change"),
    [(0, 1.0), (3, 1.0), (4, -20.0), (5, 20.0), (6, -20.0)],
    ids=["x", "h", "sure", "other", "class"],
)
def test_each_error_costs(objective, column, change):
    taught = targets([([0, 0, 40, 40], 1)])
    outputs = perfect(taught)
    wrong = outputs.clone()
    wrong[0, 18, column] += change  # cell 2, 2
    assert float(objective.loss(wrong, taught).total) > float(objective.loss(outputs, taught).total) + 0.1


def test_what_is_said_in_an_ignored_box_changes_nothing(objective):
    taught = targets([([0, 0, 40, 40], IGNORED), ([48, 32, 64, 48], 0)])
    silent, loud = perfect(targets([([48, 32, 64, 48], 0)])), perfect(taught)
    assert not torch.equal(silent, loud)
    loss = [objective.loss(outputs, taught) for outputs in (silent, loud)]
    assert float(loss[0].total) == pytest.approx(float(loss[1].total))
    assert loss[0].count == loss[1].count == 4


def test_gradients_are_finite_without_any_box_and_for_wild_outputs(objective):
    for taught, scale in ((targets([], []), 1.0), (targets([([3, 3, 9, 9], 0)], []), 1e4)):
        outputs = (torch.randn(2, 48, 7) * scale).requires_grad_()
        objective.loss(outputs, taught).total.backward()
        assert torch.isfinite(outputs.grad).all()


# --- what is measured ---------------------------------------------------------------------------------------------


def test_who_knows_all_has_map50_of_one_and_who_errs_has_less(objective):
    taught = targets([([0, 0, 40, 40], 1), ([40, 24, 64, 48], 0)], [([8, 8, 24, 24], 0)], [])
    measure = objective.measure()
    measure.update(perfect(taught), taught)
    assert measure.compute() == {"map50": pytest.approx(1.0)}
    outputs = perfect(taught)
    outputs[1, :, 4] = -12  # one of the two of class 0 is missed
    measure = objective.measure()
    measure.update(outputs, taught)
    assert measure.compute()["map50"] == pytest.approx((1 + 0.5) / 2, abs=0.01)


def test_finding_what_is_ignored_is_not_wrong(objective):
    taught = targets([([0, 0, 40, 40], 1), ([40, 24, 64, 48], IGNORED)])
    outputs = perfect(taught)
    inside = perfect(targets([([40, 24, 64, 48], 1)]))
    sure = inside[..., 4] > 0
    outputs[sure] = inside[sure]
    measure = objective.measure()
    measure.update(outputs, taught)
    assert measure.compute()["map50"] == pytest.approx(1.0)


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def yolo(tmp_path) -> Path:
    """Twelve pictures of two classes, 20 x 10."""
    (tmp_path / "train").mkdir()
    for number in range(12):
        picture = np.full((10, 20, 3), 20 * number, np.uint8)
        (tmp_path / "train" / f"{number}.png").write_bytes(encode_png(picture))
        (tmp_path / "train" / f"{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.5 0.4\n")
    (tmp_path / "classes.txt").write_text("scratch\nhole\n")
    return tmp_path


def test_every_picture_is_learnt_from_so_many_times(yolo):
    splits = Bare().read(yolo, DetectorSettings(crops=3, validation=0.25))
    paths = [sample.path for sample in splits.train]
    assert len(paths) == 3 * len(set(paths)) == 27
    assert len(splits.validation) == 3
    assert not {sample.path for sample in splits.validation} & set(paths)


def test_boxes_are_in_pixels_of_the_tensor_and_unknown_ones_are_marked(yolo):
    loader = PictureLoader(Bare().inputs(DetectorSettings(size_wh=(40, 40))))
    sample = BoxesSample(
        path=yolo / "train" / "3.png",
        xyxy=np.array([[5, 3, 15, 7], [0, 0, 2, 2], [1, 1, 3, 3]], np.float32),
        class_id=np.array([1, 1, 0], np.int32),
        ignore=np.array([False, True, False]),
        crowd=np.array([False, False, True]),
    )
    example = Bare().load(sample, LABELS, loader)
    assert example.input.shape == (1, 40, 40)
    np.testing.assert_allclose(example.xyxy[0], [10, 16, 30, 24], atol=1e-4)
    assert example.class_id.tolist() == [1, IGNORED, IGNORED]
    assert known_classes(sample).tolist() == [1, IGNORED, IGNORED]


def test_a_template_is_a_picture_without_findings_and_comes_once():
    boxes = {"xyxy": np.ones((1, 4), np.float32), "class_id": np.zeros(1, np.int32)}
    samples = [
        BoxesSample(path=Path(f"{n}.png"), template=template, group="a", **boxes)
        for n, template in enumerate([Path("t.png"), Path("t.png"), None])
    ]
    (found,) = templates_of(samples)
    assert found.path == Path("t.png")
    assert found.group == "a"
    assert found.xyxy.shape == (0, 4)
