"""Faces in the pipeline: looked at where they lie, followed by name, and hidden."""

import numpy as np
import pytest

from vedette.events import Event
from vedette.model.single import Model
from vedette.pipeline.run import Pipeline
from vedette.results import RESULT_TYPES
from vedette.sinks.jsonl import read_jsonl
from vedette.sinks.record import Record
from vedette_face.results import RESULTS, Identities

TYPES = (*RESULT_TYPES, *(spec.result for spec in RESULTS))
VIDEOS = {
    "head-pose-face-detection-female-and-male": 2,
    "face-demographics-walking-and-pause": 3,
}
"""How many people are in each."""


@pytest.fixture
def tracker(registry):
    if "tracker" not in registry.stages:
        pytest.skip("needs vedette-tracking: pip install vedette-tracking")


def cascade(packed, quality=None):
    """Stages from a picture to vectors."""
    return [
        {"name": "faces", "bundle": str(packed("yunet_320"))},
        {"name": "tracks", "use": "tracker", "on": "faces"},
        {"name": "aligned", "use": "face-align", "on": "tracks"},
        {"name": "quality", "use": "face-quality", "on": "aligned", "params": quality or {}},
        {"name": "good", "use": "face-gate", "on": "aligned", "takes": {"quality": "quality"}},
        {"name": "vectors", "bundle": str(packed("mobilefacenet")), "on": "good", "batch": 1},
    ]


def ran(stages, source, path, *sinks, **stream):
    """The records of a run, and its events."""
    with Pipeline.from_dict(
        {
            "signatures": "off",
            "stream": [{"name": "door", "source": str(source), **stream}],
            "stage": stages,
            "sink": [{"use": "jsonl", "params": {"path": str(path)}}, *sinks],
        }
    ) as pipeline:
        assert pipeline.run().balanced
    lines = list(read_jsonl(path, TYPES))
    return [line for line in lines if isinstance(line, Record)], [
        line for line in lines if isinstance(line, Event)
    ]


def test_a_model_stage_looks_at_the_aligned_face(data, packed, registry, tmp_path):
    """What the pipeline gives for a region is what the model gives for the same map."""
    source = data / "images" / "faces_5_scouts.jpg"
    stages = [
        cascade(packed)[0],
        {"name": "aligned", "use": "face-align", "on": "faces"},
        {"name": "vectors", "bundle": str(packed("mobilefacenet")), "on": "aligned"},
    ]
    ((record,), _) = ran(stages, source, tmp_path / "out.jsonl")
    aligned, vectors = record.results["aligned"], record.results["vectors"]
    assert len(aligned) == len(vectors) == 5
    with Model(packed("mobilefacenet"), registry=registry, device="cpu", precision="f32") as network:
        alone = network(source.read_bytes(), aligned.rois())
        boxes = network(source.read_bytes())
    assert ((vectors.vector * alone.vector).sum(axis=1) > 0.999).all()
    assert (vectors.vector @ boxes.vector[0] < 0.9).all()


@pytest.mark.parametrize("name", VIDEOS)
def test_people_are_followed_by_name_and_hidden(tracker, data, packed, tmp_path, gallery, name, measured):
    """Enrolled from the first half, recognised in the second; no track changes its name; no face is left to be seen."""
    source = data / "videos" / f"{name}.mp4"
    enrolment = {"min_sharpness": 2.0}
    first, _ = ran(cascade(packed, enrolment), source, tmp_path / "first.jsonl")
    half = len(first) // 2
    vectors = {}
    for record in first[:half]:
        looked, faces = record.results["vectors"], record.results["good"]
        for row, vector in zip(looked.source_row.tolist(), looked.vector, strict=True):
            vectors.setdefault(int(faces.track_id[row]), []).append(vector)
    assert len(vectors) == VIDEOS[name]
    known = sorted(vectors)[1:]  # the first is not enrolled
    names = {track: f"person {number}" for number, track in enumerate(known)}
    place, key = gallery({names[track]: vectors[track][-8:] for track in known})

    second = [
        *cascade(packed, enrolment),
        {
            "name": "who",
            "use": "recognise",
            "on": "tracks",
            "takes": {"faces": "good", "embeddings": "vectors"},
            "params": {
                "gallery": place,
                "key": key,
                "bundle": str(packed("mobilefacenet")),
                "threshold": 0.7,
            },
        },
        {"name": "hidden", "use": "anonymise", "on": "faces"},
        {
            "name": "strangers",
            "use": "anonymise-strangers",
            "on": "faces",
            "takes": {"tracks": "tracks", "people": "who"},
        },
    ]
    video = {"use": "video", "params": {"path": str(tmp_path / "hidden.mp4"), "hide": "hidden"}}
    begin_s = first[half].clock.media_ns / 1e9
    records, events = ran(
        second, source, tmp_path / "second.jsonl", video, params={"start_s": round(begin_s, 3)}
    )
    assert len(records) == len(first) - half

    said = {}
    for record in records:
        who, tracks = record.results["who"], record.results["tracks"]
        assert isinstance(who, Identities)
        for track, person in zip(tracks.track_id.tolist(), who.names, strict=True):
            said.setdefault(track, []).append(person)
    assert len(said) == VIDEOS[name]
    ever = [set(people) - {"unknown"} for people in said.values()]
    assert max(map(len, ever)) == 1, "a track changed its name"
    assert sorted(person for people in ever for person in people) == sorted(names.values())
    assert sum(not people for people in ever) == 1, "the stranger was given a name"
    for kind in ("person.seen", "person.left"):
        told = [event.data["name"] for event in events if event.kind == kind]
        assert sorted(told) == sorted(names.values()), kind
    enrolled = [people for people, one in zip(said.values(), ever, strict=True) if one]
    named = np.mean([person != "unknown" for people in enrolled for person in people])
    measured(f"{name}: sights of enrolled people that have their name", named, "0.8 at least")
    assert named >= 0.8

    seen, _ = ran(cascade(packed)[:1], tmp_path / "hidden.mp4", tmp_path / "seen.jsonl")
    assert len(seen) == len(records)
    assert [len(record.results["faces"]) for record in seen] == [0] * len(seen)
    strangers = [len(record.results["strangers"]) for record in records]
    assert strangers[-1] == 1
