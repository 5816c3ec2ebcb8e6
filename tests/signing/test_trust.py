"""The folder of trusted keys."""

import multiprocessing
import os

import msgspec
import pytest

from vedette.bundle.keys import PublicKey
from vedette.bundle.trust import judge
from vedette.bundle.trust_store import TrustStore, trust_folder
from vedette.errors import BundleError, VedetteError
from vedette.home import config_folder, data_folder

ONE, TWO = (PublicKey(bytes([number]) * 32).fingerprint for number in (1, 2))


def file_of(store, fingerprint):
    return store.folder / f"{fingerprint.removeprefix('ed25519:')}.json"


def test_trust_and_revoke(trust_store):
    assert trust_store.known() == []
    assert trust_store.get(ONE) is None
    assert judge(trust_store, ONE).state == "unknown"
    known = trust_store.trust(ONE, "acme")
    assert trust_store.get(ONE) == known
    assert (known.name, known.revoked) == ("acme", None)
    assert judge(trust_store, ONE).state == "trusted"
    assert judge(trust_store, TWO).state == "unknown"
    revoked = trust_store.revoke(ONE, "lost")
    assert trust_store.get(ONE) == revoked
    assert (revoked.name, revoked.revoked.reason) == ("acme", "lost")
    assert judge(trust_store, ONE).state == "revoked"
    trust_store.trust(TWO, "A-first")
    assert [key.name for key in trust_store.known()] == ["A-first", "acme"]
    assert sorted(path.suffix for path in trust_store.folder.iterdir()) == [".json", ".json"]


def test_a_revoked_key_does_not_become_good_again(trust_store):
    trust_store.revoke(ONE, "lost")
    before = file_of(trust_store, ONE).read_bytes()
    with pytest.raises(BundleError, match="lost; it does not become good again"):
        trust_store.trust(ONE, "acme")
    assert trust_store.revoke(ONE, "another reason").revoked.reason == "lost"
    assert file_of(trust_store, ONE).read_bytes() == before


def test_trusting_twice_changes_nothing(trust_store):
    first = trust_store.trust(ONE, "acme")
    assert trust_store.trust(ONE, "other") == first


def test_copied_files_are_trusted(trust_store, tmp_path):
    trust_store.trust(ONE, "acme")
    (tmp_path / "fleet").mkdir()
    path = file_of(trust_store, ONE)
    (tmp_path / "fleet" / path.name).write_bytes(path.read_bytes())
    assert judge(TrustStore(tmp_path / "fleet"), ONE).state == "trusted"


def test_the_rest_of_a_killed_process_is_not_a_key(trust_store):
    trust_store.trust(ONE, "acme")
    (trust_store.folder / ".part.json.1234").write_bytes(b"{")
    assert len(trust_store.known()) == 1


def changed(**fields):
    return lambda content: msgspec.json.encode(content | fields)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", "truncated"),
        (lambda content: b"{", "truncated"),
        (lambda content: b"\xff", "malformed"),
        (changed(schema=2), "schema"),
        (changed(extra=True), "unknown field `extra`"),
        (changed(name="a\nb"), "not a name"),
        (changed(name=""), "not a name"),
        (changed(since="yesterday"), "since"),
        (changed(fingerprint="ed25519:aaaa"), "not a fingerprint"),
        (changed(fingerprint=ONE.upper()), "not a fingerprint"),
        (changed(fingerprint=TWO), "which has another file name"),
        (changed(revoked=True), "revoked"),
        (changed(revoked={"at": "2026-01-01T00:00:00Z", "reason": "\x1b[2J"}), "not a line of text"),
        (changed(revoked={"at": "2026-01-01T00:00:00Z"}), "missing required field `reason`"),
    ],
)
def test_damaged_files(trust_store, damage, reason):
    """A file that cannot be read must not turn a revoked key into an unknown one, or an unknown into a trusted."""
    trust_store.trust(ONE, "acme")
    path = file_of(trust_store, ONE)
    path.write_bytes(damage(msgspec.json.decode(path.read_bytes())))
    for call in (trust_store.known, lambda: judge(trust_store, ONE), lambda: trust_store.trust(ONE, "acme")):
        with pytest.raises(BundleError, match=reason) as caught:
            call()
        assert str(path) in str(caught.value)


def test_a_strange_file_is_named(trust_store):
    trust_store.trust(ONE, "acme")
    (trust_store.folder / "README").write_text("hello")
    with pytest.raises(BundleError, match="README: not a trusted key"):
        trust_store.known()
    assert judge(trust_store, ONE).state == "trusted"


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[31m", "x" * 201])
def test_reasons_that_are_no_line(trust_store, reason):
    with pytest.raises(BundleError, match="one line"):
        trust_store.revoke(ONE, reason)
    assert trust_store.get(ONE) is None


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    store = TrustStore()
    store.folder = tmp_path / "file"
    with pytest.raises(BundleError, match="cannot be written"):
        store.trust(ONE, "acme")
    with pytest.raises(BundleError, match="cannot be read"):
        store.known()


def _trust(folder, number: int) -> None:
    try:
        TrustStore(folder).trust(ONE, f"acme-{number}")
    except BundleError:
        os._exit(3)


def _revoke(folder, number: int) -> None:
    TrustStore(folder).revoke(ONE, str(number))


def test_a_revocation_is_never_lost_to_somebody_who_trusts_the_key_meanwhile(trust_store):
    trust_store.folder.mkdir(parents=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vedette.bundle.trust_store"])
    work = [_trust, _trust, _revoke, _trust, _revoke, _trust]
    processes = [
        context.Process(target=step, args=(trust_store.folder, number)) for number, step in enumerate(work)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert all(process.exitcode in (0, 3) for process in processes)
    assert judge(trust_store, ONE).state == "revoked"


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "own"))
    assert config_folder() == data_folder() == tmp_path / "own"
    assert trust_folder() == tmp_path / "own/trust"
    monkeypatch.delenv("VEDETTE_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert config_folder() == tmp_path / "c/vedette"
    assert data_folder() == tmp_path / "me/.local/share/vedette"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config_folder() == tmp_path / "me/.config/vedette"


def test_nowhere(monkeypatch):
    monkeypatch.delenv("VEDETTE_HOME")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(VedetteError, match="set VEDETTE_HOME"):
        data_folder()
