"""Known models, opened once, that can be asked what they see however they are fed."""

import zipfile
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import read_sample
from vedette.bundle.recording import images_of
from vedette.bundle.samples import Sample
from vedette.bundle.trial import open_trial
from vedette.decoding import image_decoder
from vedette.frame import Encoded, fourcc_of
from vedette.registry import load_plugins

FACES = ("faces_5_scouts", "faces_crowd_50", "faces_2", "face_1", "zidane")


@pytest.fixture(scope="session")
def registry():
    return load_plugins()


@pytest.fixture(scope="session")
def opened(packed, registry):
    """``opened("yolox_nano")``: a trial of the known bundle, as it should be."""
    with ExitStack() as stack:
        trials = {}

        def open_known(name):
            if name not in trials:
                bundle = stack.enter_context(open_bundle(packed(name)))
                trials[name] = stack.enter_context(open_trial(bundle, registry))
            return trials[name]

        yield open_known


@pytest.fixture(scope="session")
def wrong(opened):
    """``wrong("yunet_320", scale=(255, 255, 255))``: the same with other fields in its InputSpec."""

    def change(name, **fields):
        trial = opened(name)
        ((graph, tensor), spec) = next(iter(images_of(trial.bundle.manifest).items()))
        return trial.with_image(graph, tensor, msgspec.structs.replace(spec, **fields))

    return change


@pytest.fixture(scope="session")
def picture(data, registry):
    """``picture("bus")`` of the data folder."""
    decode = image_decoder(registry)
    return lambda name: read_sample(data / "images" / f"{name}.jpg", decode)


@pytest.fixture(scope="session")
def photos(data, registry):
    """``photos("coco", 24)``: so many pictures of a data set, always the same."""
    decode = image_decoder(registry)
    archives = {
        "coco": data / "datasets" / "coco128" / "coco128_train.zip",
        "lfw": data / "datasets" / "lfw_subset" / "lfw_subset_6ids.zip",
        "imagenet": data / "images" / "imagenet_sample_500.zip",
    }

    def read(kind, count):
        with zipfile.ZipFile(archives[kind]) as archive:
            names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg")))
            step = len(names) // count
            return [_sample(name, archive.read(name), decode) for name in names[::step][:count]]

    return read


def _sample(name, data, decode):
    pixels = decode(Encoded(fourcc_of(data), data, (0, 0)))
    return Sample(name=Path(name).name, data=data, pixels=pixels, origin="sample")
