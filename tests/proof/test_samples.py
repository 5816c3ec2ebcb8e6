"""Pictures that are made up, and the file of a golden."""

import io
import zipfile

import cv2
import numpy as np
import pytest

from vedette.bundle.recording import Recording
from vedette.bundle.samples import LONGEST, derive, draw, encode_png, make_up
from vedette.errors import BundleError
from vedette.results import Detections
from vedette.vision.spec import InputSpec

SPEC = InputSpec(size_wh=(6, 4), mean=(1, 2, 3), scale=(58, 57, 56))


def test_png_files_are_read_by_others():
    picture = draw(1)[0]
    read = cv2.imdecode(np.frombuffer(encode_png(picture), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read[..., ::-1], picture)


def test_drawn_pictures_differ_and_are_the_same_each_time():
    first, again = draw(9), draw(9)
    assert len({picture.tobytes() for picture in first}) == 9
    assert len({picture.shape for picture in first}) >= 6
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert all(len(np.unique(picture)) > 50 for picture in first)


def test_derived_pictures_come_from_each_sample_in_turn():
    dark, light = np.full((30, 40, 3), 40, np.uint8), np.full((1000, 500, 3), 200, np.uint8)
    light[:, :250] = 250
    made = derive([dark, light], 5)
    assert [int(picture.mean()) < 100 for picture in made] == [True, False, True, False, True]
    assert max(made[1].shape) == LONGEST
    assert made[1][0, 0, 0] < made[1][0, -1, 0], "mirrored"
    assert made[2].mean() == 20, "darkened"
    assert [sample.origin for sample in make_up([dark], 2)] == ["derived"] * 2
    assert [sample.origin for sample in make_up([], 1)] == ["synthetic"]
    assert make_up([dark], -3) == []


@pytest.fixture
def recording():
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 4, 6)).astype(np.float32)
    mean, scale = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (SPEC.mean, SPEC.scale))
    return Recording(
        inputs={"net": {"image": (pixels - mean) / scale, "gain": np.array([[0.1]], np.float32)}},
        outputs={"net": {"y/0": np.arange(3, dtype=np.float32), "n": np.array(7, np.int64)}},
        affine=np.array([[2.0, 0, 1], [0, 2, 0]]),
        size_wh=(12, 8),
        result=Detections.of([[1, 2, 3, 4]], [0.5], [1], labels=("a", "b")),
    )


IMAGES = {("net", "image"): SPEC}


def test_a_recording_comes_back_exactly(recording):
    data = recording.to_npz(IMAGES)
    assert data == recording.to_npz(IMAGES)
    read = Recording.from_npz(data, "golden", IMAGES)
    for ours, theirs in ((read.inputs, recording.inputs), (read.outputs, recording.outputs)):
        assert ours["net"].keys() == theirs["net"].keys()
        for name, tensor in theirs["net"].items():
            np.testing.assert_array_equal(ours["net"][name], tensor, strict=True)
    assert read.size_wh == (12, 8)
    np.testing.assert_array_equal(read.affine, recording.affine)
    assert read.result.to_builtins() == {
        "type": "detections", "source": "frame", "source_row": [0],
        "xyxy": [[1, 2, 3, 4]], "confidence": [0.5], "class_id": [1],
    }  # fmt: skip
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert arrays["pixels/net/image"].dtype == np.uint8
        assert "input/net/gain" in arrays.files


def test_an_input_that_no_pixels_give_is_kept_as_it_is(recording):
    recording.inputs["net"]["image"][0, 0, 0, 0] = 0.1234
    read = Recording.from_npz(recording.to_npz(IMAGES), "golden", IMAGES)
    np.testing.assert_array_equal(read.inputs["net"]["image"], recording.inputs["net"]["image"])


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a golden"),
        (b"PK\x03\x04 not a zip file", "not a golden"),
        (npz(), "'affine' is missing"),
        (npz(affine=b"abc"), "not a golden"),
        (npz(affine=header("(100000, 100000, 100)")), "does not have the size that its header says"),
        (npz(affine=header("(-1,)")), "not a golden"),
        (npz(affine=header("(1,)", "'|O'") + b"cos\nsystem\n"), "holds objects"),
        (npz(affine=header("(2, 3)", "'<f8'") + bytes(48), size_wh=header("()") + bytes(4)), "not a golden"),
    ],
)
def test_a_damaged_or_hostile_file_is_one_error(data, reason):
    with pytest.raises(BundleError, match=reason) as caught:
        Recording.from_npz(data, "goldens/000.npz", IMAGES)
    assert caught.value.message.startswith("goldens/000.npz: ")


@pytest.mark.parametrize("path", ["output", "other/net/y", "pixels/net/unknown"])
def test_an_array_of_another_name_is_refused(recording, path):
    with zipfile.ZipFile(buffer := io.BytesIO(recording.to_npz(IMAGES)), "a") as archive:
        archive.writestr(f"{path}.npy", header("(0,)"))
    with pytest.raises(BundleError, match="golden"):
        Recording.from_npz(buffer.getvalue(), "golden", IMAGES)


def test_every_cut_is_noticed(recording):
    data = recording.to_npz(IMAGES)
    for end in range(0, len(data), 97):
        with pytest.raises(BundleError):
            Recording.from_npz(data[:end], "golden", IMAGES)
