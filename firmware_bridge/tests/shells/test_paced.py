"""A cable of 3 Mbaud that takes its time, at both ends what users run. ``soak.py`` has the figures."""

import json
import time

import pytest
import soak

from vedette_bridge.protocols.vlp.camera import open_bridge


def test_images_and_requests_share_the_line():
    found = soak.measure(2.0, noise=0.001)
    print(found)
    assert 0.5 < found["line"] <= 1.0  # 0.97 where nothing else runs
    assert found["rpc_p50_ms"] < 100


def test_the_rate_that_held_is_remembered(cable, emulator, tmp_path):
    near, far, _ = cable()
    emulator("--port", far, start_baud=115200, max_baud=921600, serial="CAM-7")
    address = f"{near}?baud=3000000&start_baud=115200&state={tmp_path}"
    with open_bridge(address) as camera:
        assert camera.baud == 921600
        assert camera.set(led=1) == {"led": 1}
    remembered = json.loads((tmp_path / "bridge-rates.json").read_text())["CAM-7"]
    assert remembered["best"] == 921600
    assert 3_000_000 in remembered["failed"]
    with open_bridge(address) as camera:
        assert camera.baud == 921600
        assert camera.stats()["baud_held"] == 1
        assert not camera.stats().get("baud_failed")


@pytest.mark.parametrize("side", ["device", "box"])
def test_a_restart_after_a_negotiated_rate(cable, emulator, tmp_path, side):
    near, far, _ = cable()
    device = emulator("--port", far, start_baud=115200)
    address = f"{near}?baud=3000000&start_baud=115200&state={tmp_path}"
    camera = open_bridge(address)
    try:
        assert camera.baud == 3_000_000
        began = time.monotonic()
        if side == "device":
            device.kill()
            device.start()
            frame = next(frame for frame in camera.frames(10.0) if frame.session > 1)
            assert frame.image_id < 20
        else:
            camera.close()
            camera = open_bridge(address)
            next(camera.frames(10.0))
        assert camera.baud == 3_000_000
        assert time.monotonic() - began < 10  # 2 s where nothing else runs
    finally:
        camera.close()
