"""From vectors to names, with a real gallery; and what recordings must not show."""

import msgspec
import numpy as np
import pytest

from vedette.errors import PluginError
from vedette.frame import Clock, Frame, Packed
from vedette.results import Detections, Embedding
from vedette.specs import StageInputs
from vedette_face.alignment import TEMPLATE, align
from vedette_face.gallery import Gallery, GalleryError, MasterKey
from vedette_face.results import AlignedFaces, Identities
from vedette_face.stages import anonymise
from vedette_face.stages.anonymise import Anonymise
from vedette_face.stages.recognise import RECOGNISE, Params, Recognise

MODEL = "a" * 64
ANA, BEA, STRANGER = np.eye(3, 8, dtype=np.float32)
S = 1_000_000_000


@pytest.fixture
def people(tmp_path):
    made = Gallery.create(tmp_path / "gallery", MasterKey.new(), model=MODEL, dimension=8)
    made.enrol("Ana", ANA[None], model=MODEL)
    made.enrol("Bea", BEA[None], model=MODEL)
    return made


@pytest.fixture
def stage(people):
    return Recognise(
        Params(gallery="", key="", bundle="", threshold=0.5, window=5, away_s=2.0, reload_s=0.0), people
    )


def at(second):
    time_ns = round(second * S)
    return Frame(
        stream="door",
        epoch=0,
        ticket=0,
        seq=0,
        size_wh=(640, 480),
        clock=Clock(mono_ns=time_ns, wall_ns=1_000 * S + time_ns, media_ns=time_ns, origin="pts"),
        image=Packed("bgr", np.zeros((480, 640, 3), np.uint8)),
    )


def looks(second, tracks, vectors):
    """``tracks``: their numbers; ``vectors``: by row of ``tracks``, those that were good enough."""
    boxes = Detections.of(
        [(100 * row, 100, 100 * row + 60, 180) for row in range(len(tracks))],
        [0.9] * len(tracks),
        [0] * len(tracks),
        track_id=None if None in tracks else np.array(tracks, np.int64),
        source="faces",
        source_row=np.arange(len(tracks), dtype=np.int32),
    )
    rows = np.array(list(vectors), np.int32)
    points = np.repeat(TEMPLATE[None], len(rows), axis=0).astype(np.float32)
    chosen = boxes.select(rows.astype(np.intp))
    faces = AlignedFaces(
        xyxy=chosen.xyxy,
        confidence=chosen.confidence,
        class_id=chosen.class_id,
        points=points,
        affine=align(points),
        source="tracks",
        source_row=rows,
    )
    embedded = Embedding(
        vector=np.array(list(vectors.values()), np.float32).reshape(-1, 8),
        source="good",
        source_row=np.arange(len(rows), dtype=np.int32),
    )
    return StageInputs(
        frame=at(second),
        results={"boxes": boxes, "faces": faces, "embeddings": embedded},
        stages={"boxes": "tracks", "faces": "good", "embeddings": "vectors"},
    )


def test_every_track_is_named_also_when_it_is_not_looked_at(stage):
    state = stage.start("door")
    for step in range(3):
        out = stage.process(looks(step / 10, [5, 6, 9], {0: ANA, 1: STRANGER}), state)
    assert out.result.names == ["Ana", "unknown", "unknown"]
    assert out.result.votes.tolist() == [3, 3, 0]
    assert out.result.source == "tracks"
    assert [(event.kind, event.data["name"]) for event in out.events] == [("person.seen", "Ana")]
    out = stage.process(looks(0.4, [6, 5], {0: STRANGER}), state)
    assert out.result.names == ["unknown", "Ana"]
    assert not out.events


def test_without_tracks_a_look_stands_for_itself(stage):
    out = stage.process(looks(0, [None, None], {1: BEA}), stage.start("door"))
    assert out.result.names == ["unknown", "Bea"]
    assert out.result.known.tolist() == [False, True]


def test_they_leave_once_and_come_back(stage):
    state = stage.start("door")
    for second in (0.0, 0.1, 0.2, 1.0):
        stage.process(looks(second, [5], {0: ANA}), state)
    assert not stage.process(looks(2.9, [], {}), state).events
    (left,) = stage.process(looks(3.1, [], {}), state).events
    assert (left.kind, left.data["name"], left.data["seconds"]) == ("person.left", "Ana", 0.8)
    seen = [stage.process(looks(9 + step, [7], {0: ANA}), state).events for step in range(3)]
    assert [len(events) for events in seen] == [0, 0, 1]
    assert [event.kind for event in stage.end(state)] == ["person.left"]
    assert not list(stage.end(state))


def test_who_is_forgotten_is_unknown_at_once(stage, people):
    state = stage.start("door")
    for step in range(3):
        stage.process(looks(step / 10, [5], {0: ANA}), state)
    people.forget("Ana")
    assert stage.process(looks(0.3, [5], {}), state).result.names == ["unknown"]


def test_its_state_outlives_a_stop(stage):
    state = stage.start("door")
    for step in range(3):
        stage.process(looks(step / 10, [5], {0: ANA}), state)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(stage.save(state)), strict=False)
    again = stage.load(saved, 10 * S)
    out = stage.process(looks(10.3, [5], {}), again)
    assert out.result.names == ["Ana"]
    assert not out.events


def test_rows_of_other_stages_are_refused(stage):
    wrong = looks(0, [5], {0: ANA})
    for role, other, said in (("boxes", "boxes", "aligned in rows"), ("faces", "aligned", "look at rows")):
        stages = {**wrong.stages, role: other}
        with pytest.raises(PluginError, match=said):
            stage.process(
                StageInputs(frame=wrong.frame, results=wrong.results, stages=stages), stage.start("door")
            )


# --- hidden ---------------------------------------------------------------------------------------------------------


def boxes(*xyxy, **more):
    return Detections.of(list(xyxy), [0.9] * len(xyxy), [0] * len(xyxy), **more)


def hidden(stage, state, second, found, **others):
    stages = {"boxes": "faces", "tracks": "tracks", "people": "who"}
    inputs = StageInputs(frame=at(second), results={"boxes": found, **others}, stages=stages)
    return stage.process(inputs, state).xyxy.tolist()


def test_a_place_stays_hidden_for_a_while():
    stage = Anonymise(anonymise.Params(widen=0.5, hold_s=1.0))
    state = stage.start("door")
    face = (100, 100, 140, 160)
    assert hidden(stage, state, 0.0, boxes(face)) == [[80, 70, 160, 190]]
    assert hidden(stage, state, 0.9, boxes()) == [[80, 70, 160, 190]]
    assert hidden(stage, state, 1.1, boxes()) == []
    hidden(stage, state, 2.0, boxes(face))
    moved = (104, 100, 144, 160)
    assert hidden(stage, state, 2.1, boxes(moved)) == [[84, 70, 164, 190]]
    assert hidden(stage, state, 2.2, boxes((0, 0, 20, 20))) == [[0, 0, 30, 30], [84, 70, 164, 190]]


def test_only_who_is_recognised_is_shown():
    stage = Anonymise(anonymise.Params(widen=0.0))
    state = stage.start("door")
    found = boxes((0, 0, 10, 10), (100, 0, 110, 10), (200, 0, 210, 10))
    tracks = boxes(
        (200, 0, 210, 10), (100, 0, 110, 10), source="faces", source_row=np.array([2, 1], np.int32)
    )
    who = Identities(
        class_id=np.array([[1], [0]], np.int32),
        confidence=np.ones((2, 1), np.float32),
        margin=np.ones(2, np.float32),
        votes=np.ones(2, np.int32),
        source="tracks",
        source_row=np.array([0, 1], np.int32),
        labels=("unknown", "Ana"),
    )
    assert hidden(stage, state, 0, found, tracks=tracks, people=who) == [[0, 0, 10, 10], [100, 0, 110, 10]]
    with pytest.raises(PluginError, match="belong to"):
        hidden(stage, state, 0, found, tracks=found, people=who)


# --- built as a pipeline builds it ----------------------------------------------------------------------------------


def test_a_gallery_that_cannot_answer_is_refused_at_once(packed, gallery):
    place, key = gallery({"Ana": np.eye(2, 128, dtype=np.float32)})
    wanted = {"gallery": place, "key": key}
    with pytest.raises(GalleryError, match="another embedding model"):
        RECOGNISE.build(Params(**wanted, bundle=str(packed("yunet_320")), threshold=0.5))
    with pytest.raises(GalleryError, match="calibrat"):
        RECOGNISE.build(Params(**wanted, bundle=str(packed("mobilefacenet"))))
    assert RECOGNISE.build(Params(**wanted, bundle=str(packed("mobilefacenet")), threshold=0.5))
