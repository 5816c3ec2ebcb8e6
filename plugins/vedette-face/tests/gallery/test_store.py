"""What is on the disk: damage, wrong keys, two writers, a killed process, forgetting."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vedette.errors import ConfigError
from vedette_face.gallery import Gallery, GalleryError, MasterKey, load_key
from vedette_face.gallery import snapshot as snapshots
from vedette_face.gallery import store as stores
from vedette_face.gallery.keys import write_key

KEY = MasterKey(bytes(range(32)))
MODEL = "ab" * 32
D = 16
rng = np.random.default_rng(3)


def faces(n=1):
    return rng.normal(size=(n, D)).astype(np.float32)


@pytest.fixture
def gallery(tmp_path):
    gallery = Gallery.create(tmp_path / "staff", KEY, model=MODEL, dimension=D)
    for name in ("Ada", "Grace", "Žofie/../etc"):
        gallery.enrol(name, faces(2), model=MODEL)
    return gallery


def files(gallery):
    return [path for path in sorted(gallery.path.rglob("*")) if path.is_file() and path.name != "lock"]


def test_it_comes_back_as_it_was(gallery):
    again = Gallery.open(gallery.path, KEY)
    assert again.names == ("Ada", "Grace", "Žofie/../etc")
    np.testing.assert_array_equal(again._now.people.templates, gallery._now.people.templates)
    np.testing.assert_allclose(np.linalg.norm(again._now.people.templates, axis=1), 1, rtol=1e-6)
    assert again.damage == ()


def test_nothing_readable_is_on_the_disk(gallery):
    vector = gallery._now.people.templates[0].tobytes()
    for path in files(gallery):
        data = path.read_bytes()
        assert vector[:8] not in data
        assert b"Ada" not in data
        assert "Žofie".encode() not in data
        assert "Ada" not in str(path.relative_to(gallery.path))
        assert (
            path.stat().st_mode & 0o077 == 0
            or path.parent.stat().st_mode & 0o077 == 0
            or (gallery.path.stat().st_mode & 0o077 == 0)
        )


def test_the_same_person_twice_gets_more_templates(gallery):
    assert gallery.enrol("  Ada ", faces(3), model=MODEL).templates == 5
    assert len(gallery) == 3


def test_a_name_in_another_unicode_form_is_the_same_name(gallery):
    gallery.enrol("Zoë", faces(), model=MODEL)
    assert gallery.enrol("Zoe\u0308", faces(), model=MODEL).templates == 2


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 300, "\u202e"])
def test_what_is_no_name_is_refused(gallery, name):
    with pytest.raises(GalleryError, match="is not a name"):
        gallery.enrol(name, faces(), model=MODEL)


def test_another_model_is_refused(gallery):
    with pytest.raises(GalleryError, match="another embedding model: abababababab, not cdcd"):
        gallery.enrol("Ada", faces(), model="cd" * 32)


@pytest.mark.parametrize("bad", [np.zeros((1, D)), np.full((1, D), np.nan), np.ones((1, D + 1)), np.ones(D)])
def test_embeddings_that_do_not_fit_are_refused(gallery, bad):
    with pytest.raises(GalleryError, match="embeddings: "):
        gallery.enrol("Ada", bad, model=MODEL)
    with pytest.raises(GalleryError, match="embeddings: "):
        gallery.search(bad, 0.5)


def test_a_wrong_key_is_said(gallery):
    with pytest.raises(GalleryError, match="wrong key"):
        Gallery.open(gallery.path, MasterKey.new())


def test_no_gallery_and_one_too_many(gallery, tmp_path):
    with pytest.raises(GalleryError, match="there is no gallery"):
        Gallery.open(tmp_path / "none", KEY)
    with pytest.raises(GalleryError, match="already"):
        Gallery.create(gallery.path, KEY, model=MODEL, dimension=D)


def is_noticed(path):
    """Whether opening or reading the log says that something is wrong, and how many people are left."""
    try:
        gallery = Gallery.open(path, KEY)
        return bool(gallery.damage or gallery.audit_log().damage), gallery
    except GalleryError as error:
        return "wrong key" not in str(error), None


def test_damage_at_any_byte_is_noticed_and_the_rest_is_readable(gallery):
    """Every seventh byte of every file, and all of those where one part meets the next."""
    for path in files(gallery):
        whole = path.read_bytes()
        places = {
            *range(0, len(whole), 7 if path.name != "index" else 29),
            *range(4030, 4500),
            len(whole) - 1,
        }
        for at in sorted(place for place in places if place < len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            noticed, found = is_noticed(gallery.path)
            assert noticed, (path.name, at)
            assert found is not None, (path.name, at)
            assert len(found) >= 2, (path.name, at)
            if path.parent.name == "records":
                assert path.name in found.damage[0]
        path.write_bytes(whole)
    assert not is_noticed(gallery.path)[0]


def test_a_file_cut_short_or_taken_away_is_noticed(gallery):
    for path in files(gallery):
        whole = path.read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert is_noticed(gallery.path)[0], (path.name, length)
        path.unlink()
        assert is_noticed(gallery.path)[0], path.name
        path.write_bytes(whole)


def test_records_cannot_take_each_others_place(gallery):
    one, two = sorted((gallery.path / "records").iterdir())[:2]
    one.write_bytes(two.read_bytes())
    assert one.name in Gallery.open(gallery.path, KEY).damage[0]


def test_a_damaged_gallery_is_not_changed_until_that_is_given_up(gallery):
    victim = next((gallery.path / "records").iterdir())
    victim.write_bytes(b"VFR1 nothing")
    damaged = Gallery.open(gallery.path, KEY)
    with pytest.raises(GalleryError, match=f"{victim.name}.*\n.*--damaged"):
        damaged.enrol("Joan", faces(), model=MODEL)
    assert damaged.drop_damaged() == (victim.name,)
    assert damaged.damage == ()
    damaged.enrol("Joan", faces(), model=MODEL)
    assert len(Gallery.open(gallery.path, KEY)) == 3


# --- forgetting ---------------------------------------------------------------------------------------------------


def test_an_old_copy_of_a_forgotten_record_cannot_be_opened(gallery, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(gallery.path, copy)
    (record,) = [person.records[0] for person in gallery.people() if person.name == "Ada"]
    assert gallery.forget("Ada") == 2
    assert not (gallery.path / "records" / record).exists()
    assert bytes.fromhex(record) not in (gallery.path / "index").read_bytes()
    shutil.copy(
        copy / "records" / record, gallery.path / "records"
    )  # the record comes back, its key does not
    again = Gallery.open(gallery.path, KEY)
    assert again.names == ("Grace", "Žofie/../etc")
    # What cannot be prevented, and the guide says so: a copy of all of it, with the master key.
    assert "Ada" in Gallery.open(copy, KEY).names


def test_after_a_change_of_the_master_key_old_copies_need_the_old_one(gallery, tmp_path):
    shutil.copytree(gallery.path, tmp_path / "copy")
    gallery.forget("Ada")
    new = MasterKey.new()
    gallery.rekey(new)
    assert Gallery.open(gallery.path, new).names == ("Grace", "Žofie/../etc")
    assert Gallery.open(gallery.path, new).audit_log().damage == ()
    with pytest.raises(GalleryError, match="wrong key"):
        Gallery.open(gallery.path, KEY)
    with pytest.raises(GalleryError, match="wrong key"):
        Gallery.open(tmp_path / "copy", new)


def test_probes_of_a_person_are_forgotten_with_them(gallery):
    gallery.calibrate(0.2, 0.2, [("Ada", faces(20)), (None, faces(20))], model=MODEL)
    gallery.forget("Ada")
    records = gallery._now.contents.records.values()
    assert {(record.kind, record.name) for record in records} == {
        ("person", "Grace"),
        ("person", "Žofie/../etc"),
        ("probe", ""),
    }


def test_strangers_are_nobody_to_forget(gallery):
    with pytest.raises(GalleryError, match="not enrolled"):
        gallery.forget("Nobody")


def test_what_is_too_old_is_removed(tmp_path, monkeypatch):
    gallery = Gallery.create(tmp_path / "g", KEY, model=MODEL, dimension=D, retention_days=30)
    gallery.enrol("Ada", faces(), model=MODEL)
    now = time.time()
    assert gallery.search(gallery._now.people.templates, 0.5).name == ("Ada",)
    monkeypatch.setattr(snapshots.time, "time", lambda: now + 31 * 86_400)
    assert gallery.search(faces(), 0.5).name == (None,)  # at once, in a program that has it open
    assert Gallery.open(gallery.path, KEY).names == ()
    assert list((gallery.path / "records").iterdir()) == []
    assert [entry.what for entry in gallery.audit_log().entries] == ["create", "enrol", "expire"]


# --- the log ------------------------------------------------------------------------------------------------------


def test_the_log_says_what_was_done_without_names(gallery):
    gallery.forget("Ada")
    log = gallery.audit_log()
    assert [entry.what for entry in log.entries] == ["create", "enrol", "enrol", "enrol", "forget"]
    assert log.damage == ()
    assert log.entries[1].detail["person"] == log.entries[4].detail["person"] == gallery.pseudonym("Ada")
    assert b"Ada" not in (gallery.path / "audit.jsonl").read_bytes()


def test_lines_cannot_be_taken_from_the_log(gallery):
    path = gallery.path / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (lines[1:], lines[:-1], lines[:1] + lines[2:], lines[::-1], [*lines, lines[-1]]):
        path.write_bytes(b"".join(kept))
        assert gallery.audit_log().damage


def test_half_a_line_is_cut_off(gallery):
    path = gallery.path / "audit.jsonl"
    with path.open("ab") as out:
        out.write(b'{"line":5,"ti')
    gallery.enrol("Joan", faces(), model=MODEL)
    log = gallery.audit_log()
    assert log.damage == ()
    assert len(log.entries) == 5


# --- writers ------------------------------------------------------------------------------------------------------


def test_two_writers_take_turns(gallery, monkeypatch):
    monkeypatch.setattr(stores, "_PATIENCE_S", 0.1)
    with (gallery.path / "lock").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(GalleryError, match="another process is changing"):
            gallery.enrol("Joan", faces(), model=MODEL)
    gallery.enrol("Joan", faces(), model=MODEL)


def test_a_writer_sees_what_another_wrote(gallery):
    other = Gallery.open(gallery.path, KEY)
    gallery.forget("Ada")
    other.enrol("Joan", faces(), model=MODEL)
    gallery.reload()
    assert gallery.names == other.names == ("Grace", "Joan", "Žofie/../etc")


WRITER = """
import sys, numpy as np
from vedette_face.gallery import Gallery, MasterKey
gallery = Gallery.open(sys.argv[1], MasterKey(bytes(range(32))))
print("ready", flush=True)
for number in range(100000):
    gallery.enrol(f"p{number}", np.eye(16, dtype=np.float32)[:2], model="ab" * 32)
    print(number, flush=True)
    if number % 2:
        gallery.forget(f"p{number}")
"""


def test_a_killed_writer_leaves_a_whole_gallery(gallery):
    for delay in (0.0, 0.013, 0.031, 0.057):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(gallery.path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        assert child.stdout.readline() == "0\n"
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        done = [0, *map(int, child.stdout.read().split())]
        child.wait()
        again = Gallery.open(gallery.path, KEY)
        assert again.damage == ()
        assert again.audit_log().damage == ()
        assert {f"p{number}" for number in done[:-1] if number % 2 == 0} <= set(again.names)
        for name in again.names:
            if name.startswith("p"):
                again.forget(name)
        index = len(again._now.contents.records)
        assert len(list((gallery.path / "records").iterdir())) == index  # no debris is left
        child.stdout.close()


# --- keys and copies ----------------------------------------------------------------------------------------------


def test_keys_from_files_and_the_environment(tmp_path, monkeypatch, caplog):
    path = tmp_path / "gallery.key"
    write_key(path, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(f"file:{path}") == KEY
    monkeypatch.setenv("GALLERY_KEY", KEY.text)
    assert load_key("env:GALLERY_KEY") == KEY
    assert not caplog.records
    path.chmod(0o644)
    load_key(f"file:{path}")
    assert "others than its owner" in caplog.text
    with pytest.raises(GalleryError, match="never overwritten"):
        write_key(path, KEY)


def test_what_is_no_key_is_refused_and_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("GALLERY_KEY", "hunter2hunter2")
    with pytest.raises(GalleryError, match="no key of a gallery") as caught:
        load_key("env:GALLERY_KEY")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load_key(KEY.text)
    assert KEY.text[-20:] not in str(caught.value)
    assert "00010203" not in repr(KEY)


def test_export_and_import(gallery, tmp_path):
    data = gallery.export("correct horse battery")
    other = Gallery.create(tmp_path / "other", MasterKey.new(), model=MODEL, dimension=D)
    assert other.import_(data, "correct horse battery") == 3
    assert other.names == gallery.names
    np.testing.assert_allclose(other._now.people.templates, gallery._now.people.templates, atol=1e-6)
    for bad in (
        data[:-1],
        data[:40] + b"!" + data[41:],
        data[:200] + bytes([data[200] ^ 1]) + data[201:],
        b"",
        b"x",
    ):
        with pytest.raises(GalleryError, match="damaged"):
            other.import_(bad, "correct horse battery")
    with pytest.raises(GalleryError, match="passphrase is wrong"):
        other.import_(data, "correct horse batterz")
    with pytest.raises(GalleryError, match="12 characters"):
        gallery.export("short")
    assert b"Ada" not in data


def test_an_import_from_another_model_is_refused(gallery, tmp_path):
    other = Gallery.create(tmp_path / "other", KEY, model="cd" * 32, dimension=D)
    with pytest.raises(GalleryError, match="another embedding model"):
        other.import_(gallery.export("correct horse battery"), "correct horse battery")
