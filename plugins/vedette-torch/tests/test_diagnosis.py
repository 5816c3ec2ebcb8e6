"""What a run is said to suffer from, by rows that suffer from one thing each."""

import pytest

from vedette_torch.training.diagnosis import diagnose
from vedette_torch.training.position import best_epoch, out_of_patience


def run(n=6, **columns):
    """Rows of a good run of ``n`` epochs; ``columns`` replace values, by number or by function of the epoch."""
    good = {
        "epoch": lambda e: e,
        "learning_rate": lambda e: 0.1 * (1 - e / n),
        "train_loss": lambda e: 1 / (1 + e),
        "val_loss": lambda e: 1.05 / (1 + e),
        "val_top1": lambda e: 0.95 - 0.1 / (1 + e),
        "probe_top1": lambda e: 0.96 - 0.1 / (1 + e),
        "val_pictures": 1000,
        "seconds": 10.0,
        "waited_s": 0.5,
    } | columns
    return [{name: float(v(e) if callable(v) else v) for name, v in good.items()} for e in range(n)]


def kinds(rows):
    return [finding.kind for finding in diagnose(rows, "top1", 500)]


def test_nothing_stands_out():
    assert kinds(run()) == ["fine"]


@pytest.mark.parametrize(("waited", "expected"), [(2.4, ["fine"]), (2.6, ["waits_for_loader"])])
def test_waits_for_its_loader(waited, expected):
    assert kinds(run(waited_s=waited)) == expected


def test_the_first_epoch_reads_all_files_and_does_not_count():
    assert kinds(run(waited_s=lambda e: 9.0 if e == 0 else 0.1)) == ["fine"]


def test_overfits_when_the_validation_loss_turned():
    rows = run(probe_top1=0.99, val_top1=0.80, val_loss=lambda e: 0.5 + 0.1 * abs(e - 2))
    assert kinds(rows) == ["overfits"]
    [finding] = diagnose(rows, "top1", 500)
    assert "0.990 on training pictures and 0.800 on others" in finding.message
    assert "from 0.500 (epoch 3) to 0.800" in finding.message
    assert "weight_decay" in finding.try_next


def test_lacks_data_when_it_did_not_turn():
    rows = run(probe_top1=0.99, val_top1=0.80)
    assert kinds(rows) == ["lacks_data"]
    assert "500 samples" in str(diagnose(rows, "top1", 500)[0])


@pytest.mark.parametrize(("pictures", "expected"), [(2000, ["lacks_data"]), (20, ["fine"])])
def test_a_gap_that_chance_explains_is_none(pictures, expected):
    assert kinds(run(probe_top1=0.98, val_top1=0.90, val_pictures=pictures)) == expected


def test_underfits():
    assert kinds(run(probe_top1=0.61, val_top1=0.6)) == ["underfits"]


def test_unfinished():
    assert kinds(run(learning_rate=0.1, probe_top1=0.7, val_top1=lambda e: 0.5 + 0.03 * e)) == ["unfinished"]


def test_without_validation_only_the_loader_can_be_judged():
    row = {"epoch": 0.0, "seconds": 1.0, "waited_s": 0.9, "learning_rate": 0.1, "train_loss": 1.0}
    assert kinds([row, row]) == ["waits_for_loader"]
    assert kinds([row]) == ["fine"], "all files had to be read"
    assert kinds([]) == ["fine"]


def test_patience_counts_from_the_first_best():
    rows = [{"val_top1": value} for value in (0.1, 0.5, 0.4, 0.5)]
    assert best_epoch(rows, "val_top1") == 1
    assert out_of_patience(rows, "val_top1", 2)
    assert not out_of_patience(rows, "val_top1", 3)
    assert not out_of_patience(rows, "val_top1", None)
    assert not out_of_patience([{"train_loss": 1.0}], "val_top1", 1)
