"""Known models on real pictures: as they should be fed, and as they should not."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import Decoder
from vedette.bundle.pack import PackRequest, pack_model
from vedette.bundle.trial import open_trial
from vedette.checking.check import check, is_clear, look
from vedette.checking.evidence import Evidence
from vedette.cli.check import verdict_lines
from vedette.registry import load_plugins

PICTURES = {
    "yolox_nano": ("bus", "dog", "person"),
    "fastestdet": ("bus", "dog", "person"),
    "mobilenet_v2": ("owl", "parrot", "cat_720p"),
}
FACES = ("faces_5_scouts", "zidane", "faces_2", "face_1")

NOT_NORMALISED = {"mean": (0.0,) * 3, "scale": (1.0,) * 3}
UNIT = {"mean": (0.0,) * 3, "scale": (255.0,) * 3}
SIGNED = {"mean": (127.5,) * 3, "scale": (127.5,) * 3}
IMAGENET = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}


@pytest.fixture
def pictures(picture):
    return lambda name: [picture(shown) for shown in PICTURES.get(name, FACES)]


def test_no_false_alarm_on_known_models(known, opened, pictures):
    """Neither by all pictures nor by any one of them."""
    shown = pictures(known)
    done = check(opened(known), shown)
    assert done.mistake is None, done.mistake.alternative.title
    assert len(done.tried) >= 8
    for item in done.tried:
        for given, other in zip(done.given.evidence.pictures, item.look.evidence.pictures, strict=True):
            one = Evidence(pictures=[given]), Evidence(pictures=[other])
            assert not is_clear(*one, item.alternative.kind), item.alternative.title


@pytest.mark.parametrize(
    ("name", "given", "named"),
    [
        ("yolox_nano", UNIT, "values 0..255 (the graph normalises)"),
        ("yolox_nano", SIGNED, "values 0..255 (the graph normalises)"),
        ("yolox_nano", IMAGENET, "values 0..255 (the graph normalises)"),
        ("yunet_320", UNIT, "values 0..255 (the graph normalises)"),
        ("yunet_dynamic", IMAGENET, "values 0..255 (the graph normalises)"),
        ("retail_0005", SIGNED, "values 0..255 (the graph normalises)"),
        ("fastestdet", NOT_NORMALISED, "values 0..1"),
        ("mobilenet_v2", NOT_NORMALISED, "values -1..1"),
        ("ultraface", NOT_NORMALISED, "values -1..1"),
    ],
)
def test_wrong_values_are_named(wrong, pictures, name, given, named):
    mistake = check(wrong(name, **given), pictures(name)).mistake
    assert mistake is not None
    assert mistake.alternative.kind == "values"
    if named != "values -1..1":  # which other normalisations come near to
        assert mistake.alternative.title == named


def test_a_wrong_order_of_colours_is_named_given_enough_findings(wrong, opened, picture):
    """Most pictures say little of it, but the more there is to find, the more they say."""
    crowd = [picture("faces_crowd_50"), picture("faces_5_scouts")]
    mistake = check(wrong("yunet_320", colour="rgb"), crowd).mistake
    assert mistake is not None
    assert mistake.alternative.title == "colour bgr instead of rgb"
    assert mistake.alternative.options == "--colour bgr"
    assert check(opened("yunet_320"), crowd).mistake is None


def test_colours_of_a_detector_of_many_classes_show_in_many_pictures(wrong, opened, photos):
    shown = photos("coco", 24)
    right, exchanged = (
        look(trial, shown).evidence for trial in (opened("yolox_nano"), wrong("yolox_nano", colour="rgb"))
    )
    assert is_clear(exchanged, right, "colour")
    assert not is_clear(right, exchanged, "colour")


def test_confident_nonsense_is_no_evidence(opened, wrong, pictures):
    """FastestDet saturates where its input is not normalised: dozens of boxes at confidence 1."""
    shown = pictures("fastestdet")
    right, saturated = look(opened("fastestdet"), shown), look(wrong("fastestdet", **NOT_NORMALISED), shown)
    assert saturated.found > 5 * right.found
    assert saturated.best > 0.99 > right.best
    assert saturated.evidence.total < right.evidence.total / 4


def test_sides_of_a_free_size_are_tried(wrong, picture):
    trial = wrong("yunet_dynamic", size_wh=(640, 352))
    tried = {item.alternative.title: item for item in check(trial, [picture("zidane")]).tried}
    swapped = tried["352 x 640 pixels (sides exchanged)"]
    assert swapped.look is not None
    assert not swapped.clear


def test_an_alternative_that_cannot_be_run_says_why(opened, picture, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    trial = opened("yolox_nano")
    manifest = msgspec.structs.replace(trial.bundle.manifest, decoder=Decoder(name="touchy"))
    bundle = dataclasses.replace(trial.bundle, manifest=manifest)
    trial = dataclasses.replace(trial, bundle=bundle, registry=load_plugins(["rivals"]))
    done = check(trial, [picture("bus")])
    problems = {item.alternative.title: item.problem for item in done.tried if item.look is None}
    assert problems["values 0..1"] == "nothing here is an object"
    assert "values 0..1: nothing here is an object" in "\n".join(verdict_lines(done))
    assert done.mistake is None


def test_an_embedding_cannot_be_told(data, registry, picture, tmp_path):
    if "embedding" not in registry.postprocessors:
        pytest.skip("needs vedette-cnn with the decoder 'embedding'")
    request = PackRequest(
        model=data / "models" / "osnet_x0_25_msmt17.onnx",
        task="embedding",
        decoder="embedding",
        licence="MIT",
        image={
            "resize": "stretch",
            "kernel": "bilinear",
            "colour": "rgb",
            "mean": list(IMAGENET["mean"]),
            "scale": list(IMAGENET["scale"]),
        },
    )
    path = pack_model(request, tmp_path / "osnet.vedette", registry=registry)
    with open_bundle(path) as bundle, open_trial(bundle, registry) as trial:
        done = check(trial, [picture("person")])
    assert done.tried == ()
    assert done.mistake is None
    assert "'embedding' have no confidence" in done.untried
