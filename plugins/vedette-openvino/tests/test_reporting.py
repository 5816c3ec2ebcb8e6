"""OpenVINO's Python package reports its use to a web service when it is imported. Through Vedette it does not."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("openvino_telemetry") is None,
    reason="openvino_telemetry is not installed: there is nothing to hold back",
)

OBSERVED = """
import sys
actions = []
def audit(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.posix_spawn"):
        actions.append(event)
sys.addaudithook(audit)
"""
WITHHELD = """
from openvino_telemetry.utils.sender import TelemetrySender
TelemetrySender.send = lambda *_: actions.append("send")
"""
RESULT = """
import threading
from pathlib import Path
print(actions, [thread.name for thread in threading.enumerate()], list(Path.home().iterdir()))
"""
QUIET = "[] ['MainThread'] []"


def run(code, home):
    script = "\n".join((OBSERVED, code, RESULT))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"HOME": str(home)},
    )
    return done.stdout.strip()


def test_the_package_alone_would_report(tmp_path):
    """What the other tests look for does exist: else they could not fail. Nothing leaves this process here either."""
    assert run(f"{WITHHELD}\nimport openvino", tmp_path).startswith("['send']")


def test_loading_the_backend_reports_nothing(tmp_path):
    code = "from vedette_openvino.plugin import BACKEND; assert BACKEND.devices()"
    assert run(code, tmp_path) == QUIET


def test_reporting_that_somebody_else_has_already_loaded_stays_unused(tmp_path):
    code = f"{WITHHELD}\nfrom vedette_openvino.plugin import version; version()\nimport openvino_telemetry"
    assert run(code, tmp_path) == QUIET
