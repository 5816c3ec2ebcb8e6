"""The examples, with stand-ins for what only their boards have: their own side of the matter, not the hardware's."""

import contextlib
import math
import runpy
import socket
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import pytest

from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.events import ImageReceived, Message
from vedette_bridge.vlp.frame import RPC
from vedette_bridge.vlp.link import Link
from vedette_bridge.vlp.messages import Detection, ResultMessage
from vedette_bridge.vlp.rpc import Method, RpcClient

JPEG = b"\xff\xd8 a picture \xff\xd9"


class Wire:
    """A UART or USB port with the methods of MicroPython's."""

    def __init__(self, end):
        self.end, self.over = end, threading.Event()

    def __call__(self, *arguments, **options):
        return self

    def readinto(self, buffer):
        if self.over.is_set():
            raise SystemExit
        time.sleep(0.0005)
        try:
            return self.end.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data):
        return self.end.send(data)

    def init(self, *arguments, **options):
        pass

    def txdone(self):
        return True

    def setinterrupt(self, byte):
        assert byte == -1


class Pin:
    IN = OUT = PULL_UP = IRQ_FALLING = 0

    def __init__(self, number, *arguments, value=0):
        self.state = value

    def irq(self, handler, trigger):
        handler(self)

    def value(self, level=None):
        if level is None:
            return self.state
        self.state = level
        return None


class Pwm:
    def __init__(self, pin, freq, duty_u16):
        self.duty = duty_u16

    def duty_u16(self, duty=None):
        if duty is None:
            return self.duty
        self.duty = duty
        return None


class OpenMvSensor:
    RGB565 = QVGA = 0

    def __init__(self):
        self.exposure, self.gain = 8000, 0.0

    def __getattr__(self, name):
        if name in {"reset", "pixformat", "framesize", "hmirror", "vflip"}:
            return lambda *arguments: None
        raise AttributeError(name)

    def snapshot(self, time=0):
        return SimpleNamespace(compress=lambda quality: SimpleNamespace(bytearray=lambda: bytearray(JPEG)))

    def exposure_us(self):
        return self.exposure

    def auto_exposure(self, on, exposure_us):
        self.exposure = exposure_us

    def gain_db(self):
        return self.gain

    def auto_gain(self, on, gain_db):
        self.gain = gain_db


class Esp32Sensor:
    def __init__(self, **options):
        assert set(options) == {"pixel_format", "frame_size", "jpeg_quality", "fb_count", "grab_mode"}

    def capture(self):
        return memoryview(JPEG)

    def set_quality(self, quality):
        pass

    set_hmirror = set_vflip = set_quality


def boards(wire):
    """The modules that only boards have."""
    led = SimpleNamespace(on=lambda: None, off=lambda: None)
    machine = {
        "UART": wire,
        "Pin": Pin,
        "PWM": Pwm,
        "LED": lambda name: led,
        "unique_id": lambda: b"\x01\xab",
    }
    constants = SimpleNamespace(JPEG=0, VGA=0, LATEST=0)
    return {
        "machine": {**machine, "reset": lambda: None, "bootloader": lambda: None},
        "pyb": {"USB_VCP": wire, "rng": lambda: 4},
        "csi": {"CSI": OpenMvSensor, "RGB565": 0, "QVGA": 0},
        "camera": {
            "Camera": Esp32Sensor,
            "FrameSize": constants,
            "GrabMode": constants,
            "PixelFormat": constants,
        },
    }


class Box:
    """The host's link on the other end."""

    def __init__(self, end):
        self.end = end
        self.link = Link(LinkConfig(role="box"), lambda: time.monotonic_ns() // 1000)
        self.client, self.replies, self.images = RpcClient(1), {}, []
        self.link.start()

    def until(self, ready):
        deadline = time.monotonic() + 10
        while not ready():
            assert time.monotonic() < deadline
            try:
                events = self.link.feed(self.end.recv(65536))
            except BlockingIOError:
                events = []
                time.sleep(0.0005)
            for event in [*events, *self.link.poll()]:
                if isinstance(event, ImageReceived):
                    self.images.append(event)
                elif isinstance(event, Message) and event.ch == RPC:
                    reply = self.client.reply(event.payload)
                    self.replies[reply.id] = reply
            if data := self.link.take_output():
                self.end.send(data)

    def call(self, method, args=None):
        number, payload = self.client.request(method, args)
        self.link.send(RPC, payload)
        self.until(lambda: number in self.replies)
        assert self.replies[number].error == 0
        return self.replies[number].result


def run(path):
    with contextlib.suppress(SystemExit):  # how the wire ends it
        runpy.run_path(str(path))


@pytest.fixture
def box(request, monkeypatch, sources):
    """A box that talks to the example ``request.param``, which runs in a thread."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    wire = Wire(theirs)
    for name, members in boards(wire).items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(time, "ticks_us", lambda: time.monotonic_ns() // 1000 % (1 << 30), raising=False)
    monkeypatch.setattr(time, "ticks_diff", lambda a, b: a - b, raising=False)
    monkeypatch.setattr(time, "sleep_us", lambda us: None, raising=False)
    path = sources / "examples" / request.param
    thread = threading.Thread(target=run, args=[path])
    thread.start()
    box = Box(ours)
    box.until(lambda: box.link.state == "up")
    yield box
    wire.over.set()
    thread.join(5)
    ours.close()
    theirs.close()
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("box", "vendor", "changes", "fourcc", "size"),
    [
        ("openmv_camera.py", "OpenMV", {1: 9000, 2: 512, 6: 70, 7: 3}, "JPEG", (320, 240)),
        ("esp32cam.py", "AI-Thinker", {6: 70, 7: 1, 8: 255, 9: {13: 1}}, "JPEG", (640, 480)),
        ("rp2040_uart.py", "Raspberry Pi", {8: 128, 9: {3: 1}}, "GREY", (160, 120)),
    ],
    indirect=["box"],
)
def test_an_example_serves_a_box(box, vendor, changes, fourcc, size):
    caps = box.call(Method.GET_CAPS)
    assert (caps[0][0], caps[0][2], tuple(caps[3])) == (vendor, "01ab", size)
    assert box.call(Method.SET, changes) == changes
    box.call(Method.START, {0: 2})
    box.until(lambda: len(box.images) == 2)
    for image in box.images:
        header = image.header
        assert (header.fourcc, header.width, header.height) == (fourcc, *size)
        assert image.data == JPEG if fourcc == "JPEG" else len(image.data) == math.prod(size)
    box.link.send(
        5, ResultMessage(obj=0, t_us=0, detections=(Detection(1, 0.5, 1, 2, 3, 4),)).encode(), flags=8
    )
    box.until(lambda: box.link.idle)
