"""``vedette fit-site anomaly``: from normal video to a proved bundle that finds what is not normal."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-anomaly[torch]'")
pytest.importorskip("torch", reason="needs torch: pip install 'vedette-anomaly[torch]'")

import drawn
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.bundle.store import ModelStore
from vedette.cli import main
from vedette.errors import VedetteError
from vedette.pipeline.run import Pipeline
from vedette_anomaly.recipes.footage import Footage
from vedette_anomaly.site.suitable import check_footage, look_at_footage

SMALL = (
    "--rate",
    drawn.RATE,
    "--width",
    96,
    "--set",
    "epochs=1",
    "--set",
    "windows=640",
    "--set",
    "checked=4",
)


def vedette(*arguments):
    """In this process: importing torch again takes longer than all that is tested here."""
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What the command made of 5 minutes of normal video, and what it said."""
    folder = tmp_path_factory.mktemp("site")
    video = drawn.write_video(folder / "normal.mp4", drawn.normal(1500))
    done = vedette("fit-site", "anomaly", "--video", video, "--out", folder / "out", "--install", *SMALL)
    assert done.exit_code == 0, done.output
    return folder, done.output


def events_of(site, pictures, tmp_path):
    """Of the pipeline that was written, over another video."""
    video = drawn.write_video(tmp_path / "other.mp4", pictures)
    text = (site[0] / "out" / "pipeline.toml").read_text()
    text = text.replace(str(site[0] / "normal.mp4"), str(video)).replace(
        "anomalies-{start}", f"{tmp_path}/found"
    )
    (site[0] / "out" / "other.toml").write_text(text)
    found = []
    with Pipeline.from_toml(site[0] / "out" / "other.toml") as pipeline:
        pipeline.observe(lambda packet: found.extend((packet.frame.seq, event) for event in packet.events))
        pipeline.run()
    return found, [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]


def test_the_square_raises_one_event_with_its_place_and_a_picture(site, tmp_path):
    found, lines = events_of(site, drawn.unusual(), tmp_path)
    assert [event.kind for _, event in found] == ["anomaly.started", "anomaly.ended"]
    (at, started), (end, _) = found
    assert drawn.BEGINS <= at < drawn.ENDS < end < 60
    left, top, right, bottom = started.data["xyxy"]
    middle = (at - drawn.BEGINS) * 8 + 11
    assert left - 12 < middle < right + 12
    assert top < 42
    assert bottom > 20
    (line,) = (line["event"] for line in lines if line.get("event", {}).get("kind") == "anomaly.started")
    assert (tmp_path / line["evidence"][0]["path"]).read_bytes().startswith(b"\x89PNG")


def test_normal_video_raises_none(site, tmp_path):
    found, _ = events_of(site, drawn.normal(150, seed=5), tmp_path)
    assert found == []


def test_the_bundle_is_proved_installed_and_says_where_it_is_from(site):
    folder, said = site
    assert "proof of f32" in said
    assert "installed normal" in said
    assert "limit for 1 false alarms per day" in said
    with open_bundle(folder / "out" / "normal.vedette") as bundle:
        manifest = bundle.manifest
        assert manifest.temporal.rate_hz == drawn.RATE
        assert manifest.decoder.params["alarm"] > 0
        assert manifest.provenance.data == ("normal.mp4",)
        assert len(manifest.goldens) == 12
    assert vedette("verify", folder / "out" / "normal.vedette").exit_code == 0
    assert ModelStore().get("normal") is not None


def test_a_second_time_it_does_not_learn_again(site):
    folder, _ = site
    before = (folder / "out" / "run" / "best.pt").stat().st_mtime_ns
    done = vedette("fit-site", "anomaly", "--video", folder / "normal.mp4", "--out", folder / "out", *SMALL)
    assert done.exit_code == 0, done.output
    assert (folder / "out" / "run" / "best.pt").stat().st_mtime_ns == before


def judged(pictures, rate=10.0):
    return look_at_footage([Footage("x", 0, [picture[None] for picture in pictures])], rate)


def test_unfit_footage_is_refused_with_all_that_is_wrong_in_numbers():
    good = judged(drawn.normal(1300))
    check_footage(good)
    noise = [np.random.default_rng(at).integers(2, 5, (64, 96)).astype(np.uint8) for at in range(100)]
    with pytest.raises(VedetteError) as refused:
        check_footage(judged(noise))
    text = str(refused.value)
    assert "10 seconds long, and 120 are the least" in text
    assert "too dark" in text
    assert "nothing moves" in text
    with pytest.raises(VedetteError, match=r"nothing moves in it.* changes by 0\.00 of 255, and 2 is"):
        check_footage(judged([drawn.normal(1)[0]] * 1300))


def test_short_video_is_refused_before_anything_is_learnt(tmp_path):
    video = drawn.write_video(tmp_path / "short.mp4", drawn.normal(50))
    done = vedette("fit-site", "anomaly", "--video", video, "--out", tmp_path / "out", *SMALL)
    assert done.exit_code == 1
    assert "10 seconds long, and 120 are the least" in done.output
    assert not (tmp_path / "out").exists()


def test_without_torch_it_says_what_to_install(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch' or name.startswith('torch.'):\n"
        "            raise ModuleNotFoundError(f\"No module named '{name}'\", name='torch')\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    code, said = on_a_box(tmp_path, "fit-site", "anomaly", "--video", "x.mp4")
    assert code != 0
    assert "pip install 'vedette-anomaly[torch]'" in said
    code, said = on_a_box(tmp_path, "plugins")
    assert code == 0
    assert "anomaly_error" in said


def on_a_box(path, *arguments):
    """In a process of its own, whose ``path`` has a ``sitecustomize.py``."""
    done = subprocess.run(
        [sys.executable, "-m", "vedette", *arguments],
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_help_explains_itself():
    assert "--false-alarms-per-day" in vedette("fit-site", "anomaly", "--help").output


def test_a_run_of_vedette_train_is_packed_the_same_way(tmp_path):
    (tmp_path / "videos").mkdir()
    drawn.write_video(tmp_path / "videos" / "normal.mp4", drawn.normal(900))
    small = [
        "epochs=1",
        "windows=64",
        "checked=4",
        "validation=0.5",
        "latent=8",
        "size_wh=[96,64]",
        "rate_hz=5",
    ]
    settings = [word for setting in small for word in ("--set", setting)]
    run = tmp_path / "run"
    trained = vedette("train", "frame_autoencoder", "--data", tmp_path / "videos", "--out", run, *settings)
    assert trained.exit_code == 0, trained.output
    assert f"vedette fit-site pack {run}" in trained.output
    done = vedette("fit-site", "pack", run, "--false-alarms-per-day", 24)
    assert done.exit_code == 0, done.output
    assert "limit for 24 false alarms per day" in done.output
    with open_bundle(run / "run.vedette") as bundle:
        assert set(bundle.manifest.graphs["model"].inputs) == {"frame"}  # one picture tells: no state
