import gc
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Packed, Planar
from vedette_video.params import VideoParams
from vedette_video.plugin import VIDEO_FILE

THREADS = ("frame", "slice", "none")


def open_video(path, **params):
    return VIDEO_FILE.open(str(path), VideoParams(**params))


# --- real files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "frames", "declared", "size_wh"),
    [
        ("one-by-one-person-detection.mp4", 1394, 1394, (768, 432)),
        ("highway-baseline.avi", 1699, 1700, (320, 240)),  # the header counts one too many
    ],
)
def test_every_frame_of_a_real_video(data, drain, name, frames, declared, size_wh):
    source = open_video(data / "videos" / name)
    drained = drain(source)
    assert drained.error is None
    assert drained.seqs == list(range(frames))
    assert set(drained.epochs) == {0}
    assert (np.diff(drained.media_ns) > 0).all()
    assert {capture.image.size_wh for capture in drained.captures} == {size_wh}
    assert {(c.image.format, c.image.matrix, c.image.range) for c in drained.captures} == {
        ("i420", "bt601", "limited")
    }
    assert (source.info.live, source.info.frames, source.info.size_wh) == (False, declared, size_wh)
    source.close()


def test_times_of_avi_are_even(data, drain):
    """AVI has no presentation times; what FFmpeg makes up for this file goes back 565 times."""
    media_ns = drain(open_video(data / "videos" / "highway-baseline.avi"), limit=300).media_ns
    assert np.allclose(np.diff(media_ns), 1e9 / 60, rtol=1e-4)


@pytest.mark.parametrize("threads", THREADS)
def test_pictures_are_those_of_ffmpeg(data, threads):
    path = data / "videos" / "car-detection.mp4"
    source = open_video(path, threads=threads)
    with av.open(str(path)) as container:
        for _, frame in zip(range(40), container.decode(video=0), strict=False):
            planes = source.read(1).image.planes
            i420 = np.concatenate([plane.ravel() for plane in planes])
            assert (i420 == frame.to_ndarray(format="yuv420p").ravel()).all()


def test_real_video_cut_in_the_middle(data, drain, tmp_path):
    whole = (data / "videos" / "one-by-one-person-detection.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    for threads in THREADS:
        drained = drain(open_video(cut, threads=threads))
        assert drained.seqs == list(range(830)), threads
        assert str(cut) in drained.error.message
        assert f"{len(whole) - cut.stat().st_size} bytes are missing" in drained.error.message
        assert "830 pictures were read, the last at 82.90 s" in drained.error.message


def test_real_video_cut_between_two_packets(data, drain, tmp_path):
    """FFmpeg plays such a file to its new end without any complaint."""
    whole = (data / "videos" / "car-detection.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    with av.open(str(cut)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 220
    drained = drain(open_video(cut))
    assert len(drained.captures) == 220
    assert "is incomplete" in drained.error.message


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_variable_rate(make_video, drain, name):
    stamps = [0, 40, 50, 300, 301, 1000, 1040, 2500, 2510, 2520, 2530, 9000]
    drained = drain(open_video(make_video(name, stamps=stamps)))
    assert drained.media_ns == [stamp * 1_000_000 for stamp in stamps]
    assert {capture.clock.origin for capture in drained.captures} == {"pts"}


def test_time_begins_with_the_stream(make_video, drain):
    drained = drain(open_video(make_video("clip.ts", stamps=[5000 + 40 * i for i in range(12)])))
    assert drained.media_ns == [40_000_000 * i for i in range(12)]


def test_clocks_tell_the_time_of_reading(make_video, drain):
    clocks = [capture.clock for capture in drain(open_video(make_video())).captures]
    assert (np.diff([clock.mono_ns for clock in clocks]) > 0).all()
    assert all(clock.wall_ns > 1_700_000_000 * 10**9 for clock in clocks)


def test_missing_time_stamps_are_derived(make_video, drain):
    """A bare H.264 stream has none."""
    drained = drain(open_video(make_video("clip.h264")))
    assert len(drained.captures) == 12
    assert (np.diff(drained.media_ns) > 0).all()
    assert drained.error is None


def test_time_that_begins_anew_raises_the_epoch(make_video, drain, tmp_path):
    """Two recordings of a transport stream, one after the other in one file."""
    one = make_video("one.ts", stamps=[60_000 + 40 * i for i in range(12)])
    two = make_video("two.ts", stamps=[20_000 + 40 * i for i in range(12)])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    drained = drain(open_video(joined))
    assert drained.epochs == [0] * 12 + [1] * 12
    assert drained.seqs == [*range(12), *range(12)]
    assert drained.media_ns == [40_000_000 * i for i in range(12)] * 2
    assert drained.error is None


@pytest.mark.parametrize("name", ["clip.mkv", "clip.h264"])  # the second cannot seek
def test_start_and_stop(make_video, drain, name):
    path = make_video(name, count=50)
    drained = drain(open_video(path, start_s=0.5, stop_s=1.0))
    assert drained.error is None
    assert drained.media_ns[0] == 520_000_000
    assert drained.media_ns[-1] == 960_000_000
    assert drained.seqs == list(range(12))


def test_start_after_the_end(make_video):
    with pytest.raises(SourceError, match=r"clip\.mkv holds no picture at or after 9 s"):
        open_video(make_video(), start_s=9)


def test_loop(make_video, drain):
    source = open_video(make_video(), loop=True)
    drained = drain(source, limit=30)
    assert drained.epochs == [0] * 12 + [1] * 12 + [2] * 6
    assert drained.seqs == [*range(12), *range(12), *range(6)]
    assert drained.media_ns[:12] == drained.media_ns[12:24]
    assert source.info.frames is None


# --- pixels ---------------------------------------------------------------------------------------------------------

SIZES = [(64, 48), (33, 17), (1, 1)]


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv410p", "yuv420p10le", "yuva420p"])
def test_ycbcr_becomes_i420(make_video, size_wh, pix_fmt):
    """Lossless, so that luma must come out bit for bit (of ten bits: within one level)."""
    path = make_video(codec="ffv1", pix_fmt=pix_fmt, size_wh=size_wh, count=2)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        stored = np.frombuffer(frame.planes[0], "<u2" if pix_fmt.endswith("10le") else "u1")
        stored = stored.reshape(frame.height, -1)[:, : frame.width]
    image = open_video(path).read(1).image
    assert isinstance(image, Planar)
    assert (image.format, image.size_wh, image.range) == ("i420", size_wh, "limited")
    if pix_fmt.endswith("10le"):
        assert np.abs(image.planes[0] - stored / 4).max() <= 1
    else:
        assert (image.planes[0] == stored).all()


@pytest.mark.parametrize("pix_fmt", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_full_range_stays_full(make_video, pix_fmt):
    path = make_video(
        "clip.avi", codec="mjpeg", pix_fmt=pix_fmt, color_range=2, options={"qmin": "2", "qmax": "2"}
    )
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        stored = np.frombuffer(frame.planes[0], "u1").reshape(frame.height, -1)[:, : frame.width]
        image = open_video(path).read(1).image
        assert (image.format, image.range) == ("i420", "full")
        assert (image.planes[0] == stored).all()


@pytest.mark.parametrize(
    ("pix_fmt", "format", "shapes"),
    [
        ("nv12", "nv12", [(48, 64), (24, 32, 2)]),
        ("yuyv422", "yuyv", [(48, 64, 2)]),
    ],
)
def test_semi_planar_and_packed_ycbcr_are_views(make_video, pix_fmt, format, shapes):
    image = open_video(make_video("clip.nut", codec="rawvideo", pix_fmt=pix_fmt)).read(1).image
    assert image.format == format
    assert [plane.shape for plane in image.planes] == shapes
    assert not any(plane.flags.owndata for plane in image.planes)


def test_yuyv_of_odd_width(make_video):
    image = (
        open_video(make_video("clip.nut", codec="rawvideo", pix_fmt="yuyv422", size_wh=(33, 17)))
        .read(1)
        .image
    )
    assert (image.format, image.size_wh) == ("i420", (33, 17))


def gray_frames(format, dtype, limit):
    levels = np.linspace(0, limit, 64 * 48).astype(dtype).reshape(48, 64)
    return [av.VideoFrame.from_ndarray(levels, format=format)], levels


def test_gray_of_full_range(make_video):
    frames, levels = gray_frames("gray", np.uint8, 255)
    image = open_video(make_video(pictures=frames, codec="ffv1", pix_fmt="gray")).read(1).image
    assert isinstance(image, Packed)
    assert image.format == "gray8"
    assert (image.pixels == levels).all()


def test_gray_of_limited_range_is_expanded(make_video):
    frames, levels = gray_frames("gray", np.uint8, 255)
    image = (
        open_video(make_video(pictures=frames, codec="ffv1", pix_fmt="gray"), range="limited").read(1).image
    )
    assert np.abs(image.pixels - np.clip((levels - 16.0) * 255 / 219, 0, 255)).max() <= 0.5


@pytest.mark.parametrize("range", ["full", "limited"])
def test_gray_of_16_bits(make_video, range):
    frames, levels = gray_frames("gray16le", np.uint16, 65535)
    image = (
        open_video(make_video(pictures=frames, codec="ffv1", pix_fmt="gray16le"), range=range).read(1).image
    )
    assert image.format == "gray16"
    wanted = levels if range == "full" else np.clip((levels / 256 - 16) * 65535 / 219, 0, 65535)
    assert np.abs(image.pixels - wanted).max() <= 0.75


@pytest.mark.parametrize(("codec", "pix_fmt", "format"), [
    ("ffv1", "bgr0", "bgr"), ("rawvideo", "rgb24", "rgb"), ("rawvideo", "bgr24", "bgr"), ("ffv1", "gbrp10le", "bgr"),
])  # fmt: skip
@pytest.mark.parametrize("size_wh", [(64, 48), (33, 17)])
def test_rgb(make_video, codec, pix_fmt, format, size_wh):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    image = open_video(make_video("clip.nut", [picture], codec=codec, pix_fmt=pix_fmt)).read(1).image
    assert image.format == format
    got = image.pixels if format == "rgb" else image.pixels[..., ::-1]
    assert np.abs(got.astype(int) - picture).max() <= (1 if pix_fmt.endswith("10le") else 0)


def test_pictures_are_read_only_views_that_outlive_the_source(make_video, drain):
    source = open_video(make_video(count=40))
    captures = drain(source).captures
    kept = [plane.copy() for capture in captures for plane in capture.image.planes]
    planes = [plane for capture in captures for plane in capture.image.planes]
    assert not any(plane.flags.writeable or plane.flags.owndata for plane in planes)
    source.close()
    del source, captures
    gc.collect()
    assert all((plane == copy).all() for plane, copy in zip(planes, kept, strict=True))


@pytest.mark.parametrize(
    ("colorspace", "color_range", "size_wh", "matrix", "range"),
    [
        (1, 1, (64, 48), "bt709", "limited"),
        (1, 2, (64, 48), "bt709", "full"),
        (6, 0, (1280, 720), "bt601", "limited"),
        (9, 0, (64, 48), "bt2020", "limited"),
        (2, 0, (64, 48), "bt601", "limited"),
        (2, 0, (1280, 720), "bt709", "limited"),
    ],
)
def test_matrix_and_range_of_the_file(make_video, colorspace, color_range, size_wh, matrix, range):
    path = make_video(colorspace=colorspace, color_range=color_range, size_wh=size_wh, count=1)
    image = open_video(path).read(1).image
    assert (image.matrix, image.range) == (matrix, range)
    image = open_video(path, matrix="bt2020", range="full").read(1).image
    assert (image.matrix, image.range) == ("bt2020", "full")


def test_matrix_that_nobody_computes_with(make_video):
    path = make_video(colorspace=4, count=1)  # FCC
    with pytest.raises(SourceError, match=r"clip\.mkv.*colour matrix") as caught:
        open_video(path).read(1)
    assert "matrix" in caught.value.fix
    assert open_video(path, matrix="bt601").read(1).image.matrix == "bt601"


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_rotation(make_video, clockwise):
    source = open_video(make_video("phone.mp4", rotation=-clockwise))
    capture = source.read(1)
    assert capture.orientation == clockwise
    assert capture.image.size_wh == (64, 48)
    assert source.info.size_wh == ((48, 64) if clockwise in (90, 270) else (64, 48))


def test_rotation_turns_the_picture_upright(make_video, make_packet):
    """A bright top edge, filmed by a phone on its side, is on top again."""
    stored = np.full((48, 64, 3), 30, np.uint8)
    stored[:, :12] = 220  # turned clockwise by 90 degrees, left becomes top
    capture = open_video(make_video("phone.mp4", [stored] * 3, rotation=-90)).read(1)
    packet = make_packet(None, image=capture.image, size_wh=(48, 64), orientation=capture.orientation)
    upright = packet.frame.view("gray8")
    assert upright.shape == (64, 48)
    assert upright[:8].min() > 180
    assert upright[20:].max() < 80


# --- damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", THREADS)
def test_damage_in_the_middle(data, drain, tmp_path, threads):
    raw = bytearray((data / "videos" / "car-detection.mp4").read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 20_000] = bytes(20_000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(raw)
    drained = drain(open_video(path, threads=threads))
    assert len(drained.captures) == 375
    assert f"{path} is damaged: 2 faults, the first at 13.6" in drained.error.message
    assert "375 pictures were read" in drained.error.message


@pytest.mark.parametrize(("threads", "thread_count"), [("none", 1), ("slice", 2), ("frame", 2), ("frame", 4)])
@pytest.mark.parametrize("which", [-1, -2])
def test_damage_at_the_very_end(make_video, drain, tmp_path, which, threads, thread_count):
    """With four decoding threads FFmpeg meets it after the end, and PyAV says nothing of it."""
    path = make_video("clip.mp4", count=40, options={"bf": "0"})
    with av.open(str(path)) as container:
        last = [packet for packet in container.demux(video=0) if packet.size][which]
        at, size = last.pos, last.size
    raw = bytearray(path.read_bytes())
    raw[at : at + size] = b"\xff" * size
    path.write_bytes(raw)
    drained = drain(open_video(path, threads=threads, thread_count=thread_count))
    assert 40 - thread_count <= len(drained.captures) < 40
    assert "is damaged" in drained.error.message


def test_a_recording_that_begins_between_key_frames(make_video, drain, tmp_path):
    """As of a transport stream: what comes before the first picture is no damage."""
    whole = make_video("whole.ts", count=40, gop=20, options={"bf": "0"}).read_bytes()
    path = tmp_path / "tail.ts"
    path.write_bytes(whole[188 * (len(whole) // 188 // 4) :])
    drained = drain(open_video(path))
    assert 0 < len(drained.captures) < 40
    assert drained.error is None


def test_stop_before_the_cut_is_a_normal_end(make_video, drain, tmp_path):
    path = make_video("clip.mkv", count=50)
    path.write_bytes(path.read_bytes()[:-500])
    assert drain(open_video(path)).error is not None
    drained = drain(open_video(path, stop_s=0.4))
    assert len(drained.captures) == 10
    assert drained.error is None


@pytest.mark.parametrize(
    "content", [b"", b"no video at all " * 100, b"\x00" * 5000, b"RIFF\xff\xff\0\0AVI LIST"]
)
def test_not_a_video(tmp_path, content):
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.mp4") as caught:
        open_video(path)
    assert caught.value.fix


def test_no_such_file(tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*missing\.mp4"):
        open_video(tmp_path / "missing.mp4")


def test_folder(tmp_path):
    with pytest.raises(SourceError, match="is a folder"):
        open_video(tmp_path)


def test_index_cut_off(make_video):
    path = make_video("clip.mp4")
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(SourceError, match="bytes are missing from its end, and with them its index"):
        open_video(path)


def test_no_video_stream(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceError, match=r"sound\.mkv holds no video"):
        open_video(path)


def test_file_name_that_looks_like_a_protocol(make_video, drain, monkeypatch):
    path = make_video()
    monkeypatch.chdir(path.parent)
    shutil.copy(path, "concat:a%03d.mkv")
    assert len(drain(open_video("./concat:a%03d.mkv")).captures) == 12


def open_files():
    return {link.resolve() for link in Path("/proc/self/fd").iterdir()}


# --- contract -------------------------------------------------------------------------------------------------------


def test_close_twice_and_read_after(make_video):
    path = make_video()
    source = open_video(path)
    source.read(1)
    assert path in open_files()
    source.close()
    source.close()
    assert path not in open_files()
    with pytest.raises(SourceError, match="is closed"):
        source.read(1)


def test_the_end_stays_the_end(make_video, drain):
    source = open_video(make_video())
    drain(source)
    for _ in range(2):
        with pytest.raises(EndOfStream):
            source.read(1)


def test_read_by_several_threads_in_turn(make_video):
    source = open_video(make_video(count=60))
    lock, seqs = threading.Lock(), []

    def work():
        while True:
            with lock:
                try:
                    seqs.append(source.read(1).seq)
                except EndOfStream:
                    return

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert seqs == list(range(60))
