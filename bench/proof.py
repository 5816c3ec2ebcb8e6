"""What proving a model costs a start: the first time, and when the proof is remembered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure, Outcome
from bench.options import NO_DATA, Options
from bench.storage import bundle
from vedette.registry import load_plugins

PROGRAM = """
import json, sys
from vedette import Pipeline
summary = Pipeline.from_dict(json.loads(sys.argv[1])).run()
assert summary.streams["picture"]["complete"] == 1
print(json.dumps(summary.stages["model"]["proof"]))
"""
NOTE = "from the start of the process to its end, with one picture in between, taken in turn"


def run(options: Options) -> Outcome:
    """YOLOX-nano on either backend: without proof, with the first one, and with one that is remembered."""
    if options.data is None:
        return Outcome(skipped=NO_DATA)
    path = bundle("yolox_nano", options.data, load_plugins())
    figures = []
    for backend in ("onnxruntime", "openvino"):
        config = {
            "stream": [{"name": "picture", "source": str(options.data / "images" / "bus.jpg")}],
            "stage": [{"name": "model", "bundle": str(path), "backend": backend, "on_error": "stop"}],
        }
        time_s = _measure(
            config, 2 if options.quick else 11, lambda text, b=backend: options.say(f"{b}: {text}")
        )
        for name, target in (("first start", 2.0), ("later start", 1.05)):
            figures.append(
                Figure(
                    subject=f"yolox_nano, {backend}",
                    name=f"{name} by one without proof",
                    value=time_s[name] / time_s["no proof"],
                    unit="",
                    target=target,
                    better="lower",
                )
            )
    return Outcome(figures=figures, notes=[NOTE])


def _measure(config: dict, rounds: int, say) -> dict[str, float]:
    found: dict[str, list[float]] = {"no proof": [], "first start": [], "later start": []}
    for number in range(rounds + 1):
        say(f"round {number} of {rounds}")
        with tempfile.TemporaryDirectory(prefix="vedette-bench-") as home:
            for name, samples in found.items():
                took = _start(config, Path(home), proved=name != "no proof", remembered=name == "later start")
                if number:  # the first round fills the disk cache
                    samples.append(took)
    return {name: median(samples) for name, samples in found.items()}


def _start(config: dict, home: Path, *, proved: bool, remembered: bool) -> float:
    stage = {**config["stage"][0], "proof": "require" if proved else "off"}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps({**config, "stage": [stage]})],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VEDETTE_HOME": str(home)},
    )
    took = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout).get("remembered")
    assert found == (remembered if proved else None), "the memory of proofs did not do what is measured"
    return took
