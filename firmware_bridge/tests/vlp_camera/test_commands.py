"""``vedette bridge`` with a VLP camera."""

import json

from click.testing import CliRunner

from vedette.cli import main
from vedette_bridge.jpeg import jpeg_size


def vedette(*arguments):
    return CliRunner().invoke(main, ["bridge", *map(str, arguments)])


def test_probe_set_snapshot_monitor_bench(emulator, tmp_path):
    device = emulator(fps=20, width=160, height=120, trigger_s=0.3)
    camera = f"vlp:{device.path}"
    about = json.loads(vedette("probe", camera).stdout)
    assert (about["driver"], about["serial"]) == ("vlp", "EMU-1")
    assert vedette("set", camera, "led=7", "roi=0,0,80,60").stdout == "led = 7\nroi = 0,0,80,60\n"
    picture = tmp_path / "picture.jpg"
    assert vedette("snapshot", camera, picture).exit_code == 0
    assert jpeg_size(picture.read_bytes()) == (160, 120)
    seen = vedette("monitor", camera, "--seconds", 1.5).stdout
    assert "CameraTrigger" in seen
    assert "images/s" in seen
    figures = json.loads(vedette("bench", camera, "--seconds", 1).stdout)
    assert figures["images_per_s"] > 1
    assert figures["request_ms"]["p50"] > 0
    assert figures["lost"]["rx_bad_payload"] == 0


def test_pairing(emulator, tmp_path):
    device = emulator(pairing=1)
    camera, key = f"vlp:{device.path}", tmp_path / "camera.key"
    done = vedette("pair", camera, key)
    assert done.exit_code == 0, done.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in done.stdout
    refused = vedette("get", camera, "led")
    assert refused.exit_code == 1
    assert "is paired and wants its key" in refused.stderr
    assert vedette("get", f"{camera}?key=file:{key}", "led").stdout == "led = 0\n"
    again = vedette("pair", camera, tmp_path / "other.key")
    assert again.exit_code == 1
    assert not (tmp_path / "other.key").exists()


def test_what_is_no_vlp_camera(emulate, tmp_path):
    _, place = emulate("openmv2")
    done = vedette("monitor", f"openmv2:{place}")
    assert done.exit_code == 1
    assert "is no camera that speaks VLP" in done.stderr
