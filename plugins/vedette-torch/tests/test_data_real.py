"""The real data sets, from their zip files."""

import numpy as np
import pytest

from vedette_torch.data.reading import read_data
from vedette_torch.data.split import split_data


@pytest.fixture(scope="module")
def real(data, tmp_path_factory):
    def read(name):
        return read_data(
            data / "datasets" / f"{name}.zip", unpack_to=tmp_path_factory.mktemp("data") / "unpacked"
        )

    return read


def test_cifar10(real):
    found = real("cifar10/cifar10_subset")
    assert (found.format, found.problems, len(found.labels)) == ("folders", (), 10)
    assert found.labels[0] == "airplane"
    counts = {n: np.bincount([s.class_id for s in part.samples]).tolist() for n, part in found.splits.items()}
    assert counts == {"train": [1500] * 10, "test": [300] * 10}


def test_coco128(real):
    found = real("coco128/coco128_train")
    assert (found.format, len(found.labels)) == ("yolo", 80)
    assert [(p.kind, p.path.stem) for p in found.problems] == [
        ("missing_label", "000000000250"),
        ("missing_label", "000000000508"),
    ]
    samples = found.split().samples
    assert (len(samples), sum(len(s.xyxy) for s in samples)) == (128, 929)
    assert len(np.unique(np.concatenate([s.class_id for s in samples]))) == 71


def test_deeppcb(real):
    found = real("deeppcb/deeppcb_subset")
    assert (found.format, found.problems) == ("deeppcb", ())
    samples = found.split().samples
    assert (len(samples), sum(len(s.xyxy) for s in samples)) == (400, 2646)
    assert sum(s.group in ("12300", "77000", "90100") for s in samples) == 81
    assert len({s.group for s in samples}) == 11
    train, val = split_data(found.split(), {"train": 0.8, "val": 0.2}).values()
    assert not {s.group for s in train.samples} & {s.group for s in val.samples}
    assert 60 <= len(val.samples) <= 100
