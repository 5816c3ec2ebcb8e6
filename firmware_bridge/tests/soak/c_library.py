"""The C library for longer than CI can: damaged frames, fuzzing, the same bytes in Python and C, a bad line.

``python c_library.py [--frames 1000000] [--damaged 100000000] [--fuzz-seconds 600] [--streams 100000] [--seed 1]``
prints one JSON object; exit status 1 if anything was lost, doubled, wrong, taken though damaged, different, or found by
a sanitizer. Needs gcc; and clang for libFuzzer.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "c"))
sys.path.insert(0, str(Path(__file__).parent.parent / "vlp"))
from cdevice import HERE as C
from cdevice import SOURCES, CLine, build, load
from differential import Twins
from line import Faults

from vedette_bridge.vlp.config import Limits, LinkConfig
from vedette_bridge.vlp.events import Down, Message
from vedette_bridge.vlp.frame import BULK, VENDOR

CHANNEL = VENDOR[0]
SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def damaged_frames(folder: Path, count: int, seed: int) -> dict[str, object]:
    program = build(folder / "corrupt", C / "corrupt.c", *SOURCES, flags=("-O2",))
    done = subprocess.run([program, str(seed), str(count)], capture_output=True, text=True)
    tried, taken = map(int, re.match(r"(\d+) damaged frames, (\d+) taken", done.stdout).groups())
    return {"ok": done.returncode == 0 and taken == 0, "frames": tried, "taken": taken}


def fuzzing(folder: Path, seconds: int, seed: int) -> dict[str, object]:
    """LibFuzzer with a corpus of its own; without clang the plain loop."""
    if shutil.which("clang"):
        flags = ("-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
        program = build(folder / "fuzz", C / "fuzz.c", *SOURCES, flags=flags, compiler="clang")
        corpus = folder / "corpus"
        corpus.mkdir()
        options = (
            f"-max_total_time={seconds}",
            "-max_len=2048",
            f"-seed={seed}",
            "-print_final_stats=1",
            f"-artifact_prefix={folder}/",
        )
        done = subprocess.run([program, *options, corpus], capture_output=True, text=True)
        inputs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        return {
            "ok": done.returncode == 0,
            "inputs": int(inputs[1]) if inputs else 0,
            "said": done.stderr[-2000:] if done.returncode else "",
        }
    program = build(folder / "fuzz", C / "fuzz.c", *SOURCES, flags=("-DSTANDALONE", *SANITIZERS))
    inputs, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        seed += 1
        if subprocess.run([program, str(seed), "5000"], capture_output=True).returncode:
            return {"ok": False, "inputs": inputs, "seed": seed}
        inputs += 5_000
    return {"ok": True, "inputs": inputs}


def differential(library, steps: int, seed: int) -> dict[str, object]:
    rng, messages, frames = random.Random(seed), 0, 0
    for _ in range(max(1, steps // 500)):
        twins = Twins(library, rng.getrandbits(32), rng.choice((64, 100, 256, 1024, 8192)))
        for _ in range(min(500, steps)):
            twins.step(twins.rng.randint(1, 12))
            if twins.differences:
                return {"ok": False, "differences": twins.differences[:3]}
        messages += twins.messages
        frames += twins.counters()["rx_frames"]
        twins.close()
    return {"ok": True, "streams": steps, "frames": frames, "messages": messages}


def bad_line(library, count: int, seed: int) -> dict[str, object]:
    """So many frames, half in each direction, with 1 % of each fault."""
    device = LinkConfig(role="device", limits=Limits(maxpl=4096, window=32))
    line = CLine(library, device=device, slots=(32, 32), faults=Faults.each(0.01), seed=seed, partial=False)
    blob = random.Random(5).randbytes(1 << 16)
    each = count // 2
    sent, got, wrong, downs = {"box": 0, "device": 0}, {"box": 0, "device": 0}, 0, 0

    def payload(number: int) -> bytes:
        mixed = number * 2654435761 & 0xFFFFFFFF
        size = 64 + (mixed >> 7) % 4033
        at = mixed % (len(blob) - size)
        return number.to_bytes(4, "little") + blob[at : at + size - 4]

    def take(side, event):
        nonlocal wrong, downs
        if isinstance(event, Message):
            wrong += event.payload != payload(got[side])
            got[side] += 1
        downs += isinstance(event, Down)

    def push():
        while sent["box"] < each and line.box.state == "up" and line.box.queued_bytes < 150_000:
            line.box.send(CHANNEL, payload(sent["box"]), sid=BULK)
            sent["box"] += 1
            line.woken.add("box")
        while sent["device"] < each and line.board.send(CHANNEL, payload(sent["device"])) == 0:
            sent["device"] += 1
        return wrong > 0 or downs > 0 or min(got.values()) >= each

    line.on_event = take
    line.start()
    begin = time.process_time()
    line.pass_time(10**13, push)
    line.pass_time(1_000_000)
    ok = not wrong and not downs and got == {"box": each, "device": each}
    again = line.board.counts()["again"]
    line.board.close()
    return {
        "ok": ok,
        "got": got,
        "wrong": wrong,
        "downs": downs,
        "again": again,
        "cpu_s": round(time.process_time() - begin, 1),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--frames", type=int, default=1_000_000, help="on the bad line, in both directions together"
    )
    arguments.add_argument("--damaged", type=int, default=100_000_000)
    arguments.add_argument("--fuzz-seconds", type=int, default=600)
    arguments.add_argument("--streams", type=int, default=100_000, help="compared between Python and C")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = load(folder)
        result = {
            "bad_line": bad_line(library, chosen.frames, chosen.seed),
            "damaged_frames": damaged_frames(folder, chosen.damaged, chosen.seed),
            "differential": differential(library, chosen.streams, chosen.seed),
            "fuzzing": fuzzing(folder, chosen.fuzz_seconds, chosen.seed),
        }
    result["ok"] = all(part["ok"] for part in result.values())
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
