"""A kit that registers small plugins in process and packs bundles whose graphs are Python functions."""

import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vedette.bundle.manifest import (
    Decoder,
    Grade,
    Graph,
    GraphFiles,
    Input,
    Manifest,
    Output,
    PreprocessFeed,
    Run,
    StateFeed,
    StatePair,
    TensorFeed,
    Variant,
)
from vedette.bundle.write import write_bundle
from vedette.errors import EndOfStream
from vedette.frame import Clock, Encoded, Packed
from vedette.hookspecs import hookimpl
from vedette.manager import PluginManager
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry
from vedette.results import Classification, Detections
from vedette.specs import (
    Capture,
    DecoderSpec,
    NoParams,
    PostprocessSpec,
    SinkSpec,
    SourceInfo,
    SourceSpec,
    StageSpec,
    TensorInfo,
)
from vedette.testing.session import FunctionSession, function_backend


def still(value: int = 0, size_wh: tuple[int, int] = (16, 8)) -> Packed:
    w, h = size_wh
    return Packed("bgr", np.full((h, w, 3), value % 256, np.uint8))


def clock() -> Clock:
    return Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns())


def captures(
    count: int, image: Callable[[int], object] = still, epoch: Callable[[int], int] = lambda n: 0
) -> list[Capture]:
    return [Capture(image=image(n), clock=clock(), seq=n, epoch=epoch(n)) for n in range(count)]


class ListSource:
    """Gives what it was handed, one by one."""

    def __init__(self, items: list, live: bool = False, period_s: float = 0.0) -> None:
        self.info = SourceInfo(live=live, frames=len(items))
        self._items = deque(items)
        self._period_s = period_s
        self.closed = 0

    def read(self, timeout_s: float):
        if self._period_s:
            time.sleep(self._period_s)
        if not self._items:
            raise EndOfStream
        item = self._items.popleft()
        if isinstance(item, Exception):
            raise item
        return now(item) if self.info.live else item

    def close(self) -> None:
        self.closed += 1


def now(item: Capture) -> Capture:
    return Capture(image=item.image, clock=clock(), seq=item.seq, epoch=item.epoch)


class Collected:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.packets: list = []
        self.events: list = []
        self.finished = ""
        self._writing = threading.Lock()

    def write(self, packet) -> None:
        assert self._writing.acquire(blocking=False), "two packets at once in one sink"
        self.packets.append(packet)
        self._writing.release()

    def write_event(self, event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.finished = self.finished or "closed"

    def abort(self) -> None:
        self.finished = self.finished or "aborted"

    def tickets(self, stream: str) -> list[int]:
        return [packet.frame.ticket for packet in self.packets if packet.frame.stream == stream]


class FunctionStage:
    """``function(inputs, state) -> result`` as a stage; the state starts as a fresh dictionary."""

    def __init__(self, function) -> None:
        self._function = function

    def start(self, stream: str) -> dict:
        return {"stream": stream}

    def process(self, inputs, state):
        return self._function(inputs, state)


@dataclass
class Kit:
    """Plugins and bundles of one test."""

    folder: Path
    specs: dict[str, list] = field(default_factory=dict)
    functions: dict[str, Callable[[], FunctionSession]] = field(default_factory=dict)
    sessions: list[FunctionSession] = field(default_factory=list)
    sinks: dict[str, Collected] = field(default_factory=dict)

    def add(self, hook: str, spec) -> None:
        self.specs.setdefault(hook, []).append(spec)

    def source(self, name: str, make: Callable[[], ListSource]) -> str:
        spec = SourceSpec(
            name=name,
            summary="a list",
            matches=lambda uri: 10 * (uri == f"{name}://"),
            open=lambda uri, params: make(),
        )
        self.add("vedette_sources", spec)
        return f"{name}://"

    def sink(self, name: str = "collect") -> Collected:
        sink = self.sinks[name] = Collected()
        self.add("vedette_sinks", SinkSpec(name=name, summary="remembers", open=lambda params: sink))
        return sink

    def stage(self, name: str, function, **options) -> None:
        options.setdefault("params", NoParams)
        spec = StageSpec(
            name=name, summary="a function", build=lambda params: FunctionStage(function), **options
        )
        self.add("vedette_stages", spec)

    def decoder(self, fourcc: str, function: Callable[[Encoded], Packed]) -> None:
        spec = DecoderSpec(
            name=fourcc.lower(), summary="a function", fourccs=(fourcc,), build=lambda: function
        )
        self.add("vedette_decoders", spec)

    def postprocess(self, name: str, result, function) -> None:
        self.add(
            "vedette_postprocessors",
            PostprocessSpec(name=name, summary="a function", result=result, build=lambda labels: function),
        )

    def bundle(
        self,
        name: str,
        graphs: dict[str, tuple[Graph, Callable]],
        decoder: str,
        *,
        slots: int = 2,
        batch: int = 1,
        delay: Callable[[], float] | None = None,
        **manifest,
    ) -> str:
        """Pack a bundle; ``graphs`` maps a name to its declaration and the function that stands for it."""
        contents, files = {}, {}
        for graph, (declared, function) in graphs.items():
            key = f"{name}.{graph}"
            contents[f"variants/{graph}.fn"] = key.encode()
            files[graph] = GraphFiles(format="fn", files=(f"variants/{graph}.fn",))
            self.functions[key] = self._session(declared, function, slots, batch, delay)
        path = self.folder / name
        write_bundle(
            path,
            Manifest(
                schema=1, name=name, version="1.0.0", task="other", licence="Apache-2.0",
                graphs={graph: declared for graph, (declared, _) in graphs.items()},
                program=tuple(Run(run=graph) for graph in graphs),
                decoder=Decoder(name=decoder),
                variants={"fp32": Variant(graphs=files)},
                grades=(Grade(variant="fp32", precision="f32", metric="reference", value=1.0, n=0),),
                files={},
                **manifest,
            ),
            contents,
        )  # fmt: skip
        return str(path)

    def _session(self, declared: Graph, function, slots: int, batch: int, delay):
        def make() -> FunctionSession:
            session = FunctionSession(
                function,
                {n: TensorInfo(name=n, dtype=i.dtype, shape=i.shape) for n, i in declared.inputs.items()},
                {n: TensorInfo(name=n, dtype=o.dtype, shape=o.shape) for n, o in declared.outputs.items()},
                slots=slots, max_batch=batch, delay=delay,
            )  # fmt: skip
            self.sessions.append(session)
            return session

        return make

    def registry(self) -> Registry:
        name = f"kit_{id(self)}"
        module = types.ModuleType(name)
        backend = function_backend(
            "function",
            lambda files, device, execution: self.functions[files.model.read_text()](),
            formats=("fn",),
        )
        specs = {"vedette_backends": [backend], **self.specs}
        for hook, found in specs.items():
            setattr(module, hook, hookimpl(_giver(found)))
        sys.modules[name] = module
        manager = PluginManager(env={}, search_path=[str(self.folder / "site-packages")])
        manager.load([name])
        return Registry(manager)

    def pipeline(self, registry: Registry | None = None, **config) -> Pipeline:
        return Pipeline.from_dict(config, registry=registry or self.registry(), base_dir=self.folder)


def _giver(found: list) -> Callable[[], list]:
    def give() -> list:
        return found

    return give


@pytest.fixture
def kit(tmp_path) -> Kit:
    return Kit(tmp_path)


@pytest.fixture
def make_captures():
    return captures


@pytest.fixture
def list_source():
    return ListSource


@pytest.fixture
def picture():
    return still


IMAGE = PreprocessFeed(
    name="image", params={"size_wh": [4, 2], "resize": "stretch", "kernel": "nearest", "layout": "nhwc"}
)


@pytest.fixture
def mean_graph():
    """``x (n, 2, 4, 3) -> y (n, 1)``: the mean of the pixels."""
    graph = Graph(
        inputs={"x": Input(dtype="float32", shape=(None, 2, 4, 3), feed=IMAGE)},
        outputs={"y": Output(dtype="float32", shape=(None, 1))},
    )
    return graph, lambda inputs: {"y": inputs["x"].mean(axis=(1, 2, 3))[:, None]}


@pytest.fixture
def sum_step():
    """``x (n, 2, 4, 3), h (n, 1) -> h2 (n, 1)``: adds the mean of the pixels to the state."""
    graph = Graph(
        inputs={
            "x": Input(dtype="float32", shape=(None, 2, 4, 3), feed=IMAGE),
            "h": Input(dtype="float32", shape=(None, 1), feed=StateFeed()),
        },
        outputs={"h2": Output(dtype="float32", shape=(None, 1))},
        state=(StatePair(input="h", output="h2"),),
    )
    return graph, lambda inputs: {"h2": inputs["h"] + inputs["x"].mean(axis=(1, 2, 3))[:, None]}


HIDDEN, CLASSES = 8, 4


@dataclass
class Gru:
    """A network of two ONNX graphs, the mean colour of a 16x12 picture and a GRU step with ``CLASSES`` scores, and the
    same in numpy (linear_before_reset = 1 in the words of the ONNX specification)."""

    folder: Path
    weights: dict[str, np.ndarray]
    graphs: dict[str, Graph]

    def write(self, name: str = "gru", graphs: dict[str, Graph] | None = None, **manifest) -> str:
        contents = {f"{graph}.onnx": (self.folder / f"{graph}.onnx").read_bytes() for graph in self.graphs}
        files = {graph: GraphFiles(format="onnx", files=(f"{graph}.onnx",)) for graph in self.graphs}
        write_bundle(
            self.folder / name,
            Manifest(
                schema=1, name=name, version="1.0.0", task="clip", licence="Apache-2.0",
                graphs=graphs or self.graphs,
                program=(Run(run="cnn"), Run(run="step")),
                decoder=manifest.pop("decoder", Decoder(name="scores")),
                variants={"f32": Variant(graphs=files)},
                grades=(Grade(variant="f32", precision="f32", metric="reference", value=1.0, n=0),),
                files={},
                **manifest,
            ),
            contents,
        )  # fmt: skip
        return str(self.folder / name)

    def scores(self, colours: np.ndarray) -> np.ndarray:
        """``(n, 3)`` mean colours 0..1, one after the other from the initial state, to ``(n, CLASSES)``."""
        h, found = np.zeros(HIDDEN), []
        wz, wr, wh = np.split(self.weights["W"][0].astype(np.float64), 3)
        rz, rr, rh = np.split(self.weights["R"][0].astype(np.float64), 3)
        for x in colours:
            z, r = (1 / (1 + np.exp(-(x @ w.T + h @ u.T))) for w, u in ((wz, rz), (wr, rr)))
            h = (1 - z) * np.tanh(x @ wh.T + r * (h @ rh.T)) + z * h
            found.append(h @ self.weights["V"])
        return np.array(found)


@pytest.fixture
def gru(tmp_path) -> Gru:
    draw = np.random.default_rng(7)
    shapes = {"W": (1, 3 * HIDDEN, 3), "R": (1, 3 * HIDDEN, HIDDEN), "V": (HIDDEN, CLASSES)}
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    image = {"size_wh": [16, 12], "resize": "stretch", "mean": [0, 0, 0], "scale": [255, 255, 255]}
    _save(
        tmp_path / "cnn.onnx",
        [
            helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
            helper.make_node("Flatten", ["means"], ["features"]),
        ],
        {"pixels": ("n", 3, 12, 16)},
        {"features": ("n", 3)},
        {},
    )
    _save(
        tmp_path / "step.onnx",
        [
            helper.make_node("Unsqueeze", ["x", "first"], ["sequence"]),
            helper.make_node("Unsqueeze", ["h_in", "first"], ["h0"]),
            helper.make_node("GRU", ["sequence", "W", "R", "", "", "h0"], ["", "h1"], hidden_size=HIDDEN,
                             linear_before_reset=1),
            helper.make_node("Squeeze", ["h1", "first"], ["h_out"]),
            helper.make_node("MatMul", ["h_out", "V"], ["scores"]),
        ],
        {"x": ("n", 3), "h_in": ("n", HIDDEN)},
        {"scores": ("n", CLASSES), "h_out": ("n", HIDDEN)},
        weights | {"first": np.array([0])},
    )  # fmt: skip
    pixels = Input(dtype="float32", shape=(None, 3, 12, 16), feed=PreprocessFeed(name="image", params=image))
    features = TensorFeed(graph="cnn", output="features")
    graphs = {
        "cnn": Graph(
            inputs={"pixels": pixels}, outputs={"features": Output(dtype="float32", shape=(None, 3))}
        ),
        "step": Graph(
            inputs={
                "x": Input(dtype="float32", shape=(None, 3), feed=features),
                "h_in": Input(dtype="float32", shape=(None, HIDDEN), feed=StateFeed()),
            },
            outputs={
                "scores": Output(dtype="float32", shape=(None, CLASSES)),
                "h_out": Output(dtype="float32", shape=(None, HIDDEN)),
            },
            state=(StatePair(input="h_in", output="h_out"),),
        ),
    }
    return Gru(tmp_path, weights, graphs)


def _save(path: Path, nodes: list, inputs: dict, outputs: dict, weights: dict) -> None:
    def infos(shapes):
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
        ]

    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, path.stem, infos(inputs), infos(outputs), constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def value_result(output: str):
    """A postprocess that reports the first value of each row as a confidence."""

    def decode(outputs, affines, size_wh, params):
        value = outputs[output]
        rows = np.arange(len(value), dtype=np.int32)
        return Classification(
            class_id=np.zeros((len(value), 1), np.int32),
            confidence=value[:, :1].astype(np.float32),
            source_row=rows,
        )

    return decode


@pytest.fixture
def decode_value():
    return value_result


def boxes_of(rows) -> Detections:
    rows = np.asarray(rows, np.float32).reshape(-1, 4)
    return Detections.of(rows, np.ones(len(rows)), np.zeros(len(rows)))


@pytest.fixture
def boxes():
    return boxes_of
