"""What a manifest may not say. Each mistake gives one error with the path of the field."""

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.bundle.bundle import open_bundle
from vedette.bundle.manifest import parse_manifest
from vedette.errors import BundleError


@pytest.fixture
def tree(folder) -> dict[str, Any]:
    """A good manifest as plain JSON."""
    return msgspec.json.decode((folder.path / "manifest.json").read_bytes())


def refused(tree: Any, message: str) -> None:
    raw = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    with pytest.raises(BundleError) as caught:
        parse_manifest(raw, "x/manifest.json")
    assert caught.value.message.startswith("x/manifest.json: ")
    assert message in caught.value.message


def change(tree: Any, path: str, value: Any) -> None:
    """Set the entry at ``path`` (steps separated by spaces); ``...`` removes it."""
    *steps, last = (int(step) if step.isdigit() else step for step in path.split(" "))
    for step in steps:
        tree = tree[step]
    if value is ...:
        del tree[last]
    else:
        tree[last] = value


HASH = {"sha256": "0" * 64, "size": 1}
IMAGE = "graphs cnn inputs pixels"
X, H = "graphs step inputs x", "graphs step inputs h.in"
AT_X, AT_H = "$.graphs.step.inputs.x", '$.graphs.step.inputs["h.in"]'
PARAMS = "$.graphs.cnn.inputs.pixels.feed.params"
STATE, FILES = "$.graphs.step.state[0]", "$.variants.f32.graphs"
ZEROS = {"from": "constant", "value": [0] * 8}
TEMPLATE = {"from": "reference", "file": "t.png", "name": "other"}


def int8(value: list) -> dict:
    return {"dtype": "int8", "shape": [None, 16], "feed": {"from": "constant", "value": value}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # the whole
        ("schema", 2, "schema version 2, this version of vedette reads 1 - at `$.schema`"),
        ("schema", "1", "at `$.schema`"),
        ("schema", ..., "`schema`"),
        ("name", ..., "missing required field `name`"),
        ("nmae", "x", "unknown field `nmae`"),
        ("name", "Two Graphs", "`$.name`"),
        ("name", "../x", "`$.name`"),
        ("name", "two-graphs\n", "`$.name`"),
        ("version", "1.2", "`$.version`"),
        ("version", "1.2.0\n", "`$.version`"),
        ("version", "١.٢.٣", "`$.version`"),
        ("task", "guess", "`$.task`"),
        ("licence", 3, "`$.licence`"),
        ("requires", ["telepathy"], "cannot do 'telepathy' - at `$.requires[0]`"),
        ("version", "1.2." + "0" * 100, "`$.version`"),
        ("ext", {"no/distribution": 1}, "not the name of a distribution - at `$.ext`"),
        ("ext", {"vedette-rnn": 1}, 'what a distribution adds is an object - at `$.ext.vedette-rnn`'),
        ("temporal", {"rate_hz": 0}, "`$.temporal.rate_hz`"),
        ("temporal", {"rate_hz": 5, "tolerance": 2}, "`$.temporal.tolerance`"),
        ("temporal", {"rate_hz": 5, "window": 2**40}, "`$.temporal.window`"),
        ("goldens", [{"image": "goldens/0.jpg"}] * 1025, "length <= 1024 - at `$.goldens`"),
        ("program", [{"run": "cnn"}] * 65, "length <= 64 - at `$.program`"),
        # files
        ("files ../x", HASH, "climbs out of the bundle - at `$.files`"),
        ("files manifest.json", HASH, 'the manifest cannot list itself - at `$.files["manifest.json"]`'),
        ("files CARD.md", HASH, "differ only in case - at `$.files`"),
        ("files card.md sha256", "0" * 63, "`$.files[...].sha256`"),
        ("files card.md size", -1, "`$.files[...].size`"),
        ("files card.md size", 1.5, "`$.files[...].size`"),
        ("labels", "names.txt", "'names.txt' is not in `files` - at `$.labels`"),
        ("goldens 0 image", "goldens/1.jpg", "'goldens/1.jpg' is not in `files` - at `$.goldens[0].image`"),
        ("goldens 0 tensors", "x.npz", "'x.npz' is not in `files` - at `$.goldens[0].tensors`"),
        ("goldens 0", {}, "a golden needs an image or tensors - at `$.goldens[0]`"),
        # graphs
        ("graphs", {}, "there is no graph 'cnn' - at `$.program[0].run`"),
        ("graphs cnn inputs", {}, "at least one - at `$.graphs.cnn.inputs`"),
        ("graphs cnn outputs", {}, "at least one - at `$.graphs.cnn.outputs`"),
        ("graphs cnn outputs a\nb", {"dtype": "float32", "shape": []}, "printable characters - at `$.graphs.cnn"),
        (f"{IMAGE} dtype", "float", "dtype 'float' is none of bool, int8"),
        (f"{IMAGE} shape", [1, -3], "`$.graphs[...].inputs[...].shape[1]`"),
        (f"{IMAGE} shape", [1] * 17, "length <= 16 - at `$.graphs[...].inputs[...].shape`"),
        (f"{X} shape", [None, 2**20, 2**20], f"is more than 1,073,741,824 values - at `{AT_X}.shape`"),
        (f"{X} shape", [2**25], "`$.graphs[...].inputs[...].shape[0]`"),
        (f"{IMAGE} feed", {"from": "heaven"}, "Invalid value 'heaven' - at `$.graphs[...].inputs[...].feed.from`"),
        (f"{IMAGE} feed params size_wh", [0, 3], f"at `{PARAMS}.size_wh[0]`"),
        (f"{IMAGE} feed params size_wh", ..., f"missing required field `size_wh` - at `{PARAMS}`"),
        (f"{IMAGE} feed params color", "rgb", f"unknown field `color` - at `{PARAMS}`"),
        (f"{IMAGE} feed params scale", [0, 0, 0], "scale must be finite and not zero"),
        (f"{IMAGE} feed params size_wh", [24, 32], "the image fills (?, 3, 32, 24), the input is (?, 3, 24, 32)"),
        (f"{IMAGE} shape", [None, 3, None, 32], "only the batch of a picture may be free, not (?, 3, ?, 32)"),
        (f"{IMAGE} feed params layout", "nhwc", "the image fills (?, 24, 32, 3)"),
        (f"{IMAGE} dtype", "uint8", f"the image is float32, the input uint8 - at `{PARAMS}.dtype`"),
        (f"{X} feed graph", "rnn", f"no graph 'rnn' runs earlier in the program - at `{AT_X}.feed.graph`"),
        (f"{X} feed graph", "step", f"no graph 'step' runs earlier in the program - at `{AT_X}.feed.graph`"),
        (f"{X} feed output", "boxes", f"graph 'cnn' has no output 'boxes' - at `{AT_X}.feed.output`"),
        (f"{X} shape", [None, 17], f"the output is float32 (?, 16), the input float32 (?, 17) - at `{AT_X}.feed`"),
        (f"{X} dtype", "int64", f"the output is float32 (?, 16), the input int64 (?, 16) - at `{AT_X}.feed`"),
        (f"{X} feed", {"from": "constant", "value": [0.5] * 15}, f"is (15,), a row (16,) - at `{AT_X}.feed.value`"),
        (f"{X} feed", {"from": "constant", "value": [[1], [2, 3]]}, "not a constant of dtype float32"),
        (f"{X} feed", {"from": "constant", "value": {"a": 1}}, "not a constant of dtype float32"),
        (f"{X} feed", {"from": "constant", "value": [None] * 16}, "holds null or a number that is too large"),
        (f"{X} feed", {"from": "constant", "value": [1e300] * 16}, "holds null or a number that is too large"),
        (f"{X} feed", {"from": "constant", "value": ["1"] * 16}, "the constant holds what float32 cannot hold"),
        (f"{X}", int8([0.5] * 16), "the constant holds what int8 cannot hold"),
        (f"{X}", int8([300] * 16), "not a constant of dtype int8"),
        (f"{X} feed", TEMPLATE, f"'t.png' is not in `files` - at `{AT_X}.feed.file`"),
        # state
        (f"{H} feed", ZEROS, f"input 'h.in' is not fed from the state - at `{STATE}.in`"),
        ("graphs step state", [], f"no pair of `state` fills it - at `{AT_H}.feed`"),
        ("graphs step state 0 init", 1e300, f"float32 cannot hold 1e+300 - at `{STATE}.init`"),
        ("graphs step state 0 in", "c", "the graph has no input 'c' - at `$.graphs.step.state[0].in`"),
        ("graphs step state 0 out", "c", "the graph has no output 'c' - at `$.graphs.step.state[0].out`"),
        ("graphs step outputs h.out shape", [None, 9], "output 'h.out' is float32 (?, 9), input 'h.in' float32 (?, 8)"),
        ("graphs step outputs h.out dtype", "float16", "output 'h.out' is float16 (?, 8), input 'h.in' float32 (?, 8)"),
        (f"{H} shape", [None, None], "only the batch of a state may be free, not (?, ?)"),
        # program and variants
        ("program", [], "graph 'cnn' never runs - at `$.program`"),
        ("program 0 run", "step", f"no graph 'cnn' runs earlier in the program - at `{AT_X}.feed.graph`"),
        ("program 1 run", "cnn", "graph 'cnn' runs twice - at `$.program[1].run`"),
        ("variants", {}, "at least one variant - at `$.variants`"),
        ("variants f32 graphs cnn", ..., "graph 'cnn' has no files - at `$.variants.f32.graphs`"),
        ("variants f32 graphs rnn", {"format": "onnx", "files": ["card.md"]}, f"'rnn' does not exist - at `{FILES}`"),
        ("variants f32 graphs cnn files", [], "at least one file - at `$.variants.f32.graphs.cnn.files`"),
        ("variants f32 graphs cnn files 0", "x.onnx", f"'x.onnx' is not in `files` - at `{FILES}.cnn.files[0]`"),
        ("variants f32 graphs step files 1", "variants/f32/step.xml", f"is there twice - at `{FILES}.step.files[1]`"),
        ("variants f32 graphs cnn storage", "f8", "`$.variants[...].graphs[...].storage`"),
        # grades
        ("grades 0 variant", "int8", "there is no variant 'int8' - at `$.grades[0].variant`"),
        ("grades 0 precision", "f64", "`$.grades[0].precision`"),
        ("grades 0 value", None, "`$.grades[0].value`"),
        ("grades 0 interval", [0.9, 0.1], "its lower end is above its upper end - at `$.grades[0].interval`"),
    ],
)  # fmt: skip
def test_mistakes(tree, path, value, message):
    change(tree, path, value)
    refused(tree, message)


def test_a_second_state_pair_for_the_same_tensor(tree):
    tree["graphs"]["step"]["state"] *= 2
    refused(tree, "in another pair already - at `$.graphs.step.state[1]`")


def test_a_grade_twice(tree):
    tree["grades"] *= 2
    refused(tree, "have a grade already - at `$.grades[1]`")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "truncated"),
        (b"[]", "Expected `object`"),
        (b"{", "truncated"),
        (b"\xff\xfe{\x00}\x00", "malformed"),
        (b'\xef\xbb\xbf{"schema": 1}', "malformed"),
        (b'{"schema": 1} {}', "trailing"),
        (b'{"schema": 1, "name": NaN}', "malformed"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "at `$.schema`"),
        (b"[" * 100_000, ""),
        (b'{"schema": 1, "ext": ' + b'{"a":' * 100_000, ""),
    ],
)
def test_not_json(raw, message):
    refused(raw, message)


def test_deep_nesting_under_ext(tree):
    raw = json.dumps(tree).encode()
    refused(
        raw.replace(b'"schema"', b'"ext": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b'}, "schema"', 1), ""
    )


@pytest.mark.parametrize("key", ['"name"', '"card.md"', '"size_wh"'])
def test_a_key_twice(tree, key):
    """Parsers disagree about which one counts, so that a reviewer may see another manifest than the box does."""
    text = json.dumps(tree)
    at = text.index(f"{key}: ")
    value = json.JSONDecoder().raw_decode(text, at + len(key) + 2)[0]
    refused(
        f"{text[:at]}{key}: {json.dumps(value)}, {text[at:]}".encode(),
        f"the key {key[1:-1]!r} is there twice",
    )


def test_infinite_numbers(tree):
    tree["grades"][0]["value"] = 12345.5
    refused(json.dumps(tree).replace("12345.5", "1e999").encode(), "$.grades[0]")


def test_what_a_manifest_says_cannot_command_a_terminal_or_flood_it(tree):
    tree["\x1b[2J" + "x" * 100_000] = 1
    with pytest.raises(BundleError) as caught:
        parse_manifest(json.dumps(tree).encode())
    assert "unknown field `\\x1b[2Jxxx" in caught.value.message
    assert len(caught.value.message) < 1100


def test_the_error_reaches_whoever_opens_the_bundle(folder):
    folder.edit(lambda tree: tree.update(colour="red"))
    with pytest.raises(
        BundleError, match=rf"^{folder.path}/manifest\.json: Object contains unknown field `colour`"
    ):
        open_bundle(folder.path)


def test_a_good_manifest_survives_its_own_encoding(tree, folder):
    with open_bundle(folder.path) as bundle:
        again = parse_manifest(msgspec.json.encode(bundle.manifest))
    assert again == bundle.manifest


def positions(tree: Any, at: tuple = ()) -> list[tuple]:
    found = [at] if at else []
    for key, value in (
        tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    ):
        found += positions(value, (*at, key))
    return found


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_one_change_is_refused_or_keeps_the_manifest_consistent(data, tree):
    tree = copy.deepcopy(tree)
    *steps, last = data.draw(st.sampled_from(positions(tree)))
    target = tree
    for step in steps:
        target = target[step]
    if data.draw(st.booleans()):
        target[last] = data.draw(junk)
    else:
        del target[last]
    try:
        manifest = parse_manifest(json.dumps(tree).encode())
    except BundleError:
        return
    listed = manifest.files.keys()
    for variant in manifest.variants.values():
        assert variant.graphs.keys() == manifest.graphs.keys() == {step.run for step in manifest.program}
        assert all(file in listed for graph in variant.graphs.values() for file in graph.files)
    assert parse_manifest(msgspec.json.encode(manifest)) == manifest
