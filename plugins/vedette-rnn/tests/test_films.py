"""End to end: ``vedette run`` over a playlist of films, a recurrent model that remembers, events in a file."""

from fractions import Fraction

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
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
    Temporal,
    TensorFeed,
    Variant,
)
from vedette.bundle.write import write_bundle
from vedette.cli import main
from vedette.events import Event
from vedette.packet import NotRun
from vedette.sinks.jsonl import read_jsonl

av = pytest.importorskip("av", reason="needs vedette-video: pip install vedette-video")

FPS, RATE_HZ = 25, 12.5
LABELS = ("red", "blue")


def network(path, nodes, inputs, outputs, weights):
    def infos(shapes):
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
        ]

    constants = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, path.stem, infos(inputs), infos(outputs), constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


@pytest.fixture
def bundle(tmp_path):
    """How red and how blue it has been lately: ``h' = (h + x) / 2`` of the mean colour, ``scores = 20 (h' - 0.5)``."""
    network(
        tmp_path / "cnn.onnx",
        [
            helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
            helper.make_node("Flatten", ["means"], ["all"]),
            helper.make_node("Gather", ["all", "ends"], ["x"], axis=1),
        ],
        {"pixels": ("n", 3, 12, 16)},
        {"x": ("n", 2)},
        {"ends": np.array([0, 2])},
    )
    network(
        tmp_path / "step.onnx",
        [
            helper.make_node("Add", ["x", "h"], ["sum"]),
            helper.make_node("Mul", ["sum", "half"], ["h2"]),
            helper.make_node("Sub", ["h2", "half"], ["over"]),
            helper.make_node("Mul", ["over", "gain"], ["scores"]),
        ],
        {"x": ("n", 2), "h": ("n", 2)},
        {"h2": ("n", 2), "scores": ("n", 2)},
        {"half": np.float32(0.5), "gain": np.float32(20)},
    )
    image = {"size_wh": [16, 12], "resize": "stretch", "colour": "rgb", "scale": [255, 255, 255]}
    pair = {"dtype": "float32", "shape": (None, 2)}
    graphs = {
        "cnn": Graph(
            inputs={
                "pixels": Input(
                    dtype="float32", shape=(None, 3, 12, 16), feed=PreprocessFeed(name="image", params=image)
                )
            },
            outputs={"x": Output(**pair)},
        ),
        "step": Graph(
            inputs={
                "x": Input(**pair, feed=TensorFeed(graph="cnn", output="x")),
                "h": Input(**pair, feed=StateFeed()),
            },
            outputs={"h2": Output(**pair), "scores": Output(**pair)},
            state=(StatePair(input="h", output="h2"),),
        ),
    }
    files = {name: GraphFiles(format="onnx", files=(f"{name}.onnx",)) for name in graphs}
    write_bundle(
        tmp_path / "colour",
        Manifest(
            schema=1,
            name="colour",
            version="1.0.0",
            task="clip",
            licence="Apache-2.0",
            graphs=graphs,
            program=(Run(run="cnn"), Run(run="step")),
            decoder=Decoder(name="clip-scores", params={"activation": "sigmoid", "output": "scores"}),
            variants={"f32": Variant(graphs=files)},
            grades=(Grade(variant="f32", precision="f32", metric="reference", value=1.0, n=0),),
            labels="labels.txt",
            temporal=Temporal(rate_hz=RATE_HZ, tolerance=0.25, max_gap_ms=500),
            files={},
        ),
        {
            **{f"{name}.onnx": (tmp_path / f"{name}.onnx").read_bytes() for name in graphs},
            "labels.txt": "\n".join(LABELS).encode(),
        },
    )


def film(path, *parts):
    """``parts``: seconds and an RGB colour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 2_000_000
        stream.time_base = Fraction(1, FPS)
        for seconds, colour in parts:
            for _ in range(round(seconds * FPS)):
                picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="rgb24")
                container.mux(stream.encode(picture))
        container.mux(stream.encode())


BLACK, RED, BLUE = (0, 0, 0), (255, 0, 0), (0, 0, 255)

PIPELINE = """
name = "films"
signatures = "off"
[[stream]]
name = "a"
source = "films.m3u"
[[stage]]
name = "look"
bundle = "./colour"
proof = "off"
[[stage]]
name = "activity"
use = "activity"
takes = { scores = "look" }
params = { smooth_s = 0, min_s = 0.5, merge_s = 0.2 }
[[sink]]
use = "jsonl"
params = { path = "OUT" }
"""


def test_a_playlist_of_films(bundle, tmp_path):
    film(tmp_path / "0.mp4", (1, BLACK), (2, RED), (1, BLACK))
    film(tmp_path / "1.mp4", (1.2, RED), (1.2, BLUE))
    film(tmp_path / "2.mp4", (0.04, RED))
    film(tmp_path / "3.mp4", (1.2, BLACK))
    (tmp_path / "films.m3u").write_text("0.mp4\n1.mp4\n2.mp4\n3.mp4\n")
    out = tmp_path / "out.jsonl"
    (tmp_path / "films.toml").write_text(PIPELINE.replace("OUT", str(out)))
    shown = CliRunner().invoke(main, ["run", str(tmp_path / "films.toml")], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert "note: stage 'look': state began afresh: 3 x a new epoch" in shown.output
    items = list(read_jsonl(out))
    events = [item for item in items if isinstance(item, Event)]
    records = [item for item in items if not isinstance(item, Event)]

    assert [sum(r.epoch == epoch for r in records) for epoch in range(4)] == [100, 60, 1, 30]
    looked = [r for r in records if "look" in r.results]
    assert [r.outcome["look"] for r in records[1:100:2]] == [NotRun("rate")] * 50
    h = np.zeros(2)
    for before, record in zip([None, *looked], looked, strict=False):
        if before is not None and before.epoch != record.epoch:
            h = np.zeros(2)
        h = (h + colour_at(record.epoch, record.clock.media_ns / 1e9)) / 2
        found = record.results["look"]
        scores = dict(zip(found.class_id[0].tolist(), found.confidence[0].tolist(), strict=True))
        want = 1 / (1 + np.exp(-20 * (h - 0.5)))
        assert [scores[0], scores[1]] == pytest.approx(want, abs=0.1)

    # Half of the colour is a confidence of about 0.5, between the thresholds: each change takes two samples.
    told = [(e.epoch, e.kind, e.subject, e.data["start_s"], e.data.get("end_s")) for e in events]
    assert told == [
        (0, "activity.started", "red", 1.12, None),
        (0, "activity.ended", "red", 1.12, 3.12),
        (1, "activity.started", "red", 0.08, None),
        (1, "activity.ended", "red", 0.08, 1.28),
        (1, "activity.started", "blue", 1.28, None),
        (1, "activity.ended", "blue", 1.28, 2.32),
    ]
    for event in events:
        if event.t_end_ns is not None:
            lasted_s = (event.t_end_ns - event.t_start_ns) / 1e9
            assert lasted_s == pytest.approx(event.data["end_s"] - event.data["start_s"], abs=1e-6)


def colour_at(epoch, second):
    """Red and blue of the frame."""
    red, blue = np.array([1.0, 0]), np.array([0, 1.0])
    if epoch == 0:
        return red if 1 <= second < 3 else 0 * red
    if epoch == 1:
        return red if second < 1.2 else blue
    return red if epoch == 2 else 0 * red


def test_a_film_that_is_over_closes_its_last_event(bundle, tmp_path):
    """No packet follows that could carry it."""
    film(tmp_path / "0.mp4", (1, RED))
    (tmp_path / "films.m3u").write_text("0.mp4\n")
    out = tmp_path / "out.jsonl"
    (tmp_path / "films.toml").write_text(PIPELINE.replace("OUT", str(out)))
    assert CliRunner().invoke(main, ["run", str(tmp_path / "films.toml")]).exit_code == 0
    items = list(read_jsonl(out))
    assert isinstance(items[-1], Event)
    assert (items[-1].kind, items[-1].data["end_s"]) == ("activity.ended", 0.96)
