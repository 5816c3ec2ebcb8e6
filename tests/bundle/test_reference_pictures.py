"""A model that compares: packed with a picture to compare with, called with another one, and so in a pipeline."""

import numpy as np
import pytest
from onnx import helper

from vedette import Model, Pipeline
from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import PreprocessFeed, ReferenceFeed
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.samples import encode_png
from vedette.errors import BundleError, ConfigError, VedetteError

GRAY = {
    "colour": "gray",
    "resize": "stretch",
    "kernel": "nearest",
    "size_wh": (8, 8),
    "mean": [0],
    "scale": [255],
}


def picture(value):
    return np.full((8, 8, 3), value, np.uint8)


@pytest.fixture
def files(tmp_path):
    """Grey pictures by their value."""
    for value in (0, 51, 102, 255):
        (tmp_path / f"{value}.png").write_bytes(encode_png(picture(value)))
    return tmp_path


@pytest.fixture
def request_for(network, files):
    """The mean over the difference of image and reference, as the one score."""
    nodes = [
        helper.make_node("Sub", ["image", "reference"], ["difference"]),
        helper.make_node("GlobalAveragePool", ["difference"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["score"]),
    ]
    shape = ("FLOAT", ("n", 1, 8, 8))
    model = network(nodes, {"image": shape, "reference": shape}, {"score": ("FLOAT", ("n", 1))}, {})

    def request(**changes):
        known = {
            "model": model,
            "task": "classification",
            "decoder": "classification",
            "params": {"activation": "none"},
            "licence": "MIT",
            "image": GRAY,
            "labels": ("difference",),
            "references": {"reference": files / "51.png"},
        }
        return PackRequest(**{**known, "feeds": {"image": PreprocessFeed(name="image")}, **changes})

    return request


@pytest.fixture
def bundle(request_for, registry, tmp_path):
    return pack_model(request_for(), tmp_path / "compare", registry=registry)


def test_the_picture_is_in_the_bundle(bundle, files):
    with open_bundle(bundle) as opened:
        feed = opened.manifest.graphs["model"].inputs["reference"].feed
        assert isinstance(feed, ReferenceFeed)
        assert opened.read(feed.file) == (files / "51.png").read_bytes()


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_is_compared_with_unless_another_one_is_given(bundle, registry, backend):
    with Model(bundle, registry=registry, backend=backend, device="cpu") as model:
        assert model(picture(153)).confidence[0, 0] == pytest.approx(0.4, abs=1e-5)
        assert model(picture(153), reference=picture(153)).confidence[0, 0] == pytest.approx(0, abs=1e-5)
        assert model(picture(153)).confidence[0, 0] == pytest.approx(0.4, abs=1e-5), "only for that call"


@pytest.mark.parametrize(("reference", "difference"), [(None, 0.8), ("102.png", 0.6)])
def test_a_stage_may_have_its_own(bundle, registry, files, reference, difference):
    found = []
    config = {
        "stream": [{"name": "s", "source": "255.png"}],
        "stage": [
            {"name": "compare", "bundle": str(bundle)} | ({"reference": reference} if reference else {})
        ],
    }
    pipeline = Pipeline.from_dict(config, registry=registry, base_dir=files)
    pipeline.observe(lambda packet: found.append(packet.results["compare"].confidence[0, 0]))
    pipeline.run()
    assert found == [pytest.approx(difference, abs=1e-5)]


def test_a_picture_that_is_none_is_named(request_for, registry, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(BundleError, match=r"broken\.png: not a picture"):
        pack_model(request_for(references={"reference": broken}), tmp_path / "out", registry=registry)


def test_a_stage_that_compares_with_nothing_takes_no_reference(classifier, registry, files, tmp_path):
    image = {"colour": "rgb", "resize": "stretch", "kernel": "bilinear", "mean": [0], "scale": [1]}
    plain = PackRequest(
        model=classifier(),
        task="classification",
        decoder="classification",
        params={"activation": "none"},
        licence="MIT",
        image=image,
    )
    packed = pack_model(plain, tmp_path / "plain", registry=registry)
    config = {
        "stream": [{"name": "s", "source": "255.png"}],
        "stage": [{"name": "look", "bundle": str(packed), "reference": "102.png"}],
    }
    with pytest.raises(ConfigError, match="compares with nothing"):
        Pipeline.from_dict(config, registry=registry, base_dir=files).run()


def test_a_stage_whose_picture_is_missing(bundle, registry, files):
    config = {
        "stream": [{"name": "s", "source": "255.png"}],
        "stage": [{"name": "compare", "bundle": str(bundle), "reference": "lost.png"}],
    }
    with pytest.raises(VedetteError, match=r"lost\.png: cannot be read"):
        Pipeline.from_dict(config, registry=registry, base_dir=files).run()
