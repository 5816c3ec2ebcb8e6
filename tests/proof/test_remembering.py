"""What was proved once is not proved again, unless something has changed."""

import logging

import msgspec
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.errors import BackendError
from vedette.model.loading import Replace


def records(home):
    return sorted((home / "proofs").glob("*.json"))


def test_a_second_start_proves_nothing(load, small, home, caplog):
    first = load(small, backend="onnxruntime").standing
    with caplog.at_level(logging.INFO):
        second = load(small, backend="onnxruntime").standing
    assert (first.remembered, second.remembered) == (False, True)
    assert (first.when, first.proof, first.key) == (second.when, second.proof, second.key)
    assert f"its proof is of {first.when}" in caplog.text
    assert len(records(home)) == 1


def test_a_record_that_was_touched_is_made_again(load, small, home, caplog):
    first = load(small, backend="onnxruntime").standing
    (path,) = records(home)
    path.write_bytes(path.read_bytes().replace(b'"goldens":8', b'"goldens":9'))
    again = load(small, backend="onnxruntime").standing
    assert (again.remembered, again.key) == (False, first.key)
    assert "not believed" in caplog.text
    assert load(small, backend="onnxruntime").standing.remembered


def test_a_refusal_cannot_be_edited_into_a_proof(load, trap, home):
    with pytest.raises(BackendError):
        load(trap, backend="openvino", batch=2)
    (path,) = records(home)
    seal, _, body = path.read_bytes().partition(b"\n")
    record = msgspec.json.decode(body)
    record["proof"]["problem"] = ""
    path.write_bytes(seal + b"\n" + msgspec.json.encode(record))
    with pytest.raises(BackendError, match="the proof failed"):
        load(trap, backend="openvino", batch=2)


@pytest.mark.parametrize(
    "change",
    [
        {"plugins": {"version": lambda: "99.0"}},
        {"parts": Replace(options={"graph_optimization": "basic"})},
        {"batch": 2},
        {"backend": "openvino"},
    ],
    ids=["runtime", "options", "batch", "backend"],
)
def test_what_changes_the_numbers_is_proved_again(load, small, with_backend, change):
    before = load(small, backend="onnxruntime").standing
    change = {"backend": "onnxruntime", **change}
    if "plugins" in change:
        change["plugins"] = with_backend("onnxruntime", **change["plugins"])
    after = load(small, **change).standing
    assert not after.remembered
    assert after.key != before.key
    assert load(small, **change).standing.remembered
    assert load(small, backend="onnxruntime").standing.remembered


def test_a_replaced_part_is_proved_again(load, small, home):
    before = load(small, backend="onnxruntime").standing
    parts = Replace(
        preprocess="image",
        preprocess_params=None,
        postprocess="classification",
        params={"activation": "softmax"},
    )
    after = load(small, parts, backend="onnxruntime").standing
    assert (after.remembered, after.verdict) == (False, "passed")
    assert after.key != before.key
    with open_bundle(small) as bundle:
        params = bundle.manifest.graphs["model"].inputs["pixels"].feed.params
    other = Replace(preprocess_params=params | {"kernel": "area"})
    assert load(small, other, backend="onnxruntime", proof="warn").standing.key not in (before.key, after.key)


def test_thresholds_are_not_part_of_the_key(load, small):
    load(small, backend="onnxruntime")
    assert load(small, Replace(params={"top_k": 1}), backend="onnxruntime").standing.remembered


def test_another_bundle_is_proved_again(load, small, rewritten):
    load(small, backend="onnxruntime")
    assert not load(rewritten(small, version="2.0.0"), backend="onnxruntime").standing.remembered
