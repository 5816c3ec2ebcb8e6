"""The VISCA emulator, as a client of another hand sees it: visca-over-ip."""

import socket
import time
import types

import pytest

from vedette_bridge import open_camera

visca_over_ip = pytest.importorskip("visca_over_ip", reason="needs visca-over-ip")


@pytest.fixture
def place(emulate):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.2", 0))
        port = free.getsockname()[1]
    return emulate("visca", "--udp", str(port), "--address", "127.0.0.2", "--option", "speed_deg_s=2000")[1]


class LocalSocket(socket.socket):
    """The client listens on the camera's port number at every address of this machine: here at one."""

    def bind(self, address):
        super().bind(("127.0.0.1", address[1]))


@pytest.fixture
def outside(place, monkeypatch):
    local = types.SimpleNamespace(**{**vars(socket), "socket": LocalSocket})
    monkeypatch.setattr(visca_over_ip.camera, "socket", local)
    host, _, port = place.partition(":")
    camera = visca_over_ip.Camera(host, int(port))
    yield camera
    camera.close_connection()


def test_the_client_moves_and_reads_the_camera(outside):
    missed = outside.num_missed_responses  # it cannot read the answer to its own reset, and counts that
    outside.pantilt(10, 10, pan_position=500, tilt_position=-100)
    wait_until(lambda: outside.get_pantilt_position() == (500, -100))
    outside.pantilt(10, 10, pan_position=-20, tilt_position=50, relative=True)
    wait_until(lambda: outside.get_pantilt_position() == (480, -50))
    outside.pantilt_home()
    wait_until(lambda: outside.get_pantilt_position() == (0, 0))
    outside.zoom_to(0.25)
    wait_until(lambda: outside.get_zoom_position() == 0x1000)
    outside.zoom(7)
    wait_until(lambda: outside.get_zoom_position() > 0x1000)
    outside.zoom(0)
    assert outside.get_zoom_position() == outside.get_zoom_position()
    outside.save_preset(2)
    outside.recall_preset(2)
    assert outside.num_missed_responses == missed <= 1


def test_the_client_reads_errors(outside):
    with pytest.raises(visca_over_ip.exceptions.ViscaException, match="not executable"):
        outside.manual_focus(3)
    outside.set_focus_mode("manual")
    outside.manual_focus(3)
    outside.manual_focus(0)
    assert outside.get_focus_mode() == "manual"


def test_client_and_driver_see_the_same_camera(outside, place):
    outside.pantilt(24, 20, pan_position=144, tilt_position=288)
    wait_until(lambda: outside.get_pantilt_position() == (144, 288))
    with open_camera(f"visca://{place}") as camera:
        at = camera.ptz_position()
        assert (at.pan_deg, at.tilt_deg) == (10.0, 20.0)
        assert camera.set(flip="v") == {"flip": "v"}


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
