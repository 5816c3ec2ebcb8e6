"""A sound stage, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import time

import numpy as np
import pytest

from vedette import Detections, EventDraft, Keypoints, StageOutput, StageSpec
from vedette.testing.conformance import StageConformance


class Longest:
    """Gives the boxes, and an event when there are more than ever before on the stream."""

    def start(self, stream):
        return {"most": 0}

    def process(self, inputs, state):
        boxes = inputs.results["boxes"]
        if len(boxes) <= state["most"]:
            return boxes
        state["most"] = len(boxes)
        return StageOutput(result=boxes, events=(EventDraft(kind="record", data={"count": len(boxes)}),))


class Suite(StageConformance):
    stage_type = Longest
    declared = {"gives": Detections, "ordered": True}

    @pytest.fixture
    def spec(self):
        return StageSpec(
            name="longest",
            summary="The most.",
            takes={"boxes": Detections},
            build=lambda params: self.stage_type(),
            **self.declared,
        )


class TestSound(Suite):
    pass


class KeepsStateOnSelf(Longest):
    def __init__(self):
        self.state = {"most": 0}

    def process(self, inputs, state):
        return super().process(inputs, self.state)


class TestKeepsStateOnSelf(Suite):
    told = {
        "test_streams_do_not_know_of_each_other": "interleaved, and 1 detections, events ['record'] when it runs alone",
        "test_it_starts_afresh": "from a new state",
    }
    stage_type = KeepsStateOnSelf


class SharesItsState(Longest):
    state = {"most": 0}

    def start(self, stream):
        return self.state


class TestSharesItsState(Suite):
    told = {
        "test_it_starts_afresh": "start() returns the same object twice",
    }
    stage_type = SharesItsState


class ChangesItsInputs(Longest):
    def process(self, inputs, state):
        boxes = inputs.results["boxes"]
        boxes.xyxy.flags.writeable = True
        boxes.xyxy[:] += 1
        return super().process(inputs, state)


class TestChangesItsInputs(Suite):
    told = {
        "test_its_inputs_are_not_changed": "the inputs of packet 1 were changed",
    }
    stage_type = ChangesItsInputs


class WritesIntoItsInputs(Longest):
    def process(self, inputs, state):
        inputs.results["boxes"].xyxy[...] += 1
        return super().process(inputs, state)


class TestWritesIntoItsInputs(Suite):
    told = {
        "test_it_gives_what_it_declares": "process() writes into its inputs",
    }
    stage_type = WritesIntoItsInputs


class GivesNothing(Longest):
    def process(self, inputs, state):
        return inputs.results["boxes"] if len(inputs.results["boxes"]) else None


class TestGivesNothing(Suite):
    told = {
        "test_it_gives_what_it_declares": "Detections.empty() where there is nothing",
    }
    stage_type = GivesNothing


class TestDeclaresAnotherType(Suite):
    told = {
        "test_it_gives_what_it_declares": "vedette.results.Detections instead of Keypoints",
    }
    declared = {"gives": Keypoints, "ordered": True}


class TestDeclaresNothing(Suite):
    told = {
        "test_it_gives_what_it_declares": "declare gives=Detections",
    }
    declared = {"gives": None, "ordered": True}


class TestIsNotOrdered(Suite):
    told = {
        "test_it_gives_what_it_declares": "declare ordered=True: the ids of events",
    }
    declared = {"gives": Detections}
    stage_type = KeepsStateOnSelf


class RemembersThoughNotOrdered(Longest):
    last = 0

    def process(self, inputs, state):
        self.last, before = len(inputs.results["boxes"]), self.last
        return inputs.results["boxes"].select(np.arange(len(inputs.results["boxes"])) < before)


class TestRemembersThoughNotOrdered(Suite):
    told = {
        "test_order_does_not_matter_unless_declared": "declare ordered=True and keep what is remembered in the state",
    }
    declared = {"gives": Detections}
    stage_type = RemembersThoughNotOrdered


class TakesTheTimeOfTheWall(Longest):
    def process(self, inputs, state):
        event = EventDraft(kind="now", data={"ns": time.perf_counter_ns()})
        return StageOutput(result=inputs.results["boxes"], events=(event,))


class TestTakesTheTimeOfTheWall(Suite):
    told = {
        "test_it_starts_afresh": "take time from the frame's clock",
    }
    stage_type = TakesTheTimeOfTheWall


class RaisesNumpyEvents(Longest):
    def process(self, inputs, state):
        event = EventDraft(kind="count", data={"count": np.int64(3)})
        return StageOutput(result=inputs.results["boxes"], events=(event,))


class TestRaisesNumpyEvents(Suite):
    told = {
        "test_it_gives_what_it_declares": "the data of event 'count' is not plain",
    }
    stage_type = RaisesNumpyEvents


class ReturnsAList(Longest):
    def process(self, inputs, state):
        return inputs.results["boxes"].xyxy.tolist()


class TestReturnsAList(Suite):
    told = {
        "test_it_gives_what_it_declares": "process() returned list",
    }
    stage_type = ReturnsAList
