"""Signing a bundle, and what becomes of one that was changed afterwards."""

import base64
import hashlib
import logging
import stat
import zipfile

import msgspec
import nacl.signing
import pytest

from vedette.bundle.archive import open_archive
from vedette.bundle.bundle import open_bundle
from vedette.bundle.canonical import write_archive
from vedette.bundle.keys import PublicKey, SecretKey, new_key, read_secret_key
from vedette.bundle.signature import DOMAIN, make_signature, verify_signature
from vedette.bundle.signing import sign_bundle
from vedette.bundle.trust import Trust
from vedette.bundle.trust_store import TrustStore
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError

REQUIRE = Trust("require")


def whole(path) -> dict[str, bytes]:
    """The content of a bundle in either form."""
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        return {str(file.relative_to(path)): file.read_bytes() for file in files}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def replace(path, name, data):
    """Put other bytes into a bundle; an archive stays canonical, so that only hashes and signature can tell."""
    content = whole(path) | {name: data}
    if path.is_dir():
        (path / name).write_bytes(data)
        return
    path.unlink()
    write_archive(path, {key: (lambda value=value: [value]) for key, value in content.items()})


def test_signing_adds_one_file_and_changes_nothing(unsigned, key):
    before = whole(unsigned)
    with open_bundle(unsigned) as bundle:
        digest = bundle.digest
        assert bundle.signature.state == "unsigned"
    sign_bundle(unsigned, key)
    after = whole(unsigned)
    signature = after.pop("signature")
    assert after == before
    assert sorted(path.name for path in unsigned.parent.iterdir() if path.name.startswith(".")) == []
    with open_bundle(unsigned) as bundle:
        assert bundle.digest == digest
        assert (bundle.signature.state, bundle.signature.fingerprint) == ("unknown", key.public.fingerprint)
        bundle.check_files()
    signed = base64.b64decode(msgspec.json.decode(signature)["signature"])
    nacl.signing.VerifyKey(key.public.raw).verify(
        b"vedette bundle manifest v1\0" + before["manifest.json"], signed
    )


def test_an_archive_has_it_after_the_manifest(tmp_path, manifest, key):
    path = write_bundle(
        tmp_path / "x.vedette", manifest, {"labels.txt": b"a\n", "variants/f32/model.onnx": b"x"}
    )
    sign_bundle(path, key)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["manifest.json", "signature", "labels.txt", "variants/f32/model.onnx"]


def test_signing_twice_gives_the_same_bytes(signed, key):
    before = whole(signed)
    raw = signed.read_bytes() if signed.is_file() else b""
    sign_bundle(signed, key)
    assert whole(signed) == before
    assert not raw or signed.read_bytes() == raw


def test_another_key_takes_the_place_of_the_first(signed, tmp_path, trust_store):
    path, public = new_key("other", tmp_path)
    sign_bundle(signed, read_secret_key(path))
    trust_store.trust(public.fingerprint, "other")
    with open_bundle(signed, REQUIRE) as bundle:
        assert str(bundle.signature) == f"signed by 'other', {public.fingerprint}"


def test_a_bad_signature_is_replaced(signed, key, tmp_path, trusted):
    replace(signed, "signature", b"nonsense")
    sign_bundle(signed, key)
    open_bundle(signed, REQUIRE).close()


def test_a_damaged_bundle_is_not_vouched_for(unsigned, key, tmp_path):
    replace(unsigned, "goldens/0.jpg", b"\xff\xd8 Picture")
    before = whole(unsigned)
    with pytest.raises(BundleError, match=r"'goldens/0\.jpg' is not what the manifest says"):
        sign_bundle(unsigned, key)
    assert whole(unsigned) == before


def test_no_space_left(unsigned, key, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = whole(unsigned)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match="No space left"):
        sign_bundle(unsigned, key)
    monkeypatch.undo()
    assert whole(unsigned) == before
    assert not [path for path in unsigned.parent.iterdir() if path.name.startswith(".")]


def test_a_bundle_that_is_exchanged_while_it_is_signed(unsigned, key, manifest, monkeypatch):
    """Between its check and the signature."""
    contents = {name: data for name, data in whole(unsigned).items() if name != "manifest.json"}
    other = msgspec.structs.replace(manifest, version="6.6.6")

    def exchange(path):
        monkeypatch.undo()
        write_bundle(unsigned, other, contents, overwrite=True)
        return open_archive(path)

    monkeypatch.setattr("vedette.bundle.signing.open_archive", exchange)
    with pytest.raises(BundleError, match="changed while it was signed"):
        sign_bundle(unsigned, key)
    assert "signature" not in whole(unsigned)


def test_a_signed_folder_can_be_overwritten(trusted, manifest, tmp_path):
    contents = {
        name: data for name, data in whole(trusted).items() if name not in ("manifest.json", "signature")
    }
    write_bundle(trusted, manifest, contents, overwrite=True)
    with open_bundle(trusted) as bundle:
        assert bundle.signature.state == "unsigned"


# --- the policies -------------------------------------------------------------------------------------------------


def test_trusted_under_every_policy(trusted, key, caplog):
    for policy in ("require", "warn", "tell"):
        with open_bundle(trusted, Trust(policy)) as bundle:
            assert bundle.signature.state == "trusted"
            assert (bundle.signature.name, bundle.signature.fingerprint) == ("acme", key.public.fingerprint)
    with open_bundle(trusted, Trust("off")) as bundle:
        assert bundle.signature.state == "unchecked"
    assert caplog.messages == []


def refused(path, *parts):
    with pytest.raises(BundleError) as caught:
        open_bundle(path, REQUIRE)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def warned(path, caplog, state, *parts):
    caplog.clear()
    with open_bundle(path, Trust("warn")) as bundle:
        assert bundle.signature.state == state
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for part in (str(path), *parts):
        assert part in record.getMessage()
    caplog.clear()
    with open_bundle(path) as bundle:
        assert bundle.signature.state == state
    with open_bundle(path, Trust("off")) as bundle:
        assert bundle.signature.state == "unchecked"
    assert caplog.records == []


def test_unsigned(unsigned, caplog):
    refused(unsigned, "unsigned", "vedette sign BUNDLE --key KEY")
    warned(unsigned, caplog, "unsigned", "the manifest itself is unprotected")


def test_an_unknown_key(signed, key, caplog):
    fingerprint = key.public.fingerprint
    refused(signed, "not trusted here", f"vedette keys trust {fingerprint}")
    warned(signed, caplog, "unknown", fingerprint)


def test_a_revoked_key(trusted, key, caplog, trust_store):
    trust_store.revoke(key.public.fingerprint, "laptop stolen")
    refused(trusted, "revoked key: 'acme'", key.public.fingerprint, "laptop stolen", "a key in force")
    warned(trusted, caplog, "revoked", key.public.fingerprint, "laptop stolen")


def test_a_key_revoked_before_it_was_ever_trusted(signed, key, trust_store):
    trust_store.revoke(key.public.fingerprint)
    refused(signed, "revoked key", key.public.fingerprint)


def test_keys_of_another_folder(signed, key, tmp_path):
    (tmp_path / "keys of the fleet").mkdir()
    trust = Trust("require", tmp_path / "keys of the fleet")
    with pytest.raises(BundleError, match="not trusted"):
        open_bundle(signed, trust)
    TrustStore(trust.folder).trust(key.public.fingerprint, "fleet")
    with open_bundle(signed, trust) as bundle:
        assert bundle.signature.name == "fleet"
    with pytest.raises(BundleError, match="no such folder of trusted keys"):
        open_bundle(signed, Trust("require", tmp_path / "mistyped"))


def test_a_misspelt_policy_lets_nothing_pass():
    with pytest.raises(BundleError, match="'requier' is no policy"):
        Trust("requier")


# --- one byte changed ---------------------------------------------------------------------------------------------


def positions(data: bytes) -> list[int]:
    return sorted({*range(0, len(data), max(1, len(data) // 25)), len(data) - 1})


def test_one_byte_of_any_file(trusted, tmp_path):
    for name, data in whole(trusted).items():
        for at in positions(data):
            for bit in (1, 0x20):
                replace(trusted, name, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
                with pytest.raises(BundleError) as caught:
                    open_bundle(trusted, REQUIRE)
                assert repr(name) in str(caught.value), (name, at)
        replace(trusted, name, data)
    open_bundle(trusted, REQUIRE).close()


def test_one_byte_of_manifest_or_signature_is_refused_by_warn_and_seen_by_inspect(trusted, tmp_path):
    for name in ("manifest.json", "signature"):
        data = whole(trusted)[name]
        for at in positions(data):
            replace(trusted, name, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            for policy in ("warn", "tell"):
                with pytest.raises(BundleError, match=name):
                    open_bundle(trusted, Trust(policy))
        replace(trusted, name, data)


def test_one_byte_of_an_archive(manifest, tmp_path, key, trust_store):
    contents = {"labels.txt": b"a\n", "variants/f32/model.onnx": b"x" * 99}
    path = write_bundle(tmp_path / "x.vedette", manifest, contents)
    sign_bundle(path, key)
    trust_store.trust(key.public.fingerprint, "acme")
    raw = path.read_bytes()
    for at in range(0, len(raw), 3):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :])
        with pytest.raises(BundleError):
            open_bundle(path, REQUIRE)


def test_the_manifest_is_not_parsed_before_its_signature_is_judged(trusted, tmp_path, monkeypatch):
    replace(trusted, "manifest.json", b"{")
    monkeypatch.setattr("vedette.bundle.bundle.parse_manifest", lambda *_: pytest.fail("it was parsed"))
    for policy in ("require", "warn", "tell"):
        with pytest.raises(BundleError, match="does not fit"):
            open_bundle(trusted, Trust(policy))


def test_a_signature_without_its_bundle(trusted, manifest, tmp_path, key):
    """That of another bundle, by the same trusted key."""
    other = msgspec.structs.replace(manifest, version="6.6.6")
    contents = {
        name: data for name, data in whole(trusted).items() if name not in ("manifest.json", "signature")
    }
    path = write_bundle(tmp_path / "other", other, contents)
    (path / "signature").write_bytes(whole(trusted)["signature"])
    refused(path, "does not fit")


def test_files_that_are_not_listed_are_still_refused(trusted, tmp_path):
    if trusted.is_dir():
        (trusted / "signature.old").write_bytes(b"")
        refused(trusted, "'signature.old' is not listed")
        (trusted / "signature.old").unlink()
        (trusted / "Signature").write_bytes(b"")
        refused(trusted, "differ only in case")


def test_a_signature_that_is_a_link(tmp_path, manifest, key):
    path = write_bundle(tmp_path / "x", manifest, {"labels.txt": b"a\n", "variants/f32/model.onnx": b"x"})
    sign_bundle(path, key)
    (path / "signature").rename(tmp_path / "elsewhere")
    (path / "signature").symlink_to(tmp_path / "elsewhere")
    refused(path, "'signature' is a symbolic link")


def test_the_manifest_cannot_list_the_signature(tmp_path, manifest):
    contents = {"labels.txt": b"a\n", "variants/f32/model.onnx": b"x", "signature": b"mine"}
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "x", manifest, contents)


# --- the file -----------------------------------------------------------------------------------------------------


def by_hand(message: bytes, key: SecretKey) -> bytes:
    """A signature file over something else than it should be."""
    content = msgspec.json.decode(make_signature(b"", key))
    content["signature"] = base64.b64encode(key.sign(message)).decode()
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def test_only_this_domain_counts(key):
    manifest = b"{}"
    assert verify_signature(manifest, by_hand(DOMAIN + manifest, key), "x") == PublicKey(key.public.raw)
    for message in (
        manifest,
        b"vedette bundle manifest v2\0" + manifest,
        b"vedette bundle manifest v1" + manifest,
        hashlib.sha256(DOMAIN + manifest).digest(),
    ):
        with pytest.raises(BundleError, match="does not fit"):
            verify_signature(manifest, by_hand(message, key), "x")


def test_a_key_of_small_order_verifies_nothing(key):
    """With the neutral element as key, a lax verifier takes one signature for every message (RFC 8032, section 8)."""
    content = msgspec.json.decode(make_signature(b"", key))
    neutral = b"\x01" + bytes(31)
    content["key"] = base64.b64encode(neutral).decode()
    content["signature"] = base64.b64encode(neutral + bytes(32)).decode()
    raw = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    with pytest.raises(BundleError, match="does not fit"):
        verify_signature(b"{}", raw, "x")


def test_a_second_form_of_a_good_signature(key):
    """The scalar s + L is the same as s; accepting it would give a signature two forms."""
    order = 2**252 + 27742317777372353535851937790883648493
    content = msgspec.json.decode(make_signature(b"{}", key))
    signed = base64.b64decode(content["signature"])
    scalar = int.from_bytes(signed[32:], "little") + order
    content["signature"] = base64.b64encode(signed[:32] + scalar.to_bytes(32, "little")).decode()
    raw = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    with pytest.raises(BundleError, match="does not fit"):
        verify_signature(b"{}", raw, "x")


def changed(**fields):
    return lambda content: content | fields


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(schema=2), "Invalid enum value 2"),
        (changed(algorithm="none"), "Invalid enum value 'none'"),
        (changed(extra=1), "unknown field `extra`"),
        (lambda content: {"schema": 1}, "missing required field"),
        (changed(key=None), "Expected `str`"),
        (changed(key="!!!"), "not a signature"),
        (changed(key=""), "not in the form"),
        (changed(key=base64.b64encode(bytes(31)).decode()), "not in the form"),
        (changed(signature=base64.b64encode(bytes(65)).decode()), "not in the form"),
        (lambda content: dict(reversed(content.items())), "not in the form"),
        (lambda content: [content], "Expected `object`"),
    ],
)
def test_a_signature_file_that_is_none(key, change, reason):
    content = change(msgspec.json.decode(make_signature(b"{}", key)))
    raw = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    with pytest.raises(BundleError, match=reason) as caught:
        verify_signature(b"{}", raw, "x")
    assert "'signature'" in str(caught.value)


def test_one_form_only(key):
    raw = make_signature(b"{}", key)
    assert verify_signature(b"{}", raw, "x").raw == key.public.raw
    text = msgspec.json.decode(raw)["key"].encode()
    loose = text[:-2] + bytes([text[-2] + 1]) + b"="  # other bits that base64 ignores
    assert base64.b64decode(loose) == base64.b64decode(text)
    for other in (raw + b"\n", raw[:-1], b" " + raw, raw.replace(b"\n", b"\r\n"), raw.replace(text, loose)):
        with pytest.raises(BundleError, match="not in the form"):
            verify_signature(b"{}", other, "x")
    for other in (b"", b"\0", b"[" * 100_000, raw[:50], b"\xff\xfe"):
        with pytest.raises(BundleError, match="is not a signature"):
            verify_signature(b"{}", other, "x")


def test_a_huge_signature_is_not_read(trusted, tmp_path):
    replace(trusted, "signature", bytes(5000))
    refused(trusted, "signature has 5,000 bytes")


def test_permissions_of_a_signed_file(tmp_path, manifest, key):
    path = write_bundle(tmp_path / "x", manifest, {"labels.txt": b"a\n", "variants/f32/model.onnx": b"x"})
    sign_bundle(path, key)
    assert stat.S_IMODE((path / "signature").stat().st_mode) == stat.S_IMODE(
        (path / "labels.txt").stat().st_mode
    )
