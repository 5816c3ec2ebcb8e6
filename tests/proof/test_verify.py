"""``vedette verify``, on real networks."""

import json

import pytest
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.bundle.pack import pack_model
from vedette.cli import main


def vedette(*args):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_every_network_passes_on_each_backend_that_can_run_it(packed, known, home):
    code, output = vedette("verify", packed(known), "--json")
    report = json.loads(output)
    assert code == 0, output
    verdicts = {verdict["backend"]: verdict for verdict in report["verdicts"]}
    assert set(verdicts) == ({"openvino"} if known == "retail_0005" else {"onnxruntime", "openvino"})
    for verdict in verdicts.values():
        proof = verdict["proof"]
        assert (verdict["verdict"], verdict["problem"]) == ("passed", "")
        assert (proof["device"], proof["precision"], proof["goldens"]) == ("cpu", "f32", 8)
        assert proof["decoded"]["agreeing"] == proof["decoded"]["total"] > 0
        assert 0 < proof["preprocess"]["judged"] == 8
        assert proof["placement"]


def test_it_says_what_was_found(small, home):
    code, output = vedette("verify", small)
    assert code == 0
    with open_bundle(small) as bundle:
        assert f"sha256 {bundle.digest}" in output
    for part in (
        "all match their hashes", "unsigned", "8 synthetic", "oracle self (onnxruntime ",
        "onnxruntime  cpu     f32", "openvino     cpu     f32", "8 of 8", "passed", "all operators on cpu",
    ):  # fmt: skip
        assert part in output
    assert "FAILED" not in output


def test_it_names_what_fails(trap, home):
    code, output = vedette("verify", trap, "--batch", 2)
    assert code == 0, "one of them passes"
    assert "oracle literal (onnxruntime " in output
    assert "FAILED" in output
    (line,) = [line for line in output.splitlines() if "REFUSED" in line]
    assert "openvino on cpu at f32: REFUSED: output 'model/y' differs from the literal oracle by 0." in line
    assert vedette("verify", trap, "--batch", 2, "--backend", "onnxruntime")[0] == 0
    code, output = vedette("verify", trap, "--batch", 2, "--backend", "openvino")
    assert (code, "onnxruntime  cpu" in output) == (1, False)


def test_what_it_found_is_remembered(small, load):
    assert vedette("verify", small)[0] == 0
    assert load(small, backend="onnxruntime").standing.remembered


def test_it_proves_again_each_time(small, home):
    vedette("verify", small)
    kept = list((home / "proofs").glob("*.json"))
    before = [path.stat().st_mtime_ns for path in kept]
    vedette("verify", small)
    assert len(kept) == 2
    assert all(path.stat().st_mtime_ns > then for path, then in zip(kept, before, strict=True))


def test_what_cannot_be_verified(small, home, rewritten):
    code, output = vedette("verify", rewritten(small, goldens=()))
    assert (code, "there are no goldens in it" in output) == (1, True)
    code, output = vedette("verify", small, "--device", "npu")
    assert (code, "nothing here can run it" in output) == (1, True)
    code, output = vedette("verify", small, "--variant", "int8")
    assert (code, "variant 'int8': the bundle has f32" in output) == (1, True)
    code, output = vedette("verify", small, "--backend", "onnxruntime", "--precision", "bf16")
    assert (code, "does not compute in bf16" in output) == (1, True)


@pytest.mark.parametrize("name", ["variants/f32/model.onnx", "goldens/000.npz"])
def test_a_changed_file_is_refused(small_request, registry, tmp_path, home, name):
    path = pack_model(small_request, tmp_path / "folder", registry=registry)
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    code, output = vedette("verify", path)
    assert (code, f"{name!r} is not what the manifest says" in output) == (1, True)
