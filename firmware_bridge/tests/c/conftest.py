"""The C library, built once for all tests of this folder."""

import subprocess
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


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The POSIX camera, built by its own Makefile, in seconds."""
    from cdevice import FIRMWARE, need

    need("make")
    need("gcc")
    folder = tmp_path_factory.mktemp("posix")
    command = ["make", "-C", str(FIRMWARE / "examples/posix"), f"BUILD={folder}", "CFLAGS=-O1 -g -Werror"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "vlp_camera"
