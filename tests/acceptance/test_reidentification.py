"""The same person again: vectors of a person network on the boxes of a detector, along a video."""

import numpy as np
import pytest

from vedette.bundle.pack import PackRequest, pack_model
from vedette.pipeline.run import Pipeline
from vedette.sinks.jsonl import read_jsonl

PERSON = 0
VISITS = ((70, 200), (230, 450), (510, 700), (750, 870), (940, 1200), (1240, 1360))
"""First and last frame of each of the six people."""


@pytest.fixture(scope="module")
def osnet(data, tmp_path_factory, registry):
    request = PackRequest(
        model=data / "models" / "osnet_x0_25_msmt17.onnx",
        name="osnet",
        task="embedding",
        decoder="embedding",
        licence="MIT",
        image={
            "resize": "stretch",
            "kernel": "bilinear",
            "colour": "rgb",
            "mean": [123.675, 116.28, 103.53],
            "scale": [58.395, 57.12, 57.375],
        },
        samples=[data / "images" / "person.jpg", data / "images" / "bus.jpg"],
    )
    return pack_model(request, tmp_path_factory.mktemp("osnet") / "osnet.vedette", registry=registry)


def test_people_are_more_like_themselves(data, packed, osnet, backend, tmp_path, measured):
    """Mean cosine within a visit and between visits, on every tenth frame with one person in it."""
    place = {"backend": backend, "device": "cpu", "precision": "f32", "every": 10}
    persons = {
        "name": "persons",
        "bundle": str(packed("yolox_nano")),
        "params": {"confidence_threshold": 0.5},
    }
    path = tmp_path / "out.jsonl"
    with Pipeline.from_dict(
        {
            "signatures": "off",
            "stream": [
                {
                    "name": "room",
                    "source": str(data / "videos" / "one-by-one-person-detection.mp4"),
                }
            ],
            "stage": [{**persons, **place}, {"name": "who", "bundle": str(osnet), "on": "persons", **place}],
            "sink": [{"use": "jsonl", "params": {"path": str(path)}}],
        }
    ) as pipeline:
        assert pipeline.run().balanced
    vectors, visit = _one_person_each(path)

    assert len(vectors) > 90
    assert set(visit.tolist()) == set(range(len(VISITS)))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    cosine = vectors @ vectors.T
    same = visit[:, None] == visit
    within, between = cosine[same & ~np.eye(len(visit), dtype=bool)].mean(), cosine[~same].mean()
    measured(f"osnet, {backend}: mean cosine within a visit", within, "0.93 ± 0.01")
    measured(f"osnet, {backend}: mean cosine between visits", between, "0.59 ± 0.01")
    assert within == pytest.approx(0.93, abs=0.01)
    assert between == pytest.approx(0.59, abs=0.01)


def _one_person_each(path):
    """Vectors of frames in which there is one person and nobody else, and the number of the visit."""
    vectors, visits = [], []
    for record in read_jsonl(path):
        if "who" not in record.results:
            continue
        boxes, who = record.results["persons"], record.results["who"]
        people = np.flatnonzero(boxes.class_id == PERSON)
        visit = [i for i, (first, last) in enumerate(VISITS) if first <= record.ticket <= last]
        if len(people) == len(visit) == 1:
            vectors.append(who.vector[who.source_row == people[0]][0])
            visits += visit
    return np.array(vectors), np.array(visits)
