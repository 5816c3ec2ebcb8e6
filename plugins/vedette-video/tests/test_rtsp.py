"""RTSP from a real server on loopback."""

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numbered import SIZE_WH, draw
from scripted import drip, say

from vedette.errors import SourceError
from vedette.frame import Encoded, Planar
from vedette_video.plugin import RTSP, STILLS

COUNT = 64
"""Numbers of the pictures that the server sends again and again."""
X264 = "x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast option-string=sliced-threads=0"
TIMES = {"open_timeout_s": 10.0, "read_timeout_s": 1.0}


@pytest.fixture(scope="session")
def numbered_pictures(tmp_path_factory):
    """The beginning of a pipeline that sends numbered pictures at their pace."""
    folder = tmp_path_factory.mktemp("numbered")
    w, h = SIZE_WH
    for number in range(COUNT):
        (folder / f"{number:03d}.i420").write_bytes(draw(number).tobytes() + bytes([128]) * (w * h // 2))
    return (
        f"multifilesrc location={folder}/%03d.i420 loop=true start-index=0 stop-index={COUNT - 1} ! "
        f"rawvideoparse format=i420 width={w} height={h} framerate=25/1 ! identity sync=true"
    )


@pytest.fixture
def camera(rtsp_server, numbered_pictures, server):
    """Numbered pictures as H.264."""

    def start(*options, coding=f"{X264} ! rtph264pay name=pay0 pt=96 config-interval=1"):
        return server(rtsp_server(f"{numbered_pictures} ! {coding}", *options))

    return start


def uri_of(server, login="", scheme="rtsp"):
    return f"{scheme}://{login}127.0.0.1:{server.port}/live"


def steps(numbers):
    return set((np.diff(numbers) % COUNT).tolist())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_picture_of_a_camera(camera, opened, take, number_of, transport):
    source = opened(RTSP, uri_of(camera()), transport=transport)
    captures = take(source, 60)
    assert steps([number_of(capture) for capture in captures]) == {1}
    assert [capture.seq for capture in captures] == list(range(60))
    assert {capture.epoch for capture in captures} == {0}
    assert (source.info.live, source.info.size_wh) == (True, SIZE_WH)
    times = [capture.clock.media_ns for capture in captures if capture.clock.media_ns is not None]
    assert len(times) >= 59  # FFmpeg knows no time of the first picture
    assert set(np.diff(times).tolist()) == {40_000_000}


def test_pictures_are_stamped_when_they_come(camera, opened, take):
    source = opened(RTSP, uri_of(camera()))
    began_ns = time.monotonic_ns()
    take(source, 20)
    captures = take(source, 20)
    clocks = [capture.clock for capture in captures]
    assert {clock.origin for clock in clocks} == {"arrival"}
    assert all(began_ns < clock.mono_ns <= time.monotonic_ns() for clock in clocks)
    assert (np.diff([clock.mono_ns for clock in clocks]) > 0).all()
    # FFmpeg gives a picture of H.264 away when the next begins: it may have come one period earlier.
    assert np.median([clock.uncertainty_ns for clock in clocks]) == pytest.approx(40e6, rel=0.3)


def test_clock_of_the_sender(camera, opened, take):
    """Its first report comes after some seconds; until then arrival counts."""
    source = opened(RTSP, uri_of(camera()), clock="sender")
    deadline = time.monotonic() + 30
    while (capture := take(source, 1)[0]).clock.origin != "device":
        assert time.monotonic() < deadline
        assert capture.clock.origin == "arrival"
    clocks = [capture.clock for capture in take(source, 10)]
    assert {clock.origin for clock in clocks} == {"device"}
    assert np.allclose(np.diff([clock.wall_ns for clock in clocks]), 40e6, atol=1e6)
    assert 0 <= time.time_ns() - clocks[-1].wall_ns < 5e9


def test_repeated_parameter_sets_between_slices_split_no_picture(camera, opened, take, number_of):
    """Several slices, and the parameter sets before each of a key picture."""
    coding = "x264enc tune=zerolatency key-int-max=5 speed-preset=ultrafast option-string=slices=4 ! "
    source = opened(RTSP, uri_of(camera(coding=coding + "rtph264pay name=pay0 pt=96 config-interval=-1")))
    captures = take(source, 40)
    assert steps([number_of(capture) for capture in captures]) == {1}
    for capture in captures:  # the lower half is plain: a slice that is missing would leave a mark
        assert np.abs(capture.image.planes[0][SIZE_WH[1] // 2 + 4 :].astype(int) - 128).max() <= 12


def test_pictures_that_are_not_in_the_order_of_coding(camera, opened, take, number_of):
    coding = "x264enc bframes=2 b-adapt=false key-int-max=12 ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96"
    captures = take(opened(RTSP, uri_of(camera(coding=coding))), 40)
    assert steps([number_of(capture) for capture in captures]) == {1}
    times = [capture.clock.media_ns for capture in captures if capture.clock.media_ns is not None]
    assert (np.diff(times) > 0).all()


def test_hevc(camera, opened, take, number_of):
    if subprocess.run(["gst-inspect-1.0", "--exists", "x265enc"], check=False).returncode:
        pytest.skip("needs x265enc: apt install gstreamer1.0-plugins-bad")
    coding = "x265enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph265pay name=pay0 pt=96"
    captures = take(opened(RTSP, uri_of(camera(coding=f"{coding} config-interval=-1"))), 30)
    assert steps([number_of(capture) for capture in captures]) == {1}
    assert [capture.seq for capture in captures] == list(range(30))


def test_mjpeg_is_decoded_only_when_looked_at(camera, opened, take, number_of):
    source = opened(RTSP, uri_of(camera(coding="jpegenc quality=90 ! rtpjpegpay name=pay0 pt=26")))
    captures = take(source, 20)
    assert {(type(capture.image), capture.image.fourcc) for capture in captures} == {(Encoded, "JPEG")}
    assert steps([number_of(capture) for capture in captures]) == {1}
    assert [capture.seq for capture in captures] == list(range(20))


def test_a_reader_that_is_late_goes_on_with_what_is_new(camera, opened, take, number_of):
    """What it did not take in time is counted in ``seq``, and what follows begins with a key picture."""
    source = opened(RTSP, uri_of(camera()))
    before = take(source, 10)
    time.sleep(2.5)
    after = take(source, 30)
    captures = before + after
    assert {type(capture.image) for capture in captures} == {Planar}
    seqs = [capture.seq for capture in captures]
    assert (np.diff(seqs) % COUNT == np.diff([number_of(capture) for capture in captures]) % COUNT).all()
    assert after[0].seq - before[-1].seq > 20
    assert set(np.diff(seqs[10:]).tolist()) == {1}


def test_opening_again_and_again_leaves_nothing_behind(camera, opened, take):
    served = camera()

    def left():
        return threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())

    take(opened(RTSP, uri_of(served)), 1)
    before = left()
    for _ in range(10):
        source = opened(RTSP, uri_of(served))
        take(source, 1)
        source.close()
    deadline = time.monotonic() + 10
    while left() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() <= before


# --- time-outs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_camera_that_hangs_is_an_error_in_time_and_goes_on_after_opening_again(
    camera, opened, take, number_of, failure, transport
):
    served = camera()
    source = opened(RTSP, uri_of(served), transport=transport, **TIMES)
    take(source, 5)
    served.stop()
    began = time.monotonic()
    assert f"nothing came from {uri_of(served)} for 1 s" in failure(source).message
    assert time.monotonic() - began < 5
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 3
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"could not be opened within|no answer in time"):
        opened(RTSP, uri_of(served), transport=transport, open_timeout_s=0.5)
    assert time.monotonic() - began < 5
    served.go_on()
    assert steps([number_of(capture) for capture in take(opened(RTSP, uri_of(served), **TIMES), 10)]) == {1}


def test_camera_that_is_killed_and_comes_back(camera, opened, take):
    served = camera()
    source = opened(RTSP, uri_of(served))
    take(source, 5)
    served.kill()
    with pytest.raises(SourceError, match=f"{uri_of(served)} is lost"):
        take(source, 1000)
    with pytest.raises(SourceError, match="cannot be opened: Connection refused"):
        opened(RTSP, uri_of(served))
    served.start()
    take(opened(RTSP, uri_of(served)), 5)


@pytest.mark.parametrize(
    "act",
    [
        say(then="hang"),
        say(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: ", then="hang"),
        drip(b"RTSP/1.0 200 OK\r\nX: ", b"y", 0.02),
        say(b"RTSP/1.0 200 OK\r\n", b"X: y\r\n" * 1000, then="repeat"),
        say(b"\0garbage\xff" * 100, then="repeat"),
        say(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4294967296\r\n\r\n", then="hang"),
        say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        say(),
    ],
    ids=["silent", "hangs", "drips", "endless header", "garbage", "4 GB", "HTTP", "ends"],
)
def test_opening_is_bounded_whatever_comes(scripted, opened, act):
    server = scripted(act)
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        opened(RTSP, uri_of(server), open_timeout_s=1.0, read_timeout_s=1.0)
    assert time.monotonic() - began < 5
    assert uri_of(server) in caught.value.message
    assert caught.value.fix


def test_close_ends_a_read(camera, opened, take, failure):
    served = camera()
    source = opened(RTSP, uri_of(served), read_timeout_s=60)
    take(source, 3)
    served.stop()
    closer = threading.Timer(0.3, source.close)
    closer.start()
    began = time.monotonic()
    assert "is closed" in failure(source, 30).message
    assert time.monotonic() - began < 5
    closer.join()
    served.go_on()


def test_a_program_can_end_while_its_camera_hangs(camera):
    """FFmpeg is left waiting in its thread."""
    served = camera()
    code = f"""
import sys
from vedette_video.params import RtspParams
from vedette_video.plugin import RTSP
source = RTSP.open({uri_of(served)!r}, RtspParams(read_timeout_s=60))
while source.read(1.0) is None: pass
print("ready", flush=True)
sys.stdin.readline()
source.close()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            served.stop()
            time.sleep(0.3)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(20) == 0
        finally:
            process.kill()
            served.go_on()


# --- user, password, TLS --------------------------------------------------------------------------------------------

PASSWORD = "hun:ter2/@ä%"


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("CAMERA_PASSWORD", PASSWORD)


@pytest.mark.parametrize("digest", [(), ("--digest",)], ids=["basic", "digest"])
def test_password(camera, opened, take, secret, digest, caplog):
    caplog.set_level(logging.DEBUG)
    served = camera("--user", "admin", "--password", PASSWORD, *digest)
    source = opened(RTSP, uri_of(served), user="admin", password="env:CAMERA_PASSWORD")
    take(source, 3)
    source.close()
    take(opened(RTSP, uri_of(served, login="admin:hun%3Ater2%2F%40%C3%A4%25@")), 1)
    for login in ("", "admin:hunter3@", "other:hun%3Ater2%2F%40%C3%A4%25@"):
        with pytest.raises(SourceError, match=r"another user and password \(401\)") as caught:
            opened(RTSP, uri_of(served, login))
        told = f"{caught.value} {caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"
        assert "hun" not in told
        assert "admin" not in told
    assert "hun" not in caplog.text
    assert "hun" not in repr(source) + str(vars(source))


@pytest.mark.parametrize("problem", ["refused", "hangs", "no name"])
def test_password_is_in_no_error(scripted, opened, secret, problem):
    server = scripted(say(then="hang"))
    uri = "rtsp://no-such-host.invalid/live" if problem == "no name" else uri_of(server)
    if problem == "refused":
        server.close()
    with pytest.raises(SourceError) as caught:
        opened(RTSP, uri, user="admin", password="env:CAMERA_PASSWORD", open_timeout_s=1.0)
    chain, error = "", caught.value
    while error is not None:
        chain += f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert uri in chain
    assert "hun" not in chain
    assert "admin" not in chain


def test_rtsps(camera, opened, take, certificate):
    served = camera("--cert", str(certificate))
    uri = uri_of(served, scheme="rtsps")
    with pytest.raises(SourceError, match="cannot be opened") as caught:
        opened(RTSP, uri)
    assert "ca_file" in caught.value.fix
    take(opened(RTSP, uri, ca_file=f"{certificate}.crt"), 3)
    take(opened(RTSP, uri, verify=False), 3)


# --- pictures -------------------------------------------------------------------------------------------------------


def test_size_that_changes_begins_an_epoch(rtsp_server, server, opened, take, tmp_path, make_video):
    """A camera whose operator chooses another resolution while it sends."""
    sizes = [(128, 64), (192, 96)]
    for index, size_wh in enumerate(sizes):
        pictures = [np.repeat(draw(n, size_wh)[..., None], 3, axis=2) for n in range(25)]
        make_video(f"{index}.h264", pictures, options={"bf": "0"})
    joined = tmp_path / "joined.h264"
    joined.write_bytes((tmp_path / "0.h264").read_bytes() + (tmp_path / "1.h264").read_bytes())
    pipeline = f"filesrc location={joined} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1"
    served = server(rtsp_server(pipeline))
    captures = take(opened(RTSP, uri_of(served)), 45)
    assert sorted({(c.epoch, c.image.size_wh) for c in captures}) == [(0, sizes[0]), (1, sizes[1])]
    first = [capture.epoch for capture in captures].index(1)
    assert [capture.seq for capture in captures] == [*range(first), *range(len(captures) - first)]


@pytest.fixture
def damaged_video(make_video, tmp_path):
    """``damaged_video({15, 30})``: 60 pictures of which these are noise; every tenth is a key picture."""

    def make(pictures):
        import av

        clip = make_video("clip.mp4", count=60, size_wh=(320, 240), gop=10, options={"bf": "0"})
        rng = np.random.default_rng(5)
        path = tmp_path / "damaged.mp4"
        with av.open(str(clip)) as source, av.open(str(path), "w") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
                if number in pictures:
                    data = bytearray(bytes(packet))
                    data[5:] = rng.integers(
                        1, 255, len(data) - 5, np.uint8
                    ).tobytes()  # after length and NAL header
                    packet.update(bytes(data))
                packet.stream = stream
                target.mux(packet)
        return path

    return make


@pytest.mark.parametrize(
    ("pictures", "concealed", "lost"),
    [
        ({15, 42}, "use", {15, 42}),
        ({15, 42}, "damaged", {*range(15, 20), *range(42, 50)}),
        ({20}, "damaged", set(range(20, 30))),  # a key picture: FFmpeg leaves out what refers to it
    ],
)
def test_damage_is_counted_and_the_stream_goes_on(
    damaged_video, rtsp_server, server, opened, take, pictures, concealed, lost
):
    path = damaged_video(pictures)
    served = server(
        rtsp_server(f"filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96")
    )
    captures = take(opened(RTSP, uri_of(served), concealed=concealed), 57)
    assert [capture.seq for capture in captures] == list(range(57))
    assert {capture.epoch for capture in captures} == {0}
    assert {capture.image.size_wh for capture in captures} == {(320, 240)}
    times = [capture.clock.media_ns for capture in captures[1:]]
    assert np.allclose(np.diff(times), 40e6, atol=1e5)
    assert {capture.seq for capture in captures if isinstance(capture.image, Encoded)} == lost
    with pytest.raises(SourceError, match=f"{uri_of(served)}: a picture .*damaged"):
        STILLS.build()(captures[min(lost)].image)


def test_a_real_video(data, rtsp_server, server, opened, take):
    """Every picture equals the one that is decoded from the file."""
    import av

    path = data / "videos" / "face-demographics-walking-and-pause.mp4"
    served = server(
        rtsp_server(f"filesrc location={path} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96")
    )
    captures = take(opened(RTSP, uri_of(served)), 38)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    for capture, frame in zip(captures, frames, strict=False):
        planes = np.concatenate([plane.ravel() for plane in capture.image.planes])
        assert (planes == frame.ravel()).all()
