"""A sound decoder of still images, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import zlib

import numpy as np
import pytest

from vedette import DecoderSpec, Encoded, Packed, SourceError
from vedette.testing.conformance import DecoderConformance

PIXELS = np.arange(12 * 8, dtype=np.uint8).reshape(8, 12)


def decode(image):
    """``GRAY``, width, height, a checksum, pixels."""
    data = image.data
    if data[:4] != b"GRAY" or len(data) < 10:
        raise SourceError(f"{image.name}: no header")
    w, h, pixels = data[4], data[5], data[10:]
    if len(pixels) != w * h or zlib.crc32(pixels) != int.from_bytes(data[6:10], "big"):
        raise SourceError(f"{image.name}: cut off or damaged")
    if image.size_wh not in ((0, 0), (w, h)):
        raise SourceError(f"{image.name}: {(w, h)}, not {image.size_wh}")
    return Packed("gray8", np.frombuffer(pixels, np.uint8).reshape(h, w))


class Suite(DecoderConformance):
    decode_it = staticmethod(decode)
    fourccs = ("GRAY",)

    @pytest.fixture
    def spec(self):
        return DecoderSpec(name="gray", summary="Grey.", fourccs=self.fourccs, build=lambda: self.decode_it)

    @pytest.fixture
    def image(self):
        pixels = PIXELS.tobytes()
        data = b"GRAY" + bytes([12, 8]) + zlib.crc32(pixels).to_bytes(4, "big") + pixels
        return Encoded("GRAY", data, (12, 8), "a.gray")

    @pytest.fixture
    def pixels(self):
        return PIXELS


class TestSound(Suite):
    pass


def make_up(image):
    """What is missing becomes black; the checksum is not looked at."""
    pixels = image.data[10:].ljust(96, b"\0")[:96]
    return Packed("gray8", np.frombuffer(pixels, np.uint8).reshape(8, 12))


class TestMakesItUp(Suite):
    told = {
        "test_corrupt_data_is_refused": "data that is cut off gives vedette.frame.Packed instead of an error",
        "test_another_size_is_refused": "an image of another size than announced",
    }
    decode_it = staticmethod(make_up)


BUFFER = np.zeros((8, 12), np.uint8)


def reuse(image):
    BUFFER[...] = decode(image).pixels
    return Packed("gray8", BUFFER)


class TestReusesItsBuffer(Suite):
    told = {"test_pictures_do_not_share_memory": "decode into a new array each time"}
    decode_it = staticmethod(reuse)


class TestGivesAnArray(Suite):
    told = {"test_it_decodes": "it returned numpy.ndarray"}
    decode_it = staticmethod(lambda image: decode(image).pixels)


class TestMirrors(Suite):
    told = {"test_it_decodes": "check the order of colours and rows"}
    decode_it = staticmethod(lambda image: Packed("gray8", decode(image).pixels[:, ::-1]))


class TestTurns(Suite):
    told = {"test_it_decodes": "the picture is (8, 12), the image announces (12, 8)"}
    decode_it = staticmethod(lambda image: Packed("gray8", decode(image).pixels.T))


class TestCallsItselfWrong(Suite):
    told = {"test_its_codings_have_four_letters": "the coding 'gray' is not a four-character code"}
    fourccs = ("gray",)
