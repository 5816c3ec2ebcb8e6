"""Either side is killed, and comes again; ports vanish, and come again under another name."""

import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from vedette_bridge import (
    LinkDownError,
    LinkTimeoutError,
    PortBusyError,
    PortError,
    PortGoneError,
    SessionResetError,
)
from vedette_bridge.protocols.vlp.camera import VlpCamera, VlpOptions, open_bridge
from vedette_bridge.shells.finding import PortFinder


def test_a_killed_camera_is_back_within_a_second_of_its_first_byte(emulator, eventually):
    device = emulator(fps=20)
    with open_bridge(str(device.path)) as camera:
        frames = camera.frames(10.0)
        assert next(frames).session == 1
        for session in (2, 3):
            device.kill()
            device.start()
            began = time.monotonic()
            frame = next(frame for frame in frames if frame.session == session)
            assert time.monotonic() - began < 3
            assert frame.image_id < 20, "an image of the new session, which counts anew"
            sessions = [entry["session"] for entry in device.log("up")]
            assert len(set(sessions)) == len(sessions) == session


def test_a_killed_box_finds_the_camera_again(emulator, tmp_path):
    device = emulator(fps=20)
    program = f"""
import sys
from vedette_bridge.protocols.vlp.camera import open_bridge
camera = open_bridge({str(device.path)!r})
for frame in camera.frames(5.0):
    camera.send_detections(frame, [])
    print(frame.image_id, flush=True)
"""
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            assert process.stdout.readline().strip().isdecimal()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    began = time.monotonic()
    with open_bridge(str(device.path)) as camera:
        assert time.monotonic() - began < 3
        camera.get("led")
    assert len(device.log("up")) == 3


def test_a_request_outlives_the_session_and_is_carried_out_once(emulator, eventually):
    device = emulator()
    with open_bridge(str(device.path), timeout_s=10) as camera:
        device.process.send_signal(signal.SIGSTOP)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(camera.set(led=7)))
        asking.start()
        eventually(lambda: not camera.is_up)
        device.process.send_signal(signal.SIGCONT)
        asking.join()
        assert answers == [{"led": 7}]
        assert [entry["values"] for entry in device.log("set")] == [{"8": 7}]
        assert camera.stats()["tx_requests_again"] >= 1


def test_results_for_images_of_an_older_session_are_not_sent(emulator):
    device = emulator(fps=20)
    with open_bridge(str(device.path)) as camera:
        frames = camera.frames(10.0)
        old = next(frames)
        device.kill()
        device.start()
        new = next(frame for frame in frames if frame.session == 2)
        with pytest.raises(SessionResetError, match="of session 1, and this is 2"):
            camera.send_detections(old, [])
        camera.send_detections(new, [])
        assert camera.stats()["tx_results_stale"] == 1


def test_without_reconnect_a_port_that_vanishes_is_an_error_for_everybody(emulator):
    device = emulator(fps=20)
    with open_bridge(str(device.path), reconnect=False) as camera:
        frames = camera.frames(10.0)
        next(frames)
        device.kill()
        with pytest.raises(PortGoneError, match="vanished"):
            list(frames)
        with pytest.raises(PortGoneError):
            camera.get("led")


def test_a_port_that_vanishes_in_the_middle_of_a_frame(cable, emulator, eventually):
    near, far, process = cable()
    emulator("--port", far, start_baud=115200, fps=60)
    with open_bridge(near, start_baud=115200, timeout_s=1) as camera:
        next(camera.frames(5.0))
        process.stdin.write("pull\n")
        process.stdin.flush()
        eventually(lambda: camera.stats().get("port_gone"))
        assert not camera.is_up
        with pytest.raises(LinkTimeoutError, match="set: no answer in time"):
            camera.set(led=1)
        began = time.monotonic()
        camera.close()
        assert time.monotonic() - began < 1


def test_a_device_is_found_again_by_its_usb_serial_number(emulator, tmp_path, eventually):
    device = emulator(fps=20)
    plugged = {"name": tmp_path / "ttyACM0"}

    def move(name):
        plugged["name"] = tmp_path / name
        plugged["name"].symlink_to(device.path.readlink())

    def ports():
        return [
            SimpleNamespace(
                device=str(plugged["name"]), vid=0x1209, pid=7, serial_number="CAM-1", location="1-1:1.0"
            ),
            SimpleNamespace(device="/dev/ttyOther", vid=1, pid=1, serial_number="X", location="1-2:1.0"),
        ]

    move("ttyACM0")
    url = str(plugged["name"])
    with VlpCamera.connect(url, VlpOptions(), ports=ports) as camera:
        device.kill()
        plugged["name"].unlink()
        device.start()
        move("ttyACM7")
        eventually(lambda: camera.is_up and camera.session == 2)
        assert camera.get("led") == {"led": 0}


def test_only_the_same_device_is_taken_for_it():
    entries = [SimpleNamespace(device="/dev/a", vid=1, pid=2, serial_number="S", location="1:1.0")]
    finder = PortFinder("/dev/a", lambda: entries)
    finder.opened("/dev/a")
    entries[:] = [
        SimpleNamespace(device="/dev/b", vid=1, pid=2, serial_number="S", location="1:1.2"),
        SimpleNamespace(device="/dev/c", vid=1, pid=2, serial_number="T", location="1:1.0"),
        SimpleNamespace(device="/dev/d", vid=1, pid=2, serial_number="S", location="9:1.0"),
    ]
    assert finder.where() == "/dev/d"
    entries.pop()
    assert finder.where() == "/dev/a"


def test_a_port_without_a_serial_number_is_looked_for_under_its_name():
    entries = [SimpleNamespace(device="/dev/a", vid=1, pid=2, serial_number=None, location=None)]
    finder = PortFinder("/dev/a", lambda: entries)
    finder.opened("/dev/a")
    assert finder.where() == "/dev/a"


def test_a_port_is_had_by_one_program_at_a_time(emulator):
    device = emulator()
    with open_bridge(str(device.path)), pytest.raises(PortBusyError, match="held by another program"):
        open_bridge(str(device.path))


def test_close_ends_what_others_wait_for(emulator):
    device = emulator(fps=0)
    camera = open_bridge(str(device.path))
    caught = []

    def wait():
        try:
            next(camera.frames(30.0))
        except LinkDownError as error:
            caught.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)
    began = time.monotonic()
    camera.close()
    camera.close()
    waiting.join()
    assert time.monotonic() - began < 1
    assert caught
    assert "was closed" in caught[0]
    with pytest.raises(LinkDownError, match="was closed"):
        camera.get("led")


def test_close_does_not_wait_for_a_host_that_does_not_answer():
    """192.0.2.1 is an address that nobody has (RFC 5737)."""
    done = threading.Event()

    def connect():
        with pytest.raises(PortError):
            open_bridge("socket://192.0.2.1:9", timeout_s=1)
        done.set()

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert done.is_set()


def test_a_camera_over_tcp_that_restarts(emulator, eventually):
    device = emulator("--tcp", "0", fps=20)
    number = device.place.rpartition(":")[2]
    with open_bridge(f"socket://{device.place}") as camera:
        frames = camera.frames(10.0)
        next(frames)
        device.kill()
        device._arguments[1] = number
        device.start()
        assert next(frame for frame in frames if frame.session == 2)
