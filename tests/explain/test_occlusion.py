"""Occlusion maps lie where the answer comes from, on every backend, and cost what is said."""

import numpy as np
import pytest

from vedette.errors import BundleError, ResultError
from vedette.explain.occlusion import Occlusion, cost, cover, fill_value
from vedette.explain.saliency import correlation
from vedette.explain.single import explain
from vedette.specs import Roi
from vedette.vision.spec import InputSpec


@pytest.fixture(scope="module")
def bundle(pack, network):
    return pack(network()[0])


@pytest.mark.parametrize("fill", ["mean", "grey"])
def test_the_map_lies_in_the_corner_that_the_network_sees(bundle, open_model, backend, noise, fill):
    found = explain(open_model(bundle, backend), noise, occlusion=Occlusion(cells=16, fill=fill))
    assert found.heat.shape == (16, 16)
    assert not found.heat[:11].any(), "nothing there is looked at"
    assert not found.heat[:, :11].any()
    assert found.heat.max() > 0.05
    # The corner is (72, 48, 96, 64) in the frame; patches reach a cell beyond its edge.
    assert found.share_inside((72 - 6, 48 - 4, 96, 64)) > 0.99
    left, top, right, bottom = found.regions()[0].xyxy
    assert 66 <= left < right <= 96
    assert 44 <= top < bottom <= 64


def test_backends_agree(bundle, open_model, noise):
    first, second = (explain(open_model(bundle, name), noise) for name in ("onnxruntime", "openvino"))
    assert np.abs(first.heat - second.heat).max() < 1e-5
    assert correlation(first, second) > 0.9999


def test_the_cost_is_as_stated(bundle, open_model, noise, backend, monkeypatch):
    model = open_model(bundle, backend)
    seen = []
    inner = type(model).run

    def counted(self, frame, rois, *rest, **named):
        seen.append(len(rois))
        return inner(self, frame, rois, *rest, **named)

    monkeypatch.setattr(type(model), "run", counted)
    found = explain(model, noise, occlusion=Occlusion(cells=6))
    assert found.inferences == 37 == cost((32, 32), 6) == sum(seen) - 1, "one more told what to explain"


def test_a_random_network_gives_another_map(pack, network, open_model, backend, noise):
    """The check of Adebayo et al. 2018, "Sanity checks for saliency maps": a method that shows edges of the picture,
    whatever the weights, fails it."""
    maps = [
        explain(
            open_model(pack(network(seed, 32)[0], f"random{seed}"), backend),
            noise,
            occlusion=Occlusion(cells=8),
        )
        for seed in (0, 1, 2)
    ]
    assert max(correlation(maps[0], other) for other in maps[1:]) < 0.5
    again = explain(
        open_model(pack(network(0, 32)[0], "random0"), backend), noise, occlusion=Occlusion(cells=8)
    )
    assert correlation(maps[0], again) > 0.999


def test_a_part_of_the_frame_is_explained_in_the_frames_pixels(bundle, open_model, backend, noise):
    found = explain(open_model(bundle, backend), noise, roi=Roi.box((16, 16, 48, 48)))
    assert found.extent == (16, 16, 48, 48)
    assert found.share_inside((16 + 24 - 3, 16 + 24 - 3, 48, 48)) > 0.95


def test_another_class_is_explained_if_asked(bundle, open_model, backend, noise):
    model = open_model(bundle, backend)
    best = explain(model, noise)
    other = next(name for name in "abcd" if name != best.target.label)
    found = explain(model, noise, target=other)
    assert found.target.label == other
    assert found.target.confidence < best.target.confidence
    with pytest.raises(ResultError, match="no class 'zebra'"):
        explain(model, noise, target="zebra")


def test_no_activation_map_is_said(bundle, open_model, backend, noise):
    with pytest.raises(BundleError, match="gives no activation map"):
        explain(open_model(bundle, backend), noise, method="activation")


def test_padding_is_not_covered():
    """A wide picture in a square: of 8 x 8 cells, those above and below it are left out."""
    affine = np.array([[3.0, 0, 0], [0, 3.0, -48]])
    patches = cover((64, 64), affine, (192, 96), 8)
    assert len(patches) == 32
    assert set(patches.cells[0].tolist()) == {2, 3, 4, 5}
    assert patches.patches.min() >= 0
    assert patches.patches.max() <= 64


def test_grey_is_grey_in_the_tensor():
    spec = InputSpec(size_wh=(2, 2), mean=(100, 110, 127.5), scale=(50, 50, 50))
    assert fill_value(np.zeros((2, 2, 3), np.float32), "grey", spec) == pytest.approx([0.55, 0.35, 0])
    assert fill_value(np.zeros((2, 2, 3), np.uint8), "grey", spec).tolist() == [128] * 3
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert fill_value(pixels, "mean", spec).tolist() == [4, 6, 6], "4.5, 5.5 and 6.5, halves to even"
