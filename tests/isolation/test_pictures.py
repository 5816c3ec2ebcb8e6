"""What an isolated source gives is what the source gives."""

import os
from itertools import zip_longest
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.errors import ConfigError, SourceError
from vedette.frame import Encoded, Planar
from vedette.isolation.pictures import Slots, SlotWriter
from vedette.pipeline.config import Stream
from vedette.pipeline.sources import open_source
from vedette.specs import NoParams, SourceSpec
from vedette.testing.conformance import SourceConformance

FORMATS = ("bgr", "rgb", "gray8", "gray16", "nv12", "i420", "yuyv")


def same(look, a, b) -> None:
    assert (a.clock, a.seq, a.epoch, a.orientation) == (b.clock, b.seq, b.epoch, b.orientation)
    assert (a.image.format, a.image.size_wh) == (b.image.format, b.image.size_wh)
    if isinstance(a.image, Planar):
        assert (a.image.matrix, a.image.range) == (b.image.matrix, b.image.range)
    for x, y in zip(look.planes_of(a.image), look.planes_of(b.image), strict=True):
        np.testing.assert_array_equal(x, y)
        assert not x.flags.writeable


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size_wh", [(2, 1), (18, 9), (642, 363)])
def test_a_slot_holds_any_picture(format, size_wh, look, plugin):
    """Both sides of the memory, in one process."""
    slots = Slots(4, 2**20, reserve=1)
    writer = SlotWriter(slots.fd, 4, 2**20)
    held = []
    for seed in range(10):
        slot = slots.take()
        image = plugin.scene(format, size_wh, seed)
        writer.write(slot, image)
        held.append(slots.picture(slot, format, size_wh, "bt709", "limited"))
    for seed, image in enumerate(held):
        for got, want in zip(
            look.planes_of(image), look.planes_of(plugin.scene(format, size_wh, seed)), strict=True
        ):
            np.testing.assert_array_equal(got, want)
            assert not got.flags.writeable
    slots.close()


def test_slots_are_free_again_when_the_last_view_is_gone():
    slots = Slots(3, 4096, reserve=1)
    pictures = [slots.picture(slots.take(), "i420", (8, 8), "bt601", "full") for _ in range(2)]
    chroma = pictures[0].planes[2][1:, ::2]
    del pictures
    assert [slots.take(), slots.take(), slots.take()].count(None) == 1, (
        "a view of chroma no longer keeps its slot"
    )
    assert chroma.sum() == 0
    del chroma
    assert slots.take() is not None
    slots.close()


def test_pictures_that_do_not_fit_are_refused():
    slots = Slots(2, 4096, reserve=0)
    slot = slots.take()
    with pytest.raises(SourceError, match="does not fit"):
        slots.picture(slot, "gray8", (64, 65), "bt601", "full")
    assert slots.picture(slots.take(), "gray8", (64, 64), "bt601", "full").size_wh == (64, 64)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(slots.fd, 0)
    slots.close()


@pytest.mark.parametrize("format", ["bgr", "gray16", "i420"])
def test_everything_of_a_capture_comes_through(open_isolated, look, format):
    plain = open_isolated("scenes://", isolate=False, format=format, count=40)
    isolated = open_isolated("scenes://", format=format, count=40)
    assert isolated.source.info == plain.source.info
    kept = look.read_on(isolated)  # all at once: more than there are slots
    for a, b in zip_longest(kept, look.read_on(plain)):
        same(look, a, b)


@pytest.mark.data
@pytest.mark.parametrize("video", ["head-pose-face-detection-female-and-male.mp4", "highway-baseline.avi"])
def test_real_videos_come_through(open_isolated, look, data, video):
    path = str(data / "videos" / video)
    isolated, plain = open_isolated(path, stop_s=4.0), open_isolated(path, isolate=False, stop_s=4.0)
    count = 0
    for capture in look.read_on(plain):
        (other,) = look.read_on(isolated, 1)
        assert (capture.seq, capture.clock.media_ns) == (other.seq, other.clock.media_ns)
        for a, b in zip(look.planes_of(capture.image), look.planes_of(other.image), strict=True):
            np.testing.assert_array_equal(a, b)
        count += 1
    assert count >= 50
    assert look.read_on(isolated) == []


def test_compressed_images_are_decoded_in_the_child(open_isolated, look, caplog):
    opened = open_isolated("scenes://", encoded=True, count=4)
    (first, _, torn, last), pid = look.read_on(opened), opened.source._source.pid
    assert isinstance(first.image, Planar)
    assert isinstance(last.image, Planar)
    assert isinstance(torn.image, Encoded)
    assert torn.image.size_wh == (17, 9)
    with pytest.raises(SourceError, match="picture 2 is torn"):
        opened.decode(torn.image)
    opened.source.close()
    assert f"decoded in {pid}" in caplog.text


def test_a_picture_that_is_too_large_says_what_to_do(open_isolated, look):
    opened = open_isolated("scenes://", isolate={"picture_mb": 1}, size_wh=[1000, 1000])
    with pytest.raises(SourceError, match="picture_mb"):
        look.read_on(opened)


def test_parameters_are_checked_before_anything_starts(open_isolated, look):
    before = look.children()
    with pytest.raises(ConfigError, match=r"stream\[0\]\.params\.count"):
        open_isolated("scenes://", count="many")
    with pytest.raises(ConfigError, match="cannot be sent"):
        open_isolated("scenes://", extra=object())
    assert look.children() == before


class TestIsolated(SourceConformance):
    """An isolated source is a source like any other."""

    @pytest.fixture
    def spec(self, registry):
        def open_video(uri, params):
            stream = msgspec.convert({"name": "a", "source": uri, "isolate": True, "use": "video"}, Stream)
            return open_source(registry, stream, Path(), "stream[0]").source

        return SourceSpec(
            name="isolated",
            summary="A video, isolated.",
            matches=registry.sources["video"].matches,
            open=open_video,
            params=NoParams,
        )

    @pytest.fixture
    def uri(self, data):
        return str(data / "videos" / "head-pose-face-detection-female-and-male.mp4")

    @pytest.fixture
    def bad_uri(self, tmp_path):
        path = tmp_path / "broken.mp4"
        path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(1000))
        return str(path)
