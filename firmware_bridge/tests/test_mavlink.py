"""MAVLink: the driver is pymavlink's messages, the emulator has none of it. Signed and unsigned, serial and UDP."""

import hashlib
import time

import pytest

from vedette_bridge import (
    DeviceError,
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

common = pytest.importorskip("pymavlink.dialects.v20.common", reason="needs pymavlink")


@pytest.fixture(params=["pty", "udp", "signed"])
def camera(request, emulated):
    key = "?key=secret" if request.param == "signed" else ""
    options = {"key": "secret"} if key else {}
    _, place = emulated("mavlink", "udp" if request.param == "udp" else "pty", speed_deg_s=300, **options)
    with open_camera(f"mavlink:{'//' if request.param == 'udp' else ''}{place}{key}") as opened:
        yield opened


def test_who_it_is(camera):
    caps = camera.caps()
    assert (caps.vendor, caps.model, caps.firmware) == ("Vedette", "Emulated camera", "1.2.3.4")
    assert caps.methods == {"trigger", "ptz", "ptz_position", "time_offset"}
    assert caps.extra["resolution"] == "1920 x 1080"
    assert camera.stats().get("damaged", 0) == 0


def test_triggering(camera):
    for number in range(3):
        camera.trigger()
        captured = camera.captured()
        assert (captured.index, captured.url, captured.ok) == (number, f"mftp://image-{number + 1}.jpg", True)
    with pytest.raises(LinkTimeoutError, match="reports no image"):
        camera.captured(0.1)
    with pytest.raises(NotSupportedError, match="sends no images"):
        camera.frames()


def test_moves_arrive(camera):
    camera.ptz(MoveTo(pan_deg=-30, tilt_deg=10, zoom=0.5)).wait(5)
    at = camera.ptz_position()
    assert (at.pan_deg, at.tilt_deg) == pytest.approx((-30, 10), abs=0.6)
    camera.ptz(MoveBy(pan_deg=20)).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(-10, abs=1.2)
    assert camera.ptz_position().tilt_deg == pytest.approx(10, abs=0.6)
    camera.ptz(Home()).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(0, abs=0.6)
    with pytest.raises(NotSupportedError, match="no presets"):
        camera.ptz(Preset("save", 1))


def test_driving_and_stopping(camera):
    camera.ptz(Drive(pan=0.5, zoom=1.0))
    time.sleep(0.1)
    camera.ptz(Stop())
    one = camera.ptz_position()
    assert one.pan_deg > 1
    assert one.zoom > 0
    assert camera.ptz_position() == one


def test_time_offset_is_within_its_uncertainty(camera):
    """The emulator runs on this machine's monotonic clock: the offset is nothing."""
    offset = camera.time_offset()
    assert abs(offset.offset_ns) <= offset.uncertainty_ns < 50_000_000


def test_refusals(camera):
    with pytest.raises(DeviceError, match="refuses command 4242: UNSUPPORTED") as caught:
        camera._link.command(camera._camera, 4242)
    assert caught.value.code == "UNSUPPORTED"


@pytest.mark.parametrize(("theirs", "ours"), [("secret", ""), ("secret", "?key=wrong"), ("", "?key=secret")])
def test_a_wrong_key_is_no_link(emulated, theirs, ours):
    device, place = emulated("mavlink", **({"key": theirs} if theirs else {}))
    separator = "&" if ours else "?"
    with pytest.raises(LinkTimeoutError, match="signing key"):
        open_camera(f"mavlink:{place}{ours}{separator}timeout_s=0.8")
    assert bool(device.unsigned) == bool(theirs)
    assert device._images == 0


def test_a_key_from_the_environment(emulated, monkeypatch):
    monkeypatch.setenv("CAMERA_KEY", "secret")
    _, place = emulated("mavlink", key=hashlib.sha256(b"secret").hexdigest())
    with open_camera(f"mavlink:{place}?key=env:CAMERA_KEY") as camera:
        assert camera.caps().vendor == "Vedette"
    monkeypatch.delenv("CAMERA_KEY")
    with pytest.raises(ParameterError, match="CAMERA_KEY is not set"):
        open_camera(f"mavlink:{place}?key=env:CAMERA_KEY")


def test_replayed_messages_are_refused(emulated):
    """What was recorded on the line and is sent again moves nothing."""
    recorded = []

    class Recorder:
        def __init__(self, device):
            self.device = device

        def receive(self, data, now_ns):
            recorded.append(data)
            return self.device.receive(data, now_ns)

        def tick(self, now_ns):
            return self.device.tick(now_ns)

        def disconnected(self):
            self.device.disconnected()

    device, place = emulated("mavlink", wrap=Recorder, key="secret")
    with open_camera(f"mavlink:{place}?key=secret") as camera:
        camera.trigger()
    images, before = device._images, device.unsigned
    answers = list(device.receive(b"".join(recorded), time.monotonic_ns()))
    assert (device._images, answers) == (images, [])
    assert device.unsigned > before


def test_pymavlink_reads_every_message_of_the_emulator(emulated):
    """Each message that the emulator can send, decoded by pymavlink's own parser without an error."""
    device, _ = emulated("mavlink")
    now = time.monotonic_ns()
    parser = common.MAVLink(None)
    stream = b"".join(device.tick(now))
    for component, number in ((100, 259), (100, 260), (154, 280), (154, 285)):
        stream += device._pack(number, device._message(number, component, now), component)
    stream += device._pack(263, device._captured(now), 100)
    kinds = [message.get_type() for message in parser.parse_buffer(stream)]
    assert kinds == [
        "HEARTBEAT",
        "HEARTBEAT",
        "CAMERA_INFORMATION",
        "CAMERA_SETTINGS",
        "GIMBAL_MANAGER_INFORMATION",
        "GIMBAL_DEVICE_ATTITUDE_STATUS",
        "CAMERA_IMAGE_CAPTURED",
    ]
    assert parser.total_receive_errors == 0


def test_a_lost_command_is_given_again(emulated):
    class DropsOneAck:
        def __init__(self, device):
            self.device, self.dropped = device, 0

        def receive(self, data, now_ns):
            for answer in self.device.receive(data, now_ns):
                if answer[7] == 77 and self.dropped < 1:
                    self.dropped += 1
                else:
                    yield answer

        def tick(self, now_ns):
            return self.device.tick(now_ns)

        def disconnected(self):
            self.device.disconnected()

    _, place = emulated("mavlink", wrap=DropsOneAck)
    with open_camera(f"mavlink:{place}?timeout_s=1") as camera:
        assert camera.stats()["sent_again"] == 1
