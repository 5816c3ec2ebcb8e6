"""A real emulator, a paced cable of 3 Mbaud and the real shell: how much of the line carries images, and at what cost.

    python firmware_bridge/tests/shells/soak.py [--seconds 20] [--noise 0.001]

Prints a line of figures per run, and fails where the goals are missed: 95 % of the line, clean and with 0.1 % of frames
damaged; a link that is up again within 1 s of the first byte of a camera that was killed and started again, within 3 s
after a negotiated baud rate.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from vedette_bridge.jpeg import sample_jpeg
from vedette_bridge.protocols.vlp.camera import open_bridge

BAUD = 3_000_000
GOAL = 0.95
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def cable(noise):
    """The two ends of a paced line, and its process."""
    command = [sys.executable, str(Path(__file__).with_name("pacer.py")), "--noise", str(noise)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield (*process.stdout.readline().split(), process)
        finally:
            process.kill()


@contextlib.contextmanager
def device(port, folder, fps):
    """An emulated camera at the far end of a cable."""
    options = {"start_baud": 115200, "max_baud": BAUD, "images": folder, "fps": fps}
    command = [sys.executable, "-m", "vedette", "bridge", "emulate", "--protocol", "vlp", "--port", port]
    for name, value in options.items():
        command += ["--option", f"{name}={value}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().strip() == port
            yield process
        finally:
            process.kill()


def measure(seconds, noise):
    """Bytes of images per byte of the line, the box's share of a core, and times of requests in ms."""
    with tempfile.TemporaryDirectory() as folder, cable(noise) as (near, far, _):
        for number in range(4):
            Path(folder, f"{number}.jpg").write_bytes(sample_jpeg((1280, 960), number))
        with (
            device(far, folder, fps=60) as emulator,
            open_bridge(near, baud=BAUD, start_baud=115200, state=folder) as camera,
        ):
            assert camera.baud == BAUD, camera.stats()
            return _count(camera, emulator.pid, seconds)


def _count(camera, pid, seconds):
    times, done = [], threading.Event()

    def ask():
        while not done.wait(0.02):
            began = time.perf_counter()
            camera.get("led")
            times.append((time.perf_counter() - began) * 1000)

    frames = camera.frames(5.0)
    next(frames)
    asking = threading.Thread(target=ask)
    asking.start()
    size, wall, cpu, device_cpu = 0, time.monotonic(), time.process_time(), cpu_of(pid)
    for frame in frames:
        size += len(frame.data)
        if time.monotonic() - wall >= seconds:
            break
    span = time.monotonic() - wall
    share = (time.process_time() - cpu) / span
    device_share = (cpu_of(pid) - device_cpu) / span
    done.set()
    asking.join()
    stats = camera.stats()
    frames.close()
    return {
        "line": size / span / (BAUD / 10),
        "core": share,
        "device_core": device_share,
        "rpc_p50_ms": statistics.median(times),
        "rpc_p99_ms": statistics.quantiles(times, n=100)[98],
        "again": stats["tx_again"],
        "damaged": stats["rx_bad_header"] + stats["rx_bad_payload"],
    }


def restarts(count, negotiated):
    """Seconds from the first byte of a camera that was killed to the session, each time."""
    times = []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        log = Path(folder, "log.jsonl")
        if negotiated:
            near, far, _ = stack.enter_context(cable(0.0))
            options = {"baud": BAUD, "start_baud": 115200, "state": folder}
            place = ["--port", far, "--option", "start_baud=115200"]
        else:
            near, options = f"{folder}/tty", {}
            place = ["--link", near]
        command = [sys.executable, "-m", "vedette", "bridge", "emulate", "--protocol", "vlp", *place]
        command += ["--option", f"log={log}"]
        camera = None
        for _ in range(count + 1):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                process.stdout.readline()
                camera = camera or stack.enter_context(open_bridge(near, **options))
                times.append(wait_for_session(log))
                time.sleep(0.5)
                process.kill()
    return times[1:]


def wait_for_session(log):
    """From the last ``boot`` to the ``up`` after it."""
    while True:
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        if [entry["what"] for entry in entries if entry["what"] in ("boot", "up")][-1] == "up":
            boot = [entry["at_ns"] for entry in entries if entry["what"] == "boot"][-1]
            up = [entry["at_ns"] for entry in entries if entry["what"] == "up"][-1]
            return (up - boot) / 1e9
        time.sleep(0.05)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--restarts", type=int, default=10)
    wanted = parser.parse_args()
    missed = False
    for noise in (0.001, 0.0):
        found = measure(wanted.seconds, noise)
        text = " ".join(f"{name}={value:.4g}" for name, value in found.items())
        print(f"paced pty, 3 Mbaud, {noise:.1%} of frames damaged: {text}")
        missed |= found["line"] < GOAL
    for what, limit_s, negotiated in (("no rate", 1.0, False), ("115200 -> 3 Mbaud", 3.0, True)):
        times = restarts(wanted.restarts, negotiated)
        shown = f"median {statistics.median(times):.2f} s, longest {max(times):.2f} s"
        print(f"camera killed and started again, {what}, {len(times)} times: up after {shown}")
        missed |= max(times) > limit_s
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
