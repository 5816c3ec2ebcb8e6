"""Every kind of port: rfc2217 with pyserial's own server, loops, objects that a program owns; and asyncio."""

import asyncio
import socket
import threading
import time

import pytest
import serial
import serial.rfc2217

from vedette_bridge import LinkDownError, LinkTimeoutError, PortGoneError
from vedette_bridge.protocols.vlp.aio import AsyncBridge
from vedette_bridge.protocols.vlp.camera import open_bridge
from vedette_bridge.protocols.vlp.emulator import EmulatedCamera, EmulatorOptions

FAST = EmulatorOptions(fps=50, width=160, height=120)


class Pty(serial.Serial):
    """A pseudo-terminal has no modem lines to set ..."""

    def _update_dtr_state(self):
        pass

    def _update_rts_state(self):
        pass


class Manager(serial.rfc2217.PortManager):
    """... and none to report."""

    def check_modem_lines(self, force_notification=False):
        pass


class Redirector:
    """A serial port offered by RFC 2217, as pyserial's example server does it."""

    def __init__(self, path):
        self._port = Pty(path, timeout=0.01)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def write(self, data):
        with self._lock:
            self._peer.sendall(data)

    def _serve(self):
        self._lock = threading.Lock()
        self._peer, _ = self._server.accept()
        self._manager = Manager(self._port, self)
        self._alive = True
        back = threading.Thread(target=self._back)
        back.start()
        try:
            while data := self._peer.recv(1024):
                self._port.write(b"".join(self._manager.filter(data)))
        except OSError:
            pass
        self._alive = False
        back.join()

    def _back(self):
        while self._alive:
            if data := self._port.read(self._port.in_waiting or 1):
                try:
                    self.write(b"".join(self._manager.escape(data)))
                except OSError:
                    return

    def close(self):
        self._peer.close()
        self._threads[0].join()
        self._server.close()
        self._port.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5
def test_over_rfc2217(serve):
    redirector = Redirector(serve(EmulatedCamera(FAST)))
    try:
        with open_bridge(redirector.url, timeout_s=10) as camera:
            assert camera.set(led=5) == {"led": 5}
            numbers = [frame.image_id for frame, _ in zip(camera.frames(5.0), range(5), strict=False)]
            assert numbers == sorted(set(numbers))
    finally:
        redirector.close()


class Crossed:
    """One end of a cable made of two ``loop://`` ports: what is written to one is read from the other."""

    def __init__(self, inward, outward):
        self._in, self._out = inward, outward
        self.timeout = 0.0

    @property
    def in_waiting(self):
        return self._in.in_waiting

    def read(self, size):
        self._in.timeout = self.timeout
        return self._in.read(size)

    def write(self, data):
        return self._out.write(data)

    def flush(self):
        self._out.flush()

    def close(self):
        pass


@pytest.fixture
def crossed():
    """Both ends."""
    loops = [serial.serial_for_url("loop://", baudrate=3_000_000) for _ in range(2)]
    yield Crossed(*loops), Crossed(*reversed(loops))
    for loop in loops:
        loop.close()


def serve_on(port, device, stop):
    """A device on a port of pyserial."""
    port.timeout = 0.002
    while not stop.is_set():
        data = port.read(max(1, port.in_waiting))
        now_ns = time.monotonic_ns()
        for piece in [*device.receive(data, now_ns), *device.tick(now_ns)]:
            port.write(piece)


def test_over_loops_with_a_port_that_the_program_owns(crossed):
    mine, theirs = crossed
    stop = threading.Event()
    thread = threading.Thread(target=serve_on, args=(theirs, EmulatedCamera(FAST), stop))
    thread.start()
    try:
        with open_bridge("loop", port=mine, start_baud=3_000_000) as camera:
            frames = camera.frames(5.0)
            assert next(frames).size_wh == (160, 120)
            assert camera.get("led") == {"led": 0}
    finally:
        stop.set()
        thread.join()


def test_a_loop_hears_only_itself():
    with pytest.raises(LinkTimeoutError, match="it was heard, but does not answer"):
        open_bridge("loop://", timeout_s=0.6)


def test_asyncio_does_what_the_synchronous_shell_does(serve):
    place = serve(EmulatedCamera(FAST))

    async def main():
        async with await AsyncBridge.open(place) as camera:
            assert (await camera.caps()).serial == "EMU-1"
            assert await camera.set(led=5, gpio2=1) == {"led": 5, "gpio": 4}
            seen = []
            async for frame in camera.frames():
                camera.send_detections(frame, [])
                seen.append(frame.image_id)
                if len(seen) == 5:
                    break
            assert seen == sorted(set(seen))
            assert frame.origin == "device"
            results = await asyncio.gather(*(camera.get("led") for _ in range(10)))
            assert results == [{"led": 5}] * 10
            assert await camera.trigger() > seen[-1]
            return camera

    camera = asyncio.run(main())
    assert camera.stats()["tx_results"] == 5


def test_asyncio_reports_a_camera_that_does_not_answer(crossed):
    async def main():
        with pytest.raises(LinkTimeoutError):
            await AsyncBridge.open("loop://", timeout_s=0.5)

    asyncio.run(main())


def test_asyncio_connects_again(emulator):
    device = emulator(fps=30)

    async def main():
        async with await AsyncBridge.open(str(device.path)) as camera:
            again = None
            async for frame in camera.frames(10.0):
                if frame.session == 2:
                    again = frame
                    break
                device.kill()
                device.start()
            assert again.image_id < 20
            assert camera.stats()["port_gone"] == 1

    asyncio.run(main())


async def exhaust(frames):
    async for _ in frames:
        pass


def test_asyncio_without_reconnect_says_that_the_port_vanished(emulator):
    device = emulator(fps=30)

    async def main():
        camera = await AsyncBridge.open(str(device.path), reconnect=False)
        frames = camera.frames(10.0)
        await anext(frames)
        device.kill()
        with pytest.raises(PortGoneError):
            await exhaust(frames)
        await camera.close()
        with pytest.raises((PortGoneError, LinkDownError)):
            await camera.get("led")

    asyncio.run(main())
