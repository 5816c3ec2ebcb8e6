"""``vedette doctor`` on this machine, and with something broken."""

import json
import subprocess
import sys


def doctor(*arguments, **env):
    import os

    return subprocess.run(
        [sys.executable, "-m", "vedette", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


def test_it_names_processor_runtimes_devices_and_the_choice():
    done = doctor("doctor", "--json", VEDETTE_PLUGINS="onnxruntime,openvino")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    backends = {backend["name"]: backend for backend in report["backends"]}
    assert backends["onnxruntime"]["devices"][0]["name"] == "cpu"
    assert "f32" in backends["openvino"]["devices"][0]["precisions"]
    assert report["machine"]["threads_usable"] >= 1
    assert report["problems"] == []
    assert report["auto"]["device"] in ("npu", "gpu", "cpu")
    if report["auto"]["device"] == "cpu":
        assert [reason.split(":")[0] for reason in report["auto"]["why_not_better"]] == ["npu", "gpu"]
    people = doctor("doctor", VEDETTE_PLUGINS="onnxruntime,openvino").stdout
    assert 'device = "auto" comes to' in people
    assert backends["openvino"]["version"] in people


def test_a_failed_plugin_and_no_backend_make_it_fail(tmp_path):
    (tmp_path / "broken_plugin.py").write_text("import no_such_library\n")
    done = doctor("doctor", "--json", VEDETTE_PLUGINS="builtin", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert any("no backend can be used" in problem for problem in json.loads(done.stdout)["problems"])
    done = doctor("--plugin", "broken_plugin", "doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "no_such_library" in done.stderr
