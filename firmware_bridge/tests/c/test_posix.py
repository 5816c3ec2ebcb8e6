"""The POSIX camera as a real process, through the driver as users open it: images, commands, results, damage, death."""

import contextlib
import json
import os
import pty
import random
import signal
import socket
import subprocess
import threading
import time
import tty

import pytest

from vedette_bridge.camera import CameraDetection
from vedette_bridge.errors import AuthError, DeviceError, LinkError, ParameterError
from vedette_bridge.jpeg import sample_jpeg
from vedette_bridge.protocols.vlp.camera import open_bridge

KEY = bytes(range(32))


@pytest.fixture
def pictures(tmp_path):
    """A folder of JPEG files, and what is in them by the order of their names."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    files = [sample_jpeg((64 + 16 * number, 48), number) for number in range(5)]
    for number, data in enumerate(files):
        (folder / f"{number:03}.jpg").write_bytes(data)
    return folder, files


@pytest.fixture
def start(program, pictures):
    """``start("--pty", ...)`` starts the camera; gives the process and where it is reached."""
    with contextlib.ExitStack() as stack:

        def run(*options):
            command = [program, "--images", pictures[0], *map(str, options)]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            place = process.stdout.readline().strip()
            assert place
            return process, f"vlp:{place}"

        yield run


def take(camera, count):
    frames = []
    with contextlib.closing(camera.frames(timeout_s=10)) as images:
        for frame in images:
            frames.append(frame)
            if len(frames) == count:
                return frames
    raise AssertionError(f"{len(frames)} images of {count}")


def lines_of(path, count):
    deadline = time.monotonic() + 5
    while len(lines := path.read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("pipe", ["--pty", "--tcp"])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "paired"])
def test_images_commands_and_results(start, pictures, tmp_path, pipe, key):
    results = tmp_path / "results.jsonl"
    options = ["--repeat", "--rate", 50, "--results", results, *(("--key", key.hex()) if key else ())]
    _, place = start(pipe, *((0,) if pipe == "--tcp" else ()), *options)
    before_ns = time.monotonic_ns()
    with open_bridge(place, key=key) as camera:
        caps = camera.caps()
        assert (caps.vendor, caps.model, caps.serial, caps.formats) == (
            "Vedette",
            "Folder",
            "0001",
            ("JPEG",),
        )
        assert camera.set(exposure_us=5000, led=200) == {"exposure_us": 5000, "led": 200}
        assert camera.set(gpio2=1) == {"gpio": 4}
        assert camera.get("exposure_us", "gpio", "format") == {
            "exposure_us": 5000,
            "gpio": 4,
            "format": "JPEG",
        }
        with pytest.raises((DeviceError, ParameterError)):
            camera.set(led=256)
        with pytest.raises((DeviceError, ParameterError)):
            camera.set(exposure_us=7, gpio9=1)
        assert camera.get("exposure_us") == {"exposure_us": 5000}  # all or nothing
        frames = take(camera, 12)
        assert [bytes(frame.data) in pictures[1] for frame in frames] == [True] * 12
        assert frames[0].size_wh in {(64 + 16 * number, 48) for number in range(5)}
        for number, frame in enumerate(frames):
            camera.send_detections(
                frame, [CameraDetection((1.25, 2.5, 11.25, 22.5), 0.5, number, 7)] * (number % 3)
            )
        found = lines_of(results, 12)
        assert [line["obj"] for line in found] == [frame.image_id for frame in frames]
        assert [len(line["findings"]) for line in found] == [number % 3 for number in range(12)]
        assert found[1]["findings"] == [
            {"class": 1, "score": 0.5, "x": 1.25, "y": 2.5, "w": 10.0, "h": 20.0, "track": 7}
        ]
    assert time.monotonic_ns() - before_ns < 60e9


def test_many_findings_take_several_messages(start, tmp_path):
    results = tmp_path / "results.jsonl"
    _, place = start("--pty", "--results", results, "--maxpl", 256, "--repeat")
    with open_bridge(place) as camera:
        frame = take(camera, 1)[0]
        camera.send_detections(frame, [CameraDetection((0, 0, 1, 1), 1.0, number) for number in range(40)])
        found = lines_of(results, 3)
    assert [line["more"] for line in found] == [True, True, False]
    assert [one["class"] for line in found for one in line["findings"]] == list(range(40))


def test_the_time_of_capture_is_the_camera_s_and_converted_to_ours(start):
    """Both are processes of this machine: the clock that the camera stamps with is our own."""
    _, place = start("--pty", "--rate", 20, "--repeat")
    with open_bridge(place) as camera:
        time.sleep(0.5)
        frames = take(camera, 10)
    for frame in frames[2:]:
        assert frame.origin == "device"
        assert abs(frame.t_capture_ns - frame.t_device_ns) <= frame.uncertainty_ns + 1_000


@contextlib.contextmanager
def noisy(place, share, seed=1):
    """A pty whose bytes go to and from a TCP camera; that share of the chunks is damaged. The path to open."""
    _, _, host = place.rpartition("//")
    name, _, port = host.partition(":")
    upstream = socket.create_connection((name, int(port)))
    master, slave = pty.openpty()
    tty.setraw(slave)
    stop, rng = threading.Event(), random.Random(seed)
    damaged = [0]

    def carry(read, write):
        while not stop.is_set():
            try:
                data = bytearray(read())
            except (OSError, TimeoutError):
                continue
            if not data:
                return
            if rng.random() < share:
                damaged[0] += 1
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            write(bytes(data))

    upstream.settimeout(0.05)
    os.set_blocking(master, True)
    ways = (
        (lambda: upstream.recv(256), lambda data: os.write(master, data)),
        (lambda: read_some(master), upstream.sendall),
    )
    threads = [threading.Thread(target=carry, args=way) for way in ways]
    for thread in threads:
        thread.start()
    try:
        yield f"vlp:{os.ttyname(slave)}", damaged
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        upstream.close()
        os.close(master)
        os.close(slave)


def read_some(master):
    import select

    return (
        os.read(master, 256)
        if select.select([master], [], [], 0.05)[0]
        else (_ for _ in ()).throw(TimeoutError)
    )


def test_a_line_that_damages_bytes_costs_time_and_nothing_else(start, pictures):
    _, place = start("--tcp", 0, "--repeat", "--rate", 30, "--maxpl", 512)
    with noisy(place, 0.1) as (path, damaged), open_bridge(path) as camera:
        frames = take(camera, 40)
        counted = camera.stats()
    assert all(bytes(frame.data) in pictures[1] for frame in frames)
    assert damaged[0] > 10
    assert counted["rx_bad_header"] + counted["rx_bad_payload"] > 0


def test_a_camera_that_is_killed_and_started_again_is_found_again(start):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process, place = start("--tcp", port, "--repeat", "--rate", 20)
    with open_bridge(place) as camera:
        take(camera, 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.3)
        start("--tcp", port, "--repeat", "--rate", 20)
        deadline = time.monotonic() + 10
        while True:
            try:
                assert len(take(camera, 3)) == 3
                break
            except LinkError:
                assert time.monotonic() < deadline


def test_the_wrong_key_is_refused(start):
    _, place = start("--pty", "--key", KEY.hex())
    for key in (None, bytes(32)):
        with pytest.raises((AuthError, LinkError)):
            open_bridge(place, key=key)


def test_an_orderly_reboot_is_answered_before_it_happens(start):
    process, place = start("--pty")
    with contextlib.suppress(LinkError), open_bridge(place) as camera:
        camera.reboot()
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pty", "--window", "33"), "window is not within 1..32"),
        (("--pty", "--maxpl", "9000"), "maxpl is not within"),
        (("--pty", "--tcp", "0"), "one of --pty"),
        (("--pty", "--key", "12"), "64 hexadecimal digits"),
        (("--tty", "/dev/ttyNONE"), "No such file"),
        (("--wrong",), "lacks its value"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(program, pictures, options, said):
    done = subprocess.run(
        [program, "--images", pictures[0], *options], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 2
    assert said in done.stderr
