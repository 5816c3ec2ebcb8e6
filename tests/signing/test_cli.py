"""``vedette keys`` and ``vedette sign``, as they are typed, and what ``inspect`` says of a signature."""

import json

import pytest
from click.testing import CliRunner

from vedette.bundle.bundle import open_bundle
from vedette.bundle.keys import parse_fingerprint
from vedette.bundle.trust import Trust
from vedette.cli import main


def vedette(*arguments) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def fingerprint_in(output: str) -> str:
    (found,) = {word for word in output.split() if parse_fingerprint(word) == word}
    return found


def test_from_a_new_key_to_a_trusted_bundle_and_back(unsigned, home):
    code, output = vedette("keys", "new", "acme")
    assert code == 0
    fingerprint = fingerprint_in(output)
    private = home / "keys/acme.key"
    assert f"vedette sign BUNDLE --key {private}" in output
    assert "secret:" not in output

    code, output = vedette("sign", unsigned, "--key", private)
    assert (code, output) == (0, f"signed {unsigned} with {fingerprint}\n")
    assert vedette("keys", "list") == (0, f"no keys in {home / 'trust'}\n")
    assert (
        f"signature   signed by a key that is not trusted here: {fingerprint}\n"
        in vedette("inspect", unsigned)[1]
    )

    code, output = vedette("keys", "trust", private.with_suffix(".pub"))
    assert (code, output) == (0, f"trusted: acme, {fingerprint}\n")
    assert f"signature   signed by 'acme', {fingerprint}\n" in vedette("inspect", unsigned)[1]
    open_bundle(unsigned, Trust("require")).close()

    code, output = vedette("keys", "revoke", fingerprint, "--reason", "laptop stolen")
    assert code == 0
    assert output.startswith("revoked on ")
    assert "signature   signed by a revoked key: 'acme'" in vedette("inspect", unsigned)[1]
    code, output = vedette("keys", "list")
    assert code == 0
    assert fingerprint in output
    assert "laptop stolen" in output
    shown = json.loads(vedette("inspect", "--json", unsigned)[1])["signature"]
    assert (shown["state"], shown["fingerprint"], shown["name"]) == ("revoked", fingerprint, "acme")
    code, output = vedette("keys", "trust", private.with_suffix(".pub"))
    assert code == 1
    assert "does not become good again" in output


def test_a_key_by_its_text_and_by_its_fingerprint(key, tmp_path):
    assert vedette("keys", "trust", str(key.public))[1] == f"trusted: acme, {key.public.fingerprint}\n"
    folder = tmp_path / "fleet"
    folder.mkdir()
    code, output = vedette("keys", "trust", key.public.fingerprint, "--trust", folder)
    assert code == 1
    assert "--name NAME" in output
    assert vedette("keys", "trust", key.public.fingerprint, "--name", "Acme-2", "--trust", folder)[0] == 0
    listed = json.loads(vedette("keys", "list", "--json", "--trust", folder)[1])
    assert [item["name"] for item in listed["keys"]] == ["Acme-2"]
    assert listed["folder"] == str(folder)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("keys", "trust", "no-such.pub"), "no-such.pub: the key cannot be read"),
        (("keys", "trust", "ed25519-public:xyz"), "not a key"),
        (("keys", "revoke", "ed25519:aaaa"), "cannot be read"),
        (("keys", "new", "../acme"), "not a name for a key"),
        (("keys", "list", "--trust", "nowhere"), "no such folder of trusted keys"),
        (("sign", "nothing", "--key", "no.key"), "no.key: the key cannot be read"),
    ],
)
def test_errors_are_one_message(arguments, reason):
    code, output = vedette(*arguments)
    assert code == 1
    assert output.startswith("error: ")
    assert reason in output


def test_the_private_key_is_refused_as_one_to_trust(tmp_path, key):
    code, output = vedette("keys", "trust", tmp_path / "acme.key")
    assert code == 1
    assert "this is a secret key" in output


def test_inspect_refuses_what_was_changed_after_signing(signed):
    if signed.is_dir():
        raw = (signed / "manifest.json").read_bytes()
        (signed / "manifest.json").write_bytes(raw.replace(b'"1.0.0"', b'"1.0.1"'))
        code, output = vedette("inspect", signed)
        assert code == 1
        assert "does not fit: 'manifest.json' or 'signature' was changed" in output
