"""Training that begins with given weights, and batches that are computed in parts."""

import json
import shutil

import pytest
import torch
from torch import nn

from vedette.errors import VedetteError
from vedette_torch.training import Hardware, train
from vedette_torch.training.start import Start

CPU = Hardware(accelerator="cpu")
TOLERANCE = 1e-5
"""Of weights after two epochs, which are of size 0.1 to 1: sums in another order."""


@pytest.fixture(scope="module")
def run(tiny, pictures, tmp_path_factory):
    """A finished training of three classes."""
    path = tmp_path_factory.mktemp("run") / "first"
    train(tiny.Tiny(), pictures, path, settings=tiny.TinySettings(epochs=2), hardware=CPU)
    return path


@pytest.fixture
def other_classes(pictures, tmp_path):
    """The same pictures in two classes."""
    for name in ("dark", "light"):
        shutil.copytree(pictures / "train" / name, tmp_path / "two" / "train" / f"very {name}")
    return tmp_path / "two"


def weights(path):
    return torch.load(path, weights_only=True)["network"]


def frozen(tiny):
    """Settings with which nothing moves: what comes out is what it began with."""
    return tiny.TinySettings(epochs=1, learning_rate=1e-30, optimiser="sgd")


@pytest.mark.parametrize("source", ["run", "best", "plain"])
def test_it_begins_with_them(tiny, pictures, run, tmp_path, source):
    torch.save(weights(run / "best.pt"), tmp_path / "plain.pt")
    given = {"run": run, "best": run / "best.pt", "plain": tmp_path / "plain.pt"}[source]
    train(
        tiny.Tiny(),
        pictures,
        tmp_path / "new",
        settings=frozen(tiny),
        hardware=CPU,
        start=Start(source=given),
    )
    before, after = weights(run / "best.pt"), weights(tmp_path / "new" / "best.pt")
    for name in ("0.weight", "7.weight", "7.bias"):
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-12)
    told = json.loads((tmp_path / "new" / "run.json").read_text())["start"]
    assert told.startswith("sha256 ")


def test_other_classes_need_a_new_head(tiny, other_classes, run, tmp_path):
    with pytest.raises(VedetteError) as caught:
        train(
            tiny.Tiny(), other_classes, tmp_path / "no", settings=frozen(tiny), hardware=CPU,
            start=Start(source=run),
        )  # fmt: skip
    assert (
        "2 tensors have other shapes: 7.bias [3] instead of [2], 7.weight [3, 32] instead of [2, 32]"
        in caught.value.message
    )
    assert "--new-head" in caught.value.fix
    said = []
    train(
        tiny.Tiny(), other_classes, tmp_path / "yes", settings=frozen(tiny), hardware=CPU,
        start=Start(source=run, new_head=True), say=said.append,
    )  # fmt: skip
    assert "begins with fresh weights in 7.bias [3] instead of [2]" in said[0]
    before, after = weights(run / "best.pt"), weights(tmp_path / "yes" / "best.pt")
    torch.testing.assert_close(after["0.weight"], before["0.weight"], rtol=0, atol=1e-12)
    assert after["7.weight"].shape == (2, 32)


def test_classes_of_other_names_are_said(tiny, pictures, run, tmp_path):
    for name in ("dark", "light", "striped"):
        shutil.copytree(pictures / "train" / name, tmp_path / "data" / "train" / f"very {name}")
    said = []
    train(
        tiny.Tiny(), tmp_path / "data", tmp_path / "new", settings=frozen(tiny), hardware=CPU,
        start=Start(source=run), say=said.append,
    )  # fmt: skip
    assert said[0].startswith(
        "the classes were dark, light, striped and are very dark, very light, very striped"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("0.weight"), "1 tensors are missing: 0.weight"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 tensors are not of this network: extra"),
        (
            lambda state: state.update({"0.weight": torch.zeros(8, 4, 3, 3)}),
            r"1 tensors have other shapes: 0.weight \[8, 4, 3, 3\] instead of \[8, 3, 3, 3\]",
        ),
    ],
)
@pytest.mark.parametrize("new_head", [False, True])
def test_what_does_not_fit_is_named(tiny, run, tmp_path, change, message, new_head):
    state = weights(run / "best.pt")
    change(state)
    torch.save(state, tmp_path / "w.pt")
    network = tiny.Tiny().network(tiny.TinySettings(), ("a", "b", "c"))
    with pytest.raises(VedetteError, match=message):
        Start(source=tmp_path / "w.pt", new_head=new_head).fill(network, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no", "cannot read the checkpoint"),
        ({"a": 1}, "is no file of weights"),
        ([1], "is no file of weights"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, message):
    path = tmp_path / "w.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(VedetteError, match=message):
        Start(source=path).fill(nn.Linear(1, 1), ())


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(VedetteError, match="it is not there"):
        Start(source=tmp_path / "none.pt").describe()
    with pytest.raises(VedetteError, match=r"a run without best\.pt"):
        Start(source=tmp_path).describe()


def test_a_run_is_resumed_from_its_checkpoint_and_not_from_other_weights(tiny, pictures, run, tmp_path):
    settings, out = tiny.TinySettings(epochs=1), tmp_path / "new"
    start = Start(source=run)
    train(tiny.Tiny(), pictures, out, settings=settings, hardware=CPU, start=start)
    again = train(tiny.Tiny(), pictures, out, settings=settings, hardware=CPU, start=start, resume=True)
    assert len(again.history) == 1
    with pytest.raises(VedetteError, match="holds another run: start differ"):
        train(tiny.Tiny(), pictures, out, settings=settings, hardware=CPU, resume=True)


def test_by_the_command_line(vedette, pictures, run, tmp_path):
    done = vedette(
        *("train", "tiny", "--data", pictures, "--out", tmp_path / "new", "--accelerator", "cpu"),
        *("--from", run, "--set", "epochs=1"),
    )
    assert done.returncode == 0, done.stderr
    alone = vedette("train", "tiny", "--data", pictures, "--out", tmp_path / "x", "--new-head")
    assert alone.returncode == 2
    assert "--new-head says something of --from" in alone.stderr


class WithoutNorm:
    """Batch normalisation would see the parts: without it they are the batch."""

    def __new__(cls, tiny):
        class Plain(tiny.Tiny):
            def network(self, settings, labels):
                network = super().network(settings, labels)
                network[1] = nn.Identity()
                return network

        return Plain()


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_teach_what_the_batch_does(tiny, pictures, tmp_path, parts):
    given = {"epochs": 2, "optimiser": "momentum", "learning_rate": 0.05, "clip_norm": 1.0, "mix": True}
    runs = []
    for name, accumulate in (("whole", 1), ("parts", parts)):
        settings = tiny.TinySettings(**given, accumulate=accumulate)
        out = tmp_path / name
        runs.append(train(WithoutNorm(tiny), pictures, out, settings=settings, hardware=CPU))
    whole, in_parts = (one.network.state_dict() for one in runs)
    fresh = WithoutNorm(tiny).network(settings, runs[0].labels).state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(in_parts[name], value, rtol=0, atol=TOLERANCE, msg=name)
    moved = max(float((whole[name] - fresh[name]).abs().max()) for name in whole)
    assert moved > 100 * TOLERANCE, "else the comparison says nothing"
    for one, other in zip(*(run.history for run in runs), strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], abs=TOLERANCE)
        assert other["gradient_norm"] == pytest.approx(one["gradient_norm"], abs=1e-4)


def test_a_batch_has_that_many_equal_parts(tiny):
    with pytest.raises(ValueError, match="batch_size 8 has no 3 equal parts"):
        tiny.TinySettings(accumulate=3)
