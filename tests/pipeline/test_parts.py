"""The three parts of a model - preprocess, backend, postprocess - replaced one at a time by a foreign package."""

import pytest

from vedette.results import Classification

MODULE = '''
"""A package of somebody else, with one of each part."""
import numpy as np

from vedette import (
    BackendSpec, Classification, Device, InputSpec, PostprocessSpec, PreprocessSpec, TensorInfo, hookimpl,
)
from vedette.testing.session import FunctionSession, function_backend


class Inverted:
    """Like nearest-neighbour stretching, with the colours inverted."""

    def __init__(self, spec, tensor):
        self.spec = spec

    def write(self, frame, roi, out):
        w, h = self.spec.size_wh
        out[...] = 255 - frame.view("rgb", (w, h), "nearest").astype(np.float32)
        return np.array([[frame.size_wh[0] / w, 0, 0], [0, frame.size_wh[1] / h, 0]])


@hookimpl
def vedette_preprocessors():
    return [PreprocessSpec(name="inverted", summary="inverts", params=InputSpec, build=Inverted)]


@hookimpl
def vedette_backends():
    def session(files, device, execution):
        return FunctionSession(
            lambda inputs: {"y": 1000 + inputs["x"].mean(axis=(1, 2, 3))[:, None]},
            {"x": TensorInfo(name="x", dtype="float32", shape=(None, 2, 4, 3))},
            {"y": TensorInfo(name="y", dtype="float32", shape=(None, 1))},
        )

    return [function_backend("thousand", session, formats=("fn",))]


@hookimpl
def vedette_postprocessors():
    def negative(outputs, affines, size_wh, params):
        value = -outputs["y"].astype(np.float32)
        rows = np.arange(len(value), dtype=np.int32)
        return Classification(class_id=np.zeros((len(value), 1), np.int32), confidence=value, source_row=rows)

    return [PostprocessSpec(name="negative", summary="negates", result=Classification, build=lambda labels: negative)]
'''


@pytest.fixture
def run(kit, make_dist, make_captures, list_source, mean_graph, decode_value):
    make_dist("acme-parts", "3.1", entry_points={"acme": "acme_parts"}, modules={"acme_parts": MODULE})
    kit.postprocess("value", Classification, decode_value("y"))
    kit.bundle("mean", {"net": mean_graph}, "value")
    sink = kit.sink()
    kit.source("list", lambda: list_source(make_captures(3)))
    registry = kit.registry()

    def run_with(**replaced):
        sink.packets.clear()
        stage = {"name": "m", "bundle": "mean", "backend": "function", **replaced}
        with kit.pipeline(
            registry=registry,
            stream=[{"name": "a", "source": "list://"}],
            stage=[stage],
            sink=[{"use": "collect"}],
        ) as pipeline:
            summary = pipeline.run()
        parts = pipeline.plan.stages["m"].model.parts
        found = {
            "preprocess": parts.preprocess["net", "x"][0],
            "backend": parts.backend,
            "postprocess": parts.postprocess,
        }
        values = [float(packet.results["m"].confidence[0, 0]) for packet in sink.packets]
        return found, values, summary.stages["m"]["provider"]

    return run_with


@pytest.mark.parametrize(
    ("part", "name", "values"),
    [
        ("preprocess", "inverted", [255.0, 254.0, 253.0]),
        ("backend", "thousand", [1000.0, 1001.0, 1002.0]),
        ("postprocess", "negative", [0.0, -1.0, -2.0]),
    ],
)
def test_one_part_is_replaced_and_the_other_two_are_the_same_objects(run, part, name, values):
    own, plain, _ = run()
    assert plain == [0.0, 1.0, 2.0]
    replaced, changed, provider = run(**{part: name})
    assert changed == values
    assert replaced[part].name == name
    assert replaced[part] is not own[part]
    assert "plugin 'acme' (acme-parts 3.1)" in provider
    for other in own.keys() - {part}:
        assert replaced[other] is own[other]
