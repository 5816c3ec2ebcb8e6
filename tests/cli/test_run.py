"""``vedette run`` as users start it: a real process, real outputs, Ctrl-C."""

import json
import signal
import subprocess
import sys
import time

import av
import pytest

from vedette.packet import Ran
from vedette.sinks.jsonl import read_jsonl

VEDETTE = [sys.executable, "-m", "vedette"]


@pytest.fixture
def store(data):
    return str(data / "videos/store-aisle-detection.mp4")


def vedette(*arguments, **options):
    return subprocess.run(
        [*VEDETTE, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_one_model_over_one_video(packed, store, tmp_path):
    jsonl, video, summary = tmp_path / "o.jsonl", tmp_path / "o.mp4", tmp_path / "s.json"
    done = vedette(
        *("run", packed("yolox_nano"), store, "--jsonl", jsonl, "--video", video, "--summary", summary),
        *("--device", "cpu", "--backend", "openvino", "--param", "confidence_threshold=0.4"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(summary.read_text())
    assert report["balanced"]
    assert report["streams"]["stream"]["complete"] == 67
    graph = report["stages"]["model"]["graphs"]["model"]
    assert (graph["backend"], graph["device"], graph["execution_precision"]) == ("openvino", "cpu", "f32")
    assert set(report["stages"]["model"]["mean_ms"]) == {"preprocess", "infer", "postprocess"}
    assert "67" in done.stdout
    assert "openvino:cpu f32" in done.stdout
    people = [record.results["model"].class_id.tolist().count(0) for record in read_jsonl(jsonl)]
    assert len(people) == 67
    assert sorted(people)[33] >= 2


def test_a_pipeline_file_counts_from_its_folder(packed, store, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/link.mp4").symlink_to(store)
    (tmp_path / "conf/pipeline.toml").write_text(f"""
name = "shop"

[[stream]]
name = "aisle"
source = "link.mp4"

[[stage]]
name = "detect"
bundle = "{packed("fastestdet")}"
every = 10

[[sink]]
use = "jsonl"
params = {{ path = "{{stream}}.jsonl" }}
""")
    done = vedette("run", "conf/pipeline.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = list(read_jsonl(tmp_path / "aisle.jsonl"))
    assert [isinstance(record.outcome["detect"], Ran) for record in records] == [
        n % 10 == 0 for n in range(67)
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_cleanly_with_nothing_half_written(packed, data, tmp_path, number):
    jsonl, video, summary = tmp_path / "o.jsonl", tmp_path / "o.mp4", tmp_path / "s.json"
    source = data / "videos/one-by-one-person-detection.mp4"
    process = subprocess.Popen(
        [
            *VEDETTE, "run", str(packed("fastestdet")), str(source),
            "--jsonl", str(jsonl), "--video", str(video), "--summary", str(summary),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell passes on "ignore"
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (jsonl.exists() and jsonl.read_bytes().count(b"\n") > 40):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in out
    assert "Traceback" not in err
    written = len(list(read_jsonl(jsonl)))
    report = json.loads(summary.read_text())
    counts = report["streams"]["stream"]
    assert report["balanced"]
    assert counts["in_flight"] == 0
    assert 40 < written == counts["complete"] == counts["captured"] < 1394
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.jsonl", "o.mp4", "s.json"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["model.vedette"], 2, "give a SOURCE"),
        (["none.toml"], 1, "none.toml: cannot be read"),
        (["none.vedette", "x.mp4"], 1, "none.vedette: there is no such bundle"),
        (["x.toml", "x.mp4"], 2, "a pipeline file says these itself: SOURCE"),
        (["x.vedette", "x.mp4", "--param", "threshold"], 2, "'threshold' is not KEY=VALUE"),
    ],
)
def test_wrong_command_lines_say_what_to_do(arguments, code, message, tmp_path):
    done = vedette("run", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_here_is_an_error_or_a_noted_fallback(packed, store, tmp_path):
    done = vedette("run", packed("fastestdet"), store, "--device", "npu")
    assert done.returncode == 1
    assert "device 'npu': not here (" in done.stderr
    assert "openvino has cpu" in done.stderr
    summary = tmp_path / "s.json"
    done = vedette(
        *("run", packed("fastestdet"), store, "--device", "npu", "--device", "cpu"),
        *("--summary", summary, "--every", 20, "--jsonl", tmp_path / "x.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    assert "did not use device 'npu': not here" in done.stdout
    assert "not here" in json.loads(summary.read_text())["stages"]["model"]["fallbacks"][0]
