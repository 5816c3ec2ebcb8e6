"""Goldens are decoded from one row, which not every output has an axis for."""

import numpy as np

from vedette.bundle.recording import first_row


def test_outputs_with_the_batch_of_the_inputs_are_cut_and_others_pass():
    inputs = {"picture": np.zeros((2, 3, 8, 8), np.float32)}
    outputs = {
        "scores": np.arange(6.0).reshape(2, 3),
        "list of all boxes": np.arange(30.0).reshape(5, 6),
        "one list for the batch": np.zeros((1, 1, 9, 7)),
        "number": np.array(5),
    }
    row = first_row(outputs, inputs)
    assert {name: array.shape for name, array in row.items()} == {
        "scores": (1, 3),
        "list of all boxes": (5, 6),
        "one list for the batch": (1, 1, 9, 7),
        "number": (),
    }
    np.testing.assert_array_equal(row["scores"], [[0, 1, 2]])
