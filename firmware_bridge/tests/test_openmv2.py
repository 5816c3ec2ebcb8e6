"""OpenMV's protocol version 2: packets, the driver against the emulator, and lines that damage and lose."""

import random
import struct

import pytest

from vedette_bridge import (
    DeviceError,
    LinkTimeoutError,
    NotSupportedError,
    ParameterError,
    ProtocolError,
    open_camera,
)
from vedette_bridge.jpeg import sample_jpeg
from vedette_bridge.protocols.openmv2.emulator import Board, EmulatorOptions, OpenMv2Device
from vedette_bridge.protocols.openmv2.packets import Packet, Parser, crc16, crc32
from vedette_bridge.protocols.openmv2.session import Opcode


@pytest.fixture
def counters():
    from collections import Counter

    return Counter()


def bitwise(data, polynomial, width):
    """By long division, as a textbook does it."""
    value = int.from_bytes(data) << width
    value ^= ((1 << width) - 1) << (8 * len(data))  # all ones at the start
    for place in reversed(range(width, 8 * len(data) + width)):
        if value >> place & 1:
            value ^= (1 << width | polynomial) << (place - width)
    return value


@pytest.mark.parametrize("size", [2, 3, 8, 52, 300])
def test_checksums_are_long_division_by_the_polynomials_of_the_firmware(size):
    data = random.Random(size).randbytes(max(size, 4))
    assert crc16(data) == bitwise(data, 0xF94F, 16)
    assert crc32(data) == bitwise(data, 0xFA567D89, 32)


def test_a_packet_survives_any_cut_and_any_noise_before_it(counters):
    packet = Packet(7, 3, 0, 0x26, bytes(range(50)))
    for cut in range(len(packet.encode())):
        parser = Parser(counters)
        stream = b"\xaa\xd5\xaa" + packet.encode()
        assert [*parser.feed(stream[: cut + 3]), *parser.feed(stream[cut + 3 :])] == [packet]


def test_every_single_flipped_bit_is_noticed(counters):
    whole = Packet(1, 3, 0, 0x26, b"0123456789").encode()
    good = Packet(2, 0, 0, 0x25)
    for bit in range(8 * len(whole)):
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        found = [
            packet
            for packet in Parser(counters).feed(bytes(wrong) + good.encode() + bytes(300))
            if not packet.damaged
        ]
        assert found == [good]


def test_a_long_length_field_is_not_waited_for(counters):
    parser = Parser(counters)
    head = struct.pack("<HBBBBH", 0xD5AA, 0, 0, 0, 0, 0xFFFF)
    parser.feed(head + crc16(head).to_bytes(2, "little"))
    assert parser.feed(Packet(0, 0, 1, 0).encode()) == [Packet(0, 0, 1, 0)]
    assert counters["bad_headers"] == 1


def test_who_it_is_and_what_it_prints(emulated):
    _, place = emulated("openmv2")
    with open_camera(f"openmv2:{place}") as camera:
        caps = camera.caps()
        assert (caps.vendor, caps.firmware, caps.extra["protocol"]) == ("OpenMV", "4.8.1", "1.0.2")
        assert len(caps.serial) == 24
        assert camera.channels() == {"usb": 0, "stdin": 1, "stdout": 2, "stream": 3}
        assert camera.read_stdout() == "hello from main.py\r\n"
        assert camera.read_stdout() == ""
        with pytest.raises(NotSupportedError):
            camera.set(exposure_us=1)


def test_images_come_whole_and_in_order(emulated):
    _, place = emulated("openmv2", width=640, height=480, fps=200)
    with open_camera(f"openmv2:{place}") as camera:
        before = 0
        for number, frame in zip(range(5), camera.frames(2.0), strict=False):
            assert bytes(frame.data) == sample_jpeg((640, 480), number)
            assert (frame.fourcc, frame.size_wh, frame.image_id) == ("JPEG", (640, 480), number)
            assert frame.t_capture_ns - frame.uncertainty_ns >= before, (
                "it was shown after the one before was fetched"
            )
            before = frame.t_capture_ns + frame.uncertainty_ns
        assert camera.stats()["resynchronisations"] == 1


def test_scripts(emulated):
    device, place = emulated("openmv2")
    with open_camera(f"openmv2:{place}") as camera:
        assert camera.script_running()
        camera.stop_script()
        assert not camera.script_running()
        with pytest.raises(LinkTimeoutError, match=r"showed no image for 0.1 s\n.*script"):
            next(camera.frames(0.1))
        script = 'print("one")\nprint("two")\n#' + "x" * 10_000
        camera.exec_script(script)
        assert camera.read_stdout() == "hello from main.py\r\none\r\ntwo\r\n"
        assert device.board._script == script.encode()
        camera.exec_script("while True: sensor.snapshot()")
        next(camera.frames(1.0))


def test_refusals(emulated):
    _, place = emulated("openmv2")
    with open_camera(f"openmv2:{place}") as camera:
        with pytest.raises(DeviceError, match="INVALID") as caught:
            camera.channel_write("stdout", b"x")
        assert caught.value.code == "INVALID"
        with pytest.raises(ParameterError, match=r"no channel 'temp'\n.*it has stdin, stdout, stream, usb"):
            camera.channel_read("temp")


class Faulty:
    """Loses or damages a share of the packets of either direction."""

    def __init__(self, device, share, seed, kind):
        self.device, self.share, self.random, self.kind = device, share, random.Random(seed), kind

    def spoil(self, data):
        if not data or self.random.random() >= self.share:
            return data
        at = self.random.randrange(len(data))
        return b"" if self.kind == "lose" else data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]

    def receive(self, data, now_ns):
        return [self.spoil(piece) for piece in self.device.receive(self.spoil(data), now_ns)]

    def tick(self, now_ns):
        return [self.spoil(piece) for piece in self.device.tick(now_ns)]

    def disconnected(self):
        self.device.disconnected()


@pytest.mark.parametrize(("kind", "share"), [("damage", 0.05), ("lose", 0.03)])
def test_every_image_that_comes_over_a_bad_line_is_whole(emulated, kind, share):
    _, place = emulated(
        "openmv2", wrap=lambda device: Faulty(device, share, 5, kind), fps=500, width=640, height=480
    )
    with open_camera(f"openmv2:{place}?timeout_s=0.8") as camera:
        cards = [sample_jpeg((640, 480), number) for number in range(40)]
        for _, frame in zip(range(6), camera.frames(10.0), strict=False):
            assert bytes(frame.data) in cards
        stats = camera.stats()
        assert stats.get("bad_headers", 0) + stats.get("bad_payloads", 0) + stats.get("lost_exchanges", 0) > 0


def test_a_camera_that_restarts_is_found_again(emulated):
    device, place = emulated("openmv2")
    with open_camera(f"openmv2:{place}?timeout_s=0.5") as camera:
        frames = camera.frames(3.0)
        next(frames)
        device._reset()  # it forgets the sequence number and the lock
        device._number = 99
        assert camera.read_stdout().startswith("hello")
        assert camera.stats()["resynchronisations"] == 2


def board(image):
    made = Board(EmulatorOptions(fps=1000), [])
    made._show = lambda: setattr(made, "image", image)
    return made


@pytest.mark.parametrize(
    "header",
    [
        (0, 0, 0x06060000, 4, 20),
        (320, 240, 0x06060000, 4, 4096),
        (320, 240, 0x06060000, 4, 3),
        (1 << 20, 1, 1, 4, 20),
    ],
)
def test_an_image_with_a_senseless_header(serve, header):
    place = serve(OpenMv2Device(board(struct.pack("<5I", *header) + b"jpeg")))
    with open_camera(f"openmv2:{place}") as camera, pytest.raises(ProtocolError, match="an image of"):
        next(camera.frames())


def test_a_channel_of_four_gigabytes(serve):
    device = OpenMv2Device(board(b"x" * 30))
    device._size = lambda opcode, channel, body: device._reply(opcode, channel, b"\xff\xff\xff\xff")
    place = serve(device)
    with (
        open_camera(f"openmv2:{place}") as camera,
        pytest.raises(ProtocolError, match="claims 4294967295 bytes"),
    ):
        next(camera.frames())


def test_pixel_formats(serve):
    image = struct.pack("<5I", 4, 2, 0x08020001, 0, 20) + bytes(range(8))
    place = serve(OpenMv2Device(board(image)))
    with open_camera(f"openmv2:{place}") as camera:
        frame = next(camera.frames())
    assert (frame.fourcc, frame.size_wh, bytes(frame.data)) == ("GREY", (4, 2), bytes(range(8)))


def test_events_are_kept_and_bounded(emulated):
    _, place = emulated("openmv2")
    with open_camera(f"openmv2:{place}") as camera:
        for _ in range(70):
            camera.stop_script()
        camera._session.request(Opcode.POLL)
        assert set(camera._session.events) == {(1, 0)}
        assert len(camera._session.events) <= 64
