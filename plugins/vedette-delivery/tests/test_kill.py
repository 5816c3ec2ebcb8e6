"""``kill -9`` of a real ``vedette run`` and an outage of a real broker; ``make soak-outbox`` does more of it."""

import json
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parent / "soak" / "outbox.py"


def test_what_was_committed_arrives_and_is_what_an_undisturbed_run_says(make_broker):
    """``make_broker`` is asked for where there is none: it skips."""
    command = [sys.executable, SOAK, "--kills", "4", "--down-s", "3", "--events", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert (report["kills"], report["committed"]) == (4, 500)
    assert report["heard"] >= 500
