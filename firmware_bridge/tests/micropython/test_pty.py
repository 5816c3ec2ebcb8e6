"""The MicroPython camera in a process of its own, on a pseudo-terminal, against the driver ``vlp`` as users open it."""

import contextlib
import json
import os
import pty
import subprocess
import sys
import tty
from pathlib import Path

import pytest
from pty_camera import picture

from vedette_bridge.camera import CameraDetection
from vedette_bridge.errors import LinkTimeoutError
from vedette_bridge.protocols.vlp.camera import open_bridge

HERE = Path(__file__).parent


@pytest.fixture
def terminal():
    """Both ends of a pseudo-terminal that outlives the camera's process; the path to open."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.fixture
def start_camera(terminal):
    master, _ = terminal
    with contextlib.ExitStack() as stack:

        def start():
            command = [sys.executable, HERE / "pty_camera.py", str(master)]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[master])
            )
            stack.callback(process.kill)
            return process

        yield start


def frames(camera, count, session=None):
    """So many images, of this session or a later one."""
    found = []
    with contextlib.closing(camera.frames(timeout_s=10.0)) as images:
        for image in images:
            if session is None or image.session > session:
                found.append(image)
            if len(found) == count:
                return found
    raise AssertionError


def test_a_program_opens_it_as_any_camera(terminal, start_camera, tmp_path):
    process = start_camera()
    with open_bridge(terminal[1], state=tmp_path) as camera:
        caps = camera.caps()
        assert (caps.vendor, caps.model, caps.serial, caps.formats) == ("Acme", "Eye", "0001", ("JPEG",))
        assert camera.set(exposure_us=9000) == {"exposure_us": 9000}
        assert camera.get("exposure_us") == {"exposure_us": 9000}
        for image in frames(camera, 5):
            assert bytes(image.data) == picture(image.image_id)
            assert (image.size_wh, image.fourcc, image.origin) == ((320, 240), "JPEG", "device")
            camera.send_detections(image, [CameraDetection((1, 2, 11, 22), 0.5, 3)])
            obj, findings = json.loads(process.stdout.readline())
            assert obj == image.image_id
            assert findings == [[3, 16384, 4, 8, 40, 80, 0]]
        assert camera.stats()["rx_images"] >= 5


def test_a_camera_that_is_killed_and_started_again(terminal, start_camera, tmp_path):
    first = start_camera()
    with open_bridge(terminal[1], state=tmp_path) as camera:
        session = frames(camera, 2)[-1].session
        first.kill()
        first.wait()
        start_camera()
        image = frames(camera, 1, session)[0]
        assert bytes(image.data) == picture(image.image_id)
        assert camera.get("exposure_us") == {"exposure_us": 8000}


def test_a_camera_that_is_not_there(terminal, tmp_path):
    with pytest.raises(LinkTimeoutError, match="session"):
        open_bridge(terminal[1], state=tmp_path, timeout_s=0.5)
