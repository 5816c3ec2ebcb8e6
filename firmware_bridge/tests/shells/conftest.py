"""Paced cables, and a watch on what is left open."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def cable():
    """``cable(noise=0.001)`` gives the paths of both ends of a paced line, and its process."""
    with contextlib.ExitStack() as stack:

        def start(noise=0.0):
            pacer = Path(__file__).with_name("pacer.py")
            command = [sys.executable, str(pacer), "--noise", str(noise)]
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            near, far = process.stdout.readline().split()
            return near, far, process

        yield start


def eventually(condition, timeout_s=10.0):
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
    return found


@pytest.fixture(name="eventually")
def eventually_fixture():
    return eventually


@pytest.fixture(autouse=True)
def no_descriptor_is_left():
    """Beside threads, which the fixture above watches: every port and pipe of this process is closed again."""
    before = _links()
    yield
    deadline = time.monotonic() + 2
    while (left := _links() - before) > 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left <= 0


def _links():
    """Open descriptors that are ports, pipes or sockets."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(entry.readlink()).startswith(("/dev/pts/", "pipe:", "socket:"))
    return count
