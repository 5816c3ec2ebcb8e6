"""Every hook: its example in the docstring is loaded and used, and its page in the documentation is there."""

import importlib
import inspect
import json
import logging
import re
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from click.testing import CliRunner

from vedette import (
    Capture,
    Clock,
    Detections,
    Embedding,
    Encoded,
    EndOfStream,
    Event,
    Execution,
    Frame,
    ModelFiles,
    Packed,
    Packet,
    Registry,
    Roi,
    SourceError,
    StageInputs,
    TensorInfo,
    from_builtins,
    infer,
)
from vedette.cli import main
from vedette.errors import BundleError
from vedette.hookspecs import Specs
from vedette.manager import PluginManager
from vedette.specs import Candidate

HOOKS = {name: function for name, function in vars(Specs).items() if name.startswith("vedette_")}
FRAME = Frame(
    stream="s",
    epoch=0,
    ticket=0,
    seq=0,
    size_wh=(6, 4),
    clock=Clock(mono_ns=0, wall_ns=0),
    image=Packed("gray8", np.arange(24, dtype=np.uint8).reshape(4, 6)),
)


@pytest.fixture
def example(request, make_dist):
    """Loads the example of the hook that the test is named after, from a distribution."""
    hook = request.function.__name__.removeprefix("test_")
    (source,) = re.findall(r"```python\n(.*?)```", dedent(inspect.getdoc(HOOKS[hook])), re.DOTALL)
    folder = make_dist("dist-example", "1", entry_points={"example": "example"}, modules={"example": source})
    manager = PluginManager(env={"VEDETTE_STRICT_PLUGINS": "1"}, search_path=[str(folder)])
    manager.load()
    registry = Registry(manager)
    assert manager.states[-1].hooks == (hook,)
    return registry


def test_every_hook_has_a_test():
    assert {f"test_{hook}" for hook in HOOKS} <= set(globals())


def test_every_hook_has_a_heading_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    signatures = [f"{name}({', '.join(list(_parameters(function)))})" for name, function in HOOKS.items()]
    assert re.findall(r"^### (vedette_.*)$", page, re.MULTILINE) == signatures
    assert re.findall(r"^:pyobject: Specs\.(.*)$", page, re.MULTILINE) == list(HOOKS)


def test_every_registering_hook_has_a_table(vedette_manager):
    vedette_manager.load()
    registering = {name for name, function in HOOKS.items() if not _parameters(function)}
    assert {f"vedette_{table.kind}" for table in Registry(vedette_manager).tables} == registering


def _parameters(function):
    return list(inspect.signature(function).parameters)[1:]


# --- one test for each hook ---------------------------------------------------------------------------------------


def test_vedette_preprocessors(example):
    spec = example.preprocessors["brightness"]
    params = example.convert_params(spec, {"gain": 2}, "params")
    out = np.zeros(1, np.float32)
    writer = spec.build(params, TensorInfo(name="x", dtype="float32", shape=(1, 1)))
    affine = writer.write(FRAME, Roi.box((1, 1, 3, 3)), out)
    assert out == 2 * np.mean([7, 8, 13, 14])
    assert affine.tolist() == [[1, 0, 1], [0, 1, 1]]


def test_vedette_backends(example, tmp_path):
    spec = example.backends["matrix"]
    (tmp_path / "w.txt").write_text("1 2\n3 4\n")
    assert spec.probe() is None
    assert spec.version()
    assert spec.devices()[0].name == "cpu"
    files = ModelFiles(format=spec.formats[0], paths=(tmp_path / "w.txt",))
    session = spec.open(files, "cpu", Execution(), {})
    assert session.backend == spec.name
    assert infer(session, {"x": np.float32([[1, 10]])})["y"].tolist() == [[31, 42]]
    session.close()


def test_vedette_postprocessors(example):
    spec = example.postprocessors["unit"]
    found = spec.build(())({"y": np.float32([[3, 4], [0, 0]])}, np.zeros((2, 2, 3)), (6, 4), spec.params())
    assert spec.result is Embedding
    np.testing.assert_allclose(found.vector, [[0.6, 0.8], [0, 0]])
    assert found.source_row.tolist() == [0, 1]


def test_vedette_models(example):
    folder = Path(importlib.import_module("example").__file__).parent
    assert example.models["shapes"].locate() == folder / "bundles" / "shapes-1.0.0.vedette"


def test_vedette_stages(example):
    spec = example.stages["presence"]
    stage = spec.build(spec.params())
    state = stage.start("s")
    kinds = []
    for n in (0, 2, 1, 0, 1):
        boxes = Detections.of(np.zeros((n, 4)), np.ones(n), np.zeros(n))
        output = stage.process(StageInputs(frame=FRAME, results={"boxes": boxes}), state)
        kinds.append([event.kind for event in output.events])
    assert kinds == [[], ["presence.started"], [], [], ["presence.started"]]
    assert (spec.takes, spec.ordered) == ({"boxes": Detections}, True)


def test_vedette_sources(example):
    spec = example.sources["grey"]
    assert spec.matches("grey://2") > spec.matches("a.mp4") == 0
    source = spec.open("grey://2", spec.params())
    captures = [source.read(1.0) for _ in range(source.info.frames)]
    assert all(isinstance(capture, Capture) for capture in captures)
    assert [capture.seq for capture in captures] == [0, 1]
    assert captures[0].image.size_wh == source.info.size_wh
    with pytest.raises(EndOfStream):
        source.read(1.0)
    source.close()
    source.close()


def test_vedette_decoders(example):
    spec = example.decoders["pgm"]
    decode = spec.build()
    image = decode(Encoded(spec.fourccs[0], b"P5\n3 2\n255\n" + bytes(range(6)), (3, 2)))
    assert image.pixels.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(SourceError, match="PGM"):
        decode(Encoded(spec.fourccs[0], b"P5\n3 2\n255\n", (3, 2)))


def test_vedette_sinks(example, tmp_path):
    spec = example.sinks["tally"]
    path = tmp_path / "tally.txt"
    sink = spec.open(example.convert_params(spec, {"path": str(path)}, "sink[0].params"))
    sink.write(Packet(FRAME))
    sink.write(Packet(FRAME))
    sink.write_event(
        Event(
            id="1", kind="k", stream="s", epoch=0, stage="x", subject="", t_start_ns=0, t_end_ns=None, data={}
        )
    )
    sink.close()
    sink.close()
    assert path.read_text() == "2 packets, 1 events\n"


def test_vedette_results(example):
    types = tuple(spec.result for spec in example.results.values())
    depth = example.results["depth"].result(metres=np.float32([1.5, 20]))
    plain = json.loads(json.dumps(depth.to_builtins()))
    assert from_builtins(plain, types).metres.tolist() == [1.5, 20]


def test_vedette_commands(example):
    result = CliRunner().invoke(main, ["--plugin", "example", "greet", "World"])
    assert (result.exit_code, result.output) == (0, "Hello World\n")


def test_vedette_recipes(example, make_dist):
    spec = example.recipes["tiny"]  # listed although the training code is not there
    with pytest.raises(ModuleNotFoundError, match="my_training"):
        spec.build()
    make_dist("trainer", "1", entry_points={}, modules={"my_training": "class Recipe:\n    epochs = 3\n"})
    assert spec.build().epochs == 3


def test_vedette_rank_candidates(example):
    cpu, npu, gpu = (
        Candidate(variant="f32", backend="b", device=device, precision="f32")
        for device in ("cpu", "npu", "gpu")
    )
    assert example.rank_candidates(None, (cpu, npu, gpu)) == (npu, cpu, gpu)


def test_vedette_check_ext(example):
    example.check_ext({"dist-example": {"floor_plan": "cellar"}}, "x.vedette")
    with pytest.raises(BundleError, match=r'^x\.vedette: `\$\.ext\["dist-example"\]`: plugin .*`floor`'):
        example.check_ext({"dist-example": {"floor": "cellar"}}, "x.vedette")
    with pytest.raises(BundleError, match="no plugin of somebody-else is here to check it"):
        example.check_ext({"somebody-else": {}}, "x.vedette")


def test_vedette_plan_built(example, caplog):
    example.plan_built("the plan")
    assert caplog.record_tuples == [("plans", logging.WARNING, "about to run the plan")]


def test_vedette_pipeline_closed(example, caplog):
    example.pipeline_closed("the pipeline", None)
    example.pipeline_closed("the pipeline", ValueError("boom"))
    assert caplog.messages == ["ended: normally", "ended: boom"]
