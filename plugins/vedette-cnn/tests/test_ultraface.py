import encoded
import msgspec
import numpy as np
import pytest
from encoded import Box

from vedette.errors import ResultError
from vedette_cnn.decoders import ultraface

INPUT_WH = (320, 240)
SAME = np.array([[[1.0, 0, 0], [0, 1, 0]]])


def decode(outputs, **params):
    params = msgspec.convert({"input_wh": INPUT_WH, **params}, ultraface.Params)
    return ultraface.SPEC.build(("face",))(outputs, SAME, INPUT_WH, params)


def test_overlapping_faces_are_one():
    faces = [Box((40, 40, 100, 100), 0.8), Box((50, 40, 110, 100), 0.9), Box((200, 40, 260, 100), 0.75)]
    found = decode(encoded.ultraface([faces], INPUT_WH))
    np.testing.assert_allclose(found.confidence, [0.9, 0.75], rtol=1e-6)
    assert found.class_id.tolist() == [0, 0]


def test_outputs_may_have_other_names():
    outputs = encoded.ultraface([[Box((40, 40, 100, 100))]], INPUT_WH)
    renamed = {"460": outputs["boxes"], "454": outputs["scores"]}
    assert len(decode(renamed, scores="454", boxes="460")) == 1
    with pytest.raises(ResultError, match=r"no output 'scores'(.|\n)*'460', '454'"):
        decode(renamed)


def test_scores_and_boxes_must_have_the_same_anchors():
    outputs = encoded.ultraface([[]], INPUT_WH, anchors=30)
    outputs["boxes"] = outputs["boxes"][:, :20]
    with pytest.raises(ResultError, match=r"'boxes' must be \(1, 30, 4\).*not \(1, 20, 4\)"):
        decode(outputs)
