"""Recordings that were cut off, damaged, or are none."""

import json
import logging

import pytest

from vedette.errors import SourceError
from vedette.recording.reading import Recording


@pytest.fixture
def recorded(bench, tmp_path, capture, image):
    """A recording of four images, and what the run said of them."""
    first = bench.run(
        bench.given([capture(image("bgr", seed=n), seq=n) for n in range(4)]), record=tmp_path / "rec"
    )
    return tmp_path / "rec", first


def test_every_length_of_the_lines_replays_up_to_there(bench, recorded, caplog):
    """As a crash leaves them: each cut gives the images whose lines are whole, and says so."""
    folder, first = recorded
    whole = (folder / "captures.jsonl").read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for cut in {
        *range(ends[0], len(whole), 97),
        *ends,
        *(end - 1 for end in ends[1:]),
        *(end + 1 for end in ends[:-1]),
    }:
        (folder / "captures.jsonl").write_bytes(whole[:cut])
        caplog.clear()
        lines = sum(end <= cut for end in ends)
        recording = Recording(folder)
        assert len(list(recording.entries())) == min(lines, 4)
        assert ("was cut off" in caplog.text) == (lines < 5)
        recording.close()
    (folder / "captures.jsonl").write_bytes(whole[: ends[1] + 20])
    assert bench.run(str(folder)) == first[:2]


def test_media_that_never_reached_the_disk(bench, recorded, caplog):
    folder, first = recorded
    media = (folder / "media.bin").read_bytes()
    (folder / "media.bin").write_bytes(media[: len(media) // 2 + 10])
    assert bench.run(str(folder)) == first[:2]
    assert "was cut off" in caplog.text


def test_damaged_media_is_an_error_that_names_it(bench, recorded):
    folder, first = recorded
    media = bytearray((folder / "media.bin").read_bytes())
    media[len(media) * 5 // 8] ^= 1
    (folder / "media.bin").write_bytes(media)
    with pytest.raises(SourceError, match=r"media\.bin is damaged"):
        bench.run(str(folder))
    assert bench.lines == first[:2]


def test_a_broken_line_is_an_error_that_names_it(recorded):
    folder, _ = recorded
    lines = (folder / "captures.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b'"seq":1', b'"seq":"one"')
    (folder / "captures.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(SourceError, match=rf"the line at byte {len(lines[0])} is broken"):
        list(Recording(folder).entries())


def test_another_version_is_refused(recorded):
    folder, _ = recorded
    header = json.loads((folder / "recording.json").read_text())
    (folder / "recording.json").write_text(json.dumps({**header, "vedette_recording": 2}))
    with pytest.raises(SourceError, match="version 2"):
        Recording(folder)


def test_a_folder_that_is_no_recording(tmp_path):
    with pytest.raises(SourceError, match="no recording"):
        Recording(tmp_path)


def test_a_whole_one_says_nothing(recorded, caplog):
    caplog.set_level(logging.INFO)
    caplog.clear()
    recording = Recording(recorded[0])
    assert len(list(recording.entries())) == 4
    assert recording.end.why == "complete"
    assert caplog.text == ""
