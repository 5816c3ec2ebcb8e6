"""The emulator of protocol version 2, as OpenMV's own client sees it."""

import io
import warnings

import pytest

from vedette_bridge.jpeg import sample_jpeg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pygame's, which the client imports
    openmv = pytest.importorskip("openmv", reason="needs openmv")
Image = pytest.importorskip("PIL.Image", reason="needs pillow")


@pytest.fixture
def outside(emulate, monkeypatch):
    # Its log function asks `opcode in Opcode`, which before Python 3.12 raises for a number that is no member.
    monkeypatch.setattr(openmv.transport.Transport, "log", lambda *args, **kwargs: None)
    _, place = emulate("openmv2", "--option", "fps=200")
    camera = openmv.Camera(place, timeout=1.0)
    camera.connect()
    yield camera
    camera.disconnect()


def test_the_client_reads_what_the_camera_is(outside):
    info, version = outside.system_info(), outside.version()
    assert (info["cpu_id"], info["jpeg_present"]) == (0x411FC271, True)
    assert version["firmware_version"] == (4, 8, 1)
    assert outside.caps["max_payload"] == 4082


def test_the_client_runs_scripts_and_reads_their_output(outside):
    assert outside.read_stdout() == "hello from main.py\r\n"
    outside.exec('print("from outside")\n#' + "x" * 20_000)
    assert outside.read_stdout() == "from outside\r\n"
    assert outside.read_status()["stdin"] is False


def test_the_client_reads_images(outside):
    outside.exec("while True: sensor.snapshot()")
    outside.streaming(True)
    frames = []
    while len(frames) < 3:
        frame = outside.read_frame()
        if frame:
            frames.append(frame)
    for number, frame in enumerate(frames):
        assert (frame["width"], frame["height"]) == (320, 240)
        expected = Image.open(io.BytesIO(sample_jpeg((320, 240), number))).convert("RGB").tobytes()
        assert bytes(frame["data"]) == expected


def test_the_client_drops_a_tenth_of_all_packets(emulate, monkeypatch):
    monkeypatch.setattr(openmv.transport.Transport, "log", lambda *args, **kwargs: None)
    monkeypatch.setattr(openmv.transport.random, "random", __import__("random").Random(4).random)
    _, place = emulate("openmv2", "--option", "fps=200")
    with openmv.Camera(place, timeout=1.0, drop_rate=0.1) as camera:
        persist(camera.streaming, True)
        frames = 0
        while frames < 3:
            frames += persist(camera.read_frame) is not None
        assert persist(camera.device_stats)["retransmit"] > 0


def persist(call, *arguments):
    """After several losses in a row the client makes a fresh start, and asks to be called again."""
    for _ in range(20):
        try:
            return call(*arguments)
        except openmv.exceptions.ResyncException:
            continue
    raise AssertionError("it never succeeds")
