"""``vedette bridge``, run as a user runs it."""

import json
import signal
import subprocess
import sys

import pytest

from vedette_bridge.cli import parse_value
from vedette_bridge.jpeg import jpeg_size


def vedette(*arguments):
    command = [sys.executable, "-m", "vedette", "bridge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_drivers_are_listed_with_an_example():
    listed = vedette("drivers")
    assert listed.returncode == 0
    for name in ("openmv", "openmv2", "pelco_d", "visca", "mavlink", "smp"):
        assert f"e.g. {name}:///" in listed.stdout


def test_probe_get_set_and_ptz(emulate):
    _, place = emulate("visca", "--option", "speed_deg_s=1000")
    camera = f"visca:{place}"
    about = json.loads(vedette("probe", camera).stdout)
    assert (about["driver"], about["vendor"]) == ("visca", "Sony")
    assert about["parameters"]["flip"]["choices"] == ["none", "h", "v", "hv"]
    assert vedette("set", camera, "flip=h", "shutter_step=7").stdout == "flip = h\nshutter_step = 7\n"
    assert vedette("get", camera, "shutter_step", "flip").stdout == "shutter_step = 7\nflip = h\n"
    assert vedette("ptz", "to", camera, "--pan", "20", "--zoom", "0.1").returncode == 0
    where = json.loads(vedette("ptz", "where", camera).stdout)
    assert where["pan_deg"] == pytest.approx(20, abs=0.1)
    for words in (
        ("by", camera, "--pan", "-5"),
        ("preset", camera, "save", "1"),
        ("home", camera),
        ("stop", camera),
    ):
        assert vedette("ptz", *words).returncode == 0, words
    assert vedette("ptz", "drive", camera, "--pan", "0.1", "--seconds", "0.05").returncode == 0


def test_snapshot(emulate, tmp_path):
    _, place = emulate("openmv2", "--option", "width=160", "--option", "height=120")
    picture = tmp_path / "picture.jpg"
    done = vedette("snapshot", f"openmv2:{place}", str(picture))
    assert done.stdout.startswith(f"{picture}: JPEG, 160 x 120, ")
    assert jpeg_size(picture.read_bytes()) == (160, 120)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("probe", "viska:///dev/x"),
            "error: camera driver 'viska' does not exist\n  -> did you mean 'visca'?",
        ),
        (
            ("probe", "visca:///dev/ttyNONE"),
            "error: /dev/ttyNONE cannot be opened: No such file or directory",
        ),
        (("get", "nonsense"), "error: 'nonsense' is not the address of a camera"),
        (("set", "visca:///dev/ttyNONE", "flip"), "error: 'flip' is not NAME=VALUE"),
        (
            ("emulate", "--protocol", "visca", "--option", "sped=1"),
            "error: emulator 'visca': option 'sped' does not exist",
        ),
        (
            ("emulate", "--protocol", "visca", "--tcp", "0", "--udp", "0"),
            "give one of --tcp, --udp and --port",
        ),
    ],
)
def test_mistakes_are_one_message_and_no_traceback(words, message):
    done = vedette(*words)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_emulator_ends_when_it_is_told(emulate, number):
    process, _ = emulate("visca")
    process.send_signal(number)
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8000", 8000),
        ("-1", -1),
        ("2.5", 2.5),
        ("0,0,640,480", (0, 0, 640, 480)),
        ("on", "on"),
        ("1,x", "1,x"),
    ],
)
def test_values_on_a_command_line(text, value):
    assert parse_value(text) == value
