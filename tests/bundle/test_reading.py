"""What decoders propose, what the user says, and what comes of both."""

import logging
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.opened import open_model
from vedette.bundle.pack import pack_model
from vedette.bundle.reading import ambiguous, find_readings
from vedette.bundle.request import PackRequest
from vedette.errors import PluginError
from vedette.hookspecs import hookimpl
from vedette.manager import PluginManager
from vedette.registry import Registry
from vedette.results import Detections
from vedette.specs import ModelFacts, PostprocessSpec, Proposal, TensorInfo

FACTS = ModelFacts(
    format="onnx",
    inputs={"pixels": TensorInfo(name="pixels", dtype="float32", shape=(1, 3, 24, 32))},
    outputs={"boxes": TensorInfo(name="boxes", dtype="float32", shape=(1, 9, 6))},
)
IMAGE = {
    "colour": "rgb",
    "resize": "letterbox",
    "anchor": "center",
    "pad": [114],
    "mean": [1, 2, 3],
    "scale": [255],
}


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    head: str = "new"
    strides: tuple[int, ...] = (8,)


def proposal(**fields) -> Proposal:
    return Proposal(**{"task": "detection", "why": "its shape", **fields})


@pytest.fixture
def ask(monkeypatch):
    """``ask({"a": recognise}, **request)``: the readings, where these are the only decoders."""

    def run(decoders, **request):
        module = ModuleType("decoders_of_this_test")
        specs = [
            PostprocessSpec(
                name=name, summary=name, result=Detections, params=Params, build=len, recognise=recognise
            )
            for name, recognise in decoders.items()
        ]

        @hookimpl
        def vedette_postprocessors():
            return specs

        module.vedette_postprocessors = vedette_postprocessors
        monkeypatch.setitem(sys.modules, module.__name__, module)
        manager = PluginManager(env={"VEDETTE_PLUGINS": ""})
        manager.load([module.__name__])
        return find_readings(PackRequest(model=Path("x.onnx"), **request), FACTS, Registry(manager))

    return run


def says(*proposals):
    return lambda facts: iter(proposals)


def broken(facts):
    raise RuntimeError("no idea")


def test_nobody_knows_it(ask):
    assert ask({"a": says(), "b": says()}) == []


def test_one_proposal_fills_in_what_was_not_said(ask):
    one = proposal(image=IMAGE, params={"head": "old"}, labels=("car", "bus"), rows=("boxes",))
    (reading,) = ask({"a": says(one)}, licence="MIT", image={"kernel": "area"})
    made = reading.request
    assert (made.task, made.decoder, made.licence) == ("detection", "a", "MIT")
    assert made.params == {"head": "old"}
    assert made.image == {**IMAGE, "kernel": "area"}
    assert (made.labels, made.rows) == (("car", "bus"), ("boxes",))
    assert reading.taken == (
        "--task detection",
        "--decoder a",
        "--param head=old",
        "--colour rgb",
        "--resize letterbox",
        "--anchor center",
        "--pad 114",
        "--mean 1,2,3",
        "--scale 255",
        "--rows boxes",
        "--labels (2: car, bus)",
    )
    assert made.told == (f"read by a (its shape): {' '.join(reading.taken)}",)


def test_the_users_word_holds(ask, tmp_path):
    one = proposal(image=IMAGE, params={"head": "old"}, labels=("car", "bus"))
    given = {"params": {"head": "758"}, "image": {"kernel": "area", "anchor": "top_left"}, "labels": tmp_path}
    (reading,) = ask({"a": says(one)}, task="detection", decoder="a", **given)
    assert reading.request.params == {"head": "758"}, "a text, as the decoder declares it"
    assert reading.request.image == {**IMAGE, "kernel": "area", "anchor": "top_left"}
    assert reading.request.labels is tmp_path
    assert not {"--task detection", "--decoder a", "--anchor top_left"} & set(reading.taken)


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ({"resize": "stretch"}, {"anchor", "pad"}),
        ({"colour": "bgr"}, {"mean"}),
        ({"mean": [0]}, {"scale"}),
        ({"scale": [128]}, {"mean"}),
        ({"mean": [1.0, 2, 3]}, set()),
        ({"scale": (255, 255, 255)}, set()),
    ],
)
def test_what_belonged_to_something_else_is_left_out(ask, given, left_out):
    (reading,) = ask({"a": says(proposal(image=IMAGE))}, image=given)
    assert reading.request.image == {k: v for k, v in IMAGE.items() if k not in left_out} | given


def test_tasks_and_decoders_narrow(ask):
    decoders = {
        "a": says(proposal(), proposal(task="keypoints")),
        "b": says(proposal()),
        "c": says(proposal(task="embedding")),
    }
    assert len(ask(decoders)) == 4
    assert [r.request.decoder for r in ask(decoders, task="detection")] == ["a", "b"]
    assert [r.request.task for r in ask(decoders, decoder="a")] == ["detection", "keypoints"]
    assert ask(decoders, decoder="b", task="embedding") == []


def test_what_the_file_states_counts_more(ask):
    decoders = {"a": says(proposal()), "b": says(proposal(stated=True))}
    assert [r.request.decoder for r in ask(decoders)] == ["b"]
    assert [r.request.decoder for r in ask(decoders, decoder="a")] == ["a"]


def test_options_that_agree_narrow(ask):
    rgb = proposal(image={"colour": "rgb", "scale": [255]}, params={"head": "new"})
    bgr = proposal(image={"colour": "bgr", "scale": [1]}, params={"head": "old"})
    (reading,) = ask({"a": says(rgb, bgr)}, image={"colour": "bgr"})
    assert reading.request.image["scale"] == [1]
    (reading,) = ask({"a": says(rgb, bgr)}, params={"head": "new"})
    assert reading.request.image["scale"] == [255]


def test_proposals_that_come_to_the_same_are_one(ask):
    two = says(proposal(params={"head": "old"}), proposal(params={"head": "new"}, why="its name"))
    (reading,) = ask({"a": two}, params={"head": "third"})
    assert reading.why == "its shape"


def test_a_decoder_that_fails_is_blamed_and_left_out(ask, caplog):
    with caplog.at_level(logging.WARNING):
        (reading,) = ask({"bad": broken, "good": says(proposal())})
    assert reading.request.decoder == "good"
    assert "plugin 'decoders_of_this_test'" in caplog.text
    assert "recognise of decoder 'bad' raised RuntimeError: no idea" in caplog.text
    with pytest.raises(PluginError, match=r"plugin 'decoders_of_this_test'.* decoder 'bad' raised"):
        ask({"bad": broken}, decoder="bad")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (says({"task": "detection"}), "proposes dict, not a Proposal"),
        (says(proposal(task="magic")), "the task 'magic'"),
        (says(proposal(params={"nms": 1})), "the parameter 'nms'"),
        (says(proposal(image={"color": "rgb"})), "the field of the image 'color'"),
        (says(proposal(rows=("scores",))), "the output 'scores'"),
        (lambda facts: None, "raised TypeError"),
    ],
)
def test_proposals_are_checked(ask, wrong, reason):
    with pytest.raises(PluginError, match=reason):
        ask({"a": wrong}, decoder="a")


def test_the_choice_is_told_by_what_differs(ask):
    readings = ask({"a": says(proposal(image=IMAGE)), "b": says(proposal(image=IMAGE, why="its name"))})
    message = str(ambiguous(Path("x.onnx"), readings))
    assert message.startswith("x.onnx: 2 decoders could read it\n")
    assert "\n     --decoder a\n         its shape" in message
    assert "\n     --decoder b\n         its name" in message
    assert "--task" not in message


def test_names_cannot_write_to_the_terminal(ask):
    (reading,) = ask({"a": says(proposal(labels=("a\x1b[2J", "b"), why="x\ny"))})
    assert all(text.isprintable() for text in (reading.why, *reading.taken, *reading.request.told))


# --- real models --------------------------------------------------------------------------------------------------


def test_a_known_network_needs_no_more_than_its_licence(known, request_for, registry):
    """What a decoder proposes for it is what its authors' code does, as the tests' own settings have it."""
    wanted = request_for(known)
    if known == "mobilenet_v2":
        pytest.skip("a classifier's picture is not told by its shape")
    image = {"size_wh": wanted.image["size_wh"]} if "size_wh" in wanted.image else {}
    request = PackRequest(model=wanted.model, licence="MIT", image=image)
    with open_model(request, registry) as opened:
        (reading,) = find_readings(request, opened.facts, registry)
    made = reading.request
    assert (made.task, made.decoder) == (wanted.task, wanted.decoder)
    assert made.params == wanted.params
    assert made.image == wanted.image


def test_what_was_taken_is_written_down(request_for, registry, tmp_path):
    request = PackRequest(model=request_for("fastestdet").model, licence="MIT")
    with open_model(request, registry) as opened:
        (reading,) = find_readings(request, opened.facts, registry)
    with open_bundle(pack_model(reading.request, tmp_path / "x", registry=registry)) as bundle:
        assert bundle.manifest.decoder.name == "fastestdet"
        assert "; read by fastestdet (output '758'" in bundle.manifest.provenance.recipe
        assert "--colour bgr" in bundle.manifest.provenance.recipe


def test_class_names_from_the_file_are_the_bundles(data, registry, tmp_path):
    image = {"resize": "crop", "crop_fraction": 0.875, "kernel": "bilinear"}
    model = data / "models" / "mobilenet_v1_0.25_128_quant.tflite"
    request = PackRequest(model=model, licence="MIT", image=image, storage="int8")
    with open_model(request, registry) as opened:
        (reading,) = find_readings(request, opened.facts, registry)
    with open_bundle(pack_model(reading.request, tmp_path / "x", registry=registry)) as bundle:
        assert (len(bundle.labels), bundle.labels[0]) == (1000, "tench, Tinca tinca")
        params = bundle.manifest.decoder.params
        assert (params["activation"], params["first_class"]) == ("none", 1)
        assert (params["scale"], params["zero_point"]) == (1 / 256, 0)
