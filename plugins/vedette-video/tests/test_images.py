import itertools
import re

import cv2
import numpy as np
import pytest

from vedette.errors import EndOfStream, SourceError
from vedette_video.params import ImagesParams
from vedette_video.plugin import IMAGES, STILLS


def open_images(uri, **params):
    return IMAGES.open(str(uri), ImagesParams(**params))


@pytest.fixture
def shots(tmp_path):
    """1.jpg .. 11.jpg, of different sizes, and something else."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(1, 12):
        cv2.imwrite(str(folder / f"{number}.jpg"), np.full((20, 10 + number, 3), number * 20, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    (folder / "below").mkdir()
    cv2.imwrite(str(folder / "below" / "12.png"), np.zeros((20, 22, 3), np.uint8))
    return folder


def widths(drained):
    return [capture.image.size_wh[0] for capture in drained.captures]


@pytest.mark.parametrize("uri", ["{}", "{}/", "{}/*.jpg", "{}/*", "file:{}"])
def test_natural_order(shots, drain, uri):
    source = open_images(uri.format(shots))
    drained = drain(source)
    assert widths(drained) == list(range(11, 22))
    assert drained.seqs == list(range(11))
    assert set(drained.epochs) == {0}
    assert source.info.frames == 11
    assert not source.info.live


def test_pattern_over_folders(shots, drain):
    assert widths(drain(open_images(shots / "**" / "*.*"))) == [*range(11, 22), 22]


def test_one_file(shots, drain):
    drained = drain(open_images(shots / "3.jpg"))
    assert widths(drained) == [13]
    image = drained.captures[0].image
    assert (image.fourcc, image.name, image.data) == (
        "JPEG",
        str(shots / "3.jpg"),
        (shots / "3.jpg").read_bytes(),
    )


def test_no_media_time_without_a_rate(shots, drain):
    clocks = [capture.clock for capture in drain(open_images(shots)).captures]
    assert {(clock.media_ns, clock.origin) for clock in clocks} == {(None, "arrival")}
    assert all(a.mono_ns < b.mono_ns for a, b in itertools.pairwise(clocks))


def test_media_time_from_a_rate(shots, drain):
    source = open_images(shots, rate_hz=8)
    drained = drain(source)
    assert drained.media_ns == [seq * 125_000_000 for seq in range(11)]
    assert {capture.clock.origin for capture in drained.captures} == {"pts"}
    assert source.info.rate_hz == 8


def test_loop(shots, drain):
    drained = drain(open_images(shots, loop=True), limit=25)
    assert drained.epochs == [0] * 11 + [1] * 11 + [2] * 3
    assert drained.seqs == [*range(11), *range(11), 0, 1, 2]


def test_damaged_pictures_are_errors_of_their_frames(shots, drain):
    (shots / "2.jpg").write_bytes(b"")
    (shots / "4.jpg").write_bytes(b"not a picture")
    (shots / "5.jpg").write_bytes((shots / "5.jpg").read_bytes()[:-40])
    source = open_images(shots)
    (shots / "7.jpg").unlink()
    drained = drain(source)
    assert drained.error is None
    assert len(drained.captures) == 11
    decode = STILLS.build()
    for capture in drained.captures:
        name = f"{capture.seq + 1}.jpg"
        if capture.seq + 1 in (2, 4, 5, 7):
            with pytest.raises(SourceError, match=re.escape(str(shots / name))):
                decode(capture.image)
        else:
            assert decode(capture.image).size_wh == capture.image.size_wh


@pytest.mark.parametrize(
    ("content", "uri", "words"),
    [
        ([], "", "no pictures are there"),
        (["a.txt"], "", "no pictures are there"),
        ([], "*.jpg", "no pictures are there"),
        (["a.mp4", "b.mkv"], "", "but 2 videos"),
        ([], "missing.jpg", "there is no file or folder"),
    ],
)
def test_no_pictures(tmp_path, content, uri, words):
    for name in content:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=words) as caught:
        open_images(tmp_path / uri)
    assert str(tmp_path) in caught.value.message
    assert caught.value.fix


def test_close_twice_and_read_after(shots):
    source = open_images(shots)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read(1)


def test_the_end_stays_the_end(shots, drain):
    source = open_images(shots)
    drain(source)
    for _ in range(2):
        with pytest.raises(EndOfStream):
            source.read(1)
