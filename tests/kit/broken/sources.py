"""A sound source, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import threading
import time

import numpy as np
import pytest

from vedette import Capture, Clock, EndOfStream, Packed, SourceError, SourceInfo, SourceSpec
from vedette.secrets import redacted
from vedette.testing.conformance import SourceConformance


class Greys:
    """Five grey pictures."""

    def __init__(self, uri, params):
        if uri != "greys://5":
            raise SourceError(f"{redacted(uri)}: there are 5 pictures")
        self.info = SourceInfo(live=False)
        self.seq = 0
        self.closed = False

    def read(self, timeout_s):
        if self.closed:
            raise SourceError("this source is closed")
        if self.seq == 5:
            raise EndOfStream
        self.seq += 1
        return self.capture()

    def capture(self):
        clock = Clock(mono_ns=time.monotonic_ns(), wall_ns=time.time_ns())
        return Capture(image=Packed("gray8", self.pixels()), clock=clock, seq=self.seq - 1)

    def pixels(self):
        return np.full((4, 6), self.seq, np.uint8)

    def close(self):
        self.closed = True


class Suite(SourceConformance):
    source_type = Greys

    @pytest.fixture
    def spec(self):
        return SourceSpec(name="greys", summary="Greys.", matches=self.matches, open=self.source_type)

    def matches(self, uri):
        return int(uri.startswith("greys://"))

    @pytest.fixture
    def uri(self):
        return "greys://5"

    @pytest.fixture
    def bad_uri(self):
        return "greys://7"


class TestSound(Suite):
    pass


class BlocksForEver(Greys):
    def read(self, timeout_s):
        threading.Event().wait(30)


class TestBlocksForEver(Suite):
    told = {"test_read_does_not_block": "give every wait inside read() a time limit of `timeout_s`"}
    source_type = BlocksForEver


class SeqStandsStill(Greys):
    def capture(self):
        capture = super().capture()
        return Capture(image=capture.image, clock=capture.clock, seq=0)


class TestSeqStandsStill(Suite):
    told = {"test_numbers_rise": "seq 0 is followed by 0 in epoch 0"}
    source_type = SeqStandsStill


class EpochFalls(Greys):
    def capture(self):
        capture = super().capture()
        return Capture(image=capture.image, clock=capture.clock, seq=capture.seq, epoch=3 - self.seq)


class TestEpochFalls(Suite):
    told = {"test_numbers_rise": "epoch falls from 2 to 1"}
    source_type = EpochFalls


class TimeGoesBack(Greys):
    def capture(self):
        clock = Clock(mono_ns=10**9 - self.seq, wall_ns=time.time_ns(), origin="pts")
        return Capture(image=Packed("gray8", self.pixels()), clock=clock, seq=self.seq)


class TestTimeGoesBack(Suite):
    told = {"test_numbers_rise": "deliver images in the order of their time"}
    source_type = TimeGoesBack


class ClockOfAnotherKind(Greys):
    def capture(self):
        clock = Clock(mono_ns=time.time_ns(), wall_ns=time.time_ns())
        return Capture(image=Packed("gray8", self.pixels()), clock=clock, seq=self.seq)


class TestClockOfAnotherKind(Suite):
    told = {"test_images_are_sound": "use time.monotonic_ns() for mono_ns"}
    source_type = ClockOfAnotherKind


class ReusesItsBuffer(Greys):
    buffer = np.zeros((4, 6), np.uint8)

    def pixels(self):
        self.buffer[...] = self.seq
        return self.buffer


class TestReusesItsBuffer(Suite):
    told = {"test_images_last": "copy the pixels out of the driver's buffer"}
    source_type = ReusesItsBuffer


class EndsOnce(Greys):
    ended = False

    def read(self, timeout_s):
        if self.ended:
            return None
        try:
            return super().read(timeout_s)
        except EndOfStream:
            self.ended = True
            raise


class TestEndsOnce(Suite):
    told = {"test_the_end_can_be_met_again": "raise EndOfStream at every read after the last image"}
    source_type = EndsOnce


class ClosesOnce(Greys):
    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class TestClosesOnce(Suite):
    told = {"test_close_can_be_repeated": "the second close() raises"}
    source_type = ClosesOnce


class ReadsOn(Greys):
    def close(self):
        pass


class TestReadsOn(Suite):
    told = {"test_close_can_be_repeated": "read() on a closed source gives an image"}
    source_type = ReadsOn


class GivesAnArray(Greys):
    def capture(self):
        return self.pixels()


class TestGivesAnArray(Suite):
    told = {"test_read_does_not_block": "read() returned numpy.ndarray"}
    source_type = GivesAnArray


class TestMatchesEverything(Suite):
    told = {"test_it_knows_what_is_its_own": "return 0 for an address that is not of the source's own kind"}

    def matches(self, uri):
        return 1


class RaisesKeyError(Greys):
    def __init__(self, uri, params):
        super().__init__({"greys://5": "greys://5"}[uri], params)


class TestRaisesKeyError(Suite):
    told = {"test_what_cannot_be_opened_is_refused": "'greys://7' raises KeyError"}
    source_type = RaisesKeyError


class TellsThePassword(Greys):
    def __init__(self, uri, params):
        try:
            super().__init__(uri, params)
        except SourceError:
            raise OSError(f"cannot open {uri}") from None


class TestTellsThePassword(Suite):
    told = {"test_a_password_is_not_told": "show vedette.secrets.redacted(uri)"}
    source_type = TellsThePassword


class TestGivesNoUri(SourceConformance):
    told = {"test_it_describes_itself": "define a pytest fixture `uri` in the class"}

    @pytest.fixture
    def spec(self):
        return SourceSpec(name="greys", summary="Greys.", matches=len, open=Greys)
