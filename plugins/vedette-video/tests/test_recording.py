"""What a video was decoded from is kept, and decoded again to the same pixels."""

import dataclasses
import io
import itertools
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette.recording.format import ADMITTED, VERSION, Header
from vedette.recording.recorder import Recorder
from vedette.testing.conformance import SourceConformance
from vedette_video.images import open_images
from vedette_video.params import ImagesParams, PlaylistParams, RecordingParams, VideoParams
from vedette_video.playlist import open_playlist
from vedette_video.plugin import RECORDING
from vedette_video.recording import open_recording
from vedette_video.video_file import open_video


def record(source, folder, limit=None):
    """Everything that ``source`` gives, recorded; its error, if it ends with one."""
    header = Header(
        vedette_recording=VERSION,
        stream="gate",
        source="here",
        provider="test",
        live=False,
        rate_hz=None,
        began="",
        by="0",
    )
    recorder = Recorder(folder, header)
    captures, error = [], None
    try:
        while limit is None or len(captures) < limit:
            captures.append(source.read(1.0))
            recorder.captured(captures[-1])
            recorder.fate(captures[-1], ADMITTED)
        recorder.ended("stopped")
    except EndOfStream:
        recorder.ended("complete")
    except SourceError as raised:
        error = raised
        recorder.ended("source_failed", raised.message)
    source.close()
    recorder.close()
    assert recorder.to_builtins()["error"] is None
    return captures, error


def replay(folder, **params):
    source = open_recording(str(folder), msgspec.convert(params, RecordingParams))
    captures = []
    try:
        while True:
            captures.append(source.read(1.0))
    except EndOfStream:
        return captures, None
    except SourceError as error:
        return captures, error
    finally:
        source.close()


def same(one, other):
    """Whether two captures agree in every bit."""
    plain = ("seq", "epoch", "clock", "orientation")
    assert [getattr(one, name) for name in plain] == [getattr(other, name) for name in plain]
    a, b = one.image, other.image
    assert type(a) is type(b)
    for field in dataclasses.fields(a):
        mine, theirs = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("planes", "pixels"):
            mine, theirs = (x if isinstance(x, tuple) else (x,) for x in (mine, theirs))
            assert [x.dtype for x in mine] == [x.dtype for x in theirs]
            assert all(np.array_equal(x, y) for x, y in zip(mine, theirs, strict=True))
        else:
            assert mine == theirs, field.name


def check(source, folder, limit=None):
    """Record, replay, compare; the captures and the names of the kinds in which their images are kept."""
    captures, error = record(source, folder, limit)
    again, error_again = replay(folder)
    assert (error is None) == (error_again is None), error_again
    assert len(again) == len(captures) > 1
    for one, other in zip(captures, again, strict=True):
        same(one, other)
    lines = (folder / "captures.jsonl").read_text().splitlines()[:-1]
    return captures, {msgspec.json.decode(line)["image"]["kind"] for line in lines}


B_FRAMES = {"x264-params": "bframes=3:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", {"options": B_FRAMES}),
        ("clip.mkv", {"options": B_FRAMES}),
        ("clip.ts", {"options": B_FRAMES}),
        ("clip.h264", {"options": B_FRAMES}),
        ("clip.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("motion.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
        ("clip.mkv", {"codec": "libvpx-vp9", "count": 6}),
        ("clip.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
        ("clip.mkv", {"codec": "ffv1", "pix_fmt": "gray16le"}),
        ("clip.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("clip.y4m", {"codec": "wrapped_avframe"}),
        ("clip.avi", {"codec": "rawvideo", "pix_fmt": "bgr24"}),
        ("clip.gif", {"codec": "gif", "pix_fmt": "rgb8"}),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get("codec", "libx264"),
)
def test_any_coding_is_decoded_to_the_same_pixels(make_video, tmp_path, name, options):
    path = make_video(name, **options)
    _, kinds = check(open_video(str(path), VideoParams()), tmp_path / "rec")
    assert kinds == {"unit"}


def test_many_decoders_of_one_process(make_video, tmp_path):
    """They tell their own units apart, whatever is decoded and let go of elsewhere."""
    path = str(make_video("clip.avi", count=40, codec="mjpeg", pix_fmt="yuvj420p"))
    source, numbers = open_video(path, VideoParams()), []
    for _ in range(40):
        numbers.append(source.read(1.0).unit)
        other = open_video(path, VideoParams())
        assert [other.read(1.0).unit for _ in range(40)] == list(range(40))
        other.close()
    assert numbers == list(range(40))


def test_a_recording_is_hardly_larger_than_its_medium(make_video, tmp_path):
    path = make_video(count=60, size_wh=(320, 240))
    check(open_video(str(path), VideoParams()), tmp_path / "rec")
    assert (tmp_path / "rec/media.bin").stat().st_size < path.stat().st_size


def test_rotation_and_uneven_times(make_video, tmp_path):
    path = make_video(
        "clip.mp4", rotation=90, stamps=[0, 40, 45, 300, 301, 302, 900, 1000, 1010, 1500, 1501, 2000]
    )
    captures, _ = check(open_video(str(path), VideoParams()), tmp_path / "rec")
    assert {capture.orientation for capture in captures} == {270}
    assert len(set(np.diff([capture.clock.media_ns for capture in captures]))) > 4


@pytest.mark.parametrize("threads", ["frame", "slice", "none"])
def test_a_part_of_a_file_that_is_repeated(make_video, tmp_path, threads):
    """The decoder is given more than is shown, and every turn is a decoder and an epoch of its own."""
    params = VideoParams(start_s=0.13, stop_s=0.41, loop=True, threads=threads)
    captures, _ = check(open_video(str(make_video(count=24)), params), tmp_path / "rec", limit=17)
    assert [capture.epoch for capture in captures] == [0] * 7 + [1] * 7 + [2] * 3


def test_what_the_user_said_of_the_samples(make_video, tmp_path):
    params = VideoParams(matrix="bt2020", range="full")
    captures, _ = check(open_video(str(make_video()), params), tmp_path / "rec")
    assert (captures[0].image.matrix, captures[0].image.range) == ("bt2020", "full")


def test_what_the_container_says_of_the_samples(make_video, tmp_path):
    path = make_video("clip.mp4", codec="mpeg4", colorspace=1, color_range=2)
    check(open_video(str(path), VideoParams()), tmp_path / "rec")


def test_a_limited_range_of_gray(make_video, tmp_path):
    path = make_video(codec="ffv1", pix_fmt="gray", color_range=1)
    check(open_video(str(path), VideoParams()), tmp_path / "rec")


def test_a_file_that_is_cut(make_video, tmp_path):
    """Its end is an error, then and now."""
    path = make_video("clip.ts", count=60, size_wh=(320, 240))
    Path(path).write_bytes(Path(path).read_bytes()[:-5000])
    check(open_video(str(path), VideoParams()), tmp_path / "rec")


def test_a_file_with_a_hole(make_video, tmp_path):
    path = make_video("clip.ts", count=60, size_wh=(320, 240))
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1500] = bytes(1500)
    Path(path).write_bytes(data)
    check(open_video(str(path), VideoParams(threads="none")), tmp_path / "rec")


def test_a_list_of_videos_and_pictures(make_video, tmp_path):
    shots = tmp_path / "shots"
    shots.mkdir()
    for number, suffix in enumerate((".jpg", ".png")):
        _save(np.full((20, 30, 3), 40 * number, np.uint8), shots / f"{number}{suffix}")
    items = (str(make_video("a.mp4")), str(shots), str(make_video("b.mkv", codec="mpeg4")))
    captures, kinds = check(open_playlist("playlist:", PlaylistParams(items=items)), tmp_path / "rec")
    assert kinds == {"unit", "encoded"}
    assert sorted({capture.epoch for capture in captures}) == [0, 1, 2]


def test_pictures_in_a_folder_are_kept_byte_for_byte(tmp_path):
    for number in range(3):
        _save(np.full((20, 30, 3), 40 * number, np.uint8), tmp_path / f"{number}.png")
    (tmp_path / "3.jpg").write_bytes(b"no picture at all")
    captures, kinds = check(open_images(str(tmp_path), ImagesParams(rate_hz=5)), tmp_path / "rec")
    assert kinds == {"encoded"}
    assert (tmp_path / "rec/media.bin").read_bytes() == b"".join(item.image.data for item in captures)


def test_units_that_somebody_lost_on_the_way(make_video, tmp_path):
    """Then the pictures are kept as pixels, until a decoder begins anew."""
    source = open_video(str(make_video(count=12)), VideoParams(loop=True, threads="none"))
    lossy = _Losing(source, lost={4})
    _, kinds = check(lossy, tmp_path / "rec", limit=24)
    assert kinds == {"unit", "pixels"}
    lines = [
        msgspec.json.decode(line) for line in (tmp_path / "rec/captures.jsonl").read_text().splitlines()[:-1]
    ]
    assert [line["image"]["kind"] for line in lines] == ["unit"] * 5 + ["pixels"] * 7 + ["unit"] * 12


def test_a_decoder_that_is_not_there(make_video, tmp_path):
    record(open_video(str(make_video()), VideoParams()), tmp_path / "rec")
    lines = tmp_path / "rec/captures.jsonl"
    lines.write_text(lines.read_text().replace('"codec":"h264"', '"codec":"h299"'))
    with pytest.raises(SourceError, match="h299"):
        open_recording(str(tmp_path / "rec"), RecordingParams())


class TestConformance(SourceConformance):
    @pytest.fixture
    def spec(self):
        return RECORDING

    @pytest.fixture
    def uri(self, make_video, tmp_path):
        record(open_video(str(make_video()), VideoParams()), tmp_path / "rec")
        return str(tmp_path / "rec")

    @pytest.fixture
    def bad_uri(self, tmp_path):
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad/recording.json").write_text("{}")
        return str(tmp_path / "bad")


class _Losing:
    """Loses the units of some captures, as a stage between source and recorder might."""

    def __init__(self, source, lost):
        self.info = source.info
        self.close = source.close
        self._source = source
        self._lost = lost
        self._count = itertools.count()

    def read(self, timeout_s):
        capture = self._source.read(timeout_s)
        return dataclasses.replace(capture, units=()) if next(self._count) in self._lost else capture


def _save(picture, path):
    codec = {".jpg": "mjpeg", ".png": "png"}[path.suffix]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format="yuvj420p" if codec == "mjpeg" else "rgb24")
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as container:
        stream = container.add_stream(codec)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(out.getvalue())
