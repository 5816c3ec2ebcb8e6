"""Metadata in files of their own: the YAML that Ultralytics writes beside an IR, the JSON behind a TFLite file."""

import json
import zipfile

import pytest

from vedette.bundle.metadata_beside import MOST_BYTES, read_behind, read_beside

WRITTEN = """\
description: 'Ultralytics YOLO11n model trained on /usr/src/ultralytics/ultralytics/cfg/datasets/coco.yaml
  and on more '
author: Ultralytics
date: '2025-01-02T03:04:05.678901+00:00'
version: 8.3.0
stride: 32
task: detect
batch: 1
imgsz:
- 480
- 640
names:
  0: person
  1: 'it''s: a #thing'
  2: "tab\\there"
  3: 'yes'
  4: '12'
  5: missile, a missile with a name that is so long that the writer breaks it where it
    has a space
  6: Ünï 😀
  7: ''
  8: 1e3
  9: .45 calibre
args:
  nms: null
  half: false
  conf: 0.25
empty: []
"""


def beside(tmp_path, text):
    (tmp_path / "metadata.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return tmp_path / "model.xml"


def test_the_yaml_that_the_exporter_writes(tmp_path):
    found = read_beside(beside(tmp_path, WRITTEN))
    assert found["task"] == "detect"
    assert found["version"] == "8.3.0"
    assert found["description"].endswith("coco.yaml and on more ")
    assert {key: json.loads(found[key]) for key in ("stride", "imgsz", "args", "empty")} == {
        "stride": 32,
        "imgsz": [480, 640],
        "args": {"nms": None, "half": False, "conf": 0.25},
        "empty": [],
    }
    long = "missile, a missile with a name that is so long that the writer breaks it where it has a space"
    assert list(json.loads(found["names"]).values()) == [
        *("person", "it's: a #thing", "tab\there", "yes", "12", long, "Ünï 😀", "", "1e3", ".45 calibre")
    ]


@pytest.mark.parametrize(
    "text", ["", "a: 1\n", "stride: 32\n", "names: [a]\n", "- 1\n- 2\n", "{{{\n", "%YAML\n"]
)
def test_the_metadata_of_another_tool_is_left_alone(tmp_path, text):
    assert read_beside(beside(tmp_path, text)) == {}
    assert read_beside(tmp_path / "elsewhere" / "model.xml") == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stride: 32\nnames: &a [x]\n", "a value that is no text or number"),
        ("stride: 32\nnames: [x]\n", "a value that is no text or number"),
        ("stride: 32\nnames: 1\n  0: a\n", "a value and more below: 'names'"),
        ("stride: 32\nnames:\n  0: a\n  - b\n", "a line that is no entry: '- b'"),
        ("stride: 32\nnames:\n  0: !!python/object:os.system a\n", "no text or number"),
        ('stride: 32\nnames:\n  0: "a\\qb"\n', "escape"),
        (b"stride: 32\nnames:\n  0: \xff\n", "not UTF-8"),
        (b"#" * (MOST_BYTES + 1), "larger than 1 MiB"),
    ],
)
def test_yaml_that_the_exporter_does_not_write_is_refused(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason):
        read_beside(beside(tmp_path, text))


def archive(tmp_path, content, name="metadata.json"):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x18\0\0\0TFL3" + bytes(40))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return path


def test_the_json_behind_a_tflite_file(tmp_path):
    told = {"stride": 32, "task": "detect", "names": {"0": "person"}, "version": "8.4.0"}
    found = read_behind(archive(tmp_path, json.dumps(told, indent=2)))
    assert found == {"stride": "32", "task": "detect", "names": '{"0": "person"}', "version": "8.4.0"}


@pytest.mark.parametrize("content", ["{}", "[1]", '{"stride": 32}', '"names stride"'])
def test_other_json_is_left_alone(tmp_path, content):
    assert read_behind(archive(tmp_path, content)) == {}
    assert read_behind(archive(tmp_path, '{"stride": 32, "names": 1}', "other.json")) == {}


def test_no_archive(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"\x18\0\0\0TFL3")
    assert read_behind(tmp_path / "model.tflite") == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "Expecting"), ("[" * 100_000, "nested too deeply"), (" " * (MOST_BYTES + 1), "larger than 1 MiB")],
    ids=["cut", "deep", "large"],
)
def test_broken_json_is_refused(tmp_path, content, reason):
    with pytest.raises(ValueError, match=reason):
        read_behind(archive(tmp_path, content))
