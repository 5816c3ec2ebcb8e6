"""Emulators in processes of their own, devices in threads, and a watch on what is left behind."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import pytest

from vedette_bridge.drivers import build_emulator
from vedette_bridge.emulation import PtyHost, TcpHost, UdpHost

HOSTS = {"pty": PtyHost, "tcp": TcpHost, "udp": UdpHost}


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


@pytest.fixture
def emulate():
    """``emulate("visca", "--udp", "0")`` starts a real emulator process; gives the process and where it is reached."""
    with contextlib.ExitStack() as stack:

        def start(protocol, *arguments):
            command = [
                sys.executable,
                "-m",
                "vedette",
                "bridge",
                "emulate",
                "--protocol",
                protocol,
                *arguments,
            ]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            place = process.stdout.readline().strip()
            assert place, f"the emulator of {protocol} did not start"
            return process, place

        yield start


@pytest.fixture
def serve():
    """``serve(device)`` runs a device in a thread on a pty (or ``"tcp"``, ``"udp"``); gives where it is reached."""
    with contextlib.ExitStack() as stack:

        def start(device, on="pty"):
            host = stack.enter_context(HOSTS[on](device))
            thread = threading.Thread(target=host.serve)
            thread.start()
            stack.callback(thread.join)
            stack.callback(host.stop)
            return host.place

        yield start


@pytest.fixture
def emulated(serve):
    """``emulated("visca", on="udp", speed_deg_s=500)``: an emulator in a thread; the device and where it is reached."""

    def start(protocol, on="pty", wrap=lambda device: device, **options):
        text = {name: str(value) for name, value in options.items()}
        device = build_emulator(protocol, text, datagrams=on == "udp")
        return device, serve(wrap(device), on)

    return start


class Emulator:
    """An emulated VLP camera in a process of its own, on a pseudo-terminal that keeps its name when it is restarted."""

    def __init__(self, folder, arguments):
        self.path = folder / "tty"
        self.log_path = folder / "log.jsonl"
        self._arguments = arguments
        self.process = None
        self.start()

    def start(self):
        command = [sys.executable, "-m", "vedette", "bridge", "emulate", "--protocol", "vlp"]
        command += ["--option", f"log={self.log_path}"]
        if not {"--tcp", "--port"} & set(self._arguments):
            command += ["--link", str(self.path)]
        self.process = subprocess.Popen(
            [*command, *self._arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.place = self.process.stdout.readline().strip()
        assert "/" in self.place or ":" in self.place, self.place

    def kill(self):
        """SIGKILL: no goodbye."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def log(self, what=None):
        """What it has done so far."""
        lines = self.log_path.read_text().splitlines(keepends=True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in found if what in (None, entry["what"])]


@pytest.fixture
def emulator(tmp_path_factory):
    """``emulator("--option", "fps=20")`` starts one."""
    started = []

    def start(*arguments, **options):
        words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
        started.append(Emulator(tmp_path_factory.mktemp("emulator"), [*arguments, *words]))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def detector(data, tmp_path_factory):
    """FastestDet, as the README of the data has it."""
    from vedette.bundle.pack import PackRequest, pack_model
    from vedette.registry import load_plugins

    request = PackRequest(
        model=data / "models/fastestdet_coco_352.onnx",
        task="detection",
        decoder="fastestdet",
        licence="BSD-3-Clause",
        labels=data / "models/coco80.names",
        name="fastestdet",
        image={"resize": "stretch", "kernel": "bilinear", "colour": "bgr", "mean": [0], "scale": [255]},
        samples=(data / "images/bus.jpg",),
    )
    return pack_model(
        request, tmp_path_factory.mktemp("packed") / "fastestdet.vedette", registry=load_plugins()
    )


@pytest.fixture(scope="session")
def video_pictures(data, tmp_path_factory):
    """Every tenth picture of a real video, as JPEG files."""
    av = pytest.importorskip("av", reason="needs PyAV: pip install vedette-video")
    from vedette_video.annotated_images import encode_jpeg

    folder = tmp_path_factory.mktemp("pictures")
    with av.open(str(data / "videos/one-by-one-person-detection.mp4")) as video:
        for number, picture in enumerate(video.decode(video=0)):
            if number % 10 == 0:
                path = folder / f"{number:04}.jpg"
                path.write_bytes(encode_jpeg(picture.to_ndarray(format="bgr24"), 85))
            if number == 300:
                break
    return folder
