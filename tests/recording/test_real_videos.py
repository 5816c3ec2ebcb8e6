"""Real videos through real networks: recorded and replayed, the results are the same to the last byte."""

import msgspec
import pytest

PARTS = {"one-by-one-person-detection.mp4": (25.0, 40), "highway-baseline.avi": (22.0, 60)}
"""To which second, and how many pictures that is."""


@pytest.mark.parametrize(
    ("network", "video"),
    [
        ("fastestdet", "one-by-one-person-detection.mp4"),
        ("fastestdet", "highway-baseline.avi"),
        ("yolox_nano", "one-by-one-person-detection.mp4"),
    ],
)
def test_results_of_a_replay(data, packed, bench, tmp_path, video, network):
    detect = {"name": "detect", "bundle": str(packed(network)), "params": {"confidence_threshold": 0.4}}
    part = {"start_s": 21.0, "stop_s": PARTS[video][0]}
    source = str(data / "videos" / video)
    first = bench.run(source, record=tmp_path / "rec", stages=[detect], params=part)
    assert bench.run(str(tmp_path / "rec"), stages=[detect]) == first

    packets = [msgspec.json.decode(line) for line in first]
    results = [packet["stages"]["detect"]["result"] for packet in packets if "stages" in packet]
    assert len(results) == PARTS[video][1]
    assert sum(len(result["class_id"]) for result in results) > 20


def test_every_image_of_a_whole_video(data, bench, tmp_path):
    source = str(data / "videos/one-by-one-person-detection.mp4")
    first = bench.run(source, record=tmp_path / "rec")
    assert len(first) == 1394
    assert bench.run(str(tmp_path / "rec")) == first
    media, medium = (
        (tmp_path / "rec/media.bin").stat().st_size,
        (data / "videos/one-by-one-person-detection.mp4").stat().st_size,
    )
    assert 0.97 * medium < media < medium


def test_images_in_a_folder_of_which_some_are_looked_at(data, bench, tmp_path):
    stages = [{"name": "seen", "use": "fingerprint", "every": 3}]
    first = bench.run(str(data / "images"), record=tmp_path / "rec", stages=stages)
    assert len(first) == 11
    assert bench.run(str(tmp_path / "rec"), stages=stages) == first
