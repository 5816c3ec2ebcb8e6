"""A sound sink, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import json
from pathlib import Path

import msgspec
import pytest

from vedette import Ran, SinkSpec
from vedette.testing.conformance import SinkConformance


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str


class Tally:
    """Counts packets, and writes a file when it is closed."""

    def __init__(self, params):
        self.path = Path(params.path)
        self.stages = []
        self.done = False

    def write(self, packet):
        self.stages += packet.outcome

    def write_event(self, event):
        self.stages.append(event.kind)

    def close(self):
        if not self.done:
            self.done = True
            self.path.write_text(json.dumps(self.stages))

    def abort(self):
        self.done = True


class Suite(SinkConformance):
    sink_type = Tally

    @pytest.fixture
    def spec(self):
        return SinkSpec(name="tally", summary="Counts.", params=Params, open=self.sink_type)

    @pytest.fixture
    def params(self, folder):
        return {"path": str(folder / "tally.json")}

    @pytest.fixture
    def check_file(self):
        return lambda path: json.loads(path.read_text())


class TestSound(Suite):
    pass


class WritesAsItGoes(Tally):
    def __init__(self, params):
        super().__init__(params)
        self.file = self.path.open("w")
        self.file.write("[")

    def write(self, packet):
        self.file.write(json.dumps(list(packet.outcome)) + ",")

    def close(self):
        if not self.file.closed:
            self.file.write("0]")
            self.file.close()

    def abort(self):
        self.file.close()


class TestLeavesHalfAFile(Suite):
    told = {
        "test_what_is_aborted_is_not_half_written": "tally.json is not whole after abort() after 0 packets"
    }
    sink_type = WritesAsItGoes


class LeavesItOpen(Tally):
    def close(self):
        super().close()
        self.file = self.path.open()

    def abort(self):
        if hasattr(self, "file"):
            self.file.close()


class TestLeavesItOpen(Suite):
    told = {"test_files_are_not_left_open": "after close() these files are open: ['tally.json']"}
    sink_type = LeavesItOpen


class NeverFinishes(Tally):
    def close(self):
        self.path.write_text("[")


class TestNeverFinishes(Suite):
    told = {"test_what_is_closed_is_complete": "write what is held back and finish the file in close()"}
    sink_type = NeverFinishes


class ExpectsResults(Tally):
    def write(self, packet):
        for outcome in packet.outcome.values():
            self.stages.append(len(outcome.result))


class TestExpectsResults(Suite):
    told = {"test_it_takes_every_packet": "look at packet.outcome with `match`"}
    sink_type = ExpectsResults


class ChangesPackets(Tally):
    def write(self, packet):
        for name, outcome in list(packet.outcome.items()):
            if not isinstance(outcome, Ran):
                del packet.outcome[name]


class TestChangesPackets(Suite):
    told = {"test_packets_are_not_changed": "packet 0 of stream 'gate' was changed"}
    sink_type = ChangesPackets


class ClosesOnce(Tally):
    def close(self):
        assert not self.done
        super().close()


class TestClosesOnce(Suite):
    told = {"test_closing_can_be_repeated": "close() raises AssertionError"}
    sink_type = ClosesOnce


class AbortsWhatIsOpen(Tally):
    def abort(self):
        assert not self.done
        self.done = True


class TestAbortsWhatIsOpen(Suite):
    told = {"test_aborting_can_be_repeated": "let close() and abort() do nothing where nothing is open"}
    sink_type = AbortsWhatIsOpen


class TestLacksParams(Suite):
    told = {"test_it_takes_every_packet": "Object missing required field `path`"}

    @pytest.fixture
    def params(self):
        return {}


class TestTellsNotHowToRead(SinkConformance):
    told = {"test_what_is_closed_is_complete": "define a pytest fixture `check_file` in the class"}
    spec = Suite.spec
    params = Suite.params
    sink_type = Tally
