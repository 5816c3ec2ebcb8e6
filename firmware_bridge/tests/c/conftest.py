"""The C library, built once for all tests of this folder."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE), str(HERE.parent / "vlp")]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The library behind ``shim.c``, as a shared library."""
    from cdevice import load

    return load(tmp_path_factory.mktemp("vlp"))
