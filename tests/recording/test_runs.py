"""A recorded run is repeated: the same images, clocks, tickets and results."""

import json

import numpy as np
import pytest

from vedette.errors import PipelineError, SourceError
from vedette.frame import Packed
from vedette.registry import load_plugins

FORMATS = ["bgr", "rgb", "gray8", "gray16", "nv12", "i420", "yuyv"]


def stored(folder):
    return [json.loads(line) for line in (folder / "captures.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("format", FORMATS)
def test_pixels_of_any_source(bench, tmp_path, capture, image, format):
    items = [capture(image(format, seed=n), seq=n) for n in range(5)]
    first = bench.run(bench.given(items), record=tmp_path / "rec")
    assert len(first) == 5
    assert len({json.dumps(json.loads(line)["stages"]) for line in first}) == 5
    assert bench.run(str(tmp_path / "rec")) == first


def test_epochs_orientation_and_every_field_of_the_clock(bench, tmp_path, capture, image):
    items = [
        capture(image("bgr", seed=n), seq=n % 3, epoch=n // 3, orientation=turn)
        for n, turn in enumerate((0, 90, 180, 270, 90, 0))
    ]
    first = bench.run(bench.given(items), record=tmp_path / "rec")
    assert [json.loads(line)["epoch"] for line in first] == [0, 0, 0, 1, 1, 1]
    assert [json.loads(line)["size_wh"] for line in first][:2] == [[38, 21], [21, 38]]
    assert json.loads(first[0])["clock"]["uncertainty_ns"] == 7
    assert bench.run(str(tmp_path / "rec")) == first


def test_still_images_are_kept_as_they_came(bench, tmp_path, capture, jpeg):
    pictures = [jpeg(n) for n in range(4)]
    first = bench.run(
        bench.given([capture(p, seq=n) for n, p in enumerate(pictures)]), record=tmp_path / "rec"
    )
    assert (tmp_path / "rec/media.bin").read_bytes() == b"".join(picture.data for picture in pictures)
    assert bench.run(str(tmp_path / "rec")) == first


def test_a_live_source_with_drops(bench, tmp_path, capture, jpeg):
    """A camera that is faster than its stage: the same tickets again, and the dropped images if they are wanted."""
    camera = (capture(jpeg(n), seq=n) for n in range(40))
    source = bench.given(camera, live=True, period_s=0.004)
    slow = [{"name": "seen", "use": "fingerprint", "params": {"slow_s": 0.02}}]
    first = bench.run(source, record=tmp_path / "rec", in_flight=1, stages=slow)
    dropped = sum(bench.summary.streams["door"]["dropped"].values())
    assert dropped > 5
    assert len(first) == 40 - dropped
    lines = stored(tmp_path / "rec")[:-1]
    assert [line["seq"] for line in lines] == list(range(40))
    assert [line["seq"] for line in lines if line["fate"] == "admitted"] == [
        json.loads(x)["seq"] for x in first
    ]
    assert bench.run(str(tmp_path / "rec"), stages=slow) == first

    every = bench.run(str(tmp_path / "rec"), params={"dropped": True})
    assert [json.loads(line)["seq"] for line in every] == list(range(40))
    clocks = {json.loads(line)["seq"]: json.loads(line)["clock"] for line in every}
    assert all(clocks[json.loads(line)["seq"]] == json.loads(line)["clock"] for line in first)


def test_a_source_that_failed_fails_again(bench, tmp_path, capture, image):
    items = [capture(image("gray8"), seq=0), SourceError("rtsp://me:secret@cam/1: it went away")]
    with pytest.raises(SourceError, match="it went away"):
        bench.run(bench.given(items) + "me:secret@cam/1", record=tmp_path / "rec")
    first = bench.lines
    assert json.loads((tmp_path / "rec/recording.json").read_text())["source"] == "given://***@cam/1"
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "rec").iterdir())
    with pytest.raises(SourceError, match=r"the recorded source failed here: .*it went away"):
        bench.run(str(tmp_path / "rec"))
    assert bench.lines == first
    assert len(first) == 1


def test_the_summary_says_what_was_recorded(bench, tmp_path, capture, image):
    bench.run(bench.given([capture(image("gray8"), seq=n) for n in range(3)]), record=tmp_path / "{stream}")
    told = bench.summary.streams["door"]["recording"]
    size = sum((tmp_path / "door" / name).stat().st_size for name in ("media.bin", "captures.jsonl"))
    assert told == {
        "folder": str(tmp_path / "door"),
        "captures": 3,
        "bytes": told["bytes"],
        "state": "complete",
        "error": None,
    }
    assert told["bytes"] == size
    bench.run(str(tmp_path / "door"))
    assert bench.summary.streams["door"]["recording"] is None


def test_a_bound_ends_the_recording_and_not_the_stream(bench, tmp_path, capture, image, caplog):
    items = [capture(Packed("gray8", image("gray8", (200, 100), n).pixels), seq=n) for n in range(20)]
    first = bench.run(bench.given(items), record=tmp_path / "rec", record_max_mb=0.1)
    assert len(first) == 20
    told = bench.summary.streams["door"]["recording"]
    assert told["state"] == "full"
    assert 50_000 < told["bytes"] <= 100_000
    assert "reached its bound of 100000 bytes" in caplog.text
    assert bench.run(str(tmp_path / "rec")) == first[: told["captures"]]
    assert told["captures"] == 4  # of 20 kB of noise each


def test_a_full_disk_ends_the_recording_and_not_the_stream(
    bench, tmp_path, capture, image, caplog, monkeypatch
):
    real, left = __import__("os").write, [3]

    def write(file, data):
        if len(data) > 10_000:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr("vedette.recording.files.os.write", write)
    first = bench.run(
        bench.given([capture(image("bgr", (200, 100), n), seq=n) for n in range(6)]), record=tmp_path / "rec"
    )
    assert len(first) == 6
    told = bench.summary.streams["door"]["recording"]
    assert told["state"] == "failed"
    assert "No space left" in told["error"]
    assert "the stream goes on" in caplog.text
    assert bench.run(str(tmp_path / "rec")) == first[:3]


def test_a_folder_that_is_in_use_is_refused(bench, tmp_path, capture, image):
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec/other").write_text("mine")
    with pytest.raises(PipelineError, match="not empty"):
        bench.run(bench.given([capture(image("bgr"))]), record=tmp_path / "rec")
    assert [path.name for path in (tmp_path / "rec").iterdir()] == ["other"]


def test_a_pipeline_that_never_ran_leaves_no_recording(bench, tmp_path, capture, image):
    """So that the folder can be used when what was wrong is put right."""
    from vedette.pipeline.run import Pipeline

    config = {
        "stream": [
            {"name": "door", "source": bench.given([capture(image("bgr"))]), "record": str(tmp_path / "rec")}
        ],
        "stage": [{"name": "seen", "use": "fingerprint"}],
    }
    Pipeline.from_dict(config, registry=bench.registry).close()
    assert not (tmp_path / "rec").exists()


def test_pace_is_that_of_the_recorded_clock(bench, tmp_path, capture, image):
    import time

    def camera():
        for n in range(4):
            yield capture(image("gray8", seed=n), seq=n)

    first = bench.run(bench.given(camera(), period_s=0.1), record=tmp_path / "rec")
    clocks = [json.loads(line)["clock"]["mono_ns"] for line in first]
    start = time.monotonic()
    assert bench.run(str(tmp_path / "rec"), params={"pace": "real"}) == first
    assert time.monotonic() - start >= (clocks[-1] - clocks[0]) / 1e9
    assert np.all(np.diff(clocks) > 0)


def test_an_isolated_source_is_kept_as_pixels(bench, data, packed, tmp_path):
    """No units come out of the process that decodes: a replay would decode here what was not to be trusted with it."""
    bench.registry = load_plugins()  # the child cannot import the plugins of a test
    detect = [{"name": "detect", "bundle": str(packed("fastestdet"))}]
    source = str(data / "videos/person-bicycle-car-detection.mp4")
    first = bench.run(source, record=tmp_path / "rec", params={"stop_s": 1.5}, isolate=True, stages=detect)
    assert len(first) > 10
    assert {line["image"]["kind"] for line in stored(tmp_path / "rec")[:-1]} == {"pixels"}
    assert bench.run(str(tmp_path / "rec"), stages=detect) == first
    assert bench.run(str(tmp_path / "rec"), stages=detect, isolate=True) == first


def test_a_source_that_was_opened_again(bench, capture, image, tmp_path):
    """The epochs of a recording are those of the run, not those of the source."""
    policy = {"within_s": 0.01, "times": 1}
    camera = [[capture(image("gray8", seed=n), seq=n) for n in range(start, start + 3)] for start in (0, 3)]
    bench.given(camera[1])
    source = bench.given([*camera[0], SourceError("unplugged")])
    first = bench.run(source, record=tmp_path / "rec", reopen=policy)
    assert [json.loads(line)["epoch"] for line in first] == [0, 0, 0, 1, 1, 1]
    assert bench.run(str(tmp_path / "rec")) == first
