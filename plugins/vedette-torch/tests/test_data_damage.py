"""Folders in which everything is wrong that can be: every damage is found, by path, and in one list."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from vedette.cli import main
from vedette_torch.data.errors import DataError
from vedette_torch.data.reading import read_data


def picture(path, size_wh=(40, 20), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def problems(found, root):
    return [(str(p.path.relative_to(root)), p.kind) for p in found.problems]


@pytest.fixture
def folders(tmp_path):
    for number, name in enumerate(
        ("train/a/1.jpg", "train/a/2.jpg", "train/b/1.png", "test/a/1.jpg", "test/b/1.png")
    ):
        picture(tmp_path / name, seed=number)
    return tmp_path


def test_pictures_that_cannot_be_decoded(folders):
    for number, (name, share) in enumerate(
        {"cut.jpg": 0.7, "end.jpg": 0.98, "cut.png": 0.6, "head.jpg": 0.02}.items()
    ):
        cut(picture(folders / "train" / "a" / name, (200, 100), seed=50 + number), share)
    (folders / "train/a/empty.jpg").write_bytes(b"")
    (folders / "train/a/text.jpg").write_text("no picture")
    damaged = bytearray(picture(folders / "train/a/flipped.png", seed=9).read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (folders / "train/a/flipped.png").write_bytes(damaged)
    names = ("cut.jpg", "cut.png", "empty.jpg", "end.jpg", "flipped.png", "head.jpg", "text.jpg")
    found = read_data(folders)
    assert problems(found, folders) == [(f"train/a/{name}", "corrupt") for name in names]
    assert all(problem.message and str(folders) not in problem.message for problem in found.problems)
    assert [s.path.name for s in found.split("train").samples] == ["1.jpg", "2.jpg", "1.png"]


def test_classes_and_copies(folders):
    (folders / "train" / "c").mkdir()
    (folders / "train" / "a" / "notes.md").write_text("not a picture")
    (folders / "test/a/leak.jpg").write_bytes((folders / "train/a/1.jpg").read_bytes())
    (folders / "train/b/twice.png").write_bytes((folders / "train/b/1.png").read_bytes())
    both = picture(folders / "train/a/both.png", seed=77)
    (folders / "train/b/both.png").write_bytes(both.read_bytes())
    found = read_data(folders)
    assert problems(found, folders) == [
        ("test/a/leak.jpg", "duplicate_across_splits"),
        ("test/c", "empty_class"),
        ("train/a/both.png", "conflicting_class"),
        ("train/a/notes.md", "not_a_picture"),
        ("train/b/both.png", "conflicting_class"),
        ("train/b/twice.png", "duplicate"),
        ("train/c", "empty_class"),
    ]
    assert [s.path.name for s in found.split("test").samples] == ["1.jpg", "1.png"]
    assert "1.jpg, which is in train" in found.problems[0].message


def test_boxes(tmp_path):
    lines = {
        "good": "0 0.5 0.5 0.5 0.5",
        "rounded": "0 0.5 0.5 1.01 1.01",
        "over": "0 0.9 0.5 0.5 0.5",
        "outside": "0 1.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5",
        "flat": "0 0.5 0.5 0 0.5",
        "nameless": "2 0.5 0.5 0.5 0.5",
        "negative": "-1 0.5 0.5 0.5 0.5",
        "words": "0 a b c d",
        "short": "0 0.5 0.5 0.5",
        "nan": "0 nan 0.5 0.5 0.5",
        "half": "0.5 0.5 0.5 0.5 0.5",
    }
    for number, (name, text) in enumerate(lines.items()):
        picture(tmp_path / f"{name}.png", seed=number)
        (tmp_path / f"{name}.txt").write_text(text)
    picture(tmp_path / "unlabelled.png", seed=99)
    (tmp_path / "lonely.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\0")
    picture(tmp_path / "binary.png", seed=98)
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    found = read_data(tmp_path, "yolo")
    assert problems(found, tmp_path) == [
        ("binary.txt", "bad_label"),
        ("flat.txt", "empty_box"),
        ("half.txt", "bad_label"),
        ("lonely.txt", "label_without_image"),
        ("nameless.txt", "class_beyond_names"),
        ("nan.txt", "bad_label"),
        ("negative.txt", "class_beyond_names"),
        ("outside.txt", "box_outside"),
        ("over.txt", "box_outside"),
        ("short.txt", "bad_label"),
        ("unlabelled.png", "missing_label"),
        ("words.txt", "bad_label"),
    ]
    got = {s.path.stem: s.xyxy.tolist() for s in found.split().samples}
    assert got == {
        "good": [[10, 5, 30, 15]],
        "rounded": [[0, 0, 40, 20]],
        "over": [[26, 5, 40, 15]],
        "outside": [[10, 5, 30, 15]],
        "flat": [],
        "unlabelled": [],
    }
    assert "line 1: the box 26, 5, 46, 15 in a picture of 40x20" in next(
        p.message for p in found.problems if p.path.stem == "over"
    )


def test_coco_and_voc(tmp_path):
    for number, name in enumerate(("a", "stray", "wrong", "boxless")):
        picture(tmp_path / "c" / f"{name}.png", seed=number)
    images = [
        {"id": n, "file_name": f"{name}.png"} for n, name in enumerate(("a", "gone", "../../etc/passwd"))
    ]
    images.append({"id": 5, "file_name": "wrong.png", "width": 20, "height": 40})
    images.append({"id": 6, "file_name": "boxless.png"})
    annotation = {"image_id": 77, "category_id": 1, "bbox": [1, 1, 2, 2]}
    boxless = {"image_id": 6, "category_id": 1}
    content = {"images": images, "annotations": [annotation, boxless], "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "c" / "labels.json").write_text(json.dumps(content))
    found = read_data(tmp_path / "c")
    assert sorted((p.path.name, p.kind) for p in found.problems) == [
        ("boxless.png", "bad_label"),
        ("labels.json", "label_without_image"),
        ("labels.json", "label_without_image"),
        ("labels.json", "label_without_image"),
        ("stray.png", "missing_label"),
        ("wrong.png", "size_mismatch"),
    ]
    (tmp_path / "c" / "labels.json").write_text('{"images": 3, "annotations": [], "categories": []}')
    with pytest.raises(DataError, match=r"labels\.json: Expected `array`"):
        read_data(tmp_path / "c")

    xmls = {
        "bomb": '<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;</annotation>',
        "deep": "<a>" * 5000 + "</a>" * 5000,
        "torn": "<annotation><object>",
        "words": "<annotation><object><name>x</name><bndbox><xmin>one</xmin></bndbox></object></annotation>",
        "fine": "<annotation></annotation>",
    }
    for number, (name, text) in enumerate(xmls.items()):
        picture(tmp_path / "v" / f"{name}.png", seed=number)
        (tmp_path / "v" / f"{name}.xml").write_text(text)
    found = read_data(tmp_path / "v")
    assert problems(found, tmp_path / "v") == [
        (f"{n}.xml", "bad_label") for n in ("bomb", "deep", "torn", "words")
    ]
    assert "document type" in found.problems[0].message


def test_pairs(tmp_path):
    for number, name in enumerate(("00041001_test", "00041002_temp", "00041002_test", "00041003_test")):
        picture(tmp_path / f"{name}.png", seed=number)
    picture(tmp_path / "00041003_temp.png", (41, 20), seed=9)
    for name in ("00041001", "00041003", "00041009"):
        (tmp_path / f"{name}.txt").write_text("1 2 11 12 1\n")
    picture(tmp_path / "00041004_test.png", seed=20)
    picture(tmp_path / "00041004_temp.png", seed=21)
    (tmp_path / "00041004.txt").write_text("1 2 11 12 copper\n")
    picture(tmp_path / "00041005_test.png", seed=30)
    cut(picture(tmp_path / "00041005_temp.png", seed=31), 0.5)
    (tmp_path / "00041005.txt").write_text("")
    picture(tmp_path / "00041006_test.png", seed=40)
    picture(tmp_path / "00041006_temp.png", seed=41)
    (tmp_path / "00041006.txt").write_text("1 2 11 12 7\n1 2 3 4 1\n")
    picture(tmp_path / "00041007_test.png", seed=50)
    picture(tmp_path / "00041007_temp.png", seed=51)
    (tmp_path / "00041007.txt").write_text("1 2 11 12 3\n")
    found = read_data(tmp_path)
    assert problems(found, tmp_path) == [
        ("00041001_test.png", "missing_template"),
        ("00041002_test.png", "missing_label"),
        ("00041003_test.png", "size_mismatch"),
        ("00041004.txt", "bad_label"),
        ("00041005_temp.png", "corrupt"),
        ("00041006.txt", "class_beyond_names"),
        ("00041009.txt", "label_without_image"),
    ]
    assert [s.path.name for s in found.split().samples] == ["00041007_test.png"]


def test_strict_refuses_with_the_list(folders):
    cut(folders / "train/a/1.jpg", 0.5)
    with pytest.raises(
        DataError, match=r"1 problems\n  - .*train/a/1\.jpg: corrupt: .*\n.*vedette data check"
    ):
        read_data(folders, strict=True)


def test_nothing_left_is_an_error(tmp_path):
    cut(picture(tmp_path / "a" / "1.jpg"), 0.5)
    with pytest.raises(DataError, match=r"no sample that can be used\n  - .*1\.jpg: corrupt"):
        read_data(tmp_path)


def test_command(folders):
    cut(folders / "train/a/1.jpg", 0.5)
    run = CliRunner().invoke
    shown = run(main, ["data", "check", str(folders)])
    assert (shown.exit_code, "corrupt: 1" in shown.output, "train/a/1.jpg" in shown.output) == (0, True, True)
    assert run(main, ["data", "check", str(folders), "--strict"]).exit_code == 1
    plain = json.loads(run(main, ["data", "check", str(folders), "--json"]).stdout)
    assert [p["kind"] for p in plain["problems"]] == ["corrupt"]
    assert plain["splits"]["train"]["pictures"] == 2


def test_reading_and_evaluating_a_bundle_need_no_torch(folders):
    """A box has none: the same as if it were not installed."""
    code = f"""
import sys
sys.modules["torch"] = None
import vedette_torch.plugin, vedette_torch.evaluation.command, vedette_torch.metrics.detection
from vedette_torch.data.reading import read_data
from pathlib import Path
print(len(read_data(Path({str(folders)!r})).split("train").samples))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("3", "")
