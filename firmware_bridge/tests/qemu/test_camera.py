"""The firmware as a camera: what users call, with its thread and its port, against the board."""

import threading
import time

import numpy as np
import pytest

from vedette_bridge import open_camera
from vedette_bridge.errors import LinkError


def address(machine):
    return f"vlp+socket://{machine.address[0]}:{machine.address[1]}"


def test_images_and_settings(machine, firmware):
    with open_camera(address(machine)) as camera:
        assert camera.caps().model == firmware[0]
        assert camera.set(exposure_us=2500) == {"exposure_us": 2500}
        camera.set(fps=500)
        frames = []
        for frame in camera.frames(timeout_s=20):
            frames.append(frame)
            if len(frames) == 4:
                break
        session = camera.session
        camera.reboot()
        while camera.session == session:
            time.sleep(0.01)
        camera.wait_until_up(20)
        assert camera.get("exposure_us") == {"exposure_us": 10000}, "as after every start"
    rows, columns = np.indices((48, 64))
    for before, frame in zip([None, *frames], frames, strict=False):
        assert frame.exposure_us == 2500
        assert np.array_equal(
            np.frombuffer(frame.data, np.uint8).reshape(48, 64), columns ^ (rows + frame.image_id) & 0xFF
        )
        assert before is None or frame.t_device_ns > before.t_device_ns


def test_a_board_that_dies(machine):
    threads = threading.active_count()
    camera = open_camera(address(machine) + "?timeout_s=2")
    assert camera.is_up
    machine.kill()
    with pytest.raises(LinkError):
        camera.get("exposure_us")
    camera.close()
    assert threading.active_count() == threads
    assert machine.process.poll() is not None
