"""Keys as lines of text, as files and as fingerprints."""

import base64
import os
import stat

import pytest

from vedette.bundle.keys import (
    PublicKey,
    SecretKey,
    new_key,
    parse_fingerprint,
    read_public_key,
    read_secret_key,
)
from vedette.errors import BundleError

RFC_8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_8032_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_the_first_vector_of_rfc_8032():
    key = SecretKey(RFC_8032_SEED)
    assert key.public.raw == RFC_8032_PUBLIC
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_a_fingerprint_is_stable_and_readable():
    """Worked out with sha256sum and base32."""
    assert PublicKey(RFC_8032_PUBLIC).fingerprint == "ed25519:eh7d-dx5b-ksrg-cytl-7bka-i36s-e4nx-x3kl"


def test_a_fingerprint_as_people_write_it():
    fingerprint = PublicKey(RFC_8032_PUBLIC).fingerprint
    code = fingerprint.removeprefix("ed25519:")
    for text in (fingerprint, fingerprint.upper(), code, code.replace("-", ""), f" {fingerprint}\n"):
        assert parse_fingerprint(text) == fingerprint
    for text in ("", code[:-1], f"{code}a", code.replace("-", " "), f"rsa:{code}", "1" * 32, "../" + code):
        assert parse_fingerprint(text) is None


def test_new_keys_are_read_back(tmp_path):
    path, public = new_key("acme-2026", tmp_path / "keys")
    secret = read_secret_key(path)
    assert secret.public == public == read_public_key(path.with_suffix(".pub"))
    assert public.name == "acme-2026"
    assert PublicKey.parse(str(public), "text") == public
    other, _ = new_key("other", tmp_path / "keys")
    assert read_secret_key(other).seed != secret.seed


def test_the_private_key_is_private(tmp_path):
    before = os.umask(0)
    try:
        path, _ = new_key("acme", tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["acme.key", "acme.pub"]


def test_a_private_key_is_not_shown():
    key = SecretKey(RFC_8032_SEED)
    assert "9d61" not in repr(key)
    assert str(RFC_8032_SEED) not in repr(key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_private_key_that_others_can_reach_is_refused(tmp_path, mode):
    path, _ = new_key("acme", tmp_path)
    path.chmod(mode)
    with pytest.raises(BundleError, match=rf"mode {mode:04o}") as caught:
        read_secret_key(path)
    assert f"chmod 600 {path}" in str(caught.value)


@pytest.mark.parametrize("name", ["acme.key", "acme.pub"])
def test_a_key_is_never_overwritten(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(BundleError, match="there is a key 'acme' already"):
        new_key("acme", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_a_link_in_the_place_of_a_key_is_not_followed(tmp_path):
    (tmp_path / "acme.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="already"):
        new_key("acme", tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "../acme", "a/b", ".acme", "a b", "a" * 65, "a\n", "bücher"])
def test_names_that_a_key_cannot_have(tmp_path, name):
    with pytest.raises(BundleError, match="not a name for a key"):
        new_key(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("good", [0, 1, 2])
def test_no_space_left(tmp_path, monkeypatch, good):
    """No half of a pair stays."""
    left = good
    fsync = os.fsync

    def full(descriptor):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match="No space left"):
        new_key("acme", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        new_key("acme", tmp_path / "file" / "keys")


PUBLIC = str(PublicKey(RFC_8032_PUBLIC, "acme"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519-public:",
        PUBLIC.replace("=", ""),
        PUBLIC.replace("ed25519", "rsa"),
        f"{PUBLIC} twice",
        f"{PUBLIC}\n{PUBLIC}",
        PUBLIC.replace("acme", "../acme"),
        "ed25519-public:" + base64.b64encode(bytes(31)).decode(),
        "ed25519-public:" + base64.b64encode(bytes(33)).decode(),
        base64.b64encode(RFC_8032_PUBLIC).decode(),
    ],
)
def test_what_is_not_a_key(tmp_path, text):
    (tmp_path / "x.pub").write_text(text)
    with pytest.raises(BundleError, match="not a key") as caught:
        read_public_key(tmp_path / "x.pub")
    assert str(tmp_path / "x.pub") in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "x.pub").write_bytes(b"\xff" * 10_000)
    with pytest.raises(BundleError, match="not a key"):
        read_public_key(tmp_path / "x.pub")
    with pytest.raises(BundleError, match=r"y\.pub: the key cannot be read: No such file"):
        read_public_key(tmp_path / "y.pub")
    with pytest.raises(BundleError, match="cannot be read"):
        read_public_key(tmp_path)


def test_one_kind_in_the_place_of_the_other(tmp_path):
    path, _ = new_key("acme", tmp_path)
    with pytest.raises(BundleError, match="this is a secret key") as caught:
        read_public_key(path)
    assert "revoke it" in str(caught.value)
    assert path.read_text().split(":")[1][:20] not in str(caught.value)
    public = path.with_suffix(".pub")
    public.chmod(0o600)
    with pytest.raises(BundleError, match="this is a public key"):
        read_secret_key(public)
