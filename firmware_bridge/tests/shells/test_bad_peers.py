"""Whoever is at the other end: silent, at another rate, flooding, or not what it says. One clear error, no hang."""

import os
import resource
import threading
import time
import tty

import pytest

from vedette_bridge import AuthError, LinkTimeoutError, ParameterError, ProtocolError
from vedette_bridge.protocols.vlp.camera import open_bridge
from vedette_bridge.protocols.vlp.emulator import EmulatedCamera, EmulatorOptions
from vedette_bridge.shells.keys import new_key, parse_key, read_key, write_key
from vedette_bridge.vlp.config import LinkConfig
from vedette_bridge.vlp.control import REFUSED_VERSION, Hello, Type, Welcome
from vedette_bridge.vlp.frame import CTL, encode
from vedette_bridge.vlp.parser import Parser


@pytest.fixture
def pty():
    """A pseudo-terminal: its master, and the path of its slave."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_device_that_never_answers(pty):
    began = time.monotonic()
    with pytest.raises(LinkTimeoutError, match=r"no session within 0.5 s\n.*nothing comes from it"):
        open_bridge(pty[1], timeout_s=0.5)
    assert 0.4 < time.monotonic() - began < 3


def test_a_wrong_baud_rate(serve):
    place = serve(EmulatedCamera(EmulatorOptions(start_baud=115200)))
    with pytest.raises(LinkTimeoutError, match="none of them of this protocol: is the baud rate right"):
        open_bridge(place, start_baud=9600, timeout_s=1.5)


def test_a_flood_neither_hangs_nor_grows(pty):
    stop = threading.Event()
    noise = os.urandom(4096)
    os.set_blocking(pty[0], False)

    def flood():
        while not stop.is_set():
            try:
                os.write(pty[0], noise)
                os.read(pty[0], 4096)
            except BlockingIOError:
                time.sleep(0.0005)

    thread = threading.Thread(target=flood)
    thread.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    try:
        with pytest.raises(LinkTimeoutError, match="none of them of this protocol"):
            open_bridge(pty[1], timeout_s=1.0)
    finally:
        stop.set()
        thread.join()
    assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB


def answer_hello(master, build):
    """Read HELLO, and write what ``build(hello)`` gives."""
    parser = Parser(256)
    while True:
        parser.push(os.read(master, 4096))
        while (frame := parser.pull()) is not None:
            if frame.ch == CTL and frame.payload[0] == Type.HELLO:
                os.write(master, encode(0, CTL, 0, 0, 0, 0, build(Hello.decode(frame.payload)).encode(), 0))
                return


def test_no_version_in_common(pty):
    def refuse(hello):
        return Welcome(
            version=0,
            flags=REFUSED_VERSION,
            window=1,
            session=hello.session,
            maxpl=64,
            vmin=9,
            vmax=9,
            nonce=bytes(16),
        )

    thread = threading.Thread(target=answer_hello, args=(pty[0], refuse))
    thread.start()
    began = time.monotonic()
    with pytest.raises(ProtocolError, match="no version of the protocol that this side knows"):
        open_bridge(pty[1])
    thread.join()
    assert time.monotonic() - began < 2


def key_file(folder, key):
    path = folder / "camera.key"
    write_key(path, key)
    return path


def test_the_right_key(serve, tmp_path):
    path = key_file(tmp_path, new_key())
    place = serve(EmulatedCamera(EmulatorOptions(key=f"file:{path}", fps=30)))
    with open_bridge(f"{place}?key=file:{path}") as camera:
        assert camera.caps().extra["paired"] == "True"
        assert camera.set(led=9) == {"led": 9}
        camera.send_detections(next(camera.frames()), [])


@pytest.mark.parametrize(
    ("of_camera", "of_box", "message"),
    [
        (True, "other", "does not have this key"),
        (True, "none", "is paired and wants its key"),
        (False, "other", "has no key, and so cannot prove"),
    ],
)
def test_a_key_that_does_not_fit_is_an_error_at_once(serve, tmp_path, of_camera, of_box, message):
    own = key_file(tmp_path, new_key())
    place = serve(EmulatedCamera(EmulatorOptions(key=f"file:{own}" if of_camera else "")))
    began = time.monotonic()
    with pytest.raises(AuthError, match=message):
        open_bridge(place, key=new_key() if of_box == "other" else None, timeout_s=20)
    assert time.monotonic() - began < 3


def test_pairing(serve, tmp_path):
    place = serve(EmulatedCamera(EmulatorOptions(pairing=True)))
    key = new_key()
    with open_bridge(place) as camera:
        camera.pair(key)
    with open_bridge(place, key=key) as camera:
        assert camera.get("led") == {"led": 0}
    with pytest.raises(AuthError, match="wants its key"):
        open_bridge(place)


def test_pairing_without_pairing_mode_is_refused(serve):
    place = serve(EmulatedCamera(EmulatorOptions()))
    with (
        open_bridge(place) as camera,
        pytest.raises(AuthError, match=r"pair: refused\n.*pairing mode"),
    ):
        camera.pair(new_key())


def test_a_key_is_kept_for_its_owner_alone(tmp_path):
    key = new_key()
    path = key_file(tmp_path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(f"file:{path}") == key
    path.chmod(0o644)
    with pytest.raises(ParameterError, match=r"others may read .*\n.*chmod 600"):
        read_key(f"file:{path}")
    with pytest.raises(ParameterError, match="cannot be written: File exists"):
        write_key(path, key)


@pytest.mark.parametrize("text", ["", "zz" * 32, "ab" * 31])
def test_what_is_no_key(text):
    with pytest.raises(ParameterError, match="the file is not a key of 64 hexadecimal digits") as caught:
        parse_key(text, "the file")
    assert not text or text not in str(caught.value)


def test_a_key_in_an_address_is_refused_and_not_repeated(monkeypatch):
    key = new_key()
    with pytest.raises(ParameterError, match="is not written into an address") as caught:
        open_bridge(f"/dev/null?key={key.hex()}")
    assert key.hex() not in str(caught.value)
    monkeypatch.setenv("CAMERA_KEY", key.hex())
    assert read_key("env:CAMERA_KEY") == key
    assert LinkConfig(role="box", key=key).key == key
