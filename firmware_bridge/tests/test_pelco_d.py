"""Pelco-D: frames by the manual, the driver against the emulator, and cameras that answer nothing."""

import time
from collections import Counter

import pytest

from vedette_bridge import (
    Drive,
    Home,
    LinkTimeoutError,
    MoveBy,
    MoveTo,
    NotSupportedError,
    ParameterError,
    Preset,
    Stop,
    open_camera,
)
from vedette_bridge.protocols.pelco_d import frames


@pytest.fixture
def camera(emulated):
    _, place = emulated("pelco_d", speed_deg_s=400, zoom_s=0.5)
    with open_camera(f"pelco_d:{place}?baud=9600") as opened:
        yield opened


# Worked examples of the protocol manual.
@pytest.mark.parametrize(
    ("frame", "manual"),
    [
        (frames.frame(1, frames.LEFT, 0x20, 0), "ff 01 00 04 20 00 25"),
        (frames.frame(2, 0), "ff 02 00 00 00 00 02"),
        (frames.frame(0x0A, frames.FAR, 0, 0x20, command_1=0x88), "ff 0a 88 80 00 20 32"),
        (frames.extended(1, frames.RECALL_PRESET, 5), "ff 01 00 07 00 05 0d"),
        (frames.extended(1, frames.SET_PAN, 0x1234), "ff 01 00 4b 12 34 92"),
        (frames.extended(1, frames.ASK_PAN), "ff 01 00 51 00 00 52"),
    ],
)
def test_frames_are_those_of_the_manual(frame, manual):
    assert frame.hex(" ") == manual


def test_answers_are_found_in_noise_and_damaged_ones_dropped():
    good = frames.extended(1, 0x59, 9000)
    wrong = good[:-1] + bytes((good[-1] ^ 1,))
    counters = Counter()
    reader = frames.Reader(counters)
    found = [
        answer for byte in b"\xff\x01" + wrong + b"\x00" + good for answer in reader.feed(bytes((byte,)))
    ]
    assert found == [frames.Answer(1, 0x59, 9000)]
    assert counters["skipped_bytes"] == 10


def test_moves_arrive(camera):
    assert camera.caps().methods == {"ptz", "ptz_position"}
    camera.ptz(MoveTo(pan_deg=-30, tilt_deg=10, zoom=0.25)).wait(5)
    at = camera.ptz_position()
    assert (at.pan_deg, at.tilt_deg) == pytest.approx((-30, 10), abs=0.3)
    assert at.zoom == pytest.approx(0.25, abs=0.01)
    assert at.focus is None
    camera.ptz(MoveBy(pan_deg=-160)).wait(5)  # past the back
    assert camera.ptz_position().pan_deg == pytest.approx(170, abs=0.3)
    camera.ptz(Home()).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(0, abs=0.3)


def test_driving_and_stopping(camera):
    camera.ptz(Drive(pan=0.5, tilt=-0.5))
    time.sleep(0.05)
    camera.ptz(Drive(tilt=0.0))
    one = camera.ptz_position()
    time.sleep(0.05)
    two = camera.ptz_position()
    assert two.pan_deg > one.pan_deg > 0
    assert two.tilt_deg == one.tilt_deg < 0
    camera.ptz(Drive(zoom=1))
    time.sleep(0.05)
    camera.ptz(Stop())
    three = camera.ptz_position()
    assert three.zoom > 0
    assert camera.ptz_position() == three


def test_a_move_that_is_cancelled_stops_and_never_arrives(camera):
    move = camera.ptz(MoveTo(pan_deg=170))
    move.cancel()
    with pytest.raises(LinkTimeoutError, match="is not where it was sent"):
        move.wait(0.2)


def test_presets(camera):
    camera.ptz(MoveTo(pan_deg=20)).wait(5)
    camera.ptz(Preset("save", 9))
    camera.ptz(Home()).wait(5)
    camera.ptz(Preset("recall", 9))
    deadline = time.monotonic() + 5
    while abs(camera.ptz_position().pan_deg - 20) > 0.3:
        assert time.monotonic() < deadline
    camera.ptz(Preset("clear", 9))


def test_a_camera_that_answers_nothing_is_driven_blindly(emulated):
    device, place = emulated("pelco_d", mute=True)
    with open_camera(f"pelco_d:{place}?timeout_s=0.1") as camera:
        assert camera.caps().methods == {"ptz"}
        move = camera.ptz(MoveTo(pan_deg=90))
        assert not move.confirmed
        move.wait(5)
        with pytest.raises(NotSupportedError, match="does not answer position queries"):
            camera.ptz(MoveBy(pan_deg=1))
        deadline = time.monotonic() + 5
        while round(device._at["pan"]) != 9000:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_sign_of_tilt(emulated):
    device, place = emulated("pelco_d", speed_deg_s=1000)
    with open_camera(f"pelco_d:{place}?tilt_up=1") as camera:
        camera.ptz(MoveTo(tilt_deg=45)).wait(5)
        assert round(device._at["tilt"]) == 4500  # what this dome calls down


@pytest.mark.parametrize("options", ["address=0", "address=255", "tilt_up=0"])
def test_bad_options(emulated, options):
    _, place = emulated("pelco_d")
    with pytest.raises(ParameterError):
        open_camera(f"pelco_d:{place}?{options}")


def test_what_it_cannot_do(camera):
    with pytest.raises(NotSupportedError, match="no focus positions"):
        camera.ptz(MoveTo(focus=0.5))
    with pytest.raises(NotSupportedError):
        camera.get()
