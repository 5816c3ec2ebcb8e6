"""What Execution and options decide: nothing is inherited from the runtime, and what is asked for is read back."""

import os

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette_openvino.devices import find_device
from vedette_openvino.runtime import ov

ops = ov.opset13
OFFERED = find_device("cpu")[1].precisions
needs_bf16 = pytest.mark.skipif("bf16" not in OFFERED, reason="this processor has no bf16")


@pytest.fixture
def layers(save):
    """Two convolutions, ``x float32 (1, 16, 32, 32)``."""
    random = np.random.default_rng(2)
    x = node = ops.parameter([1, 16, 32, 32], np.float32, name="x")
    for _ in range(2):
        weights = random.normal(0, 0.1, (16, 16, 3, 3)).astype(np.float32)
        node = ops.relu(ops.convolution(node, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
    return save([x], {"y": node}, "layers")


def test_f32_is_the_default_and_really_is_what_runs(layers, load):
    session = load(layers)
    assert session.execution_precision == "f32"
    assert set(session.operators()) == {"f32"}


@needs_bf16
def test_bf16_is_read_back_and_really_is_what_runs(layers, load):
    exact, rounded = load(layers), load(layers, precision="bf16")
    assert rounded.execution_precision == "bf16"
    assert rounded.operators()["bf16"] >= 2
    feeds = {"x": np.random.default_rng(3).normal(size=(1, 16, 32, 32)).astype(np.float32)}
    wanted, got = infer(exact, feeds)["y"], infer(rounded, feeds)["y"]
    assert got.dtype == np.float32
    difference = np.abs(wanted - got).max() / np.abs(wanted).max()
    assert 1e-4 < difference < 3e-2


@pytest.mark.parametrize("precision", ["f32", "bf16", "f16"])
def test_a_precision_that_the_device_lacks_is_refused(layers, load, precision):
    if precision in OFFERED:
        assert load(layers, precision=precision).execution_precision == precision
    else:
        with pytest.raises(BackendError, match=rf"cannot compute in {precision} on cpu.*\n.*{OFFERED[0]}"):
            load(layers, precision=precision)


def test_weights_compressed_to_8_bits_do_not_quantise_what_flows_through(save, load):
    """OpenVINO's own default would quantise activations to 8 bits here, at f32 too."""
    random = np.random.default_rng(4)
    weights = random.integers(-127, 128, (256, 256)).astype(np.int8)
    scales = random.uniform(0.001, 0.01, (256, 1)).astype(np.float32)
    x = ops.parameter([1, 256], np.float32, name="x")
    dense = ops.multiply(ops.convert(ops.constant(weights), "f32"), ops.constant(scales))
    path = save([x], {"y": ops.matmul(x, dense, False, True)})
    given = random.normal(size=(1, 256)).astype(np.float32)
    wanted = given.astype(np.float64) @ (weights * scales.astype(np.float64)).T
    got = infer(load(path), {"x": given})["y"]
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("threads", "each", "placement", "slots"),
    [
        (1, 1, "1 at a time on 1 thread each", 2),
        (2, 1, "2 at a time on 1 thread each", 3),
        (2, 2, "1 at a time on 2 threads each", 2),
    ],
)
def test_threads_and_slots(double, load, threads, each, placement, slots):
    if threads > len(os.sched_getaffinity(0)):
        pytest.skip("needs two cores")
    session = load(double, threads=threads, threads_per_request=each)
    assert session.placement.startswith("all operators on cpu (")
    assert session.placement.endswith(placement)
    assert session.slots == slots
    assert session.device == "cpu"
    assert session.backend == "openvino"


def test_more_threads_than_cores_are_said_not_hidden(double, load, caplog):
    session = load(double, threads=512)
    assert "of the 512 threads asked for" in caplog.text
    assert session.slots < 512


@pytest.mark.parametrize(
    ("execution", "says"),
    [
        ({"threads": 0}, "1 threads per request do not go into 0 threads"),
        ({"threads": 2, "threads_per_request": 3}, "3 threads per request do not go into 2 threads"),
        ({"slots": 0}, "0 slots were asked for"),
        ({"batch": 0}, "batch of 0"),
    ],
)
def test_numbers_that_make_no_sense(double, load, execution, says):
    with pytest.raises(BackendError, match=says):
        load(double, **execution)


def test_slots_are_as_many_as_asked_for(double, load):
    session = load(double, slots=5)
    assert session.slots == 5
    assert sum(session.acquire() is not None for _ in range(7)) == 5


def test_compiled_models_are_kept_and_used_again(layers, load, tmp_path):
    cache = tmp_path / "cache"
    feeds = {"x": np.ones((1, 16, 32, 32), np.float32)}
    first = infer(load(layers, cache_dir=cache), feeds)["y"]
    blobs = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}
    assert blobs
    again = load(layers, cache_dir=cache)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == blobs
    assert again.execution_precision == "f32"
    assert set(again.operators()) == {"f32"}
    assert again.inputs["x"].shape == (1, 16, 32, 32)
    np.testing.assert_array_equal(infer(again, feeds)["y"], first)


@needs_bf16
def test_the_cache_keeps_precisions_apart(layers, load, tmp_path):
    for precision in ("f32", "bf16", "f32"):
        session = load(layers, cache_dir=tmp_path, precision=precision)
        assert session.execution_precision == precision
        assert ("bf16" in session.operators()) == (precision == "bf16")


def test_a_damaged_cache_is_not_used(layers, load, tmp_path):
    feeds = {"x": np.ones((1, 16, 32, 32), np.float32)}
    first = infer(load(layers, cache_dir=tmp_path / "cache"), feeds)["y"]
    for path in (tmp_path / "cache").rglob("*.blob"):
        path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(infer(load(layers, cache_dir=tmp_path / "cache"), feeds)["y"], first)


def test_a_cache_that_is_no_folder_is_refused(layers, load, tmp_path):
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken/below"):
        with pytest.raises(BackendError, match=r"layers\.xml: compiled models cannot be kept in .*taken"):
            load(layers, cache_dir=folder)


def test_without_a_cache_nothing_is_written(layers, load, tmp_path, monkeypatch):
    before = set(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    load(layers)
    assert set(tmp_path.rglob("*")) == before


# --- options ------------------------------------------------------------------------------------------------------


def test_an_option_reaches_the_runtime(double, load):
    session = load(double, options={"PERF_COUNT": True})
    assert session._compiled.get_property("PERF_COUNT") in (True, "YES")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"PERF_COUNTS": True}, r"no option 'PERF_COUNTS' on this device\n.*did you mean 'PERF_COUNT'"),
        ({"colour": "red"}, r"no option 'colour' on this device\n.*the options are: .*ENABLE_CPU_PINNING"),
        ({"FULL_DEVICE_NAME": "x"}, "no option 'FULL_DEVICE_NAME'"),
        (
            {"INFERENCE_PRECISION_HINT": "bf16"},
            r"'INFERENCE_PRECISION_HINT' is not free\n.*set precision there",
        ),
        ({"NUM_STREAMS": 2}, r"'NUM_STREAMS' is not free\n.*set threads and threads_per_request there"),
        ({"ENABLE_CPU_PINNING": "perhaps"}, r"double\.xml: .*perhaps.*ENABLE_CPU_PINNING"),
    ],
)
def test_an_option_that_is_wrong(double, load, options, says):
    with pytest.raises(BackendError, match=says):
        load(double, options=options)
