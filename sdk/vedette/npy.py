"""Reading of ``.npy`` files (NEP 1, versions 1.0 to 3.0) that may be hostile, from any thread.

numpy parses the header, a Python literal, with CPython's own parser: that can fail at random while other threads parse
("AST constructor recursion depth mismatch", CPython 3.11), and it accepts far more than numpy ever writes.
"""

from __future__ import annotations

import math
import re
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16
_HEADER = re.compile(
    r"\{'descr': '([<>|=]?[?a-zA-Z]\d*)', 'fortran_order': (True|False), 'shape': \(((?:\d+, ?)*\d*)\), \} *\n"
)


def read_npy(file: IO[bytes]) -> NDArray[Any]:
    """The one array of a file, to its end; it cannot be written to.

    Nothing is allocated that the file does not hold.

    Raises
    ------
    ValueError
        It is no such file, holds objects or records, or is not as long as its header says.
    """
    magic = file.read(8)
    if magic[:6] != _MAGIC or magic[6:7] not in b"\x01\x02\x03" or len(magic) != 8:
        raise ValueError("not an .npy file")
    length = int.from_bytes(_exactly(file, 2 if magic[6] == 1 else 4), "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = _HEADER.fullmatch(_exactly(file, length).decode("utf-8"))
    if header is None:
        raise ValueError("its header is none of a plain array")
    try:
        dtype = np.dtype(header[1])
    except TypeError as error:
        raise ValueError(str(error)) from None
    if dtype.hasobject:
        raise ValueError("it holds objects")
    shape = tuple(int(size) for size in header[3].split(",") if size.strip())
    content = file.read()
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError("it does not have the size that its header says")
    flat = np.frombuffer(content, dtype)
    return flat.reshape(shape[::-1]).T if header[2] == "True" else flat.reshape(shape)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends within its header")
    return data
