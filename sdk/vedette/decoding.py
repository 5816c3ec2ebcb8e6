"""Decoding of compressed still images by whichever plugin knows the coding."""

from __future__ import annotations

from collections.abc import Callable

from vedette.errors import SourceError, VedetteError
from vedette.frame import Decode, Encoded, Pixels
from vedette.registry import Registry
from vedette.specs import DecoderSpec


def image_decoder(registry: Registry) -> Decode:
    """One function for all codings that the installed plugins decode. Decoders are built when first needed."""
    by_fourcc: dict[str, DecoderSpec] = {
        fourcc: spec for spec in registry.decoders.values() for fourcc in spec.fourccs
    }
    built: dict[str, Callable[[Encoded], Pixels]] = {}

    def decode(image: Encoded) -> Pixels:
        spec = by_fourcc.get(image.fourcc)
        if spec is None:
            raise SourceError(
                f"no decoder is installed for {image.fourcc.strip() or 'unknown'!r} images",
                fix="install a plugin that decodes them, for example: pip install vedette-video",
            )
        function = built.get(spec.name)
        if function is None:
            function = built.setdefault(spec.name, spec.build())
        try:
            return function(image)
        except VedetteError:
            raise
        except Exception as error:
            blame = registry.provider(spec)
            raise SourceError(f"decoder {spec.name!r} ({blame}): {type(error).__name__}: {error}") from error

    return decode
