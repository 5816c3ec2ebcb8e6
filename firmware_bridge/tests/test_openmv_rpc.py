"""OpenMV's RPC: the driver against the emulator, over a clean line and a damaging one."""

import binascii
import random
import struct

import pytest

from vedette_bridge import LinkTimeoutError, NotSupportedError, ParameterError, ProtocolError, open_camera
from vedette_bridge.jpeg import sample_jpeg
from vedette_bridge.protocols.openmv_rpc.emulator import RpcDevice
from vedette_bridge.protocols.openmv_rpc.master import djb2, packet


def test_packets_are_those_of_the_library():
    """Computed by hand from the library's description: magic, payload, CRC-16/CCITT-FALSE, all little-endian."""
    assert packet(0x1209).hex() == "0912" + binascii.crc_hqx(b"\x09\x12", 0xFFFF).to_bytes(2, "little").hex()
    assert binascii.crc_hqx(b"123456789", 0xFFFF) == 0x29B1, "the check value of CRC-16/CCITT-FALSE"
    header = packet(0x1209, struct.pack("<II", 1, 2))
    assert header[:10] == bytes.fromhex("0912 01000000 02000000")


def test_names_are_hashed_as_the_library_does():
    assert djb2("") == 5381
    assert djb2("a") == (5381 * 33) ^ 97
    assert djb2("jpeg_image_snapshot") == 0xCB59AA16


def test_calls_of_every_size(emulated):
    _, place = emulated("openmv")
    with open_camera(f"openmv:{place}") as camera:
        for size in (0, 1, 2, 63, 64, 4000, 100_000):
            data = random.Random(size).randbytes(size)
            assert camera.call("echo", data) == data
        assert camera.call("no_such_function", b"x") == b""
        assert camera.stats()["tries_again"] == 0


def test_images(emulated):
    _, place = emulated("openmv")
    with open_camera(f"openmv:{place}?framesize=QVGA") as camera:
        frames = camera.frames(2.0)
        first, second = next(frames), next(frames)
        assert first.fourcc == "JPEG"
        assert bytes(first.data) == sample_jpeg((320, 240), 0)
        assert bytes(second.data) == sample_jpeg((320, 240), 1)
        assert first.size_wh == (320, 240)
        assert (first.image_id, second.image_id) == (0, 1)
        assert second.t_capture_ns > first.t_capture_ns
        assert 0 < first.uncertainty_ns < 2e9
        assert camera.set(framesize="VGA", pixformat="GRAYSCALE") == {
            "framesize": "VGA",
            "pixformat": "GRAYSCALE",
        }
        assert next(frames).size_wh == (640, 480)
        assert camera.get() == {"framesize": "VGA", "pixformat": "GRAYSCALE"}
        assert first.data.readonly


def test_images_of_a_folder(emulated, tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(sample_jpeg((64, 48), 100 + number))
    _, place = emulated("openmv", images=tmp_path)
    with open_camera(f"openmv:{place}") as camera:
        frames = camera.frames()
        assert [bytes(next(frames).data) == sample_jpeg((64, 48), 100 + n) for n in (0, 1, 0)] == [True] * 3


def test_what_it_cannot_do(emulated):
    _, place = emulated("openmv")
    with open_camera(f"openmv:{place}") as camera:
        for call in (camera.trigger, camera.ptz_position, camera.time_offset):
            with pytest.raises(NotSupportedError, match="openmv camera on"):
                call()
        with pytest.raises(ParameterError, match="did you mean 'framesize'"):
            camera.set(framesizes="VGA")
        with pytest.raises(ParameterError, match="pixformat must be one of"):
            camera.set(pixformat="__import__('os')")


class Noisy:
    """Damages a share of what goes either way: flips a bit, loses a byte, or adds one."""

    def __init__(self, device, share, seed):
        self.device, self.share, self.random = device, share, random.Random(seed)

    def damage(self, data):
        if not data or self.random.random() >= self.share:
            return data
        at = self.random.randrange(len(data))
        kind = self.random.randrange(3)
        if kind == 0:
            return data[:at] + bytes((data[at] ^ 1 << self.random.randrange(8),)) + data[at + 1 :]
        return data[:at] + data[at + 1 :] if kind == 1 else data[:at] + b"\x5a" + data[at:]

    def receive(self, data, now_ns):
        return [self.damage(piece) for piece in self.device.receive(self.damage(data), now_ns)]

    def tick(self, now_ns):
        return [self.damage(piece) for piece in self.device.tick(now_ns)]

    def disconnected(self):
        self.device.disconnected()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaging_line_costs_time_and_no_image(emulated, seed):
    """A call whose result was lost is made again, and takes another picture: numbers are left out, none is wrong."""
    _, place = emulated("openmv", wrap=lambda device: Noisy(device, 0.05, seed))
    with open_camera(f"openmv:{place}?timeout_s=5") as camera:
        for number, frame in zip(range(10), camera.frames(5.0), strict=False):
            assert bytes(frame.data) in [sample_jpeg((320, 240), number + again) for again in range(20)]
        assert camera.stats()["tries_again"] > 0


def test_a_camera_with_another_script(serve):
    place = serve(RpcDevice({"jpeg_image_snapshot": lambda data: b"no"}))
    with (
        open_camera(f"openmv:{place}") as camera,
        pytest.raises(ProtocolError, match=r"returned 2 bytes.*\n.*image_transfer_jpg_as_the_remote_device"),
    ):
        next(camera.frames())


def test_an_image_of_four_gigabytes(serve):
    place = serve(RpcDevice({"jpeg_image_snapshot": lambda data: b"\xff\xff\xff\xff"}))
    with (
        open_camera(f"openmv:{place}") as camera,
        pytest.raises(ProtocolError, match="image of 4294967295 bytes"),
    ):
        next(camera.frames())


def test_an_image_that_ends_too_early(serve):
    short = {"jpeg_image_snapshot": lambda data: b"\x00\x01\x00\x00", "jpeg_image_read": lambda data: b"x"}
    place = serve(RpcDevice(short))
    with (
        open_camera(f"openmv:{place}") as camera,
        pytest.raises(ProtocolError, match="1 bytes instead of 256"),
    ):
        next(camera.frames())


def test_silence_has_an_end(serve):
    class Silent:
        def receive(self, data, now_ns):
            return ()

        def tick(self, now_ns):
            return ()

    place = serve(Silent())
    with (
        open_camera(f"openmv:{place}") as camera,
        pytest.raises(LinkTimeoutError, match=r"did not take the call 'x' in time \(\d+ tries\)"),
    ):
        camera.call("x", timeout_s=0.2)
