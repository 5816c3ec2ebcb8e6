"""What a decoder of still images must keep to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.frame import Encoded, Packed, Pixels, Planar
from vedette.results import type_name
from vedette.specs import DecoderSpec
from vedette.testing.conformance.base import Conformance, demand, in_threads, refuse, same

Decode = Callable[[Encoded], Pixels]


class DecoderConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.DecoderSpec`.

    Must give: ``spec``, ``image``. May give: ``pixels``.
    """

    spec_type = DecoderSpec

    @pytest.fixture
    def image(self) -> Encoded:
        """A sound image, with its real size and a name."""
        self.must_give("image", "returns a sound vedette.Encoded image with its real size and a name")

    @pytest.fixture
    def pixels(self) -> NDArray[np.uint8] | None:
        """What the image shows, as the first plane of the decoded image; default: not compared."""
        return None

    @pytest.fixture
    def decode(self, spec: DecoderSpec) -> Decode:
        """What ``build`` makes. Not to be overridden."""
        return spec.build()

    def test_its_codings_have_four_letters(self, spec: DecoderSpec, image: Encoded) -> None:
        """As ``vedette.frame.fourcc_of`` names them."""
        for fourcc in spec.fourccs:
            demand(
                len(fourcc) == 4 and fourcc.isascii() and fourcc == fourcc.upper(),
                f"the coding {fourcc!r} is not a four-character code",
                "write it in four upper-case characters, filled with spaces: 'PNG '",
            )
        demand(
            image.fourcc in spec.fourccs,
            f"the image of the fixture is {image.fourcc!r}, the decoder says {spec.fourccs}",
            "give an image of a coding that the specification names",
        )

    def test_it_decodes(self, decode: Decode, image: Encoded, pixels: NDArray[np.uint8] | None) -> None:
        """To pixels of the announced size; a size of (0, 0) is not known before."""
        for given in (image, replace(image, size_wh=(0, 0))):
            found = decode(given)
            demand(
                isinstance(found, Packed | Planar),
                f"it returned {type_name(found)}",
                'return vedette.Packed("bgr", array) or vedette.Planar',
            )
            demand(
                found.size_wh == image.size_wh,
                f"the picture is {found.size_wh}, the image announces {image.size_wh}",
                "return the picture in its own size, as stored (turning it upright is the frame's business)",
            )
            if pixels is not None:
                demand(
                    np.allclose(_planes(found)[0], pixels, atol=4),
                    "the pixels are not those that the fixture `pixels` expects",
                    "check the order of colours and rows",
                )

    def test_another_size_is_refused(self, decode: Decode, image: Encoded) -> None:
        """A header that lies about the size: stages have placed their boxes by it."""
        w, h = image.size_wh
        _raises(decode, replace(image, size_wh=(w + 8, h)), "an image of another size than announced")

    @pytest.mark.parametrize("what", ["cut off", "empty", "noise", "damaged header"])
    def test_corrupt_data_is_refused(self, decode: Decode, image: Encoded, what: str) -> None:
        """Never a picture that was made up."""
        data = image.data
        corrupt = {
            "cut off": data[: len(data) // 2],
            "empty": b"",
            "noise": np.random.default_rng(0).bytes(len(data)),
            "damaged header": bytes(64) + data[64:],
        }[what]
        _raises(decode, replace(image, data=corrupt), f"data that is {what}")

    def test_pictures_do_not_share_memory(self, decode: Decode, image: Encoded) -> None:
        """A frame lives as long as anybody looks at it."""
        one = decode(image)
        kept = [plane.copy() for plane in _planes(one)]
        two = decode(image)
        for before, a, b in zip(kept, _planes(one), _planes(two), strict=True):
            if a.flags.writeable:
                demand(
                    not np.shares_memory(a, b),
                    "two decoded pictures share their memory",
                    "decode into a new array each time",
                )
            demand(
                same(a, before),
                "a picture changed when the next was decoded",
                "decode into a new array each time",
            )

    def test_several_threads_decode(self, decode: Decode, image: Encoded) -> None:
        """Workers call one decoder at the same time."""
        wanted = _planes(decode(image))
        found = in_threads(lambda _: [_planes(decode(image)) for _ in range(5)])
        demand(
            all(same(a, b) for planes in found for each in planes for a, b in zip(each, wanted, strict=True)),
            "threads that decode at the same time get different pictures",
            "make a context for each call, or one per thread",
        )


def _planes(pixels: Pixels) -> list[NDArray[np.uint8] | NDArray[np.uint16]]:
    return [pixels.pixels] if isinstance(pixels, Packed) else list(pixels.planes)


def _raises(decode: Decode, image: Encoded, what: str) -> None:
    try:
        found: Any = decode(image)
    except Exception:  # the host names the decoder and the plugin
        return
    refuse(
        f"{what} gives {type_name(found)} instead of an error",
        "check header, length and checksums, and raise a vedette.SourceError that names image.name",
    )
