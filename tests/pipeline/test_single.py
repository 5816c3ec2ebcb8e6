"""Model: one call at a time."""

import numpy as np
import pytest

from vedette.errors import BundleError
from vedette.model.single import Model
from vedette.results import Classification
from vedette.specs import Roi


def test_a_picture_an_image_and_regions(kit, picture, mean_graph, decode_value):
    kit.postprocess("value", Classification, decode_value("y"))
    path = kit.bundle("mean", {"net": mean_graph}, "value")
    with Model(path, registry=kit.registry()) as model:
        assert model(picture(7)).confidence.tolist() == [[7.0]]
        pixels = np.zeros((8, 16, 3), np.uint8)
        pixels[:, 8:] = 200
        assert model(pixels, [Roi.box((0, 0, 8, 8)), Roi.box((8, 0, 16, 8))]).confidence.tolist() == [
            [0],
            [200],
        ]
        assert len(model(pixels, [])) == 0
        assert model.raw(pixels)["net"]["y"].shape == (1, 1)
    model.close()
    assert all(session.closed and session.leased == 0 for session in kit.sessions)


def test_a_recurrent_model_is_refused(kit, sum_step, decode_value):
    kit.postprocess("value", Classification, decode_value("h2"))
    path = kit.bundle("sum", {"step": sum_step}, "value")
    with pytest.raises(BundleError, match="recurrent"):
        Model(path, registry=kit.registry())
