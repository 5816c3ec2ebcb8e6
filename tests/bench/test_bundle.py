"""``vedette bench`` on real models, without a look at the figures."""

import json

import pytest
from click.testing import CliRunner

from vedette.benchmark.bundle import bench_bundle
from vedette.cli import main
from vedette.errors import BackendError, ConfigError, SourceError
from vedette.model.candidates import Wanted

SHORT = ["--rounds", "1", "--seconds", "0.2"]


def bench(*arguments):
    done = CliRunner().invoke(main, ["bench", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_json(packed, backend):
    report = json.loads(bench(packed("ultraface"), "--backend", backend, "--json", *SHORT))
    assert report["ratio"] == pytest.approx(
        report["pipeline"]["rate_hz"] / report["raw"]["rate_hz"], rel=1e-3
    )
    assert report["raw"]["cpu_ms_per_frame"] > 0 < report["pipeline"]["cpu_ms_per_frame"]
    assert set(report["stage_ms"]) == {"preprocess", "infer", "postprocess"}
    (graph,) = report["graphs"].values()
    assert (graph["backend"], graph["device"], graph["execution_precision"]) == (backend, "cpu", "f32")
    assert set(report["versions"]) == {"vedette", backend}
    assert len(report["raw"]["rounds"]) == 1


def test_text_begins_with_the_ratio(packed):
    text = bench(packed("ultraface"), *SHORT)
    assert text.startswith("pipeline / raw runtime  ")
    assert "f32 as read back" in text


def test_a_source_is_read_by_the_pipeline(packed, data):
    source = data / "videos" / "store-aisle-detection.mp4"
    report = json.loads(bench(packed("ultraface"), "--source", source, "--json", *SHORT))
    assert report["source"] == str(source)


def test_several_inputs_and_a_free_shape(packed):
    report = json.loads(bench(packed("yunet_dynamic"), "--json", *SHORT))
    assert report["raw"]["rate_hz"] > 0


def test_a_source_that_is_not_there(packed):
    with pytest.raises((ConfigError, SourceError), match=r"nothing\.mp4"):
        bench_bundle(packed("ultraface"), source="nothing.mp4", wanted=Wanted(), rounds=1, seconds=0.1)


def test_a_precision_that_is_not_there(packed):
    wanted = Wanted(backend="onnxruntime", precision="f16", allow_ungraded=True)
    with pytest.raises(BackendError, match="f16"):
        bench_bundle(packed("ultraface"), wanted=wanted, rounds=1, seconds=0.1)
