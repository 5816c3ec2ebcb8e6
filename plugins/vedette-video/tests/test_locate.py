import pytest

from vedette_video.locate import local_path
from vedette_video.plugin import IMAGES, PLAYLIST, VIDEO_FILE

SOURCES = (VIDEO_FILE, IMAGES, PLAYLIST)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    (tmp_path / "odd[1].mp4").touch()
    (tmp_path / "recording").touch()
    (tmp_path / "folder.mp4").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("uri", "reader"),
    [
        ("a.mp4", "video"),
        ("A.MP4", "video"),
        ("file:///data/a.mkv", "video"),
        ("odd[1].mp4", "video"),  # exists, so it is no pattern
        ("recording", "video"),  # FFmpeg looks inside
        ("a.gif", "video"),
        ("a.jpg", "images"),
        ("file:a.PNG", "images"),
        ("shots", "images"),
        ("shots/", "images"),
        ("not-there/", "images"),
        ("folder.mp4", "images"),
        ("shots/*.jpg", "images"),
        ("shots/**", "images"),
        ("list.m3u", "playlist"),
        ("list.txt", "playlist"),
        ("playlist:", "playlist"),
    ],
)
def test_who_reads_what(here, uri, reader):
    scores = {spec.name: spec.matches(uri) for spec in SOURCES}
    best = max(scores.values())
    assert best > 0
    assert [name for name, score in scores.items() if score == best] == [reader]


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://cam/stream",
        "http://host/a.mp4",
        "vlp:///dev/ttyACM0",
        "file://host/a.mp4",
        "/dev/null",
        "",
        "not-there",
    ],
)
def test_what_nobody_reads(here, uri):
    assert [spec.matches(uri) for spec in SOURCES] == [0, 0, 0]


def test_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert local_path("~/a.mp4") == "/somewhere/a.mp4"
