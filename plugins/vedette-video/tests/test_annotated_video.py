from pathlib import Path

import av
import numpy as np
import pytest

from vedette.errors import PipelineError
from vedette.packet import Ran
from vedette.results import Detections
from vedette_video.params import AnnotatedVideoParams, VideoParams
from vedette_video.plugin import ANNOTATED_VIDEO, VIDEO_FILE


def open_sink(path, **params):
    return ANNOTATED_VIDEO.open(AnnotatedVideoParams(path=str(path), **params))


def play(path):
    """Pictures as RGB, and their times in milliseconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return frames, [round(frame.time * 1000) for frame in frames]


def picture(level=60, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def write(sink, make_packet, count, period_ms=40, **rest):
    for seq in range(count):
        sink.write(make_packet(picture(), seq=seq, media_ns=seq * period_ms * 1_000_000, **rest))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("out.mp4", "libx264"), ("out.mkv", "libx264"), ("out.avi", "mpeg4"), ("out.mkv", "ffv1")],
)
def test_as_many_pictures_as_packets(tmp_path, make_packet, name, codec):
    path = tmp_path / "new" / "folder" / name
    sink = open_sink(path, codec=codec)
    write(sink, make_packet, 40)
    assert not path.exists()
    sink.close()
    frames, times = play(path)
    assert len(frames) == 40
    assert np.diff(times).tolist() == [40] * 39
    assert list(path.parent.iterdir()) == [path]


def test_variable_rate_is_kept(tmp_path, make_packet):
    stamps = [5000, 5040, 5050, 6000, 6500, 9999]
    sink = open_sink(tmp_path / "out.mp4")
    for seq, stamp in enumerate(stamps):
        sink.write(make_packet(picture(), seq=seq, media_ns=stamp * 1_000_000))
    sink.close()
    assert play(tmp_path / "out.mp4")[1] == [stamp - 5000 for stamp in stamps]


def test_rate_of_a_file_is_exact(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mp4")
    write(sink, make_packet, 25, period_ms=80)
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].average_rate == 12.5


def test_constant_rate(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mp4", fps=10)
    for seq in range(5):
        sink.write(make_packet(picture(), seq=seq))
    sink.close()
    assert play(tmp_path / "out.mp4")[1] == [0, 100, 200, 300, 400]


def test_without_media_time_the_time_of_capture_counts(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mp4")
    for seq in (0, 1, 5):
        sink.write(make_packet(picture(), seq=seq))  # 40 ms apart in mono_ns
    sink.close()
    assert play(tmp_path / "out.mp4")[1] == [0, 40, 200]


def test_time_goes_on_over_epochs_and_never_back(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mkv")
    for epoch, stamp in ((0, 0), (0, 100), (1, 0), (1, 100), (1, 100), (1, 50), (2, 7000), (2, 7100)):
        sink.write(make_packet(picture(), epoch=epoch, media_ns=stamp * 1_000_000))
    sink.close()
    times = play(tmp_path / "out.mkv")[1]
    assert len(times) == 8
    assert times[:4] == [0, 100, 200, 300]
    assert (np.diff(times) >= 0).all()
    assert times[-1] - times[-2] == 100
    assert times[-1] < 500


@pytest.mark.parametrize("size_wh", [(33, 17), (1, 1), (64, 47)])
def test_odd_sizes_are_padded(tmp_path, make_packet, size_wh):
    sink = open_sink(tmp_path / "out.mp4")
    sink.write(make_packet(picture(200, size_wh)))
    sink.close()
    (frame,), _ = play(tmp_path / "out.mp4")
    assert (frame.width, frame.height) == tuple(size + size % 2 for size in size_wh)
    assert frame.to_ndarray(format="gray").min() > 180, "padding repeats the edge"


def test_another_size_is_fitted_between_bars(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mkv", codec="ffv1")
    sink.write(make_packet(picture(200, (64, 48)), media_ns=0))
    sink.write(make_packet(picture(200, (20, 60)), media_ns=10**9))
    sink.close()
    frames, _ = play(tmp_path / "out.mkv")
    assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}
    luma = frames[1].to_ndarray(format="gray")
    assert luma[:, 26:38].min() > 180
    assert luma[:, :20].max() < 20
    assert luma[:, 44:].max() < 20


@pytest.mark.parametrize("bgr", [(200, 60, 30), (30, 200, 60), (60, 30, 200), (128, 128, 128)])
def test_colours_come_back(tmp_path, make_packet, bgr):
    """Written, read by our own source, and looked at."""
    sink = open_sink(tmp_path / "out.mp4")
    sink.write(make_packet(np.full((48, 64, 3), bgr, np.uint8)))
    sink.close()
    image = VIDEO_FILE.open(str(tmp_path / "out.mp4"), VideoParams()).read(1).image
    assert (image.matrix, image.range) == ("bt709", "limited")
    seen = make_packet(None, image=image).frame.view("bgr").mean(axis=(0, 1))
    assert np.abs(seen - bgr).max() < 6


def test_boxes_are_in_the_video(tmp_path, make_packet):
    box = Detections.of([[8, 24, 56, 44]], [0.9], [1])
    sink = open_sink(tmp_path / "out.mp4")
    sink.write(make_packet(picture(), {"detect": Ran(box)}))
    sink.close()
    (frame,), _ = play(tmp_path / "out.mp4")
    assert np.ptp(frame.to_ndarray(format="bgr24").astype(int), axis=2).max() > 60


def test_streams_get_files_of_their_own(tmp_path, make_packet):
    sink = open_sink(tmp_path / "{stream}.mp4")
    for seq in range(6):
        sink.write(make_packet(picture(), stream=("gate", "yard/2")[seq % 2], seq=seq, media_ns=seq * 10**8))
    sink.close()
    assert [len(play(tmp_path / name)[0]) for name in ("gate.mp4", "yard_2.mp4")] == [3, 3]


def test_two_streams_cannot_share_a_file(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mp4")
    write(sink, make_packet, 3)
    with pytest.raises(PipelineError, match=r"out\.mp4 cannot hold the streams 'gate' and 'yard'"):
        sink.write(make_packet(picture(), stream="yard"))
    sink.close()
    assert len(play(tmp_path / "out.mp4")[0]) == 3


# --- ends -----------------------------------------------------------------------------------------------------------


def test_abort_leaves_a_video_that_plays(tmp_path, make_packet):
    sink = open_sink(tmp_path / "out.mp4")
    write(sink, make_packet, 30)
    sink.abort()
    sink.abort()
    sink.close()
    assert len(play(tmp_path / "out.mp4")[0]) == 30
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


@pytest.mark.parametrize("end", ["close", "abort"])
def test_nothing_written_leaves_nothing(tmp_path, end):
    getattr(open_sink(tmp_path / "out.mp4"), end)()
    assert not list(tmp_path.iterdir())


def test_existing_file_is_kept_until_the_new_one_is_complete(tmp_path, make_packet):
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    with pytest.raises(PipelineError, match="exists already") as caught:
        open_sink(path)
    assert "overwrite" in caught.value.fix
    sink = open_sink(path, mode="overwrite")
    write(sink, make_packet, 5)
    assert path.read_text() == "precious"
    sink.close()
    assert len(play(path)[0]) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(tmp_path, make_packet):
    """The partial file is a device that is always full."""
    path = tmp_path / "out.mkv"
    (tmp_path / ".out.partial.mkv").symlink_to("/dev/full")
    sink = open_sink(path)
    write(sink, make_packet, 3)  # nothing of it reaches the disk yet
    with pytest.raises(PipelineError, match=r"cannot write .*out\.mkv"):
        sink.close()
    sink.abort()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("out.nothing", {}, "cannot write .*out.nothing"),
        ("out", {}, "cannot write"),
        ("out.mp4", {"codec": "nosuch"}, "no encoder 'nosuch'"),
        ("{stream}/out.mp4", {"codec": "nosuch"}, "no encoder 'nosuch'"),
        ("out.mp4", {"codec": "aac"}, "does not encode video"),
        ("out.mp4", {"codec": "rawvideo"}, "does not support"),
        ("out.mp4", {"options": {"presett": "fast"}}, "no option presett"),
        ("out.mp4", {"codec": "mpeg4", "options": {"crf": "20"}}, "no option crf"),
        ("out.mp4", {"options": {"preset": "warp"}}, "libx264"),
        ("{camera}.mp4", {}, "not a path to write to"),
        ("", {}, "is a folder"),
    ],
)
def test_what_cannot_work_is_refused_at_once(tmp_path, name, params, words):
    with pytest.raises(PipelineError, match=words) as caught:
        open_sink(tmp_path / name, **params)
    assert caught.value.fix
    assert not list(tmp_path.iterdir())


def test_real_video_end_to_end(data, tmp_path, make_packet, drain):
    source = VIDEO_FILE.open(str(data / "videos" / "car-detection.mp4"), VideoParams())
    captures = drain(source).captures
    sink = open_sink(tmp_path / "out.mp4", options={"preset": "ultrafast"})
    for capture in captures:
        sink.write(make_packet(None, image=capture.image, seq=capture.seq, media_ns=capture.clock.media_ns))
    sink.close()
    _, times = play(tmp_path / "out.mp4")
    assert times == [capture.clock.media_ns // 1_000_000 for capture in captures]
    assert len(times) == 377
