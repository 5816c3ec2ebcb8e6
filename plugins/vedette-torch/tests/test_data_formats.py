"""Folders of data as tools write them, made by the test: what is read of each format."""

import json
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from vedette_torch.data.errors import DataError
from vedette_torch.data.reading import detect_format, read_data


def picture(path, size_wh=(40, 20), seed=None, **options):
    """A picture file of noise, of its own for each path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(crc32(str(path).encode()) if seed is None else seed)
    Image.fromarray(noise.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)).save(path, **options)
    return path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def boxes(dataset):
    return {s.path.stem: (s.xyxy.tolist(), s.class_id.tolist()) for s in dataset.samples}


def test_folders_with_splits(tmp_path):
    for split in ("train", "valid", "test"):
        for name in ("dog", "cat"):
            picture(tmp_path / split / name / "1.png")
    picture(tmp_path / "train" / "dog" / "more" / "2.jpg")
    write(tmp_path / "README.txt", "not data")
    found = read_data(tmp_path)
    assert (found.format, found.labels, found.problems) == ("folders", ("cat", "dog"), ())
    assert list(found.splits) == ["train", "val", "test"]
    got = [(str(s.path.relative_to(tmp_path)), s.class_id) for s in found.split("train").samples]
    assert got == [("train/cat/1.png", 0), ("train/dog/1.png", 1), ("train/dog/more/2.jpg", 1)]
    with pytest.raises(DataError, match=r"several splits.*\n.*train, val, test"):
        found.split()


def test_folders_without_splits(tmp_path):
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "1.png")
    found = read_data(tmp_path)
    assert [s.class_id for s in found.split().samples] == [0, 1]
    assert list(found.splits) == ["all"]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/train/p.jpg", "labels/train/p.txt"),
        ("train/images/p.jpg", "train/labels/p.txt"),
        ("train/p.jpg", "train/p.txt"),
    ],
)
@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("classes.txt", "cup\nbox\n"),
        ("obj.names", "cup\nbox\n"),
        ("data.yaml", "train: images/train\nnc: 2\nnames: ['cup', 'box']\n"),
        ("data.yaml", "names:\n  0: cup\n  1: box\n"),
    ],
)
def test_yolo(tmp_path, image, label, names, text):
    picture(tmp_path / image)
    write(tmp_path / label, "1 0.5 0.5 0.5 0.5\n\n0 0 0 0.5 0 0.5 1 0 1\n")
    write(tmp_path / names, text)
    found = read_data(tmp_path)
    assert (found.format, found.labels, found.problems, list(found.splits)) == (
        "yolo",
        ("cup", "box"),
        (),
        ["train"],
    )
    assert boxes(found.split()) == {"p": ([[10, 5, 30, 15], [0, 0, 20, 20]], [1, 0])}


def test_yolo_without_names_is_refused(tmp_path):
    picture(tmp_path / "p.jpg")
    write(tmp_path / "p.txt", "0 0.5 0.5 0.5 0.5")
    with pytest.raises(DataError, match=r"no class names\n.*classes\.txt"):
        read_data(tmp_path)


VOC = """<annotation><filename>p.jpg</filename><size><width>{}</width><height>20</height></size>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>10</xmax><ymax>20</ymax>
</bndbox></object><object><name>ant</name><difficult>1</difficult>
<bndbox><xmin>11</xmin><ymin>3</ymin><xmax>40</xmax><ymax>4</ymax></bndbox></object></annotation>"""


def test_voc(tmp_path):
    picture(tmp_path / "JPEGImages" / "p.jpg")
    picture(tmp_path / "JPEGImages" / "q.jpg")
    write(tmp_path / "Annotations" / "p.xml", VOC.format(40))
    write(tmp_path / "Annotations" / "q.xml", "<annotation></annotation>")
    write(tmp_path / "ImageSets" / "Main" / "train.txt", "p 1\n")
    write(tmp_path / "ImageSets" / "Main" / "val.txt", "q\n")
    found = read_data(tmp_path)
    assert (found.format, found.labels, found.problems) == ("voc", ("ant", "cat"), ())
    assert boxes(found.split("train")) == {"p": ([[0, 0, 10, 20], [10, 2, 40, 4]], [1, 0])}
    assert found.split("train").samples[0].ignore.tolist() == [False, True]
    assert boxes(found.split("val")) == {"q": ([], [])}


def test_coco(tmp_path):
    for name in ("a", "b"):
        picture(tmp_path / "val2017" / f"{name}.jpg")
    content = {
        "images": [
            {"id": n, "file_name": f"{name}.jpg", "width": 40, "height": 20}
            for n, name in ((7, "a"), (9, "b"))
        ],
        "categories": [{"id": 20, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 20,
                "bbox": [1, 2, 3, 4],
                "iscrowd": 0,
                "segmentation": [[1, 2]],
            },
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 40, 20], "iscrowd": 1},
        ],
    }
    write(tmp_path / "annotations" / "instances_val2017.json", json.dumps(content))
    write(tmp_path / "annotations" / "captions_val2017.json", "{}")
    found = read_data(tmp_path)
    assert (found.format, found.labels, found.problems, list(found.splits)) == (
        "coco",
        ("cat", "dog"),
        (),
        ["val"],
    )
    assert boxes(found.split()) == {"a": ([[1, 2, 4, 6], [0, 0, 40, 20]], [1, 0]), "b": ([], [])}
    assert found.split().samples[0].crowd.tolist() == [False, True]


def test_deeppcb(tmp_path):
    for name in ("00041000", "12300007"):
        picture(tmp_path / "g" / f"{name}_temp.png")
        picture(tmp_path / "g" / f"{name}_test.png")
    write(tmp_path / "g" / "00041000.txt", "1 2 11 12 1\n3,4,13,14,6\n")
    write(tmp_path / "g_not" / "12300007.txt", "")
    found = read_data(tmp_path)
    assert (found.format, found.problems) == ("deeppcb", ())
    first, second = found.split().samples
    assert (first.xyxy.tolist(), first.class_id.tolist()) == ([[1, 2, 11, 12], [3, 4, 13, 14]], [0, 5])
    assert (first.template.name, first.group, second.group) == ("00041000_temp.png", "00041", "12300")


def test_boxes_are_in_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    picture(tmp_path / "p.jpg", (40, 20), exif=exif)
    write(tmp_path / "p.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "classes.txt", "all")
    assert boxes(read_data(tmp_path).split()) == {"p": ([[0, 0, 20, 40]], [0])}


def test_a_format_that_is_not_known(tmp_path):
    write(tmp_path / "x.csv", "a,b")
    with pytest.raises(DataError, match=r"not known\n.*--format"):
        detect_format(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_data(tmp_path / "nowhere")
