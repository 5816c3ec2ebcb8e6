import encoded
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette_cnn.decoders import ssd

INPUT_WH = (300, 200)


def decode(outputs, n=1, labels=(), **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, ssd.Params)
    affines = np.array([[[1.0, 0, 0], [0, 1, 0]]] * n).reshape(n, 2, 3)
    return ssd.SPEC.build(labels)(outputs, affines, INPUT_WH, params)


def test_entries_after_the_end_of_the_list_are_not_read():
    outputs = encoded.ssd([[Box((30, 20, 90, 80))]], INPUT_WH)
    outputs["detection_out"][0, 0, 2:] = (0, 1, 0.99, 0.1, 0.1, 0.2, 0.2)
    outputs["detection_out"][0, 0, 3] = np.nan
    assert len(decode(outputs)) == 1


def test_a_full_list_needs_no_end():
    outputs = encoded.ssd([[Box((30, 20, 90, 80), 0.9), Box((31, 20, 90, 80), 0.8)]], INPUT_WH)
    full = {"y": outputs["detection_out"][:, :, :2]}
    assert len(decode(full)) == 2  # they overlap: suppression is the graph's, not ours


def test_the_image_number_is_the_batch_row():
    outputs = encoded.ssd([[], [Box((30, 20, 90, 80))], [], [Box((1, 2, 3, 4))]], INPUT_WH)
    assert decode(outputs, n=4).source_row.tolist() == [1, 3]


def test_runs_of_one_image_each_are_joined():
    runs = [encoded.ssd([boxes], INPUT_WH) for boxes in ([Box((30, 20, 90, 80))], [], [Box((1, 2, 3, 4))])]
    joined = np.concatenate([run["detection_out"] for run in runs])
    assert decode({"y": joined}, n=3).source_row.tolist() == [0, 2]


def test_runs_that_do_not_tell_their_images_are_refused():
    joined = np.concatenate([encoded.ssd([[]], INPUT_WH)["detection_out"]] * 2)
    with pytest.raises(ResultError, match="2 runs for 3 images"):
        decode({"y": joined}, n=3)


def test_images_that_fill_up_a_fixed_batch_are_left_out():
    outputs = encoded.ssd([[Box((1, 2, 3, 4))], [Box((30, 20, 90, 80))], [Box((5, 6, 7, 8))]], INPUT_WH)
    assert decode(outputs, n=2).source_row.tolist() == [0, 1]


def test_classes_count_from_the_first():
    outputs = encoded.ssd([[Box((30, 20, 90, 80), class_id=1)]], INPUT_WH, first_class=1)
    found = decode(outputs, labels=("cat", "dog"), first_class=1)
    assert found.labels[found.class_id[0]] == "dog"


def test_a_class_before_the_first_is_refused():
    with pytest.raises(ResultError, match=r"class 0(.|\n)*lower first_class, which is 1"):
        decode(encoded.ssd([[Box((30, 20, 90, 80))]], INPUT_WH), first_class=1)


@pytest.mark.parametrize(("column", "what"), [(0, "image number"), (1, "class"), (2, "confidence")])
def test_nan_in_a_listed_entry_is_refused(column, what):
    outputs = encoded.ssd([[Box((30, 20, 90, 80))]], INPUT_WH)
    outputs["detection_out"][0, 0, 0, column] = np.nan
    with pytest.raises(ResultError, match=f"{what} of a box holds NaN"):
        decode(outputs)


def test_no_image_in_the_batch_gives_no_rows():
    assert len(decode({"y": np.zeros((0, 1, 20, 7), np.float32)}, n=0)) == 0
