"""The bundled model: it proves itself, it is right about its data, and it follows each hand by itself in a pipeline."""

from fractions import Fraction

import moving_hands
import numpy as np
import pytest

from vedette.inference import infer
from vedette.model.candidates import Wanted
from vedette.model.loading import Replace
from vedette.model.named import open_named
from vedette.packet import NotRun, Ran
from vedette.pipeline.run import Pipeline
from vedette.proof.verify import verify
from vedette.registry import load_plugins
from vedette.specs import Execution

av = pytest.importorskip("av", reason="needs vedette-video: pip install vedette-video")

LABELS = ("stop", "clockwise", "counter-clockwise", "move")
WINDOW, FPS = 16, 30


@pytest.fixture(scope="module")
def registry():
    return load_plugins(["moving_hands"])


@pytest.fixture(scope="module")
def bundle(registry):
    with open_named("hand-gesture", registry) as opened:
        yield opened


def test_it_proves_itself_everywhere(bundle, registry):
    verdicts = list(verify(bundle, registry, Wanted(), Replace(), threads=1))
    assert {item.backend: item.problem for item in verdicts} == {"onnxruntime": "", "openvino": ""}
    assert bundle.manifest.licence == "Apache-2.0"
    assert {golden.origin for golden in bundle.manifest.goldens} == {"synthetic"}


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_has_learnt_its_data(data, bundle, registry, backend):
    table = data / "datasets" / "hand_gesture_sequences" / "point_history.csv"
    rows = np.loadtxt(table, delimiter=",", dtype=np.float32)[::5]
    files = bundle.graph_files("f32", "model")
    session = registry.backends[backend].open(files, "cpu", Execution(batch=len(rows)), {})
    said = infer(session, {"track": rows[:, 1:].reshape(-1, WINDOW, 2)})["logits"].argmax(axis=1)
    session.close()
    assert np.mean(said == rows[:, 0]) > 0.985


def test_two_hands_do_not_know_of_each_other(registry, tmp_path):
    frames = 60
    film(tmp_path / "hands.mp4", frames)
    pipeline = Pipeline.from_dict(
        {
            "stream": [{"name": "camera", "source": "hands.mp4"}],
            "stage": [
                {"name": "hands", "use": "moving-hands"},
                {"name": "tip", "use": "relative-point", "takes": {"found": "hands"}},
                {
                    "name": "gesture",
                    "bundle": "hand-gesture",
                    "on": "hands",
                    "takes": {"point": "tip"},
                    "on_error": "stop",
                },
            ],
        },
        registry=registry,
        base_dir=tmp_path,
    )
    said = []
    pipeline.observe(lambda packet: said.append((packet.outcome["gesture"], packet.outcome["hands"])))
    pipeline.run()
    assert [outcome for outcome, _ in said[: WINDOW - 1]] == [NotRun("window")] * (WINDOW - 1)
    answered = [(gesture.result, hands.result) for gesture, hands in said if isinstance(gesture, Ran)]
    assert len(answered) == frames - WINDOW + 1
    for gestures, hands in answered:
        assert gestures.labels == LABELS
        by_track = {
            int(hands.track_id[row]): LABELS[gestures.class_id[at, 0]]
            for at, row in enumerate(gestures.source_row)
        }
        assert by_track == {moving_hands.CLOCKWISE: "clockwise", moving_hands.OTHER: "counter-clockwise"}


def film(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
