"""MJPEG cameras, single pictures and video over HTTP: real servers, and servers that misbehave."""

import base64
import re
import threading
import time

import numpy as np
import pytest
from running import mjpeg_server
from scripted import answer, drip, say

from vedette.errors import EndOfStream, SourceError
from vedette.frame import Encoded
from vedette_video.annotated_images import encode_jpeg
from vedette_video.multipart import MAX_PART
from vedette_video.plugin import HTTP, STILLS


def jpeg(level=60, size_wh=(32, 16)):
    return encode_jpeg(np.full((size_wh[1], size_wh[0], 3), level, np.uint8), 90)


def part(data, kind="image/jpeg"):
    return f"--p\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n"


MJPEG = answer("multipart/x-mixed-replace; boundary=p")
TIMES = {"open_timeout_s": 5.0, "read_timeout_s": 0.5}


def uri_of(server, path="/video"):
    return f"http://127.0.0.1:{server.port}{path}"


# --- MJPEG ----------------------------------------------------------------------------------------------------------


def test_every_picture_of_a_camera(server, opened, take, number_of):
    """In order, none missing, none decoded before it is looked at, stamped when it came."""
    camera = server(mjpeg_server(rate=50))
    source = opened(HTTP, uri_of(camera))
    captures = take(source, 60)
    numbers = [number_of(capture) for capture in captures]
    assert numbers == list(range(numbers[0], numbers[0] + 60))
    assert [capture.seq for capture in captures] == list(range(60))
    assert {capture.epoch for capture in captures} == {0}
    assert {(type(capture.image), capture.image.fourcc) for capture in captures} == {(Encoded, "JPEG")}
    clocks = [capture.clock for capture in captures]
    assert {(clock.origin, clock.media_ns) for clock in clocks} == {("arrival", None)}
    assert (np.diff([clock.mono_ns for clock in clocks]) > 0).all()
    assert 60 / 50 * 0.9 < (clocks[-1].mono_ns - clocks[0].mono_ns) / 1e9 < 60 / 50 * 3
    assert source.info.live


def test_camera_that_hangs_is_an_error_in_time(server, opened, take, failure):
    camera = server(mjpeg_server())
    source = opened(HTTP, uri_of(camera), **TIMES)
    take(source, 5)
    camera.stop()
    began = time.monotonic()
    assert re.search("no answer in time|nothing came", failure(source).message)
    assert time.monotonic() - began < 5


def test_camera_that_is_killed_and_comes_back(server, opened, take, number_of):
    camera = server(mjpeg_server())
    source = opened(HTTP, uri_of(camera))
    take(source, 5)
    camera.kill()
    with pytest.raises(SourceError, match=r"ended the connection|reset"):
        take(source, 1000)
    with pytest.raises(SourceError, match="cannot be reached: Connection refused"):
        opened(HTTP, uri_of(camera))
    camera.start()
    again = take(opened(HTTP, uri_of(camera)), 5)
    assert np.diff([number_of(capture) for capture in again]).tolist() == [1] * 4


def test_size_that_changes_begins_an_epoch(scripted, opened, take):
    pictures = [jpeg(), jpeg(), jpeg(size_wh=(48, 32)), jpeg(size_wh=(48, 32)), jpeg()]
    camera = scripted(say(MJPEG, *map(part, pictures), then="hang"))
    captures = take(opened(HTTP, uri_of(camera)), 5)
    assert [(c.epoch, c.seq, c.image.size_wh) for c in captures] == [
        (0, 0, (32, 16)),
        (0, 1, (32, 16)),
        (1, 0, (48, 32)),
        (1, 1, (48, 32)),
        (2, 0, (32, 16)),
    ]


def test_damaged_pictures_count_and_the_stream_goes_on(scripted, opened, take):
    """One without a header, one that is cut off, one of text: frames that cannot be decoded."""
    cut = jpeg(size_wh=(320, 160))[:400]
    pictures = [jpeg(size_wh=(320, 160)), b"no jpeg at all", cut, b"", jpeg(90, (320, 160))]
    camera = scripted(say(MJPEG, part(b"{}", "application/json"), *map(part, pictures), then="hang"))
    captures = take(opened(HTTP, uri_of(camera)), 5)
    assert [capture.seq for capture in captures] == [0, 1, 2, 3, 4]
    assert {capture.epoch for capture in captures} == {0}
    assert {capture.image.size_wh for capture in captures} == {(320, 160)}
    decode = STILLS.build()
    for capture, why in zip(
        captures, (None, "has no header", "cut off or damaged", "has no header", None), strict=True
    ):
        if why is None:
            assert decode(capture.image).size_wh == (320, 160)
        else:
            with pytest.raises(SourceError, match=why) as caught:
                decode(capture.image)
            assert uri_of(camera) in caught.value.message


def test_nothing_but_damage_is_an_error(scripted, opened, failure):
    camera = scripted(drip(MJPEG, part(b"no jpeg"), 0.02))
    source = opened(HTTP, uri_of(camera), **TIMES)
    assert "no picture that can be decoded" in failure(source).message


@pytest.mark.parametrize(
    "act",
    [
        say(MJPEG, part(jpeg()), then="hang"),
        say(MJPEG, part(jpeg()), part(jpeg())[:100], then="hang"),
        drip(MJPEG + part(jpeg()), b"x", 0.05),
        drip(MJPEG + part(jpeg()) + b"--p\r\nContent-Length: 1000\r\n\r\n", b"x", 0.05),
        say(MJPEG, part(jpeg()), b"\0garbage", then="repeat"),
        say(MJPEG, part(jpeg()), b"--p\r\nX: " + b"y" * 4000, then="repeat"),
        say(MJPEG, part(jpeg()), b"--p\r\nContent-Length: 4294967296\r\n\r\n", then="hang"),
        say(MJPEG, part(jpeg())),
        say(MJPEG, part(jpeg()), b"--p--\r\n", then="hang"),
    ],
    ids=[
        "silent",
        "hangs in mid-frame",
        "drips",
        "drips a frame",
        "garbage",
        "endless header",
        "4 GB",
        "ends",
        "over",
    ],
)
def test_misbehaviour_is_an_error_in_time(scripted, opened, take, failure, act):
    """Whatever comes after the first picture; each read comes back in its own time until then."""
    camera = scripted(act)
    source = opened(HTTP, uri_of(camera), **TIMES)
    take(source, 1)
    began = time.monotonic()
    error = failure(source)
    assert time.monotonic() - began < 5
    assert uri_of(camera) in error.message
    assert error.fix
    with pytest.raises(SourceError):
        source.read(0.1)


@pytest.mark.parametrize(
    "act", [say(then="hang"), drip(b"", b"H", 0.05), say(b"HTTP/1.1 200 OK\r\nX:", then="hang")]
)
def test_opening_is_bounded(scripted, opened, act):
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"in time|could not be opened within"):
        opened(HTTP, uri_of(scripted(act)), open_timeout_s=0.5)
    assert time.monotonic() - began < 5


def test_close_ends_a_read_and_the_connection(scripted, opened, take):
    gone = threading.Event()

    def act(connection, closed):
        connection.sendall(MJPEG + part(jpeg()))
        connection.settimeout(20)
        if connection.recv(1) == b"":
            gone.set()

    source = opened(HTTP, uri_of(scripted(act)), read_timeout_s=60)
    take(source, 1)
    closer = threading.Timer(0.2, source.close)
    closer.start()
    began = time.monotonic()
    with pytest.raises(SourceError, match="is closed"):
        source.read(60)
    assert time.monotonic() - began < 5
    closer.join()
    assert gone.wait(5)


# --- single pictures ------------------------------------------------------------------------------------------------


def test_single_pictures_are_polled(server, opened, take, number_of):
    camera = server(mjpeg_server(rate=50))
    captures = take(opened(HTTP, uri_of(camera, "/snapshot.jpg"), poll_s=0.1), 6)
    numbers = [number_of(capture) for capture in captures]
    assert (np.diff(numbers) >= 2).all()
    assert (captures[-1].clock.mono_ns - captures[0].clock.mono_ns) / 1e9 > 0.4


def test_single_picture_that_is_too_large(scripted, opened, failure):
    camera = scripted(say(answer("image/jpeg"), bytes(1 << 20), then="repeat"))
    source = opened(HTTP, uri_of(camera), read_timeout_s=20)
    assert f"more than {MAX_PART} bytes" in failure(source, 1.0).message


def test_closing_does_not_wait_for_the_next_poll(scripted, opened, take):
    camera = scripted(say(answer("image/jpeg", jpeg())))
    source = opened(HTTP, uri_of(camera), poll_s=3600)
    take(source, 1)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 2


# --- video ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def file_server(scripted):
    """Serves one file, ranges too."""

    def serve(path, content_type="video/mp4", **options):
        data = path.read_bytes()
        made = []

        def act(connection, closed):
            request = made[0].requests[-1]
            begin = int(request.split("ange: bytes=")[1].split("-")[0]) if "ange: bytes=" in request else 0
            headers = [f"Content-Length: {len(data) - begin}", "Accept-Ranges: bytes"]
            headers += [f"Content-Range: bytes {begin}-{len(data) - 1}/{len(data)}"] if begin else []
            status = "206 Partial Content" if begin else "200 OK"
            connection.sendall(answer(content_type, data[begin:], status=status, headers=headers))

        made.append(scripted(act, **options))
        return made[0]

    return serve


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
def test_a_recording_over_http_is_played_whole(make_video, file_server, opened, drain, name):
    """It has an end and no hurry: every picture, at its own time."""
    stamps = [0, 40, 50, 300, 301, 1000, 1040, 2500, 2510, 2520, 2530, 5000]
    path = make_video(name, stamps=stamps, rotation=-90 if name == "clip.mp4" else None)
    source = opened(HTTP, uri_of(file_server(path), f"/{name}"))
    assert not source.info.live
    time.sleep(0.3)  # nobody reads yet, and nothing is lost
    drained = drain(source)
    assert drained.error is None
    assert drained.media_ns == [stamp * 1_000_000 for stamp in stamps]
    assert drained.seqs == list(range(12))
    assert {capture.orientation for capture in drained.captures} == {90 if name == "clip.mp4" else 0}
    with pytest.raises(EndOfStream):
        source.read(0.1)


def test_a_recording_that_is_cut_off(make_video, file_server, opened, drain):
    path = make_video("clip.mkv", count=100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    drained = drain(opened(HTTP, uri_of(file_server(path), "/clip.mkv")))
    assert 30 < len(drained.captures) < 70
    assert "is lost" in drained.error.message


def test_video_over_https_with_a_password(make_video, file_server, opened, drain, certificate):
    server = file_server(make_video("clip.mkv"), cert=certificate)
    uri = uri_of(server, "/clip.mkv").replace("http:", "https:")
    with pytest.raises(SourceError, match="does not prove who it is"):
        opened(HTTP, uri)
    assert len(drain(opened(HTTP, uri, ca_file=f"{certificate}.crt")).captures) == 12


def test_video_behind_a_password(make_video, scripted, opened, drain, monkeypatch):
    """FFmpeg asks anew, and must be given what the first request was."""
    monkeypatch.setenv("CAMERA_PASSWORD", "hunter2:@/")
    data, made = make_video("clip.mkv").read_bytes(), []
    proof = base64.b64encode(b"admin:hunter2:@/").decode()

    def act(connection, closed):
        if f"Authorization: Basic {proof}" in made[0].requests[-1]:
            connection.sendall(answer("video/x-matroska", data, headers=[f"Content-Length: {len(data)}"]))
        else:
            demand = ['WWW-Authenticate: Basic realm="cam"', "Content-Length: 0"]
            connection.sendall(answer("a/b", status="401 Unauthorized", headers=demand))

    made.append(scripted(act))
    params = {"user": "admin", "password": "env:CAMERA_PASSWORD"}
    assert len(drain(opened(HTTP, uri_of(made[0], "/clip.mkv"), **params)).captures) == 12
    assert "FFmpeg" in made[0].requests[-1] or "Lavf" in made[0].requests[-1]


def test_a_playlist_cannot_name_files_of_this_machine(make_video, scripted, opened):
    path = make_video("secret.ts")
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{path}\n#EXT-X-ENDLIST\n"
    server = scripted(say(answer("application/vnd.apple.mpegurl", text.encode())))
    with pytest.raises(SourceError):
        opened(HTTP, uri_of(server, "/list.m3u8"), open_timeout_s=5).read(1)


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (say(answer("text/html", b"<html>")), "is a web page"),
        (
            say(answer("video/mp4", b"no video" * 1000, headers=["Content-Length: 8000"])),
            "cannot be opened: Invalid data",
        ),
        (say(answer("video/mp4"), then="hang"), "in time|could not be opened within"),
    ],
)
def test_what_is_neither_pictures_nor_video(scripted, opened, act, problem):
    with pytest.raises(SourceError, match=problem):
        opened(HTTP, uri_of(scripted(act)), open_timeout_s=1.0, read_timeout_s=1.0)


def test_video_that_hangs(make_video, scripted, opened, failure):
    data = make_video("clip.ts", count=200, size_wh=(320, 240)).read_bytes()
    source = opened(
        HTTP, uri_of(scripted(say(answer("video/mp2t", data[: len(data) // 2]), then="hang"))), **TIMES
    )
    assert re.search("nothing came|no answer in time", failure(source).message)
