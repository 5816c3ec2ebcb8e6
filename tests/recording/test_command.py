"""``vedette run --record``, and its folder as a source."""

import subprocess
import sys


def vedette(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "vedette", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_record_and_run_again(data, packed, tmp_path):
    model, video = packed("fastestdet"), data / "videos/store-aisle-detection.mp4"
    first = vedette("run", model, video, "--record", tmp_path / "rec", "--jsonl", tmp_path / "first.jsonl")
    assert first.returncode == 0, first.stderr
    assert f"was recorded to {tmp_path / 'rec'} (67 images, 0.4 MB, complete)" in first.stdout
    again = vedette("run", model, tmp_path / "rec", "--jsonl", tmp_path / "again.jsonl")
    assert again.returncode == 0, again.stderr
    assert "recorded" not in again.stdout
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "first.jsonl").read_bytes()

    refused = vedette("run", model, video, "--record", tmp_path / "rec")
    assert refused.returncode != 0
    assert "is not empty" in refused.stderr
