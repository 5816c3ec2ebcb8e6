import av
import pytest

from vedette_video.completeness import missing_bytes

CONTAINERS = ("clip.mp4", "clip.mov", "clip.avi", "clip.mkv", "clip.webm")


def video(make_video, name):
    return make_video(name, codec="libvpx" if name.endswith("webm") else "mpeg4", count=30)


@pytest.mark.parametrize("name", CONTAINERS)
def test_whole_file(make_video, name):
    assert missing_bytes(video(make_video, name)) == 0


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("lost", [1, 2, 100, 700])
def test_counts_what_is_cut_off(make_video, name, lost):
    path = video(make_video, name)
    path.write_bytes(path.read_bytes()[:-lost])
    assert missing_bytes(path) == lost


def test_mp4_with_its_index_in_front(make_video):
    path = video(make_video, "clip.mp4")
    front = path.with_name("front.mp4")
    with av.open(str(path)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    raw = front.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")
    assert missing_bytes(front) == 0
    for lost in (1, 1000):
        front.write_bytes(raw[:-lost])
        assert missing_bytes(front) == lost


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 3, b"RIFF", b"\x1a\x45\xdf\xa3", b"hello, this is a text", b"\0\0\0\x08ftyp"]
)
def test_nothing_is_claimed_of_other_files(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"RIFF\0\0\0\0AVI " + b"x" * 50,  # never finished by its writer
        b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\0mdat" + b"x" * 50,  # the last box reaches to the end
        b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67" + b"\x01" + b"\xff" * 7 + b"x" * 50,  # a live recording
    ],
)
def test_open_ended_files(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
