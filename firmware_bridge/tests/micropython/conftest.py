"""The MicroPython device side, imported as it is on a board: its folder is on the path while these tests run."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "micropython"

sys.path[:0] = [str(SOURCES), str(HERE), str(HERE.parent / "vlp")]


@pytest.fixture
def sources() -> Path:
    """The folder of the modules."""
    return SOURCES
