"""The golden vectors that every implementation of VLP/1 reproduces, through the MicroPython modules."""

import json
from pathlib import Path

import pytest
import vector_cases

FILE = Path(__file__).parents[2] / "vectors/vlp1.json"
VECTORS = json.loads(FILE.read_text())
SECTIONS = sorted(set(VECTORS) - {"protocol"})


def cases(section):
    found = VECTORS[section]
    return found if isinstance(found, list) else [found]


def test_every_section_is_known():
    assert VECTORS["protocol"] == "VLP/1"
    assert set(SECTIONS) == set(vector_cases.CHECKS)
    assert all(cases(section) for section in SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_vectors(section):
    for case in cases(section):
        vector_cases.check(section, case)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("crc32", {"crc": 1}),
        ("frames", {"ack": 77}),
        ("streams", {"skipped": 1}),
        ("messages", {"payload": "00"}),
        ("cbor", {"bytes": "01"}),
        ("control", {"payload": "0101010134"}),
    ],
)
def test_a_wrong_vector_fails(section, change):
    with pytest.raises((AssertionError, ValueError)):
        vector_cases.check(section, {**cases(section)[0], **change})
