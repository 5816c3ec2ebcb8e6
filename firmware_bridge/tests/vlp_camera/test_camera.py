"""The driver ``vlp`` behind the camera's common face, against an emulated camera."""

import itertools
import json
import time

import pytest

from vedette_bridge import (
    CameraDetection,
    DeviceError,
    Drive,
    Home,
    LinkError,
    MoveBy,
    MoveTo,
    NotSupportedError,
    ParameterError,
    Preset,
    Stop,
    open_camera,
)
from vedette_bridge.jpeg import jpeg_size
from vedette_bridge.protocols.vlp.camera import open_bridge
from vedette_bridge.protocols.vlp.emulator import EmulatedCamera, EmulatorOptions
from vedette_bridge.shells.notices import CameraEvent, CameraTrigger

SLACK_NS = 1_000_000
"""The emulator's log and its stamp are two readings of the clock."""


@pytest.fixture
def camera(serve, tmp_path):
    """An emulated camera, open; ``camera.log(what)`` is what it noted."""
    path = tmp_path / "log.jsonl"
    options = EmulatorOptions(fps=50, width=320, height=240, log=str(path), serial="CAM-9")
    with open_camera(f"vlp:{serve(EmulatedCamera(options))}") as opened:
        opened.log = lambda what: [
            entry for entry in map(json.loads, path.read_text().splitlines()) if entry["what"] == what
        ]
        yield opened


def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_says_what_it_is(camera):
    caps = camera.caps()
    assert (caps.driver, caps.vendor, caps.serial, caps.formats) == ("vlp", "Vedette", "CAM-9", ("JPEG",))
    assert {"frames", "trigger", "send_detections", "ptz", "time_offset"} <= caps.methods
    assert (caps.parameters["fps"].minimum, caps.parameters["fps"].maximum) == (0, 240)
    assert caps.parameters["flip"].choices == ("none", "h", "v", "hv")


def test_parameters_have_the_names_and_units_of_the_face(camera):
    wanted = {
        "exposure_us": 5000,
        "gain_q8": 512,
        "roi": (8, 8, 64, 48),
        "fps": 25.5,
        "quality": 50,
        "flip": "hv",
        "led": 255,
    }
    assert camera.set(**wanted) == wanted
    assert camera.get(*wanted) == wanted
    assert camera.set(gpio3=1) == {"gpio": 8}
    assert camera.set(gpio=5) == {"gpio": 13}
    assert camera.set(gpio3=0, gpio0=0) == {"gpio": 4}
    assert camera.get().keys() == camera.caps().parameters.keys()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exposur_us": 1}, "did you mean 'exposure_us'"),
        ({"led": "bright"}, "led must be a whole number"),
        ({"flip": "sideways"}, "flip must be one of none, h, v, hv"),
        ({"roi": (1, 2)}, "roi must be 4 numbers"),
        ({"gpio3": 2}, "gpio3 must be 0 or 1"),
        ({"vendor9": 2}, "does not exist"),
    ],
)
def test_a_wrong_parameter_is_refused_before_it_is_sent(camera, wrong, message):
    with pytest.raises(ParameterError, match=message):
        camera.set(**wrong)
    assert not camera.log("set")


def test_what_the_camera_refuses_is_refused_whole(camera):
    with pytest.raises(DeviceError, match=r"set: refused: RANGE\n.*its range") as caught:
        camera.set(led=1, quality=101)
    assert caught.value.code == "RANGE"
    assert camera.get("led") == {"led": 0}
    with pytest.raises(DeviceError, match="UNKNOWN"):
        camera.get("vendor99")
    with pytest.raises(DeviceError, match="method 99: refused: UNKNOWN"):
        camera.call(99)


def test_images_with_their_time(camera):
    frames = [frame for frame, _ in zip(camera.frames(), range(10), strict=False)]
    truth = {entry["obj"]: entry["mono_ns"] for entry in camera.log("captured")}
    for before, after in itertools.pairwise(frames):
        assert after.image_id > before.image_id
        assert after.t_capture_ns > before.t_capture_ns
    for frame in frames:
        assert (frame.fourcc, frame.size_wh, frame.origin) == ("JPEG", (320, 240), "device")
        assert jpeg_size(frame.data) == (320, 240)
        assert frame.data.readonly
        assert abs(frame.t_capture_ns - truth[frame.image_id]) <= frame.uncertainty_ns + SLACK_NS


def test_the_offset_of_its_clock(camera):
    offset = camera.time_offset()
    assert abs(offset.offset_ns - 5_000_000_000) <= offset.uncertainty_ns + SLACK_NS


def test_triggered_images(camera):
    camera.set(fps=0)
    frames = camera.frames(2.0)
    camera.trigger()
    first = next(frames)
    camera.set(fps=50)
    assert camera.trigger_series(3, delay_us=1000) >= first.image_id + 1
    assert next(frames).image_id > first.image_id


def test_detections_reach_it_with_the_number_of_the_image(camera):
    frame = next(camera.frames())
    many = [CameraDetection((n, 2.25, n + 10, 12.25), 0.5, n, n + 1) for n in range(600)]
    camera.send_detections(frame, many)
    camera.send_detections(frame.image_id, [])
    until(lambda: len(camera.log("result")) == 2)
    whole, empty = camera.log("result")
    assert whole["obj"] == empty["obj"] == frame.image_id
    assert whole["t_us"] * 1000 == frame.t_device_ns
    assert whole["detections"] == [[n, 0.5, n, 2.25, 10, 10, n + 1] for n in range(600)]
    assert empty["detections"] == []


def test_detections_for_what_is_no_image_are_refused(camera):
    frame = next(camera.frames())
    with pytest.raises(ParameterError, match="is none of the last 256"):
        camera.send_detections(123456, [])
    with pytest.raises(ParameterError, match="class 70000"):
        camera.send_detections(frame, [CameraDetection((0, 0, 1, 1), 1.0, 70000)])


def test_it_moves(camera):
    camera.ptz(MoveTo(pan_deg=30.5, tilt_deg=-4, zoom=0.5))
    camera.ptz(MoveBy(pan_deg=1))
    until(lambda: camera.ptz_position().pan_deg == 31.5)
    at = camera.ptz_position()
    assert (at.tilt_deg, at.zoom) == (-4, 0.5)
    for command in (Drive(pan=0.5), Stop(), Preset("save", 3), Preset("recall", 3), Home()):
        camera.ptz(command)
    until(lambda: len(camera.log("ptz")) == 7)
    assert [entry["command"] for entry in camera.log("ptz")][2:] == [
        {"0": 3, "1": 30000},
        {"0": 0},
        {"0": 5, "4": 3},
        {"0": 4, "4": 3},
        {"0": 6},
    ]
    for command in (Preset("clear", 3), MoveTo(focus=0.5)):
        with pytest.raises(NotSupportedError, match="no such command"):
            camera.ptz(command)


def test_what_it_says_unasked(serve, tmp_path):
    path = tmp_path / "log.jsonl"
    place = serve(EmulatedCamera(EmulatorOptions(trigger_s=0.2, log=str(path))))
    triggers = []
    with open_bridge(place) as camera:
        time.sleep(0.3)  # the clocks are compared
        for notice in camera.notices(timeout_s=2.0):
            if isinstance(notice, CameraTrigger):
                triggers.append(notice)
            elif isinstance(notice, CameraEvent):
                assert notice.name in ("ptz", "dropped")
            if len(triggers) == 4:
                break
    noted = [json.loads(line) for line in path.read_text().splitlines()]
    truth = {entry["count"]: entry["mono_ns"] for entry in noted if entry["what"] == "trigger"}
    for trigger in triggers[2:]:
        assert abs(trigger.t_ns - truth[trigger.count]) <= trigger.uncertainty_ns + SLACK_NS


def test_a_reboot_is_answered_and_then_carried_out(camera):
    camera.set(led=9)
    camera.reboot()
    until(lambda: camera.session == 2 and camera.is_up)
    assert len(camera.log("boot")) == 2


def test_its_own_counters(camera):
    camera.get("led")
    counters = camera.device_stats()
    assert counters[0] > 0
    assert counters[11] == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/dev/pts/x?bawd=1", "did you mean 'baud'"),
        ("/dev/ttyNONE", "cannot be opened: No such file"),
        ("socket://127.0.0.1:1", "cannot be reached: Connection refused"),
        ("socket://127.0.0.1", "is not socket://HOST:PORT"),
        ("", "is not the address of a camera"),
    ],
)
def test_addresses_that_lead_nowhere(address, message):
    with pytest.raises(LinkError, match=message):
        open_bridge(address)
