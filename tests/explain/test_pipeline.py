"""``evidence = "saliency"``: events carry a picture of what spoke for the answer, and nothing else costs anything."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from vedette.cli.report import render_summary
from vedette.errors import ConfigError, EndOfStream, PipelineError
from vedette.events import Event, EventDraft
from vedette.frame import Clock, Packed
from vedette.hookspecs import hookimpl
from vedette.manager import PluginManager
from vedette.pipeline.run import Pipeline
from vedette.registry import Registry
from vedette.results import Classification, Detections
from vedette.sinks.jsonl import read_jsonl
from vedette.specs import Capture, SourceInfo, SourceSpec, StageOutput, StageSpec


class Every:
    """Raises an event on each frame whose ticket is told."""

    def __init__(self, tickets) -> None:
        self._tickets = tickets

    def start(self, stream: str):
        return None

    def process(self, inputs, state) -> StageOutput:
        if inputs.frame.ticket not in self._tickets:
            return StageOutput()
        return StageOutput(events=(EventDraft(kind="seen", subject="it"),))


class Pictures:
    """Twelve pictures of noise, 40 ms apart."""

    info = SourceInfo(live=False)

    def __init__(self, noise) -> None:
        self._noise, self._number = noise, 0

    def read(self, timeout_s: float) -> Capture:
        if self._number == 12:
            raise EndOfStream
        number, self._number = self._number, self._number + 1
        clock = Clock(mono_ns=number, wall_ns=number, media_ns=number * 40_000_000, origin="pts")
        return Capture(image=Packed("bgr", np.roll(self._noise, 4 * number, axis=0)), clock=clock, seq=number)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def bundle(pack, network) -> Path:
    return pack(network()[0], "evidence")


@pytest.fixture
def stages(noise):
    """A registry with the source ``noise://`` and a stage that raises events on frames 3, 4 and 9."""
    import sys
    import types

    module = types.ModuleType("evidence_stages")

    @hookimpl
    def vedette_sources():
        return [
            SourceSpec(
                name="noise",
                summary="Noise.",
                matches=lambda uri: 10 * (uri == "noise://"),
                open=lambda uri, params: Pictures(noise),
            )
        ]

    @hookimpl
    def vedette_stages():
        return [
            StageSpec(
                name="alarm",
                summary="Alarm.",
                takes={"classes": Classification},
                ordered=True,
                build=lambda params: Every({3, 4, 9}),
            )
        ]

    module.vedette_sources, module.vedette_stages = vedette_sources, vedette_stages
    sys.modules[module.__name__] = module
    manager = PluginManager(env={})
    manager.load([module.__name__])
    return Registry(manager)


def run(stages, bundle, tmp_path, backend="onnxruntime", wanted="saliency", **sink):
    config = {
        "threads": 2,
        "stream": [{"name": "cam", "source": "noise://"}],
        "stage": [
            {"name": "look", "bundle": str(bundle), "backend": backend, "proof": "off", "batch": 4},
            {"name": "alarm", "use": "alarm", "takes": {"classes": "look"}},
        ],
        "sink": [{"use": "jsonl", "params": {"path": str(tmp_path / "out.jsonl"), **sink}}],
    }
    if wanted is not None:
        config["stage"][0]["evidence"] = wanted
    with Pipeline.from_dict(config, registry=stages, base_dir=tmp_path) as pipeline:
        summary = pipeline.run()
    events = [item for item in read_jsonl(tmp_path / "out.jsonl") if isinstance(item, Event)]
    return summary, events


def test_an_event_names_the_file_of_its_map(stages, bundle, tmp_path, backend):
    summary, events = run(stages, bundle, tmp_path, backend)
    assert summary.balanced
    assert summary.streams["cam"]["complete"] == 12
    assert len(events) == 3
    for event in events:
        (evidence,) = event.evidence
        assert (evidence.media_type, evidence.data) == ("image/png", None)
        assert evidence.path == f"out.evidence/{event.id}-0.png"
        content = (tmp_path / evidence.path).read_bytes()
        assert evidence.sha256 == hashlib.sha256(content).hexdigest()
        assert struct.unpack(">II", content[16:24]) == (96, 64), "the frame's own size"
        assert evidence.title.startswith("saliency of ")
        assert "145 inferences" in evidence.title
    assert len(list((tmp_path / "out.evidence").iterdir())) == 3


def test_only_frames_with_events_cost_anything_and_the_summary_says_what(stages, bundle, tmp_path, caplog):
    summary, _ = run(stages, bundle, tmp_path)
    told = summary.stages["look"]["evidence"]
    assert {
        name: told[name] for name in ("method", "inferences_per_map", "maps", "inferences", "explained")
    } == {
        "method": "occlusion",
        "inferences_per_map": 145,
        "maps": 3,
        "inferences": 3 * 145,
        "explained": 3,
    }
    assert set(told["mean_ms"]) == {"preprocess", "infer", "map"}
    assert "costs up to 145 further inferences" in caplog.text
    assert summary.stages["look"]["outcomes"] == {"ran": 12}, "the stage's own counts are of its own work"


def test_without_it_nothing_is_added(stages, bundle, tmp_path):
    summary, events = run(stages, bundle, tmp_path, wanted=None)
    assert len(events) == 3
    assert not any(event.evidence for event in events)
    assert "evidence" not in summary.stages["look"]
    assert not (tmp_path / "out.evidence").exists()


def test_evidence_is_held_to_its_rate(stages, bundle, tmp_path):
    """Events on frames 3, 4 and 9: the second comes 40 ms after the first."""
    settings = {"kind": "saliency", "cells": 6, "every_s": 0.1}
    summary, events = run(stages, bundle, tmp_path, wanted=settings)
    told = summary.stages["look"]["evidence"]
    assert (told["maps"], told["skipped"], told["inferences"]) == (2, 1, 2 * 37)
    text = render_summary(summary)
    assert "stage 'look': 2 maps of evidence by occlusion for 2 events, 74 further inferences" in text
    assert text.rstrip().count("1 skipped") == 1
    assert sorted(len(event.evidence) for event in events) == [0, 1, 1]


def test_the_same_run_gives_the_same_files(stages, bundle, tmp_path):
    first = run(stages, bundle, tmp_path)[1]
    second = run(stages, bundle, tmp_path, mode="overwrite")[1]
    assert [event.evidence for event in first] == [event.evidence for event in second]


def test_it_can_stay_in_the_line(stages, bundle, tmp_path):
    _, events = run(stages, bundle, tmp_path, wanted={"kind": "saliency", "cells": 4}, evidence="inline")
    assert all(event.evidence[0].data.startswith(b"\x89PNG") for event in events)
    assert not (tmp_path / "out.evidence").exists()


def test_a_map_that_fails_costs_no_event(stages, bundle, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("vedette.pipeline.evidence.overlay", lambda frame, saliency: 1 / 0)
    summary, events = run(stages, bundle, tmp_path)
    told = summary.stages["look"]["evidence"]
    assert (told["failed"], told["explained"]) == (3, 0)
    assert told["errors"] == {"division by zero": 3}
    assert len(events) == 3
    assert not any(event.evidence for event in events)
    assert summary.streams["cam"]["complete"] == 12
    assert caplog.text.count("no evidence, the event goes without") == 1, "said once"


def test_a_full_disk_is_the_sinks_failure(stages, bundle, tmp_path):
    (tmp_path / "out.evidence").write_text("in the way")
    with pytest.raises(PipelineError, match=r"out\.evidence"):
        run(stages, bundle, tmp_path)


def test_where_no_event_can_be_about_it(stages, bundle, tmp_path):
    config = {
        "stream": [{"name": "cam", "source": "noise://"}],
        "stage": [{"name": "look", "bundle": str(bundle), "proof": "off", "evidence": "saliency"}],
    }
    with pytest.raises(ConfigError, match=r"'look': evidence: no stage plugin takes its results"):
        Pipeline.from_dict(config, registry=stages)
    config["stage"][0]["evidence"] = {"kind": "saliency", "method": "activation"}
    config["stage"].append({"name": "alarm", "use": "alarm", "takes": {"classes": "look"}})
    with pytest.raises(ConfigError, match="gives no activation map"):
        Pipeline.from_dict(config, registry=stages)
    config["stage"][0]["evidence"] = "heat"
    with pytest.raises(ConfigError, match=r"stage\[0\].evidence"):
        Pipeline.from_dict(config, registry=stages)
    config["stage"][0].pop("evidence")
    config["stage"][1]["evidence"] = "saliency"
    with pytest.raises(ConfigError, match="only the answers of a model"):
        Pipeline.from_dict(config, registry=stages)


def test_json_of_evidence_can_be_read_by_others(stages, bundle, tmp_path):
    run(stages, bundle, tmp_path, wanted={"kind": "saliency", "cells": 4})
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    evidence = [line["event"]["evidence"][0] for line in lines if "event" in line]
    assert all(set(item) >= {"media_type", "path", "sha256", "title"} for item in evidence)


def test_the_row_of_a_tracks_box_is_explained():
    from types import SimpleNamespace

    from vedette.pipeline.evidence import roi_of, row_of

    boxes = Detections.of([[0, 0, 10, 10], [50, 50, 80, 90]], [0.9, 0.6], [0, 0])
    tracks = Detections.of([[52, 51, 80, 92]], [0.6], [0], track_id=np.array([7], np.int64))
    classes = Classification(
        class_id=np.zeros((2, 1), np.int32),
        confidence=np.array([[0.9], [0.4]], np.float32),
        source="detect",
        source_row=np.array([0, 1], np.int32),
    )
    packet = SimpleNamespace(
        results={"detect": boxes, "track": tracks, "classify": classes},
        frame=SimpleNamespace(size_wh=(100, 100)),
    )
    about = SimpleNamespace(subject="track:7")
    assert row_of(about, packet, boxes) == 1
    assert row_of(about, packet, classes) == 1
    assert roi_of(packet, classes, 1).size_wh == (30, 40)
    assert row_of(SimpleNamespace(subject="door"), packet, boxes) == 0, "else the most confident one"
