"""A search: its space, its trials, and that it goes on where it was killed."""

import csv
import signal
import tomllib

import pytest

from vedette.errors import ConfigError, VedetteError

optuna = pytest.importorskip("optuna", reason="needs pip install 'vedette-torch[search]'")

from vedette_torch.search import parse_space, read_space, search  # noqa: E402
from vedette_torch.training import Hardware  # noqa: E402

CPU = Hardware(accelerator="cpu", checkpoint_s=0)
SPACE = {
    "learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    "optimiser": {"choices": ["sgd", "adam"]},
}
ONE = {"epochs": 1}


def test_settings_are_found_and_written_down(tiny, pictures, tmp_path):
    said = []
    found = search(
        tiny.Tiny(),
        pictures,
        tmp_path,
        parse_space(SPACE),
        trials=4,
        fixed=ONE,
        hardware=CPU,
        say=said.append,
    )
    assert [trial.state for trial in found.trials] == ["complete"] * 4
    assert found.best.value == max(trial.value for trial in found.trials)
    assert found.settings.epochs == 1
    assert found.settings.learning_rate == found.best.values["learning_rate"]
    assert {trial.values["optimiser"] for trial in found.trials} <= {"sgd", "adam"}
    assert all(0.0001 <= trial.values["learning_rate"] <= 0.1 for trial in found.trials)
    with (tmp_path / "trials.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [float(row["value"]) for row in rows] == [trial.value for trial in found.trials]
    best = tomllib.loads((tmp_path / "best.toml").read_text())
    assert best == {"epochs": 1, **found.best.values}
    for trial in found.trials:
        assert metrics(trial.run)[-1] == pytest.approx(trial.value)
    assert "trial 4 of 4" in said


def test_the_same_seed_gives_the_same_trials_and_more_are_added(tiny, pictures, tmp_path):
    space = parse_space(SPACE)

    def run(where, trials):
        done = search(tiny.Tiny(), pictures, tmp_path / where, space, trials=trials, fixed=ONE, hardware=CPU)
        return [(trial.values, trial.value) for trial in done.trials]

    first = run("a", 2)
    assert run("b", 2) == first
    more = run("a", 3)
    assert more[:2] == first
    assert more[2] not in first, "a search that goes on must not draw what it drew before"
    assert run("a", 3) == more


def test_bad_trials_are_given_up(tiny, pictures, tmp_path):
    space = parse_space({"learning_rate": {"choices": [0.02, 0.03, 0.04, 1e-9]}})
    fixed = {"epochs": 3, "batch_size": 24}
    found = search(tiny.Tiny(), pictures, tmp_path, space, trials=8, fixed=fixed, hardware=CPU)
    given_up = [trial for trial in found.trials if trial.state == "given up"]
    assert given_up
    assert all(trial.epochs < 3 for trial in given_up)
    assert any(trial.values["learning_rate"] == 1e-9 for trial in given_up)
    assert found.best.values["learning_rate"] > 0.01
    assert all(len(metrics(trial.run)) == trial.epochs for trial in found.trials)


def test_killed_and_gone_on(tiny, pictures, tmp_path, vedette):
    space = tmp_path / "space.toml"
    space.write_text("[learning_rate]\nlow = 1e-3\nhigh = 1e-1\nlog = true\n")
    asked = [
        "search",
        "tiny",
        "--data",
        pictures,
        "--out",
        tmp_path / "study",
        "--space",
        space,
        "--trials",
        "3",
    ]
    asked += ["--set", "epochs=2", "--accelerator", "cpu", "--pruning", "none"]
    killed = vedette(*asked, VEDETTE_TEST_KILL_AT="14")  # nine steps an epoch
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = metrics(tmp_path / "study" / "trials" / "0000")
    assert len(left) == 1
    done = vedette(*asked)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.name for path in (tmp_path / "study" / "trials").iterdir())
    assert "0000" in runs
    assert len(runs) == 3
    went_on = metrics(tmp_path / "study" / "trials" / "0000")
    assert went_on[0] == left[0]
    assert len(went_on) == 2
    with (tmp_path / "study" / "trials.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["state"], row["epochs"]) for row in rows] == [("complete", "2")] * 3
    assert float(rows[0]["value"]) == pytest.approx(max(went_on))
    assert (
        f"vedette train tiny --data {pictures} --out RUN --set=epochs=2 --set=learning_rate=" in done.stdout
    )


def test_another_search_is_refused(tiny, pictures, tmp_path):
    space = parse_space(SPACE)
    search(tiny.Tiny(), pictures, tmp_path, space, trials=1, fixed=ONE, hardware=CPU)
    with pytest.raises(VedetteError, match="holds another search: seed differ"):
        search(tiny.Tiny(), pictures, tmp_path, space, trials=1, fixed=ONE, hardware=CPU, seed=1)
    other = parse_space({"learning_rate": {"low": 0.1, "high": 0.2}})
    with pytest.raises(VedetteError, match="space differ"):
        search(tiny.Tiny(), pictures, tmp_path, other, trials=1, fixed=ONE, hardware=CPU)


def test_a_failed_trial_is_told_and_all_failing_is_an_error(tiny, pictures, tmp_path):
    space = parse_space({"spoil_at": {"choices": [0, 2]}})
    found = search(tiny.Tiny(), pictures, tmp_path / "a", space, trials=6, fixed=ONE, hardware=CPU)
    assert {trial.state for trial in found.trials} == {"complete", "failed"}
    for trial in found.trials:
        assert (trial.values["spoil_at"] == 2) == (trial.state == "failed")
        assert ("the loss is nan" in trial.problem) == (trial.state == "failed")
    always = parse_space({"spoil_at": {"choices": [2, 3]}})
    with pytest.raises(VedetteError, match="all of the first 3 trials failed: the loss is nan"):
        search(tiny.Tiny(), pictures, tmp_path / "b", always, trials=6, fixed=ONE, hardware=CPU)


@pytest.mark.parametrize(
    ("space", "fixed", "message"),
    [
        ({"lerning_rate": {"low": 1, "high": 2}}, {}, "there is no setting 'lerning_rate'"),
        ({"momentum": {"low": 0.5, "high": 1.0}}, {}, "'momentum' does not take 1.0"),
        ({"epochs": {"low": 1.5, "high": 3}}, {}, "'epochs' does not take 1.5"),
        ({"schedule": {"choices": ["cosine", "cosinus"]}}, {}, "does not take 'cosinus'"),
        ({"epochs": {"low": 1, "high": 3}}, {"epochs": 2}, "fixed and searched"),
        ({"learning_rate": {"low": 0.1, "high": 0.2}}, {"validation": 0}, "needs a validation"),
    ],
)
def test_what_the_recipe_does_not_take_is_refused_before_anything_runs(
    tiny, pictures, tmp_path, space, fixed, message
):
    with pytest.raises(VedetteError, match=message):
        search(tiny.Tiny(), pictures, tmp_path / "s", parse_space(space), trials=1, fixed=fixed, hardware=CPU)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no setting to be searched"),
        ("[a]\nlow = 2\nhigh = 1\n", "low = 2 is not below high = 1"),
        ("[a]\nlow = 0\nhigh = 1\nlog = true\n", "log needs a low above 0"),
        ("[a]\nlow = 1\n", "high"),
        ("[a]\nlow = 1\nhigh = 2\nmiddle = 3\n", "middle"),
        ("[a]\nchoices = []\n", "choices is empty"),
        ("a = 1\n", r"\[a\]"),
        ("[a\n", "no TOML"),
    ],
)
def test_a_wrong_space_is_named(tmp_path, text, message):
    path = tmp_path / "space.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_space(path)
    assert str(path) in str(caught.value)


def test_lists_can_be_chosen(tiny, pictures, tmp_path):
    space = parse_space({"milestones": {"choices": [[1], [1, 2]]}})
    found = search(tiny.Tiny(), pictures, tmp_path, space, trials=1, fixed=ONE, hardware=CPU)
    assert list(found.settings.milestones) in ([1], [1, 2])
    assert (
        tomllib.loads((tmp_path / "best.toml").read_text())["milestones"] == found.best.values["milestones"]
    )


def metrics(run) -> list[float]:
    with (run / "metrics.csv").open() as lines:
        return [float(row["val_top1"]) for row in csv.DictReader(lines)]
