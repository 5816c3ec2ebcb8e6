"""Clips and sequences: what is read of them, what is wrong with them, and how they are split and sampled."""

from fractions import Fraction

import numpy as np
import pytest

from vedette.bundle.manifest import Temporal
from vedette.errors import SourceError
from vedette_torch.data.errors import DataError
from vedette_torch.data.footage import read_clip, sampled
from vedette_torch.data.reading import detect_format, read_data
from vedette_torch.data.sequences import hold_back_blocks
from vedette_torch.data.split import split_data

av = pytest.importorskip("av")


def film(path, frames=6, fps=25, seed=None, times=None):
    """A small film of noise, of its own for each path; ``times``: when each frame is shown, in milliseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(abs(hash(path.as_posix())) if seed is None else seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            picture = noise.integers(0, 256, (24, 32, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = round(1000 * number / fps) if times is None else times[number]
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kinds(found):
    return sorted((problem.kind, problem.path.name) for problem in found.problems)


def test_folders_of_clips(tmp_path):
    for name in ("train/fight/1.mp4", "train/calm/1.mp4", "train/calm/2.avi", "val/calm/3.mp4"):
        film(tmp_path / name)
    write(tmp_path / "train/calm/notes.txt", "not a clip")
    broken = film(tmp_path / "train/fight/broken.mp4", frames=20)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    write(tmp_path / "train/fight/empty.mp4", "")
    (tmp_path / "train/fight/again.mp4").write_bytes((tmp_path / "train/fight/1.mp4").read_bytes())
    assert detect_format(tmp_path) == "clips"
    found = read_data(tmp_path)
    assert (found.format, found.labels) == ("clips", ("calm", "fight"))
    got = [(item.path.name, item.class_id) for item in found.split("train").samples]
    assert got == [("1.mp4", 0), ("2.avi", 0), ("1.mp4", 1)]
    assert kinds(found) == [
        ("corrupt", "broken.mp4"),
        ("corrupt", "empty.mp4"),
        ("duplicate", "again.mp4"),
        ("empty_class", "fight"),
        ("not_a_clip", "notes.txt"),
    ]


def test_a_table_of_clips(tmp_path):
    for name in ("a", "b", "c", "d", "unlisted"):
        film(tmp_path / "clips" / f"{name}.mp4")
    write(
        tmp_path / "labels.csv",
        "file,label,split,source_video\n"
        "clips/a.mp4,fight,train,camera 1\n"
        "clips/b.mp4,calm,train,camera 1\n"
        "clips/c.mp4,calm,val,\n"
        "clips/a.mp4,calm,train,camera 2\n"
        "clips/gone.mp4,calm,train,camera 2\n"
        "../clips/a.mp4,calm,train,camera 2\n"
        "clips/d.mp4,,train,camera 2\n",
    )
    found = read_data(tmp_path, "clips")
    got = [(s.path.name, found.labels[s.class_id], s.group) for s in found.split("train").samples]
    assert got == [("a.mp4", "fight", "camera 1"), ("b.mp4", "calm", "camera 1")]
    assert [s.group for s in found.split("val").samples] == [""]
    assert kinds(found) == [
        ("duplicate", "a.mp4"),
        ("empty_class", "labels.csv"),
        ("missing_file", "a.mp4"),
        ("missing_file", "gone.mp4"),
        ("missing_label", "d.mp4"),
        ("missing_label", "unlisted.mp4"),
    ]
    write(tmp_path / "labels.csv", "name,label\nclips/a.mp4,calm\n")
    with pytest.raises(DataError, match="no column 'file'"):
        read_data(tmp_path, "clips")


def test_clips_of_one_source_are_not_split(tmp_path):
    lines = ["file,label,source"]
    for number in range(12):
        film(tmp_path / f"{number}.mp4", frames=1)
        lines.append(f"{number}.mp4,{'ab'[number % 2]},camera {number // 3}")
    write(tmp_path / "labels.csv", "\n".join(lines))
    parts = split_data(read_data(tmp_path, "clips").split(), {"train": 0.5, "val": 0.5})
    groups = [{sample.group for sample in part.samples} for part in parts.values()]
    assert len(groups[0]) == len(groups[1]) == 2
    assert not groups[0] & groups[1]


@pytest.mark.parametrize(
    ("fps", "want"), [(25, [0, 80, 160, 280, 360]), (10, [0, 100, 200, 300, 400]), (5, [0, 200, 400])]
)
def test_frames_are_sampled_by_their_time(tmp_path, fps, want):
    path = film(tmp_path / "a.mp4", frames=round(0.4 * fps) + 1, fps=fps)
    temporal = Temporal(rate_hz=10, tolerance=0.5)
    seen = [round(frame.clock.media_ns / 1e6) for frame, _ in sampled(read_clip(path), temporal)]
    assert seen == want


def test_after_a_gap_all_starts_afresh(tmp_path):
    path = film(tmp_path / "a.mp4", frames=6, times=[0, 100, 200, 2000, 2100, 2200])
    anew = [new for _, new in sampled(read_clip(path), Temporal(rate_hz=10))]
    assert anew == [True, False, False, True, False, False]


def test_a_damaged_clip_says_so_at_its_end(tmp_path):
    path = film(tmp_path / "a.avi", frames=30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = read_clip(path)
    assert next(frames).size_wh == (32, 24)
    with pytest.raises(SourceError):
        list(frames)


def test_rows_of_a_table(tmp_path):
    table = write(
        tmp_path / "tracks.csv",
        "label,x0,y0,x1,y1\n0,0,0,1,2\n2,0,0,3,4\n\n1,0,0,five,6\n1,0,0,5\n,0,0,1,1\n0,0,0,nan,1\n0,0,0,1,2\n",
    )
    found = read_data(table)
    assert (found.format, found.labels) == ("sequences", ("0", "1", "2"))
    samples = found.split().samples
    assert [(s.class_id, s.values.tolist()) for s in samples] == [
        (0, [0, 0, 1, 2]),
        (2, [0, 0, 3, 4]),
        (0, [0, 0, 1, 2]),
    ]
    assert kinds(found) == [
        ("bad_row", "tracks.csv"),
        ("bad_row", "tracks.csv"),
        ("bad_row", "tracks.csv"),
        ("empty_class", "tracks.csv"),
        ("missing_label", "tracks.csv"),
    ]
    assert any("line 5" in problem.message for problem in found.problems)
    with pytest.raises(DataError, match="5 problems"):
        read_data(table, strict=True)
    write(tmp_path / "labels.txt", "stop\nleft\nright\n")
    assert read_data(table).labels == ("stop", "left", "right")


def test_tables_of_splits_and_names(tmp_path):
    write(tmp_path / "train.csv", "left,1,2\nright,3,4\n")
    write(tmp_path / "val.csv", "right,5,6\n")
    found = read_data(tmp_path, "sequences")
    assert {name: len(part.samples) for name, part in found.splits.items()} == {"train": 2, "val": 1}
    assert found.split("val").samples[0].class_id == found.labels.index("right")
    with pytest.raises(DataError, match="no table"):
        read_data(write(tmp_path / "empty" / "x.txt", "").parent, "sequences")


def test_blocks_are_apart(tmp_path):
    rows = [f"{row // 50},{row}" for row in range(100)]
    dataset = read_data(write(tmp_path / "t.csv", "\n".join(rows)), "sequences").split()
    held_before = set()
    for fold in range(5):
        train, held = hold_back_blocks(dataset, 5, fold, guard=4)
        rows_held = [sample.row for sample in held]
        assert rows_held == [*range(10 * fold, 10 * fold + 10), *range(50 + 10 * fold, 60 + 10 * fold)]
        for sample in train:
            near = [row for row in rows_held if abs(row - sample.row) <= 4 and row // 50 == sample.class_id]
            assert not near
        assert len(train) == 80 - (8 if fold in (0, 4) else 16)
        assert not held_before & set(rows_held)
        held_before |= set(rows_held)
    with pytest.raises(DataError, match="too few"):
        hold_back_blocks(dataset, 5, 0, guard=50)
