"""Every driver against what no camera should do: one clear error each, in time, with bounded memory."""

import random
import threading
import time
import tracemalloc

import pytest

from vedette_bridge import (
    Drive,
    LinkError,
    LinkTimeoutError,
    MoveTo,
    PortBusyError,
    PortGoneError,
    open_camera,
)
from vedette_bridge.emulation import PtyHost

SERIAL = {"openmv": "0.3", "openmv2": "0.3", "pelco_d": "0.2", "visca": "0.3", "mavlink": "0.5", "smp": "0.4"}
"""With a time limit that keeps these tests short."""
EXTRAS = {"mavlink": "pymavlink", "smp": "smpclient"}


@pytest.fixture(params=SERIAL)
def protocol(request):
    if request.param in EXTRAS:
        pytest.importorskip(EXTRAS[request.param], reason=f"needs {EXTRAS[request.param]}")
    return request.param


class Camera:
    """What misbehaves; each kind overrides what it says."""

    def receive(self, data, now_ns):
        return ()

    def tick(self, now_ns):
        return ()

    def disconnected(self):
        """Nothing to forget."""


class Garbage(Camera):
    """Answers everything with noise."""

    def __init__(self):
        self.random = random.Random(3)

    def receive(self, data, now_ns):
        return [self.random.randbytes(self.random.randrange(1, 200))]


class Flood(Camera):
    """Never stops sending."""

    def __init__(self, pattern):
        self.pattern = pattern

    def tick(self, now_ns):
        return [self.pattern]


class Echo(Camera):
    """A loop-back plug: every message comes back as it was."""

    def receive(self, data, now_ns):
        return [data]


def use(protocol, place):
    """Open the camera and ask something of it."""
    with open_camera(f"{protocol}:{place}?timeout_s={SERIAL[protocol]}") as camera:
        if protocol == "pelco_d":
            camera.ptz_position()
        elif protocol == "openmv":
            camera.call("x")


FLOODS = {
    "noise": random.Random(5).randbytes(32768),
    "zeros": bytes(32768),
    "ones": b"\xff" * 32768,
    "openmv2 heads": b"\xaa\xd5" * 16384,
    "openmv heads": bytes.fromhex("2190") * 16384,
    "mavlink heads": b"\xfd\xff\x00" * 10922,
    "visca": b"\x90\x41\xff" * 10922,
    "smp lines": b"\x06\x09" + b"A" * 120 + b"\n",
    "no end": b"\x90" * 32768,
}


@pytest.mark.parametrize("make", [Camera, Garbage, Echo])
def test_silence_garbage_and_a_loop_back_end_in_one_error(serve, protocol, make):
    place = serve(make())
    begin = time.monotonic()
    with pytest.raises(LinkError) as caught:
        use(protocol, place)
    assert time.monotonic() - begin < 10
    assert place in caught.value.message, "the error names the port"
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_ends_in_one_error_and_takes_no_memory(serve, protocol, kind):
    place = serve(Flood(FLOODS[kind]))
    begin = time.monotonic()
    tracemalloc.start()
    with pytest.raises(LinkError):
        use(protocol, place)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - begin < 15
    assert peak < 24 << 20  # the emulator's own megabyte, what is imported, and what goes by


def test_a_port_that_is_open_elsewhere(serve, protocol):
    place = serve(Camera())
    with open_camera(f"openmv:{place}"), pytest.raises(PortBusyError, match="is held by another program"):
        use(protocol, place)


def test_a_port_that_does_not_exist(protocol):
    with pytest.raises(LinkError, match="No such file or directory"):
        use(protocol, "/dev/ttyNONE")


class Vanishing:
    """Takes the port away in the middle of an answer."""

    def __init__(self, device):
        self.device, self.host, self.armed = device, None, False

    def receive(self, data, now_ns):
        for answer in self.device.receive(data, now_ns):
            if self.armed:
                yield answer[: len(answer) // 2]
                self.host.stop()
                return
            yield answer

    def tick(self, now_ns):
        return self.device.tick(now_ns)

    def disconnected(self):
        self.device.disconnected()


def ask(protocol, camera):
    """Ask for something that is answered."""
    match protocol:
        case "openmv" | "openmv2":
            next(camera.frames(5.0))
        case "smp":
            camera.echo("x" * 100)
        case "mavlink":
            camera.ptz(MoveTo(pan_deg=5.0)).wait(5)
        case _:
            camera.ptz_position()


def test_a_port_that_vanishes_in_the_middle_of_an_answer(protocol):
    from vedette_bridge.drivers import build_emulator

    device = Vanishing(build_emulator(protocol, {}))
    host = device.host = PtyHost(device)

    def serve():
        host.serve()
        host.close()  # the pty is gone

    thread = threading.Thread(target=serve)
    thread.start()
    with open_camera(f"{protocol}:{host.place}?timeout_s=5") as camera:
        ask(protocol, camera)
        device.armed = True
        with pytest.raises(PortGoneError):
            ask(protocol, camera)
        with pytest.raises(LinkError):
            ask(protocol, camera)
    thread.join()


def test_a_killed_emulator_and_its_successor(emulate, protocol):
    """SIGKILL in a real process: an error, not a hang; and a new camera at a new place is a new camera."""
    process, place = emulate(protocol)
    with open_camera(f"{protocol}:{place}?timeout_s=2") as camera:
        ask(protocol, camera)
        process.kill()
        process.wait()
        begin = time.monotonic()
        with pytest.raises(LinkError):
            ask(protocol, camera)
        assert time.monotonic() - begin < 10
    _, place = emulate(protocol)
    with open_camera(f"{protocol}:{place}?timeout_s=2") as camera:
        ask(protocol, camera)


def test_a_closed_camera_says_so(emulated, protocol):
    _, place = emulated(protocol)
    camera = open_camera(f"{protocol}:{place}?timeout_s=2")
    camera.close()
    camera.close()
    with pytest.raises(LinkError, match="closed"):
        ask(protocol, camera)


def test_wrong_checksums_are_counted_and_not_believed(emulated, protocol):
    """Every answer has one bit wrong near its end; protocols without a checksum have none to be wrong."""
    if protocol == "visca":
        pytest.skip("VISCA has no checksum")

    class Wrong(Camera):
        def __init__(self, device):
            self.device = device

        def receive(self, data, now_ns):
            return [self.spoil(answer) for answer in self.device.receive(data, now_ns)]

        def tick(self, now_ns):
            return [self.spoil(answer) for answer in self.device.tick(now_ns)]

        def spoil(self, answer):
            at = 6 if protocol == "smp" else len(answer) - 1
            return answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :]

    _, place = emulated(protocol, wrap=Wrong)
    if protocol == "pelco_d":
        with open_camera(f"pelco_d:{place}?timeout_s=0.2") as camera:
            assert camera.caps().methods == {"ptz"}
            assert camera.stats()["skipped_bytes"] > 0
    else:
        with pytest.raises((LinkTimeoutError, LinkError)):
            use(protocol, place)


def test_two_threads_use_one_camera(emulated):
    _, place = emulated("visca", speed_deg_s=1000)
    failures = []
    with open_camera(f"visca:{place}") as camera:

        def work(number):
            try:
                for _ in range(30):
                    camera.get("power")
                    camera.ptz(Drive(pan=0.1 * number))
                    camera.ptz_position()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
