"""A disk that does not keep up: a file waits for it, a camera does not."""

import os
import threading

import pytest

from vedette.frame import Packed
from vedette.recording.format import ADMITTED, VERSION, Header
from vedette.recording.reading import Recording
from vedette.recording.recorder import Recorder


@pytest.fixture
def disk(monkeypatch):
    """Stands still while ``disk`` is cleared."""
    moving = threading.Event()
    write = os.write

    def slow(file, data):
        moving.wait()
        return write(file, data)

    monkeypatch.setattr("vedette.recording.files.os.write", slow)
    monkeypatch.setattr("vedette.recording.recorder.BACKLOG", 1000)
    yield moving
    moving.set()


def recorder(folder, *, live):
    header = Header(
        vedette_recording=VERSION, stream="door", source="", provider="", live=live, rate_hz=None, began="", by=""
    )  # fmt: skip
    return Recorder(folder, header)


def give(recorder, captures):
    for item in captures:
        recorder.captured(item)
        recorder.fate(item, ADMITTED)


@pytest.fixture
def pictures(capture, image):
    return [capture(Packed("gray8", image("gray8", (20, 20), n).pixels), seq=n) for n in range(12)]


def test_a_camera_does_not_wait(tmp_path, disk, pictures, caplog):
    recording = recorder(tmp_path / "rec", live=True)
    give(recording, pictures)
    assert recording.to_builtins()["state"] == "failed"
    assert "cannot be written as fast" in caplog.text
    disk.set()
    recording.close()
    again = Recording(tmp_path / "rec")
    kept = [entry.line.seq for entry in again.entries()]
    again.close()
    assert kept == list(range(len(kept)))
    assert len(kept) < 12
    assert again.end.why == "failed"


def test_a_file_waits(tmp_path, disk, pictures):
    recording = recorder(tmp_path / "rec", live=False)
    reading = threading.Thread(target=give, args=(recording, pictures))
    reading.start()
    reading.join(0.2)
    assert reading.is_alive()
    disk.set()
    reading.join()
    recording.close()
    assert recording.to_builtins()["captures"] == 12


def test_a_camera_whose_images_are_not_decided_on_is_not_behind(tmp_path, pictures, monkeypatch):
    """What waits for the pipeline does not wait for the disk."""
    monkeypatch.setattr("vedette.recording.recorder.BACKLOG", 1000)
    recording = recorder(tmp_path / "rec", live=True)
    for item in pictures:
        recording.captured(item)
    for item in reversed(pictures):
        recording.fate(item, "latest_wins")
    recording.close()
    assert recording.to_builtins()["captures"] == 12
    assert recording.to_builtins()["state"] == "stopped"
