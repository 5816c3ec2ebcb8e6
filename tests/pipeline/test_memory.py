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


@pytest.mark.parametrize("live", [False, True])
def test_a_source_is_let_go_of_with_its_stream(kit, make_captures, list_source, no_collector, live):
    """A decoder has large buffers; the pipeline that has ended may live on for its summary."""
    sources = []

    def make():
        source = list_source(make_captures(3), live=live)
        sources.append(weakref.ref(source))
        return source

    kit.stage("nothing", lambda inputs, state: None)
    kit.source("list", make)
    with kit.pipeline(
        stream=[{"name": "a", "source": "list://"}], stage=[{"name": "s", "use": "nothing"}]
    ) as pipeline:
        pipeline.run()
        assert [source() for source in sources] == [None]
        assert pipeline.summary().streams["a"]["captured"] == 3
