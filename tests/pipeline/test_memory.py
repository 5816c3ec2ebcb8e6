"""Frames are large: each must be freed when it is through, not when the garbage collector comes by."""

import gc
import weakref

import numpy as np
import pytest

from vedette.frame import Packed
from vedette.results import Classification
from vedette.testing.session import FunctionSession


class KeepsDone(FunctionSession):
    """Its slots keep the function that they call at the end, as those of a real runtime may."""

    def _start(self, slot, done):
        slot.kept = done
        super()._start(slot, done)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_frame_is_freed_when_it_is_through(
    kit, make_captures, list_source, mean_graph, sum_step, decode_value, no_collector, recurrent
):
    pixels = []

    def picture(n):
        array = np.full((8, 16, 3), n, np.uint8)
        pixels.append(weakref.ref(array))
        return Packed("bgr", array)

    graph = sum_step if recurrent else mean_graph
    kit.postprocess("value", Classification, decode_value("h2" if recurrent else "y"))
    kit.bundle("net", {"net": graph}, "value")
    make = kit.functions["net.net"]

    def make_keeping():
        session = make()
        session.__class__ = KeepsDone
        return session

    kit.functions["net.net"] = make_keeping
    kit.source("list", lambda: list_source(make_captures(30, image=picture)))
    with kit.pipeline(
        threads=2, stream=[{"name": "a", "source": "list://"}], stage=[{"name": "m", "bundle": "net"}]
    ) as pipeline:
        assert pipeline.run().streams["a"]["complete"] == 30
        assert len(pixels) == 30
        assert [n for n, array in enumerate(pixels) if array() is not None] == []
