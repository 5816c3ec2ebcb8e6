"""A short run of the fuzzer, the same inputs each time; ``make fuzz`` is the long one. And it finds what is wrong."""

import contextlib
from random import Random

import fuzz
import pytest
import targets

from vedette.bundle.protobuf import MalformedError
from vedette.errors import BundleError


def test_nothing_is_found():
    failures = fuzz.run_block(1, range(4000))
    assert failures == [], failures[0]


@pytest.mark.parametrize("target", dict.fromkeys(targets.TARGETS), ids=lambda target: target.__name__)
def test_some_inputs_are_accepted(monkeypatch, tmp_path, target):
    """A fuzzer whose inputs all fail at the first check finds nothing behind it."""
    outcomes = set()

    @contextlib.contextmanager
    def note():
        try:
            yield
            outcomes.add("accepted")
        except (BundleError, MalformedError):
            outcomes.add("refused")

    monkeypatch.setattr(targets, "one_clear_error", note)
    for number in range(400):
        target(Random(number), tmp_path)
    assert outcomes == {"accepted", "refused"}


@pytest.mark.parametrize(
    ("name", "instead", "target"),
    [
        (
            "vedette.bundle.bundle._verified_chunks",
            lambda archive, manifest, name: archive.chunks(name),
            targets.fuzz_folder,
        ),
        ("vedette.bundle.canonical.names_problem", lambda names: None, targets.fuzz_archive),
        ("vedette.bundle.checks._check_variants", lambda manifest: iter(()), targets.fuzz_manifest),
        ("targets.verify_signature", lambda manifest, signature, where: None, targets.fuzz_signature),
        ("vedette.bundle.recording.from_builtins", lambda plain, types: None, targets.fuzz_golden),
        ("vedette.bundle.references._PARTS", {}, targets.fuzz_onnx),
        ("targets.parse_labels", lambda raw, where: ("",), targets.fuzz_labels),
    ],
)
def test_a_planted_fault_is_found(monkeypatch, tmp_path, name, instead, target):
    monkeypatch.setattr(name, instead)
    with pytest.raises((targets.BrokenPromiseError, KeyError)):
        many(target, tmp_path)


def many(target, folder):
    for number in range(2000):
        target(Random(number), folder)
