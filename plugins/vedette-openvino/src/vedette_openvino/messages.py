"""OpenVINO's exceptions, cut down to what a reader needs."""

from __future__ import annotations

import re

_NOISE = re.compile(
    r"(Caught exception:\s*)?Exception from \S+:\d+:"  # where in OpenVINO's sources it was thrown
    r"|Check '.*?' failed at \S+:\d+:"
    r"|FrontEnd API failed with \w+:"
    r"|Model wasn't fully converted\.|Summary:|Loading input model"
    r"|Available frontends:.*"
)
_OPERATOR = re.compile(
    r"No conversion rule|doesn't contain the operation|unsupported opset|operation of type|not supported operation",
    re.IGNORECASE,
)
_LONGEST = 500


def essence(error: Exception) -> str:
    """The lines of ``error`` that say what is wrong, as one line without source locations."""
    lines = _NOISE.sub("\n", str(error)).splitlines()
    text = " ".join(line.strip(" -") for line in lines if line.strip(" -"))
    if not text:
        text = type(error).__name__
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def is_about_operator(text: str) -> bool:
    """Whether the reason is an operator that OpenVINO does not have, rather than a damaged file."""
    return _OPERATOR.search(text) is not None
