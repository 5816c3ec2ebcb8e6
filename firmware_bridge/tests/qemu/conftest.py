"""The firmware of both boards, built, and machines that run it: QEMU processes with a TCP port in place of the UART."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what lies beside the tests

from damaging_proxy import DamagingProxy
from emulated_machine import Machine
from link_client import LinkClient

EXAMPLES = Path(__file__).parents[2] / "firmware" / "examples"
BOARDS = {"mps2_an385": "mps2-an385", "microbit": "microbit"}
"""The machine's name in QEMU, by the folder of its firmware."""


@pytest.fixture(scope="session", params=BOARDS)
def firmware(request, tmp_path_factory):
    """Name of a machine, and its program."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    if shutil.which("make") is None:
        pytest.skip("needs make: apt install make")
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("needs qemu-system-arm: apt install qemu-system-arm")
    build = tmp_path_factory.mktemp(request.param)
    command = ["make", "-C", str(EXAMPLES / request.param), f"BUILD={build}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return BOARDS[request.param], build / f"{request.param}.elf"


@pytest.fixture
def machine(firmware):
    """A machine that runs the firmware."""
    with Machine(*firmware) as machine:
        yield machine


@pytest.fixture
def connect():
    """``connect(address)``: a link to what listens there, ended with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda address, **config: stack.enter_context(LinkClient(address, **config))


@pytest.fixture
def damaging():
    """``damaging(address, seed)``: a proxy in between that harms frames in both directions."""
    with contextlib.ExitStack() as stack:
        yield lambda address, seed: stack.enter_context(DamagingProxy(address, seed))
