"""A run that was killed and goes on ends, to the bit, as one that was not."""

import csv
import signal

import pytest
import torch

from vedette.errors import VedetteError
from vedette_torch.training import Hardware, train

TIMES = {"seconds", "waited_s"}
ALL_THAT_DRAWS = {"mix": True, "dropout": 0.3, "ema": 0.9, "clip_norm": 1.0, "schedule": "one_cycle"}
CPU = Hardware(accelerator="cpu", checkpoint_s=0)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def options():
    return [f"--set={name}={value}" for name, value in ALL_THAT_DRAWS.items()]


@pytest.mark.parametrize(
    ("kill_at", "checkpoint_s"),
    [pytest.param(14, 0, id="after-every-step"), pytest.param(14, 3600, id="after-every-epoch")],
)
def test_killed_and_resumed_is_as_if_never_killed(
    tiny, pictures, tmp_path, vedette, options, kill_at, checkpoint_s
):
    settings = tiny.TinySettings(**ALL_THAT_DRAWS)
    train(tiny.Tiny(), pictures, tmp_path / "whole", settings=settings, hardware=CPU)

    killed = vedette(
        *("train", "tiny", "--data", pictures, "--out", tmp_path / "killed", "--accelerator", "cpu"),
        *("--checkpoint-s", checkpoint_s, *options),
        VEDETTE_TEST_KILL_AT=str(kill_at),
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["position"]
    assert '"epoch":1' in left
    assert ('"step":4' in left) == (checkpoint_s == 0)

    train(tiny.Tiny(), pictures, tmp_path / "killed", settings=settings, hardware=CPU, resume=True)
    for name in ("last.pt", "best.pt"):
        assert_same_tensors(
            *(torch.load(tmp_path / run / name, weights_only=True) for run in ("whole", "killed"))
        )
    assert rows(tmp_path / "whole") == rows(tmp_path / "killed")


def test_a_complete_run_stays_as_it_is(tiny, pictures, tmp_path):
    train(tiny.Tiny(), pictures, tmp_path, settings=tiny.TinySettings(epochs=1), hardware=CPU)
    before = (tmp_path / "last.pt").read_bytes()
    metrics = (tmp_path / "metrics.csv").read_text()
    (tmp_path / "metrics.csv").unlink()  # as if killed between the two files
    done = train(
        tiny.Tiny(), pictures, tmp_path, settings=tiny.TinySettings(epochs=1), hardware=CPU, resume=True
    )
    assert (tmp_path / "last.pt").read_bytes() == before
    assert (tmp_path / "metrics.csv").read_text() == metrics
    assert len(done.history) == 1


@pytest.mark.parametrize(
    ("change", "named"), [({"epochs": 2}, "epochs"), ({"learning_rate": 0.5}, "learning_rate")]
)
def test_another_run_is_refused(tiny, pictures, tmp_path, change, named):
    begin = tiny.TinySettings(epochs=1)
    train(tiny.Tiny(), pictures, tmp_path, settings=begin, hardware=CPU)
    settings = tiny.TinySettings(**({"epochs": 1} | change))
    with pytest.raises(VedetteError, match=f"holds another run: {named} differ"):
        train(tiny.Tiny(), pictures, tmp_path, settings=settings, hardware=CPU, resume=True)
    with pytest.raises(VedetteError, match="holds a run already"):
        train(tiny.Tiny(), pictures, tmp_path, settings=begin, hardware=CPU)


def test_other_data_is_refused(tiny, pictures, tmp_path):
    from shutil import copytree

    settings = tiny.TinySettings(epochs=1)
    copytree(pictures, tmp_path / "data")
    train(tiny.Tiny(), tmp_path / "data", tmp_path / "run", settings=settings, hardware=CPU)
    (tmp_path / "data" / "train" / "dark" / "31.png").unlink()
    with pytest.raises(VedetteError, match="data_digest"):
        train(tiny.Tiny(), tmp_path / "data", tmp_path / "run", settings=settings, hardware=CPU, resume=True)


def test_a_damaged_checkpoint_is_named(tiny, pictures, tmp_path):
    settings = tiny.TinySettings(epochs=1)
    train(tiny.Tiny(), pictures, tmp_path, settings=settings, hardware=CPU)
    (tmp_path / "last.pt").write_bytes((tmp_path / "last.pt").read_bytes()[:1000])
    with pytest.raises(VedetteError, match=r"cannot read the checkpoint .*last\.pt"):
        train(tiny.Tiny(), pictures, tmp_path, settings=settings, hardware=CPU, resume=True)


def assert_same_tensors(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one.keys() - {"position"}:
            assert_same_tensors(one[name], other[name])
    elif isinstance(one, list | tuple):
        for left, right in zip(one, other, strict=True):
            assert_same_tensors(left, right)
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    else:
        assert one == other


def rows(run):
    with (run / "metrics.csv").open() as lines:
        return [
            {name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(lines)
        ]
