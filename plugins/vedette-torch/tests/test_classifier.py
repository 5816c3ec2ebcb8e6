"""What classifiers share: losses by setting, what is measured, which samples are read."""

import shutil

import pytest
import torch

from vedette.errors import VedetteError
from vedette_torch.classifier import ClassifierMeasure, ClassifierObjective, ClassifierSettings
from vedette_torch.example import Targets
from vedette_torch.splits import read_splits

LOGITS = torch.tensor([[2.0, 0, 0], [0, 1, 0], [3, 0, 0], [0, 0, 1]])


def targets(*class_id):
    classes = torch.nn.functional.one_hot(torch.tensor(class_id), 3).float()
    n = len(classes)
    return Targets(
        input=torch.zeros(n), length=torch.ones(n, dtype=int), classes=classes, xyxy=[], class_id=[]
    )


def loss(**changes):
    found = ClassifierObjective(ClassifierSettings(**changes), [8, 1, 1]).loss(LOGITS, targets(0, 1, 1, 2))
    assert found.count == 4
    return float(found.total)


def test_losses_by_setting():
    each = torch.nn.functional.cross_entropy(LOGITS, torch.tensor([0, 1, 1, 2]), reduction="none")
    assert loss() == pytest.approx(float(each.sum()))
    weight = torch.tensor([10 / 24, 10 / 3, 10 / 3, 10 / 3])
    assert loss(imbalance="class_weights") == pytest.approx(float((weight * each).sum()))
    focal = ((1 - (-each).exp()) ** 3 * each).sum()
    assert loss(imbalance="focal", focal_gamma=3.0) == pytest.approx(float(focal))
    assert loss(label_smoothing=0.2) != pytest.approx(loss())


def test_measure_over_batches():
    measure = ClassifierMeasure(3)
    measure.update(LOGITS[:3], targets(0, 1, 1))
    measure.update(LOGITS[3:], targets(0))
    found = measure.compute()
    assert found.keys() == {"top1", "balanced"}
    assert found["top1"] == pytest.approx(2 / 4)
    assert found["balanced"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)  # the third is answered, never right


def test_samples_are_drawn_by_class_where_wanted(tiny, pictures):
    recipe = tiny.Tiny()
    plain = tiny.TinySettings()
    splits = recipe.read(pictures, plain)
    assert recipe.sampling_weights(plain, splits) is None
    weights = recipe.sampling_weights(tiny.TinySettings(imbalance="balanced_sampling"), splits)
    assert weights.tolist() == pytest.approx([1 / 24] * 72)


def test_validation_is_held_out_or_read(pictures, tmp_path):
    held = read_splits(pictures, "folders", ClassifierSettings(validation=0.25))
    assert (len(held.train), len(held.validation)) == (72, 24)
    assert not {s.path for s in held.train} & {s.path for s in held.validation}
    assert [sum(s.class_id == c for s in held.validation) for c in range(3)] == [8, 8, 8]
    everything = read_splits(pictures, "folders", ClassifierSettings(validation=0))
    assert (len(everything.train), len(everything.validation)) == (96, 0)

    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    (data / "train").rename(data / "test")
    with pytest.raises(VedetteError, match="train"):
        read_splits(data, "folders", ClassifierSettings())
    shutil.copytree(pictures / "train", data / "train")
    for split in ("test", "train"):
        for label in ("dark", "light", "striped"):
            moved = sorted((data / split / label).iterdir())
            for path in moved[:16] if split == "test" else moved[16:]:
                path.unlink()
    (data / "test").rename(data / "val")
    given = read_splits(data, "folders", ClassifierSettings())
    assert (len(given.train), len(given.validation)) == (48, 48)
    assert {path.parent.parent.name for path in (s.path for s in given.validation)} == {"val"}


def test_a_test_split_is_not_learnt_from(pictures, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    for label in ("dark", "light", "striped"):
        (data / "test" / label).mkdir(parents=True)
        for path in sorted((data / "train" / label).iterdir())[:8]:
            path.rename(data / "test" / label / path.name)
    splits = read_splits(data, "folders", ClassifierSettings(validation=0.25))
    used = [sample.path for sample in (*splits.train, *splits.validation)]
    assert len(used) == 72
    assert {path.parent.parent.name for path in used} == {"train"}
