import cv2
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette_video.params import ImagesParams, PlaylistParams, VideoParams
from vedette_video.plugin import PLAYLIST


def open_playlist(uri="playlist:", **params):
    return PLAYLIST.open(str(uri), PlaylistParams(**params))


@pytest.fixture
def media(tmp_path, make_video):
    """Two videos of 12 and 5 frames, and a folder of 3 pictures."""
    make_video("one.mkv")
    make_video("two words.mkv", count=5)
    (tmp_path / "shots").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "shots" / f"{number}.jpg"), np.zeros((20, 20, 3), np.uint8))
    return tmp_path


def write_list(folder, *lines, name="list.m3u", encoding="utf-8"):
    path = folder / name
    path.write_text("\n".join(lines), encoding=encoding)
    return path


EPOCHS = [0] * 12 + [1] * 3 + [2] * 5 + [3]
SEQS = [*range(12), *range(3), *range(5), 0]


def check(drained):
    assert drained.error is None
    assert drained.epochs == EPOCHS
    assert drained.seqs == SEQS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_list_in_a_file(media, drain, encoding, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))  # items are relative to the list
    path = write_list(
        media, "#EXTM3U", "one.mkv", "", "  shots/ ", "two words.mkv", "shots/2.jpg", encoding=encoding
    )
    check(drain(open_playlist(path)))


def test_list_in_the_parameters(media, drain, monkeypatch):
    monkeypatch.chdir(media)
    check(
        drain(
            open_playlist(items=("one.mkv", "shots/*.jpg", (media / "two words.mkv").as_uri(), "shots/2.jpg"))
        )
    )


def test_loop(media, drain):
    path = write_list(media, "shots", "shots/1.jpg")
    assert drain(open_playlist(path, loop=True), limit=9).epochs == [0, 0, 0, 1, 2, 2, 2, 3, 4]


def test_parameters_of_the_items(media, drain):
    path = write_list(media, "one.mkv", "shots")
    params = {"video": VideoParams(stop_s=0.1, threads="none"), "images": ImagesParams(rate_hz=2)}
    assert drain(open_playlist(path, **params)).media_ns == [
        0,
        40_000_000,
        80_000_000,
        0,
        500_000_000,
        1_000_000_000,
    ]


def test_epochs_of_an_item_are_kept_apart(media, drain, make_video):
    """A video whose time begins anew uses two epochs."""
    joined = media / "joined.ts"
    parts = [
        make_video(f"{start}.ts", stamps=[start + 40 * i for i in range(3)], count=3)
        for start in (60_000, 9_000)
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert drain(open_playlist(write_list(media, "joined.ts", "shots/1.jpg"))).epochs == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("missing.mp4", "there is no file"),
        ("missing.jpg", "no file or folder"),
        ("missing/", "neither a video nor pictures"),
        ("nothing/*.jpg", "no pictures"),
        ("rtsp://cam", "neither a video nor pictures"),
        ("other.m3u", "neither a video nor pictures"),
    ],
)
def test_missing_items_are_named_at_once(media, item, words):
    path = write_list(media, "one.mkv", "# a comment", item)
    with pytest.raises(SourceError, match=words) as caught:
        open_playlist(path)
    assert caught.value.message.startswith(f"{path}:3: ")
    assert item.rstrip("/") in caught.value.message


def test_missing_item_of_the_parameters(media, monkeypatch):
    monkeypatch.chdir(media)
    with pytest.raises(SourceError, match=r"playlist item 2: there is no file missing\.mkv"):
        open_playlist(items=("one.mkv", "missing.mkv"))


def test_damaged_item_fails_when_its_turn_comes(media, drain):
    (media / "broken.mp4").write_bytes(b"x" * 1000)
    path = write_list(media, "one.mkv", "broken.mp4", "shots")
    drained = drain(open_playlist(path))
    assert len(drained.captures) == 12
    assert drained.error.message.startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "lists nothing"), (b"# nothing\n", "lists nothing"), (b"\xff\xfe\x00", "not a playlist")],
)
def test_no_list(tmp_path, content, words):
    path = tmp_path / "list.m3u"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        open_playlist(path)


def test_missing_list(tmp_path):
    with pytest.raises(SourceError, match="there is no playlist"):
        open_playlist(tmp_path / "list.m3u")


@pytest.mark.parametrize("params", [{}, {"items": ("a.mp4",), "video": VideoParams(loop=True)}])
def test_contradictions(params):
    with pytest.raises(SourceError):
        open_playlist(**params)


def test_file_and_items(media):
    with pytest.raises(SourceError, match="either a file or items"):
        open_playlist(write_list(media, "one.mkv"), items=("one.mkv",))


def test_close_twice_and_read_after(media):
    source = open_playlist(write_list(media, "one.mkv"))
    source.read(1)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read(1)


def test_the_end_stays_the_end(media, drain):
    source = open_playlist(write_list(media, "shots"))
    drain(source)
    for _ in range(2):
        with pytest.raises(EndOfStream):
            source.read(1)
