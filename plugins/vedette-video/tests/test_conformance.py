"""Sources, the decoder and the sinks keep to what the pipeline relies on."""

import av
import numpy as np
import pytest
from running import mjpeg_server
from scripted import say

from vedette.frame import Encoded
from vedette.testing.conformance import DecoderConformance, SinkConformance, SourceConformance
from vedette_video.annotated_images import encode_jpeg, encode_png
from vedette_video.plugin import (
    ANNOTATED_IMAGES,
    ANNOTATED_VIDEO,
    HTTP,
    IMAGES,
    PLAYLIST,
    RTSP,
    STILLS,
    VIDEO_FILE,
)


def picture(size_wh=(48, 32)):
    w, h = size_wh
    steps = np.linspace(0, 255, w * h * 3).reshape(h, w, 3)
    return steps.astype(np.uint8)


class TestVideo(SourceConformance):
    @pytest.fixture
    def spec(self):
        return VIDEO_FILE

    @pytest.fixture
    def uri(self, make_video):
        return str(make_video())

    @pytest.fixture
    def bad_uri(self, tmp_path):
        path = tmp_path / "broken.mkv"
        path.write_bytes(b"no video" * 100)
        return str(path)


class TestImages(SourceConformance):
    @pytest.fixture
    def spec(self):
        return IMAGES

    @pytest.fixture
    def uri(self, tmp_path):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(4):
            (folder / f"{number}.jpg").write_bytes(encode_jpeg(picture((32 + 16 * number, 32)), 90))
        return str(folder)

    @pytest.fixture
    def bad_uri(self, tmp_path):
        return str(tmp_path / "missing.jpg")


class TestPlaylist(SourceConformance):
    @pytest.fixture
    def spec(self):
        return PLAYLIST

    @pytest.fixture
    def uri(self, tmp_path, make_video):
        make_video("one.mkv", count=4)
        make_video("two.mkv", count=3)
        path = tmp_path / "both.m3u"
        path.write_text("one.mkv\ntwo.mkv\n")
        return str(path)

    @pytest.fixture
    def bad_uri(self, tmp_path):
        return str(tmp_path / "missing.m3u")


class TestHttp(SourceConformance):
    @pytest.fixture
    def spec(self):
        return HTTP

    @pytest.fixture
    def uri(self, server):
        return f"http://127.0.0.1:{server(mjpeg_server()).port}/video"

    @pytest.fixture
    def bad_uri(self, scripted):
        made = scripted(say())
        made.close()
        return f"http://127.0.0.1:{made.port}/video"

    @pytest.fixture
    def ends(self):
        return False


class TestRtsp(SourceConformance):
    @pytest.fixture
    def spec(self):
        return RTSP

    @pytest.fixture
    def uri(self, server, rtsp_server):
        source = "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=25/1"
        coding = "x264enc tune=zerolatency key-int-max=10 ! rtph264pay name=pay0 pt=96"
        return f"rtsp://127.0.0.1:{server(rtsp_server(f'{source} ! {coding}')).port}/live"

    @pytest.fixture
    def bad_uri(self, scripted):
        made = scripted(say())
        made.close()
        return f"rtsp://127.0.0.1:{made.port}/live"

    @pytest.fixture
    def ends(self):
        return False


class TestStills(DecoderConformance):
    @pytest.fixture
    def spec(self):
        return STILLS

    @pytest.fixture(params=["jpeg", "png"])
    def image(self, request):
        if request.param == "jpeg":
            return Encoded("JPEG", encode_jpeg(picture(), 95), (48, 32), "a.jpg")
        return Encoded("PNG ", encode_png(picture(), 0), (48, 32), "a.png")

    @pytest.fixture
    def pixels(self, image):
        return picture()[..., ::-1] if image.fourcc == "PNG " else None


def play(path):
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


class TestAnnotatedVideo(SinkConformance):
    @pytest.fixture
    def spec(self):
        return ANNOTATED_VIDEO

    @pytest.fixture
    def params(self, folder):
        return {"path": str(folder / "{stream}.mp4")}

    @pytest.fixture
    def check_file(self):
        return play


class TestAnnotatedImages(SinkConformance):
    @pytest.fixture
    def spec(self):
        return ANNOTATED_IMAGES

    @pytest.fixture
    def params(self, folder):
        return {"path": str(folder)}

    @pytest.fixture
    def check_file(self):
        return play
