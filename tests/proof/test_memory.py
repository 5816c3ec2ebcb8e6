"""What was proved is remembered, and believed only if nobody touched it."""

import logging
import os
import shutil

import msgspec
import pytest

from vedette.bundle.manifest import Tolerance
from vedette.proof import memory as memory_module
from vedette.proof.key import ProofKey
from vedette.proof.memory import ProofMemory
from vedette.proof.pixels import PreprocessProof
from vedette.proof.run import DecodedProof, OutputProof, Proof

PROOF = Proof(
    problem="",
    oracle="self (onnxruntime 1.0)",
    goldens=8,
    tolerance=Tolerance(worst=1e-4),
    preprocess=PreprocessProof(worst=1, mean=0.1, judged=8),
    outputs={"model/y": OutputProof(worst=1e-5, rms=1e-6, mean=1e-7, worst_at=3)},
    decoded=DecodedProof(agreeing=5, total=5),
    device="cpu",
    precision="f32",
    placement="everything",
)
KEY = ProofKey({"bundle": "abc", "runtime": "1.0"}, lasting=True)
OTHER = ProofKey({"bundle": "abc", "runtime": "1.1"}, lasting=True)


@pytest.fixture
def memory(tmp_path):
    return ProofMemory(tmp_path / "proofs")


@pytest.fixture
def record(memory, tmp_path):
    """The file of the one record that there is."""
    memory.keep(KEY, PROOF)
    (path,) = (tmp_path / "proofs").glob("*.json")
    return path


def test_it_is_found_again(memory, record):
    found = memory.find(KEY)
    assert found.proof == PROOF
    assert found.when.endswith("+00:00")
    assert memory.find(OTHER) is None
    assert record.stat().st_mode & 0o077 == 0


def test_any_changed_byte_is_noticed(memory, record):
    content = record.read_bytes()
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        record.write_bytes(changed)
        assert memory.find(KEY) is None, at
    for end in range(0, len(content), 7):
        record.write_bytes(content[:end])
        assert memory.find(KEY) is None, end
    record.write_bytes(content)
    assert memory.find(KEY) is not None


def test_a_record_of_another_key_is_not_believed(memory, record):
    shutil.copy(record, record.with_name(f"{OTHER.digest}.json"))
    assert memory.find(OTHER) is None


def test_a_record_of_another_box_is_not_believed(memory, record, tmp_path, caplog):
    other = ProofMemory(tmp_path / "other")
    other.keep(OTHER, PROOF)
    shutil.copy(record, tmp_path / "other")
    assert other.find(KEY) is None
    assert "comes from another box" in caplog.text
    assert other.find(OTHER) is not None


@pytest.mark.parametrize("harm", ["missing", "readable", "short", "link"])
def test_without_a_key_of_its_own_nothing_is_believed(memory, record, harm, tmp_path):
    key = record.with_name("key")
    if harm == "missing":
        key.unlink()
    elif harm == "readable":
        key.chmod(0o644)
    elif harm == "short":
        key.write_bytes(b"1234")
    else:
        key.rename(tmp_path / "elsewhere")
        key.symlink_to(tmp_path / "elsewhere")
    assert memory.find(KEY) is None
    memory.keep(KEY, PROOF)
    assert memory.find(KEY) is not None
    assert key.stat().st_mode & 0o777 == 0o600
    assert not key.is_symlink()


def test_a_record_of_another_version_is_made_again(memory, record):
    secret = record.with_name("key").read_bytes()
    body = msgspec.json.encode({"key": KEY.text, "when": "", "proof": {"unknown": 1}})
    record.write_bytes(memory_module._seal(secret, body) + b"\n" + body)
    assert memory.find(KEY) is None


def test_what_has_no_version_is_never_remembered(memory, tmp_path):
    memory.keep(key := ProofKey(KEY.parts, lasting=False), PROOF)
    assert memory.find(key) is None
    assert not (tmp_path / "proofs").exists()


def test_a_home_that_cannot_be_written_to_is_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(memory_module, "_told", set())
    (tmp_path / "file").write_text("no folder")
    memory = ProofMemory(tmp_path / "file" / "proofs")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert memory.keep(KEY, PROOF).proof is PROOF
            assert memory.find(KEY) is None
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    assert "proofs cannot be remembered" in caplog.text


def test_without_a_home_nothing_is_remembered(monkeypatch, caplog):
    monkeypatch.setattr(memory_module, "_told", set())
    for name in ("VEDETTE_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", _no_home)
    memory = ProofMemory.of_this_user()
    memory.keep(KEY, PROOF)
    assert memory.find(KEY) is None
    assert "VEDETTE_HOME" not in os.environ
    assert "no home folder" in caplog.text


def _no_home():
    raise RuntimeError


def test_nothing_is_left_lying_about(memory, record):
    memory.keep(KEY, PROOF)
    assert sorted(path.name for path in record.parent.iterdir()) == sorted([record.name, "key"])
