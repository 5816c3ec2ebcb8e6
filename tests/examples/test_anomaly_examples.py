"""The examples of autoencoders run as their first lines say, and do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vedette_anomaly", reason="needs vedette-anomaly: pip install ./plugins/vedette-anomaly")
pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-anomaly[torch]'")
pytest.importorskip("torch", reason="needs torch: pip install 'vedette-anomaly[torch]'")

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, folder):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert len((EXAMPLES / name).read_text().splitlines()) < 40
    return done.stdout


def test_noise_is_taken_away(tmp_path):
    before, after = map(float, re.findall(r"([\d.]+) dB", run("11_denoise.py", tmp_path / "run")))
    assert after > before + 2


def test_a_few_bytes_bring_the_picture_back(tmp_path):
    out = run("12_compress.py", tmp_path / "run")
    size, png = int(re.match(r"(\d+) bytes", out)[1]), int(re.search(r"PNG: (\d+)", out)[1])
    assert size < png / 10
    assert float(re.search(r"([\d.]+) dB", out)[1]) > 16
