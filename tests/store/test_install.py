"""Installing, rolling back and removing models."""

import logging
import multiprocessing
import shutil

import numpy as np
import pytest

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.signing import sign_bundle
from vedette.bundle.store import ModelStore, locate
from vedette.bundle.trust import Trust
from vedette.bundle.trust_store import TrustStore
from vedette.errors import BackendError, BundleError
from vedette.model.single import Model


def versions(store, name="tiny"):
    return sorted(path.name for path in (store.root / name).iterdir())


def test_install_use_and_go_back(store, bundle, answer_of, home):
    assert store.models() == []
    assert store.get("tiny") is None
    first = store.install(bundle("1.0.0", 0))
    assert (first.name, first.previous) == ("tiny", None)
    assert first.path.parent == home / "models/tiny"
    assert answer_of("tiny") == answer_of(first.path) == 0
    second = store.install(bundle("1.1.0", 2))
    assert second.previous == first.path
    assert answer_of("tiny") == 2
    assert store.models() == [second]
    back = store.rollback("tiny")
    assert (back.path, back.previous) == (first.path, None)
    assert answer_of("tiny") == 0
    with pytest.raises(BundleError, match="no version before this one is kept"):
        store.rollback("tiny")
    third = store.install(bundle("1.2.0", 1))
    assert third.previous == first.path
    assert answer_of("tiny") == 1
    assert versions(store) == sorted(["current", first.path.name, third.path.name])


def test_the_copy_is_the_bundle_in_either_form(store, bundle, tmp_path):
    archive = bundle("1.0.0")
    with open_bundle(archive) as opened:
        opened.copy_to(tmp_path / "folder")
        digest = opened.digest
    for source in (archive, tmp_path / "folder"):
        model = store.install(source)
        with open_bundle(model.path) as copy:
            copy.check_files()
            assert copy.digest == digest
        store.remove("tiny")


def test_only_two_versions_are_kept(store, bundle):
    paths = [store.install(bundle(f"1.{number}.0")).path for number in range(4)]
    assert versions(store) == sorted(["current", *(path.name for path in paths[-2:])])


def test_what_is_in_use_is_not_installed_again(store, bundle):
    store.install(bundle("1.0.0"))
    second = store.install(bundle("1.1.0"))
    seen = []
    assert store.install(bundle("1.1.0"), prove=seen.append) == second
    assert [opened.path for opened in seen] == [second.path]


def test_what_is_damaged_is_installed_again(store, bundle, caplog):
    first = store.install(bundle("1.0.0"))
    (first.path / "weights.bin").write_bytes(bytes([1]) * 300_000)
    second = store.install(bundle("1.0.0"))
    assert second.path != first.path
    assert "'weights.bin' is not what the manifest says" in caplog.text
    with open_bundle(second.path) as opened:
        opened.check_files()
    with pytest.raises(BundleError, match=r"'weights\.bin'"):
        store.rollback("tiny")
    assert store.get("tiny").path == second.path


def test_several_models_do_not_touch_each_other(store, bundle, answer_of):
    store.install(bundle("1.0.0", 0, name="one"))
    store.install(bundle("1.0.0", 1, name="two"))
    store.install(bundle("1.1.0", 2, name="one"))
    assert [model.name for model in store.models()] == ["one", "two"]
    assert (answer_of("one"), answer_of("two")) == (2, 1)
    store.remove("one")
    assert answer_of("two") == 1
    with pytest.raises(BundleError, match="there is no model 'one'") as caught:
        store.rollback("one")
    assert "installed models: two" in str(caught.value)
    assert sorted(path.name for path in store.root.iterdir()) == [".lock", "two"]


def test_what_is_open_stays_open(store, bundle, registry):
    store.install(bundle("1.0.0", 0))
    picture = np.zeros((2, 4, 3), np.uint8)
    with Model("tiny", registry=registry, backend="onnxruntime") as model:
        store.install(bundle("1.1.0", 2))
        assert model(picture).class_id[0, 0] == 0
        model.bundle.check_files()


# --- refusals -----------------------------------------------------------------------------------------------------


def unchanged(store, before):
    assert store.get("tiny") == before
    assert sorted(path.name for path in store.root.iterdir()) == [".lock", "tiny"]
    assert versions(store) == ["0001-" + before.path.name[5:], "current"]


def test_a_bundle_that_fails_its_proof(store, bundle, answer_of):
    before = store.install(bundle("1.0.0", 0))
    proved = []

    def prove(opened: Bundle) -> None:
        proved.append((opened.manifest.version, opened.path))
        opened.graph_files("f32", "model")
        raise BackendError("worst difference 0.3 of the range", fix="use another backend")

    with pytest.raises(BackendError, match=r"tiny 1\.1\.0 is not installed: worst difference") as caught:
        store.install(bundle("1.1.0", 2), prove=prove)
    assert caught.value.fix == "use another backend"
    assert [version for version, _ in proved] == ["1.1.0"]
    assert proved[0][1] != before.path
    unchanged(store, before)
    assert answer_of("tiny") == 0


def test_a_damaged_bundle(store, bundle, tmp_path):
    before = store.install(bundle("1.0.0"))
    path = tmp_path / "damaged"
    with open_bundle(bundle("1.1.0")) as opened:
        opened.copy_to(path)
    (path / "weights.bin").write_bytes(bytes([1]) * 300_000)
    with pytest.raises(BundleError, match=r"'weights\.bin' is not what the manifest says"):
        store.install(path)
    unchanged(store, before)
    raw = bytearray(bundle("1.1.0").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "damaged.vedette").write_bytes(raw)
    with pytest.raises(BundleError, match="damaged"):
        store.install(tmp_path / "damaged.vedette")
    unchanged(store, before)


def test_signatures(store, bundle, key, tmp_path, caplog):
    before = store.install(bundle("1.0.0"), trust=Trust("off"))
    assert caplog.messages == []
    path = shutil.copy(bundle("1.1.0", 1), tmp_path / "x.vedette")
    require = Trust("require")
    with pytest.raises(BundleError, match="unsigned"):
        store.install(path, trust=require)
    sign_bundle(path, key)
    with pytest.raises(BundleError, match=key.public.fingerprint):
        store.install(path, trust=require)
    unchanged(store, before)
    TrustStore().trust(key.public.fingerprint, "acme")
    model = store.install(path, trust=require)
    with open_bundle(model.path, require) as opened:
        assert opened.signature.name == "acme"
    assert caplog.messages == []


def test_one_warning_for_an_unsigned_bundle(store, bundle, caplog):
    store.install(bundle("1.0.0"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "unsigned" in record.getMessage()


def test_a_new_signature_is_installed(store, bundle, key, tmp_path):
    path = shutil.copy(bundle("1.0.0"), tmp_path / "x.vedette")
    first = store.install(path)
    sign_bundle(path, key)
    second = store.install(path)
    assert second.previous == first.path
    with open_bundle(second.path) as opened:
        assert opened.signature.fingerprint == key.public.fingerprint


@pytest.mark.parametrize("name", ["", "..", ".", ".lock", "a/b", "../tiny", "TINY", "tiny\n", "x" * 65])
def test_names_that_no_model_has(store, bundle, name):
    store.install(bundle("1.0.0"))
    assert store.get(name) is None
    for act in (store.rollback, store.remove):
        with pytest.raises(BundleError, match="there is no model"):
            act(name)


def test_a_store_that_cannot_be_written(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written") as caught:
        ModelStore(tmp_path / "file" / "models").install(bundle("1.0.0"))
    assert "VEDETTE_HOME" in str(caught.value)


def test_no_space_left(store, bundle, monkeypatch):
    before = store.install(bundle("1.0.0"))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BundleError, match="No space left"):
        store.install(bundle("1.1.0"))
    unchanged(store, before)


def test_what_is_not_of_the_store_is_left_alone(store, bundle):
    (store.root / "mine").mkdir(parents=True)
    (store.root / "mine/notes.txt").write_text("precious")
    (store.root / "README").write_text("precious")
    store.install(bundle("1.0.0"))
    assert (store.root / "mine/notes.txt").read_text() == (store.root / "README").read_text() == "precious"
    assert [model.name for model in store.models()] == ["tiny"]


def test_a_link_that_leads_elsewhere_is_no_version(store, bundle, tmp_path):
    store.install(bundle("1.0.0"))
    link = store.root / "tiny/current"
    link.unlink()
    link.symlink_to(tmp_path)
    assert store.get("tiny") is None


# --- names --------------------------------------------------------------------------------------------------------


def test_a_name_and_a_path(store, bundle, tmp_path, monkeypatch):
    model = store.install(bundle("1.0.0"))
    assert locate("tiny") == model.path
    assert locate("./tiny", tmp_path) == tmp_path / "tiny"
    assert locate("other", tmp_path) == tmp_path / "other"
    assert locate("/x/tiny") == (tmp_path / "/x/tiny")
    assert locate(tmp_path / "x.vedette") == tmp_path / "x.vedette"


# --- at the same time ---------------------------------------------------------------------------------------------


def _install(root, path, start) -> None:
    start.wait()
    ModelStore(root).install(path, trust=Trust("off"))


def test_installations_at_the_same_time(store, bundle, answer_of):
    """And a reader, for whom the model is there all the time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vedette.bundle.store"])
    start = context.Event()
    paths = [bundle(f"2.{number}.0", number % 3) for number in range(6)]
    store.install(bundle("1.0.0"), trust=Trust("off"))
    processes = [context.Process(target=_install, args=(store.root, path, start)) for path in paths]
    for process in processes:
        process.start()
    start.set()

    def in_use() -> int:
        return int((store.root / "tiny/current").readlink().name.partition("-")[0])

    while any(process.is_alive() for process in processes):
        before = in_use()
        try:
            with open_bundle(store.root / "tiny/current") as opened:
                assert opened.manifest.name == "tiny"
        except BundleError:  # it took longer than two installations: its version is gone
            assert in_use() >= before + 2
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    assert len(versions(store)) == 3
    assert answer_of("tiny") in range(3)
    assert max(path.name for path in (store.root / "tiny").glob("0*")).startswith("0007-")
