"""The VISCA driver against the emulator, over a pty, TCP and UDP; and by the bytes of the manuals."""

import threading
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
from vedette_bridge.protocols.visca import messages
from vedette_bridge.protocols.visca.messages import Reply, parse_reply


def reach(place, on, options=""):
    host = place if on == "pty" else f"//{place}"
    return f"visca{'+socket' if on == 'tcp' else ''}:{host}{options}"


@pytest.fixture(params=["pty", "tcp", "udp"])
def camera(request, emulated):
    _, place = emulated("visca", request.param, speed_deg_s=600)
    with open_camera(reach(place, request.param)) as opened:
        yield opened


# The examples of Sony's command lists.
@pytest.mark.parametrize(
    ("body", "manual"),
    [
        (messages.drive(1, 0), "01 06 01 18 01 02 03"),
        (messages.drive(-0.5, 1), "01 06 01 0c 14 01 01"),
        (messages.move(-1, 0x1234, 1, relative=False), "01 06 02 18 14 0f 0f 0f 0f 01 02 03 04"),
        (messages.move(1, -2, 0, relative=True), "01 06 03 01 01 00 00 00 01 0f 0f 0f 0e"),
        (messages.drive_zoom(1), "01 04 07 27"),
        (messages.drive_zoom(-0.2), "01 04 07 31"),
        (messages.drive_zoom(0), "01 04 07 00"),
        (messages.drive_focus(1), "01 04 08 37"),
        (messages.zoom_to(0x4000), "01 04 47 04 00 00 00"),
        (messages.preset("recall", 5), "01 04 3f 02 05"),
        (messages.cancel(2), "22"),
    ],
)
def test_messages_are_those_of_the_manuals(body, manual):
    assert body.hex(" ") == manual


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("90 41 ff", Reply("ack", 1, 1)),
        ("a0 52 ff", Reply("done", 2, 2)),
        ("90 50 02 ff", Reply("done", 1, 0, b"\x02")),
        ("90 60 02 ff", Reply("error", 1, 0, b"\x02")),
        ("90 61 41 ff", Reply("error", 1, 1, b"\x41")),
    ],
)
def test_replies_are_those_of_the_manuals(message, reply):
    assert parse_reply(bytes.fromhex(message)) == reply


def test_who_it_is(camera):
    caps = camera.caps()
    assert (caps.vendor, caps.model, caps.firmware) == ("Sony", "0x0511", "0x0102")
    assert caps.methods == {"get", "set", "ptz", "ptz_position"}
    with pytest.raises(NotSupportedError, match="sends no images"):
        camera.frames()


def test_absolute_and_relative_moves_arrive(camera):
    camera.ptz(MoveTo(pan_deg=30, tilt_deg=-10)).wait(5)
    at = camera.ptz_position()
    assert (at.pan_deg, at.tilt_deg) == pytest.approx((30, -10), abs=0.1)
    camera.ptz(MoveBy(pan_deg=-45)).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(-15, abs=0.1)
    camera.ptz(MoveTo(tilt_deg=20)).wait(5)
    at = camera.ptz_position()
    assert (at.pan_deg, at.tilt_deg) == pytest.approx((-15, 20), abs=0.1)
    camera.ptz(Home()).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(0, abs=0.1)


def test_a_move_is_not_done_before_it_is(camera):
    begin = time.monotonic()
    move = camera.ptz(MoveTo(zoom=0.25))
    assert time.monotonic() - begin < 0.4, "ptz waits for the acknowledgement alone"
    with pytest.raises(LinkTimeoutError, match="not done"):
        move.wait(0.05)
    move.wait(5)
    assert time.monotonic() - begin > 0.45  # the lens takes two seconds for its range
    assert camera.ptz_position().zoom == pytest.approx(0.25, abs=0.01)


def test_driving_goes_on_until_it_is_stopped(camera):
    camera.ptz(Drive(pan=0.2, tilt=-0.1))
    time.sleep(0.1)
    camera.ptz(Drive(tilt=0.0))  # pan goes on
    one = camera.ptz_position()
    time.sleep(0.1)
    two = camera.ptz_position()
    assert two.pan_deg > one.pan_deg > 0
    assert two.tilt_deg == one.tilt_deg < 0
    camera.ptz(Stop())
    three = camera.ptz_position()
    time.sleep(0.05)
    assert camera.ptz_position() == three


def test_a_cancelled_move_says_so(camera):
    move = camera.ptz(MoveTo(zoom=1.0))
    move.cancel()
    with pytest.raises(DeviceError, match="cancelled") as caught:
        move.wait(5)
    assert caught.value.code == "cancelled"
    assert camera.ptz_position().zoom < 0.9
    move.cancel()  # without effect


def test_two_commands_at_a_time_and_no_third(camera):
    zoom = camera.ptz(MoveTo(zoom=0.3))
    camera.set(power="on")  # a setting passes beside it
    turn = camera.ptz(MoveTo(pan_deg=160))
    with pytest.raises(DeviceError, match="buffer full"):
        camera.ptz(Home())
    turn.wait(5)
    zoom.wait(5)
    camera.ptz(Home()).wait(5)


def test_another_thread_stops_a_move(camera):
    move = camera.ptz(MoveTo(zoom=1.0))
    threading.Timer(0.1, move.cancel).start()
    with pytest.raises(DeviceError):
        move.wait(5)


def test_presets(camera):
    camera.ptz(MoveTo(pan_deg=12)).wait(5)
    camera.ptz(Preset("save", 3)).wait(5)
    camera.ptz(Home()).wait(5)
    camera.ptz(Preset("recall", 3)).wait(5)
    assert camera.ptz_position().pan_deg == pytest.approx(12, abs=0.1)
    camera.ptz(Preset("clear", 3)).wait(5)
    with pytest.raises(DeviceError, match="not executable"):
        camera.ptz(Preset("recall", 3))


def test_settings(camera):
    assert camera.get("focus_mode", "flip") == {"focus_mode": "auto", "flip": "none"}
    with pytest.raises(DeviceError, match=r"(?s)not executable.*automatic focus") as caught:
        camera.ptz(Drive(focus=1))
    assert caught.value.code == "not executable"
    assert camera.set(focus_mode="manual", flip="hv", shutter_step=9) == {
        "focus_mode": "manual",
        "flip": "hv",
        "shutter_step": 9,
    }
    assert camera.get("flip", "shutter_step", "focus_mode") == {
        "flip": "hv",
        "shutter_step": 9,
        "focus_mode": "manual",
    }
    camera.ptz(MoveTo(focus=0.5)).wait(5)
    assert camera.ptz_position().focus == pytest.approx(0.5, abs=0.01)
    assert set(camera.get()) == set(camera.caps().parameters)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"focus_mod": "auto"}, "did you mean 'focus_mode'"),
        ({"power": "on", "flip": "x"}, "flip must be one of none, h, v, hv"),
        ({"shutter_step": 256}, "0 .. 255"),
        ({"shutter_step": True}, "0 .. 255"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_sent(camera, settings, message):
    camera.set(power="off")
    with pytest.raises(ParameterError, match=message):
        camera.set(**settings)
    assert camera.get("power") == {"power": "off"}


def test_commands_out_of_range(camera):
    for bad in (lambda: MoveTo(pan_deg=400), lambda: MoveTo(zoom=1.1), lambda: Drive(pan=float("nan"))):
        with pytest.raises(ParameterError):
            bad()
    with pytest.raises(ParameterError, match=r"0 .. 127"):
        camera.ptz(Preset("save", 200))
    with pytest.raises(NotSupportedError, match="two commands at a time"):
        camera.ptz(MoveTo(pan_deg=1, zoom=0, focus=0))


def test_another_address_does_not_answer(emulated):
    _, place = emulated("visca", address=3)
    with pytest.raises(LinkTimeoutError, match=r"visca camera 1 .* does not answer"):
        open_camera(f"visca:{place}?timeout_s=0.2")
    with open_camera(f"visca:{place}?address=3") as camera:
        camera.ptz(Home()).wait(5)
    with pytest.raises(ParameterError, match=r"address must be 1 .. 7"):
        open_camera(f"visca:{place}?address=8")


class Lossy:
    """Of three commands and of three inquiries one is lost, and of one the acknowledgement or answer."""

    def __init__(self, device):
        self.device, self.numbers, self.lost = device, {0x0100: [], 0x0110: []}, set()

    def loses(self, kind, number, turn):
        """Whether this is a first sending whose turn it is."""
        seen = self.numbers[kind]
        if number not in seen:
            seen.append(number)
        if seen.index(number) % 3 != turn or (number, turn) in self.lost:
            return False
        self.lost.add((number, turn))
        return True

    def receive(self, data, now_ns):
        kind, number = int.from_bytes(data[:2]), int.from_bytes(data[4:8])
        if kind in self.numbers and self.loses(kind, number, 1):
            return
        for answer in self.device.receive(data, now_ns):
            ours = answer[4:8] == data[4:8] and answer[:2] == b"\x01\x11" and kind in self.numbers
            completes = kind == 0x0100 and answer[9] >> 4 == 5  # what is lost then does not come again
            if not (ours and not completes and self.loses(kind, number, 2)):
                yield answer

    def tick(self, now_ns):
        return self.device.tick(now_ns)

    def disconnected(self):
        self.device.disconnected()


def test_a_lost_datagram_is_sent_again_and_carried_out_once(emulated):
    """Relative moves show it: one that is carried out twice ends elsewhere."""
    _, place = emulated("visca", "udp", wrap=Lossy, speed_deg_s=120)
    with open_camera(f"visca://{place}?timeout_s=0.05") as camera:
        for count in range(1, 10):
            camera.ptz(MoveBy(pan_deg=10)).wait(5)
            assert camera.ptz_position().pan_deg == pytest.approx(10 * count, abs=0.1)
        stats = camera.stats()
    assert stats["sent_again"] >= 5
    assert stats["sequence_errors"] >= 2
