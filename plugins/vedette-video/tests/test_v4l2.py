"""Local cameras, as far as that goes without one: which devices are taken, and what is said of those that are none."""

import os
from pathlib import Path

import pytest

from vedette.errors import SourceError
from vedette_video.ffmpeg_input import FFmpegInput
from vedette_video.plugin import V4L2


@pytest.mark.parametrize(
    ("uri", "own"),
    [
        ("/dev/video0", True),
        ("v4l2:/dev/video12", False),
        ("/dev/v4l/by-id/usb-Camera-video-index0", True),
        ("/dev/video", False),
        ("/dev/null", False),
        ("dev/video0", False),
        ("/dev/v4l/by-id/../../null", False),
        ("http://x/dev/video0", False),
    ],
)
def test_devices(uri, own):
    assert (V4L2.matches(uri) > 0) is own


def test_device_that_is_not_there(opened):
    with pytest.raises(SourceError, match="there is no device /dev/video99") as caught:
        opened(V4L2, "/dev/video99")
    there = sorted(str(path) for path in Path("/dev").glob("video*"))
    assert all(path in caught.value.fix for path in there) if there else "no camera" in caught.value.fix


def test_device_that_is_no_camera(opened):
    with pytest.raises(SourceError, match="/dev/null cannot be opened: it is no camera") as caught:
        opened(V4L2, "/dev/null")
    assert "v4l2-ctl --list-devices" in caught.value.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_device_that_one_may_not_read(opened, tmp_path):
    device = tmp_path / "video0"
    device.touch(mode=0)
    with pytest.raises(SourceError, match="permission denied") as caught:
        opened(V4L2, str(device))
    assert "group" in caught.value.fix


def test_what_is_asked_of_the_driver(opened, monkeypatch):
    """The options by FFmpeg's names; that FFmpeg knows them shows a device that is none."""
    asked = []
    init = FFmpegInput.__init__

    def spy(self, *args, **rest):
        asked.append((rest["format"], rest["options"]))
        init(self, *args, **rest)

    monkeypatch.setattr(FFmpegInput, "__init__", spy)
    with pytest.raises(SourceError, match="it is no camera"):
        opened(V4L2, "/dev/null", format="yuyv", size_wh=[640, 480], rate_hz=29.97)
    assert asked == [("v4l2", {"input_format": "yuyv422", "video_size": "640x480", "framerate": "29.97"})]


CAMERA = Path("/dev/video0")


@pytest.mark.skipif(not CAMERA.exists(), reason="there is no camera at /dev/video0")
@pytest.mark.parametrize("format", ["mjpeg", "yuyv"])
def test_a_camera(opened, take, format):
    captures = take(opened(V4L2, str(CAMERA), format=format), 10)
    assert [capture.seq for capture in captures] == list(range(10))
