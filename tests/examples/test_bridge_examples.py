"""The examples of the firmware bridge run as their first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vedette_bridge", reason="needs vedette-bridge: pip install ./firmware_bridge")
pytest.importorskip("vedette_video", reason="needs vedette-video: pip install ./plugins/vedette-video")

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pictures(data, tmp_path_factory):
    """Pictures with people in them, in a folder of their own."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("bus.jpg", "zidane.jpg"):
        (folder / name).symlink_to(data / "images" / name)
    return folder


@pytest.fixture
def camera(pictures):
    """The port of an emulated camera that shows them."""
    command = [sys.executable, "-m", "vedette", "bridge", "emulate", "--protocol", "vlp"]
    with subprocess.Popen(
        [*command, "--option", f"images={pictures}"], stdout=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip()
        process.kill()


def test_a_program_that_owns_its_port_is_short_and_works(camera, packed):
    out = run("08_own_serial_port.py", packed("yolox_nano"), camera, 3)
    found = [int(line.split()[-2]) for line in out.splitlines()]
    assert len(found) == 3
    assert sum(found) >= 4
    assert len((EXAMPLES / "08_own_serial_port.py").read_text().splitlines()) < 60


def test_the_bridge_runs_without_any_data():
    out = run("09_camera_bridge.py")
    assert "camera.set {'led': 255}" in out
    assert "camera.trigger" in out
    assert "the camera was told of" in out


def test_the_bridge_with_a_model_and_pictures(packed, pictures):
    out = run("09_camera_bridge.py", packed("yolox_nano"), pictures)
    assert "camera.set {'led': 255}" in out
    assert '"detections": [[' in out.splitlines()[-1]
