"""The byte pipe under every serial driver: what opens, what is refused, and what happens when it goes away."""

import os
import threading
import time
import tty

import pytest

from vedette_bridge import PortBusyError, PortError, PortGoneError
from vedette_bridge.errors import LinkTimeoutError
from vedette_bridge.port import Port


@pytest.fixture
def pty():
    master, slave = os.openpty()
    tty.setraw(slave)
    ends = [master, slave]
    yield ends
    for descriptor in ends:
        os.close(descriptor)


@pytest.fixture
def path(pty):
    return os.ttyname(pty[1])


def test_bytes_go_both_ways(pty, path):
    port = Port(path)
    port.write(b"ping")
    assert os.read(pty[0], 10) == b"ping"
    os.write(pty[0], b"pong")
    assert port.read(1.0) == b"pong"
    assert (port.sent_bytes, port.received_bytes) == (4, 4)
    port.close()


def test_a_read_ends_when_its_time_is_up(path):
    port = Port(path)
    begin = time.monotonic()
    assert port.read(0.1) == b""
    assert 0.09 < time.monotonic() - begin < 1
    port.close()


def test_a_second_user_is_refused(path):
    port = Port(path)
    with pytest.raises(PortBusyError, match=f"{path} is held by another program"):
        Port(path)
    port.close()
    Port(path).close()


def test_a_port_that_does_not_exist():
    with pytest.raises(
        PortError, match=r"/dev/ttyNONE cannot be opened: No such file or directory\n  -> .*list_ports"
    ):
        Port("/dev/ttyNONE")


def test_what_is_no_port(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PortError):
        Port(str(tmp_path / "file"))
    with pytest.raises(PortError):
        Port("nonsense://x")
    with pytest.raises(PortError, match="is the host reachable"):
        Port("socket://127.0.0.1:1")


def test_a_port_that_vanishes_under_a_reader(pty, path):
    port = Port(path)
    threading.Timer(0.1, lambda: os.close(pty.pop(0))).start()
    with pytest.raises(PortGoneError, match=f"{path} vanished"):
        port.read(5.0)
    with pytest.raises(PortGoneError):
        port.write(b"x")
    port.close()


def test_closing_wakes_a_reader(path):
    port = Port(path)
    threading.Timer(0.1, port.close).start()
    begin = time.monotonic()
    with pytest.raises(PortGoneError, match="was closed"):
        port.read(10.0)
    assert time.monotonic() - begin < 2
    port.close()
    with pytest.raises(PortGoneError, match="was closed"):
        port.write(b"x")


def test_nobody_takes_what_is_sent(path):
    port = Port(path, write_timeout_s=0.2)
    with pytest.raises(LinkTimeoutError, match="could not be sent"):
        port.write(bytes(1 << 20))
    port.close()


def test_a_flood_does_not_hold_discard_input(pty, path):
    port = Port(path)
    stop = threading.Event()

    def flood():
        os.set_blocking(pty[0], False)
        while not stop.is_set():
            try:
                os.write(pty[0], bytes(4096))
            except BlockingIOError:
                time.sleep(0)

    flooding = threading.Thread(target=flood)
    flooding.start()
    begin = time.monotonic()
    port.discard_input()
    assert time.monotonic() - begin < 2
    stop.set()
    flooding.join()
    port.close()


def test_loop_has_no_descriptor_to_wait_on_and_works_all_the_same():
    port = Port("loop://")
    port.write(b"echo")
    assert port.read(1.0) == b"echo"
    assert port.read(0.05) == b""
    port.close()
