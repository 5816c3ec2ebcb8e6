"""The folder of a run: one process at a time, and files in whole or not at all."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from vedette.errors import VedetteError
from vedette_torch.training import Hardware, train
from vedette_torch.training.checkpoint import load_weights
from vedette_torch.training.run_folder import RunFolder

CPU = Hardware(accelerator="cpu")
HOLD = """
import sys, pathlib
from vedette_torch.training.run_folder import RunFolder
with RunFolder(pathlib.Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"locked\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_in_use_is_refused_and_free_again_when_its_process_dies(tiny, pictures, tmp_path, holder):
    with pytest.raises(VedetteError, match=rf"is in use by process {holder.pid}\b"):
        train(tiny.Tiny(), pictures, tmp_path, hardware=CPU)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with RunFolder(tmp_path).locked():
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_full_disk_leaves_the_old_checkpoint(tiny, pictures, tmp_path):
    train(tiny.Tiny(), pictures, tmp_path, settings=tiny.TinySettings(epochs=1), hardware=CPU)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(VedetteError, match=r"cannot write .*last\.pt: .*still there\n.*--resume"):
            RunFolder(tmp_path).write("last.pt", b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_in_it(tiny, pictures, tmp_path):
    done = train(tiny.Tiny(), pictures, tmp_path, settings=tiny.TinySettings(epochs=2), hardware=CPU)
    info = RunFolder(tmp_path).read_info()
    assert (info.recipe, info.labels) == ("tiny", ("dark", "light", "striped"))
    assert (info.train_samples, info.validation_samples) == (72, 24)
    assert info.settings["seed"] == 0
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,learning_rate,train_loss")
    assert '"torch"' in (tmp_path / "environment.json").read_text()
    load_weights(tmp_path / "best.pt", done.network)
    with pytest.raises(VedetteError, match="does not fit this network"):
        load_weights(tmp_path / "best.pt", tiny.Tiny().network(tiny.TinySettings(width=4), done.labels))


def test_not_a_run(tmp_path):
    with pytest.raises(VedetteError, match="is not a run of vedette train"):
        RunFolder(tmp_path).read_info()


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoilt(tiny, pictures, tmp_path):
    import json

    import torch

    settings = tiny.TinySettings(epochs=2, spoil_at=12)  # 9 steps an epoch: the third of the second one
    with pytest.raises(
        VedetteError, match=r"the loss is nan at step 3 of epoch 2.*last\.pt is from before it"
    ):
        train(
            tiny.Tiny(),
            pictures,
            tmp_path,
            settings=settings,
            hardware=Hardware(accelerator="cpu", checkpoint_s=0),
        )
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    assert '"epoch":1,"step":2' in state["position"]
    assert all(value.isfinite().all() for value in state["network"].values())
    listing = json.loads((tmp_path / "not_finite.json").read_text())
    assert (listing["epoch"], listing["step"], len(listing["pictures"])) == (1, 2, 8)
    assert all(path.startswith(str(pictures)) for path in listing["pictures"])


def test_a_gradient_that_is_not_finite_stops_too(tiny, pictures, tmp_path):
    from torch import nn

    class Steep(nn.Module):
        def forward(self, x):
            return (x - x).abs().sqrt() + x  # the gradient of sqrt at 0 is infinite

    class Recipe(tiny.Tiny):
        def network(self, settings, labels):
            return nn.Sequential(super().network(settings, labels), Steep())

    with pytest.raises(
        VedetteError, match=r"norm of the gradient is nan at step 1 of epoch 1.*no checkpoint yet"
    ):
        train(Recipe(), pictures, tmp_path, hardware=CPU)


def test_patience(tiny, pictures, tmp_path):
    settings = tiny.TinySettings(epochs=40, patience=2, learning_rate=1e-9)
    done = train(tiny.Tiny(), pictures, tmp_path, settings=settings, hardware=CPU)
    assert len(done.history) == done.best_epoch + 3


def test_too_few_pictures_for_a_batch(tiny, pictures, tmp_path):
    with pytest.raises(VedetteError, match="72 training pictures do not fill a batch of 100"):
        train(tiny.Tiny(), pictures, tmp_path, settings=tiny.TinySettings(batch_size=100), hardware=CPU)


def test_a_batch_that_cannot_be_shared(tiny, pictures, tmp_path):
    with pytest.raises(VedetteError, match="batch of 8 cannot be shared evenly by 3 processes"):
        train(tiny.Tiny(), pictures, tmp_path, hardware=Hardware(accelerator="cpu", devices=3))


def test_an_accelerator_that_is_not_there(tiny, pictures, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(VedetteError, match="cannot train on cuda"):
        train(tiny.Tiny(), pictures, tmp_path, hardware=Hardware(accelerator="cuda"))
