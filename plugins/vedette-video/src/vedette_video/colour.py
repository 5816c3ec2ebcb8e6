"""What the samples of a decoded picture mean: the rule, in one place.

*Matrix*: what the parameter ``matrix`` says; else what the file says; else BT.709 for high definition (long side of at
least 1280 or short side above 576 pixels) and BT.601 below.

*Range*: what the parameter ``range`` says; else full for the ``yuvj`` formats; else what the file says; else limited
for Y'CbCr, as H.264 and its relatives define it, and full for gray, as FFmpeg takes and writes it.

A matrix that Vedette does not compute with (FCC, SMPTE 240M, YCgCo, constant-luminance BT.2020 ...) is an error: it is
never replaced in silence.
"""

from __future__ import annotations

from vedette.errors import SourceError
from vedette.frame import Matrix, Range

# Values of AVColorSpace and AVColorRange (ITU-T H.273, MatrixCoefficients).
_MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
_UNSPECIFIED = (0, 2)  # 0 is RGB: on Y'CbCr samples it says nothing
_RANGES: dict[int, Range] = {1: "limited", 2: "full"}


def matrix_of(colorspace: int, size_wh: tuple[int, int], override: Matrix | None = None) -> Matrix:
    """The matrix of a Y'CbCr picture.

    Parameters
    ----------
    colorspace
        FFmpeg's ``AVFrame.colorspace``.
    size_wh
        Size of the picture in pixels.

    Raises
    ------
    SourceError
        The file names a matrix that Vedette does not know.
    """
    if override is not None:
        return override
    if colorspace in _UNSPECIFIED:
        return "bt709" if max(size_wh) >= 1280 or min(size_wh) > 576 else "bt601"
    if colorspace not in _MATRICES:
        raise SourceError(
            f"the file names a colour matrix that is not supported (H.273 MatrixCoefficients {colorspace})",
            fix='say which one to use, for example matrix = "bt709"',
        )
    return _MATRICES[colorspace]


def range_of(color_range: int, format: str, override: Range | None = None) -> Range:
    """The range of a Y'CbCr or gray picture; ``color_range`` is FFmpeg's, ``format`` its name of the pixel format."""
    if override is not None:
        return override
    if format.startswith("yuvj"):
        return "full"
    return _RANGES.get(color_range, "full" if format.startswith(("gray", "ya", "mono")) else "limited")
