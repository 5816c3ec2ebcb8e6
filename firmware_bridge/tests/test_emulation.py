"""The hosts: a pty that keeps its path, TCP that takes one after the other, UDP that answers the sender."""

import socket
import threading
import time
from pathlib import Path

import pytest
import serial

from vedette_bridge import PortError, open_camera
from vedette_bridge.emulation import PtyHost, TcpHost, UdpHost


class Echo:
    def __init__(self):
        self.hung_up = 0

    def receive(self, data, now_ns):
        return [data]

    def tick(self, now_ns):
        return ()

    def disconnected(self):
        self.hung_up += 1


def test_a_pty_stays_when_its_user_leaves_and_comes_again(serve):
    place = serve(Echo())
    for word in (b"one", b"two", b"three"):
        with serial.Serial(place, timeout=2) as port:
            port.write(word)
            assert port.read(len(word)) == word


def test_every_byte_value_passes_a_pty(serve):
    place = serve(Echo())
    with serial.Serial(place, timeout=5) as port:
        port.write(bytes(range(256)) * 8)
        assert port.read(2048) == bytes(range(256)) * 8


def test_tcp_takes_the_next_when_one_has_left(serve):
    device = Echo()
    host, _, port = serve(device, "tcp").partition(":")
    for count in range(3):
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(b"hello")
            assert peer.recv(5) == b"hello"
        deadline = time.monotonic() + 5
        while device.hung_up == count:
            assert time.monotonic() < deadline


def test_a_taken_port_is_an_error_with_a_remedy():
    with TcpHost(Echo()) as first:
        number = int(first.place.rpartition(":")[2])
        with pytest.raises(
            PortError, match=rf"cannot listen on 127.0.0.1:{number}: .*\n.*choose another port"
        ):
            TcpHost(Echo(), number)
    with UdpHost(Echo()) as first, pytest.raises(PortError):
        UdpHost(Echo(), int(first.place.rpartition(":")[2]))


def test_output_that_nobody_reads_is_thrown_away_and_the_emulator_goes_on(serve):
    class Chatty(Echo):
        sent = 0

        def tick(self, now_ns):
            self.sent += 1
            return [bytes(65536)]

    device = Chatty()
    serve(device)
    deadline = time.monotonic() + 10
    while device.sent < 40:  # 2.5 MB: more than it keeps
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_left_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for kind in (PtyHost, TcpHost, UdpHost):
        with kind(Echo()) as host:
            thread = threading.Thread(target=host.serve)
            thread.start()
            host.stop()
            thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_camera_over_tcp(emulate):
    _, place = emulate("pelco_d", "--tcp", "0")
    with open_camera(f"pelco_d+socket://{place}") as camera:
        assert "ptz_position" in camera.caps().methods
