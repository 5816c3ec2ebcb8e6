"""A VLP camera in a pipeline: a source, a sink that answers it, stages that set it and hear it."""

import json
import threading
import time

import numpy as np
import pytest

from vedette import Detections, Pipeline
from vedette.errors import ConfigError, LinkError, SourceError
from vedette.frame import Clock, Encoded, Frame, Packed, Planar
from vedette.packet import NotRun, Packet, Ran
from vedette.registry import load_plugins
from vedette.sinks.jsonl import read_jsonl
from vedette.specs import StageInputs
from vedette.testing.conformance import SinkConformance, SourceConformance
from vedette_bridge.camera import CameraFrame
from vedette_bridge.pipeline.params import ControlParams, EventsParams, Rule, SinkParams, SourceParams
from vedette_bridge.pipeline.sharing import acquire, borrow
from vedette_bridge.pipeline.sink import VlpSink
from vedette_bridge.pipeline.source import image_of, open_source
from vedette_bridge.pipeline.stages import CameraControl, CameraEvents, fits
from vedette_bridge.plugin import SINK, SOURCE
from vedette_bridge.protocols.vlp.emulator import EmulatedCamera, EmulatorOptions
from vedette_bridge.shells.keys import new_key, write_key

PEOPLE = ("person", "bicycle")


@pytest.fixture
def address(serve, tmp_path):
    """Of an emulated camera in this process; what it notes is in ``log.jsonl``."""
    options = EmulatorOptions(fps=30, width=64, height=48, log=str(tmp_path / "log.jsonl"), trigger_s=0.2)
    return f"vlp:{serve(EmulatedCamera(options))}"


class TestSource(SourceConformance):
    @pytest.fixture
    def spec(self):
        return SOURCE

    @pytest.fixture
    def uri(self, address):
        return address

    @pytest.fixture
    def bad_uri(self):
        return "vlp:///dev/ttyNONE"

    @pytest.fixture
    def ends(self):
        return False


class TestSink(SinkConformance):
    @pytest.fixture
    def spec(self):
        return SINK

    @pytest.fixture
    def params(self, address):
        return {"camera": address, "stage": "detect"}


def captures(source, count):
    found = []
    deadline = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < deadline
        if (capture := source.read(0.5)) is not None:
            found.append(capture)
    return found


def frame_of(capture):
    return Frame(
        stream="cam",
        epoch=capture.epoch,
        ticket=0,
        seq=capture.seq,
        size_wh=capture.image.size_wh,
        clock=capture.clock,
        image=capture.image,
    )


def log(tmp_path, what):
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["what"] == what]


def until(condition):
    deadline = time.monotonic() + 5
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def boxes(*class_ids, confidence=0.9):
    return Detections.of(
        [[1, 2, 11, 22]] * len(class_ids), [confidence] * len(class_ids), class_ids, labels=PEOPLE
    )


def test_images_stay_encoded_and_carry_the_cameras_time(address):
    source = open_source(address, SourceParams())
    try:
        first, second = captures(source, 2)
        assert isinstance(first.image, Encoded)
        assert (first.image.fourcc, first.image.size_wh) == ("JPEG", (64, 48))
        assert first.clock.origin == "device"
        assert 0 < first.clock.uncertainty_ns < 100_000_000
        assert 0 < time.monotonic_ns() - first.clock.mono_ns < 5_000_000_000
        assert abs(first.clock.wall_ns - first.clock.mono_ns - (time.time_ns() - time.monotonic_ns())) < 10**9
        assert second.seq > first.seq
        assert second.epoch == first.epoch == 0
    finally:
        source.close()


def test_the_epoch_rises_when_the_camera_restarts(emulator):
    device = emulator(fps=30)
    source = open_source(f"vlp:{device.path}", SourceParams(set={"led": 3}))
    try:
        assert captures(source, 1)[0].epoch == 0
        device.kill()
        device.start()
        (again,) = captures(source, 1)
        while again.epoch == 0:
            (again,) = captures(source, 1)
        assert again.epoch == 1
        assert until(lambda: [entry["values"] for entry in device.log("set")] == [{"8": 3}] * 2)
    finally:
        source.close()


def test_a_camera_that_stays_away_is_an_error(emulator):
    device = emulator(fps=30)
    source = open_source(f"vlp:{device.path}", SourceParams())
    try:
        captures(source, 1)
        device.kill()
        with pytest.raises(SourceError, match="the link is down"):
            captures(source, 1000)
    finally:
        source.close()


def test_the_key_is_a_secret(serve, tmp_path):
    path = tmp_path / "camera.key"
    key = new_key()
    write_key(path, key)
    address = f"vlp:{serve(EmulatedCamera(EmulatorOptions(key=f'file:{path}', fps=30)))}"
    source = open_source(address, SourceParams(key=f"file:{path}"))
    captures(source, 1)
    source.close()
    with pytest.raises(ConfigError, match="a secret is not written into a configuration") as caught:
        open_source(address, SourceParams(key=key.hex()))
    assert key.hex() not in str(caught.value)
    with pytest.raises(SourceError, match="is paired and wants its key"):
        open_source(address, SourceParams())


def test_one_link_is_shared_and_closed_by_the_last(address):
    first = acquire(address)
    second = acquire(address.partition("?")[0])
    assert first.shared is second.shared is borrow(address)
    camera = first.shared.camera
    first.release()
    first.release()
    assert camera.get("led") == {"led": 0}
    second.release()
    assert camera.failed
    with pytest.raises(Exception, match="must have it as its source"):
        borrow(address)


def test_the_sink_answers_for_the_image_and_leaves_others_alone(address, tmp_path):
    source = open_source(address, SourceParams())
    sink = VlpSink(SinkParams(camera=address))
    try:
        mine = frame_of(captures(source, 1)[0])
        other = frame_of(captures(source, 1)[0])
        foreign = Frame(
            stream="other",
            epoch=0,
            ticket=0,
            seq=mine.seq,
            size_wh=(64, 48),
            clock=Clock(mono_ns=1, wall_ns=1),
            image=mine.image,
        )
        sink.write(Packet(mine, {"detect": Ran(boxes(0))}))
        sink.write(Packet(foreign, {"detect": Ran(boxes(0))}))
        sink.write(Packet(other, {"detect": NotRun("rate")}))
        sink.write(Packet(other, {"detect": Ran(boxes())}))
        assert (sink.sent, sink.foreign) == (2, 1)
        told = until(lambda: len(log(tmp_path, "result")) == 2 and log(tmp_path, "result"))
        assert [entry["obj"] for entry in told] == [mine.seq, other.seq]
        assert told[0]["detections"][0][:6] == [0, pytest.approx(0.9, abs=1e-4), 1, 2, 10, 20]
        assert told[1]["detections"] == []
        with pytest.raises(Exception, match="several stages detect"):
            sink.write(Packet(mine, {"a": Ran(boxes(0)), "b": Ran(boxes(1))}))
    finally:
        sink.close()
        source.close()


def inputs(capture, found):
    return StageInputs(frame=frame_of(capture), results={"boxes": found})


def test_a_stage_sets_the_camera_by_what_is_seen(address, tmp_path):
    rules = [
        Rule(when="person", at_least=0.5, set={"led": 255, "gpio2": 1}, otherwise={"led": 0}, hold_ms=50),
        Rule(when=1, set={"exposure_us": 500}),
    ]
    stage = CameraControl(ControlParams(camera=address, rules=rules))
    source = open_source(address, SourceParams())
    try:
        state = stage.start("cam")
        took = captures(source, 6)
        raised = [stage.process(inputs(took[0], boxes()), state)]
        raised.append(stage.process(inputs(took[1], boxes(0, confidence=0.4)), state))
        raised.append(stage.process(inputs(took[2], boxes(0, 1)), state))
        raised.append(stage.process(inputs(took[3], boxes()), state))  # held
        changes = [dict(event.data) for output in raised for event in output.events]
        assert changes == [{"led": 0}, {"led": 255, "gpio2": 1, "exposure_us": 500}]
        later = captures(source, 3)[-1]
        assert [dict(event.data) for event in stage.process(inputs(later, boxes()), state).events] == [
            {"led": 0}
        ]
        until(lambda: len(log(tmp_path, "set")) == 3)
        assert borrow(address).camera.get("led", "exposure_us") == {"led": 0, "exposure_us": 500}
    finally:
        source.close()


def test_what_the_camera_refuses_is_the_stages_error(address):
    stage = CameraControl(ControlParams(camera=address, rules=[Rule(set={"led": 999})]))
    source = open_source(address, SourceParams())
    try:
        state = stage.start("cam")

        def look():
            stage.process(inputs(captures(source, 1)[0], boxes(0)), state)

        with pytest.raises(LinkError, match="refused: RANGE"):
            until(look)
        (capture,) = captures(source, 1)
    finally:
        source.close()
    with pytest.raises(LinkError, match="must have it as its source"):
        stage.process(inputs(capture, boxes(0)), state)


def test_wrong_rules_are_found_when_the_plan_is_built():
    with pytest.raises(LinkError, match="did you mean 'led'"):
        CameraControl(ControlParams(camera="vlp:///dev/x", rules=[Rule(set={"leds": 1})]))
    with pytest.raises(LinkError, match="is not the address"):
        CameraEvents(EventsParams(camera=""))
    with pytest.raises(ConfigError, match="no class 'cat'"):
        fits(Rule(when="cat", set={}), boxes(0))


def image(fourcc, data, size_wh, stride=0):
    return CameraFrame(
        data=memoryview(bytes(data)),
        fourcc=fourcc,
        size_wh=size_wh,
        image_id=1,
        t_capture_ns=0,
        uncertainty_ns=0,
        origin="device",
        stride=stride,
    )


def test_formats_without_compression():
    grey = image_of(image("GREY", range(12), (3, 3), stride=4), SourceParams())
    assert isinstance(grey, Packed)
    assert grey.pixels.tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    rgb = image_of(image("BGR3", range(12), (2, 2)), SourceParams())
    assert (rgb.format, rgb.pixels[1, 1].tolist()) == ("bgr", [9, 10, 11])
    packed = image_of(
        image("RGBP", np.array([0xF800, 0x07E0, 0x001F, 0xFFFF], "<u2"), (2, 2)), SourceParams()
    )
    assert packed.pixels.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
    stated = SourceParams(matrix="bt601", range="full")
    nv12 = image_of(image("NV12", range(24), (4, 4)), stated)
    assert isinstance(nv12, Planar)
    assert [plane.shape for plane in nv12.planes] == [(4, 4), (2, 2, 2)]
    assert image_of(image("YUYV", range(16), (4, 2)), stated).planes[0].shape == (2, 4, 2)


def test_formats_that_cannot_be_used():
    with pytest.raises(SourceError, match=r"do not tell their colours\n.*matrix"):
        image_of(image("NV12", range(24), (4, 4)), SourceParams())
    with pytest.raises(SourceError, match="format 'H264' are not known"):
        image_of(image("H264", b"xx", (4, 4)), SourceParams())
    for wrong in (image("GREY", range(8), (3, 3)), image("GREY", b"", (0, 0)), image("JPEG", b"x", (0, 0))):
        with pytest.raises(ValueError, match=r"bytes are not|size is not known"):
            image_of(wrong, SourceParams())


def test_from_the_camera_through_a_model_and_back(detector, video_pictures, emulator, tmp_path):
    """What is in the camera's pictures is detected, it gets the detections of each under its own number, and the time
    when it took the picture is in the file, with its uncertainty."""
    device = emulator(fps=8, images=video_pictures, trigger_s=0.5)
    address = f"vlp:{device.path}"
    lamp = {"when": "person", "at_least": 0.5, "set": {"led": 255}, "otherwise": {"led": 0}}
    pipeline = Pipeline.from_dict(
        {
            "name": "gate",
            "stream": [{"name": "cam", "source": address, "params": {"set": {"exposure_us": 4000}}}],
            "stage": [
                {"name": "detect", "bundle": str(detector)},
                {
                    "name": "lamp",
                    "use": "camera",
                    "on": "detect",
                    "params": {"camera": address, "rules": [lamp]},
                },
                {"name": "said", "use": "camera_events", "params": {"camera": address}},
            ],
            "sink": [
                {"use": "jsonl", "params": {"path": str(tmp_path / "out.jsonl")}},
                {"use": "vlp", "params": {"camera": address}},
            ],
        },
        registry=load_plugins(),
    )
    stopper = threading.Thread(target=lambda: (until_results(device, 20), pipeline.stop()))
    stopper.start()
    pipeline.run()
    stopper.join()
    lines = list(read_jsonl(tmp_path / "out.jsonl"))
    records = [line for line in lines if hasattr(line, "clock")]
    told = {entry["obj"]: entry for entry in device.log("result")}
    truth = {entry["obj"]: entry for entry in device.log("captured")}
    assert len(records) >= 20
    assert {record.seq for record in records} >= told.keys()
    assert sum(len(record.results["detect"]) for record in records) > 10
    for record in records:
        if record.seq in told:
            check_told(record, told[record.seq])
        assert record.clock.origin == "device"
        error_ns = abs(record.clock.mono_ns - truth[record.seq]["mono_ns"])
        assert 0 < record.clock.uncertainty_ns < 50_000_000
        assert error_ns <= record.clock.uncertainty_ns + 2_000_000
    kinds = {line.kind for line in lines if hasattr(line, "kind")}
    assert {"camera.trigger", "camera.set", "camera.link_up"} <= kinds
    values = [entry["values"] for entry in device.log("set")]
    assert values[0] == {"1": 4000}
    assert {"8": 255} in values


def until_results(device, count):
    deadline = time.monotonic() + 60
    while len(device.log("result")) < count and time.monotonic() < deadline:
        time.sleep(0.1)


def check_told(record, entry):
    """What the camera was told of an image is what was found in it, in quarters of a pixel."""
    found = record.results["detect"]
    told = np.array([row[1:6] for row in entry["detections"]]).reshape(-1, 5)
    sizes = np.concatenate([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]], axis=1)
    np.testing.assert_allclose(told[:, 1:], sizes, atol=0.13)
    np.testing.assert_allclose(told[:, 0], found.confidence, atol=1e-4)
    assert [row[0] for row in entry["detections"]] == found.class_id.tolist()
