"""What ``import vedette`` costs a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median

from bench.figures import Figure, Outcome
from bench.options import Options

HEAVY = ("onnxruntime", "openvino", "cv2", "av", "torch")
PUBLIC = "from vedette import *"
PROGRAM = """
import time
begin = time.perf_counter()
{statement}
took = time.perf_counter() - begin
import json, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps([took, int(status["VmRSS"].split()[0]) / 1024, [name for name in {heavy!r} if name in sys.modules]]))
"""
NOTE = f"'everything' is {PUBLIC!r}: all public names, which `import vedette` loads when they are used"


def run(options: Options) -> Outcome:
    """Fresh interpreters in turn: bare, numpy, vedette, and vedette with every public name."""
    statements = {"bare": "pass", "numpy": "import numpy", "vedette": "import vedette", "everything": PUBLIC}
    rounds = 3 if options.quick else 21
    found: dict[str, list[tuple[float, float, list[str]]]] = {name: [] for name in statements}
    for number in range(rounds + 1):
        options.say(f"round {number} of {rounds}")
        for name, statement in statements.items():
            sample = fresh(statement)
            if number:  # the first round fills the disk cache
                found[name].append(sample)
    time_s = {name: median(took for took, _, _ in samples) for name, samples in found.items()}
    rss_mb = {name: median(rss for _, rss, _ in samples) for name, samples in found.items()}
    figures = []
    for name in ("vedette", "everything"):
        heavy = {module for _, _, modules in found[name] for module in modules}
        figures += [
            Figure(
                subject=name,
                name="time by that of numpy",
                value=time_s[name] / time_s["numpy"],
                unit="",
                target=2.0 if name == "vedette" else None,
                better="lower",
            ),
            Figure(
                subject=name,
                name="RSS over a bare interpreter",
                value=rss_mb[name] - rss_mb["bare"],
                unit="MB",
                target=35.0,
                better="lower",
            ),
            Figure(
                subject=name, name="heavy modules loaded", value=len(heavy), unit="", target=0, better="lower"
            ),
        ]
    numpy = Figure(subject="numpy", name="time, for scale", value=1e3 * time_s["numpy"], unit="ms")
    return Outcome(figures=[*figures, numpy], notes=[NOTE])


def fresh(statement: str) -> tuple[float, float, list[str]]:
    """Seconds, resident megabytes and heavy modules after ``statement`` in an interpreter of its own."""
    program = PROGRAM.format(statement=statement, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    took, rss, heavy = json.loads(done.stdout)
    return took, rss, heavy
