"""Archives and folders that were made to harm, or damaged on the way: one clear error each, and nothing written."""

import os
import re
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.errors import BundleError

END = struct.Struct("<4s4H2LH")


def refused(path: Path, reason: str) -> None:
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(BundleError, match=reason) as caught:
        open_bundle(path)
    assert str(path) in str(caught.value)
    assert sorted(path.parent.rglob("*")) == before


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(
    path: Path, change: Callable[[zipfile.ZipInfo], object] = lambda info: None, **extra: bytes
) -> None:
    """Write the archive again as another tool would, with ``extra`` members before its last one."""
    content = members(path)
    last = content.popitem()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*content.items(), *extra.items(), last]:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.create_version = info.extract_version = 10
            change(info)
            archive.writestr(info, data)


def patch(path: Path, position: int, data: bytes) -> None:
    raw = bytearray(path.read_bytes())
    if position < 0:
        position += len(raw)
    raw[position : position + len(data)] = data
    path.write_bytes(raw)


def directory(path: Path) -> int:
    """Where the central directory starts."""
    return END.unpack(path.read_bytes()[-END.size :])[6]


def set_end(path: Path, field: int, value: int) -> None:
    fields = list(END.unpack(path.read_bytes()[-END.size :]))
    fields[field] = value
    patch(path, -END.size, END.pack(*fields))


def test_the_helper_makes_a_good_archive_when_nothing_is_changed(archive):
    before = archive.path.read_bytes()
    rewrite(archive.path)
    assert archive.path.read_bytes() == before


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil", "climbs out"),
        ("variants/../../evil", "climbs out"),
        ("variants/..", "climbs out"),
        ("/etc/passwd", "absolute"),
        ("//server/share", "absolute"),
        ("C:evil", "portable"),
        ("a\\..\\evil", "portable"),
        ("a//b", "portable"),
        ("./a", "portable"),
        (".hidden", "portable"),
        ("~part", "portable"),
        ("a b", "portable"),
        ("new\nline", "portable"),
        ("bücher", "portable"),
        ("x" * 201, "longer than 200"),
        ("d/" * 150 + "x", "longer than 200"),
        ("folder/", "folder entry"),
        ("LABELS.txt", "differ only in case"),
        ("labels.txt/x", "also the folder"),
    ],
)
def test_names(archive, name, reason):
    rewrite(archive.path, **{name: b"evil"})
    refused(archive.path, reason)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(archive):
    content = list(members(archive.path).items())
    with zipfile.ZipFile(archive.path, "w") as again:
        for name, data in [*content, content[-1]]:
            again.writestr(zipfile.ZipInfo(name), data)
    refused(archive.path, "is there twice")


def test_not_listed(archive):
    rewrite(archive.path, **{"variants/f32/step.md": b"evil"})
    refused(archive.path, r"'variants/f32/step\.md' is not listed in the manifest")


def test_listed_but_missing(archive, folder):
    content = members(archive.path)
    del content["goldens/0.jpg"]
    with zipfile.ZipFile(archive.path, "w") as again:
        for name, data in content.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.create_version = info.extract_version = 10
            again.writestr(info, data)
    refused(archive.path, r"'goldens/0\.jpg' is listed in the manifest but missing")
    (folder.path / "goldens/0.jpg").unlink()
    refused(folder.path, r"'goldens/0\.jpg' is listed in the manifest but missing")


# --- members ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda info: setattr(info, "compress_type", zipfile.ZIP_DEFLATED), "is compressed"),
        (lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA), "is compressed"),
        (lambda info: setattr(info, "external_attr", (stat.S_IFLNK | 0o777) << 16), "is a symbolic link"),
        (lambda info: setattr(info, "external_attr", (stat.S_IFREG | 0o4755) << 16), "not canonical"),
        (lambda info: setattr(info, "date_time", (2026, 1, 2, 3, 4, 6)), "not canonical"),
        (lambda info: setattr(info, "comment", b"hello"), "extra field or a comment"),
        (lambda info: setattr(info, "extra", b"\x99\x99\x02\x00ab"), "extra field or a comment"),
        (lambda info: setattr(info, "create_system", 0), "not canonical"),
        (lambda info: setattr(info, "internal_attr", 1), "not canonical"),
    ],
)
def test_members(archive, change, reason):
    rewrite(archive.path, change)
    refused(archive.path, reason)


def test_a_bomb(archive):
    bomb = bytes(64 << 20)
    content = members(archive.path)
    with zipfile.ZipFile(archive.path, "w", zipfile.ZIP_DEFLATED) as again:
        for name, data in content.items():
            again.writestr(name, bomb if name == "goldens/0.npz" else data)
    assert archive.path.stat().st_size < 1 << 20
    refused(archive.path, "is compressed")


def test_encrypted(archive):
    at = directory(archive.path)
    patch(archive.path, at + 8, b"\x01\x00")
    refused(archive.path, "is encrypted")


def test_the_header_contradicts_the_directory(archive):
    patch(archive.path, 6, b"\x01\x00")
    refused(archive.path, r"header of 'manifest\.json' contradicts")
    patch(archive.path, 6, b"\x00\x00")
    patch(archive.path, 30, b"Manifest.json")
    refused(archive.path, r"header of 'manifest\.json' contradicts")


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**32 - 2])
def test_absurd_sizes(archive, size):
    at = directory(archive.path)
    patch(archive.path, at + 20, struct.pack("<LL", size, size))
    refused(archive.path, "not canonical")


def test_overlapping_members(archive):
    """Two directory entries over the same bytes: a bomb without compression."""
    raw = archive.path.read_bytes()
    second = raw.index(b"PK\x01\x02", directory(archive.path) + 4)
    patch(archive.path, second + 42, struct.pack("<L", 0))
    refused(archive.path, "not canonical")


def test_zip64(archive):
    at = directory(archive.path)
    patch(archive.path, at + 20, b"\xff" * 8)
    refused(archive.path, "zip64 member")


# --- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"#!/bin/sh\n", b"PK\x03\x04", b"\0"])
def test_junk_around_the_archive(archive, junk):
    raw = archive.path.read_bytes()
    archive.path.write_bytes(junk + raw)
    refused(archive.path, "precedes the archive|not where it claims")
    archive.path.write_bytes(raw + junk)
    refused(archive.path, "truncated, or something follows")


def test_hidden_bytes_before_the_directory(archive):
    raw = archive.path.read_bytes()
    at = directory(archive.path)
    archive.path.write_bytes(raw[:at] + b"hidden" + raw[at:])
    set_end(archive.path, 6, at + 6)
    refused(archive.path, "not canonical")


def test_a_comment_at_the_end(archive):
    with zipfile.ZipFile(archive.path, "a") as other:
        other.comment = b"hello"
    refused(archive.path, "something follows")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (1, 1, "not canonical"),
        (3, 1, "not canonical"),
        (3, 0xFFFE, "not canonical"),
        (4, 0xFFFF, "zip64"),
        (4, 5000, "claims 5000 files"),
        (5, 0xFFFFFFFF, "zip64"),
        (5, 0xFFFFFF, "in a directory of 16,777,215 bytes"),
        (6, 0xFFFFFFFF, "zip64"),
        (6, 0, "not where it claims"),
        (7, 9, "not canonical"),
    ],
)
def test_the_end_record_lies(archive, field, value, reason):
    set_end(archive.path, field, value)
    refused(archive.path, reason)


def test_not_a_zip(tmp_path):
    for content in (b"", b"x", b"PK\x05\x06" + bytes(18), b"\x7fELF" + bytes(100)):
        (tmp_path / "x.vedette").write_bytes(content)
        refused(tmp_path / "x.vedette", "not a zip file")


def test_no_manifest_first(archive):
    content = members(archive.path)
    with zipfile.ZipFile(archive.path, "w") as again:
        for name in sorted(content):
            again.writestr(zipfile.ZipInfo(name), content[name])
    refused(archive.path, "not its first member")


def test_members_not_sorted(archive):
    content = members(archive.path)
    manifest = content.pop("manifest.json")
    with zipfile.ZipFile(archive.path, "w") as again:
        again.writestr(zipfile.ZipInfo("manifest.json"), manifest)
        for name in sorted(content, reverse=True):
            again.writestr(zipfile.ZipInfo(name), content[name])
    refused(archive.path, "not sorted")


def test_every_truncation(archive, tmp_path):
    raw = archive.path.read_bytes()
    for length in [*range(0, 200, 3), *range(200, len(raw), 499), *range(len(raw) - 150, len(raw))]:
        archive.path.write_bytes(raw[:length])
        with pytest.raises(BundleError):
            open_bundle(archive.path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_noticed(archive, data):
    """No bit of an archive is free."""
    whole = archive.path.read_bytes()
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    patch(archive.path, at, bytes([whole[at] ^ 1 << bit]))
    try:
        with pytest.raises(BundleError), open_bundle(archive.path) as bundle:
            bundle.check_files()
    finally:
        archive.path.write_bytes(whole)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_give_an_error(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "x.vedette"
    path.write_bytes(b"PK\x03\x04" + raw + END.pack(b"PK\x05\x06", 0, 0, 1, 1, 47, max(0, len(raw) - 43), 0))
    with pytest.raises(BundleError):
        open_bundle(path)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("variants/f32/cnn.onnx", lambda bundle: bundle.graph_files("f32", "cnn")),
        ("variants/f32/step.bin", lambda bundle: bundle.graph_files("f32", "step")),
        ("goldens/0.npz", lambda bundle: bundle.read("goldens/0.npz")),
        ("goldens/0.jpg", Bundle.check_files),
        ("labels.txt", lambda bundle: pytest.fail("labels are read at once")),
    ],
)
def test_a_wrong_hash_is_found_when_the_file_is_used(folder, archive, name, contents, use):
    changed = bytes([contents[name][0] ^ 1]) + contents[name][1:]
    (folder.path / name).write_bytes(changed)
    patch(archive.path, archive.path.read_bytes().index(contents[name]), changed[:1])
    for path in (folder.path, archive.path):
        with pytest.raises(BundleError, match=re.escape(f"{name!r} is ")), open_bundle(path) as bundle:
            use(bundle)


def test_a_file_that_fails_its_hash_is_never_unpacked_under_its_name(
    archive, contents, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    patch(archive.path, archive.path.read_bytes().index(contents["variants/f32/step.bin"]), b"x")
    with open_bundle(archive.path) as bundle:
        for _ in range(2):
            with pytest.raises(BundleError, match=r"'variants/f32/step\.bin' is damaged"):
                bundle.graph_files("f32", "step")
            assert not list(tmp_path.rglob("step.bin"))


# --- folders ------------------------------------------------------------------------------------------------------


def test_a_linked_file(folder, tmp_path):
    (tmp_path / "secret").write_bytes((folder.path / "card.md").read_bytes())
    (folder.path / "card.md").unlink()
    (folder.path / "card.md").symlink_to(tmp_path / "secret")
    refused(folder.path, r"'card\.md' is a symbolic link")


def test_a_linked_folder(folder, tmp_path):
    (folder.path / "goldens").rename(tmp_path / "elsewhere")
    (folder.path / "goldens").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    refused(folder.path, "'goldens' is a symbolic link")


def test_a_link_that_appears_after_opening(folder, tmp_path, contents):
    bundle = open_bundle(folder.path)
    (tmp_path / "secret").write_bytes(contents["goldens/0.npz"])
    (folder.path / "goldens/0.npz").unlink()
    (folder.path / "goldens/0.npz").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match=r"'goldens/0\.npz' cannot be read"):
        bundle.read("goldens/0.npz")


def test_a_pipe_and_a_socket(folder, monkeypatch):
    (folder.path / "card.md").unlink()
    os.mkfifo(folder.path / "card.md")
    refused(folder.path, r"'card\.md' is not a regular file")
    (folder.path / "card.md").unlink()
    monkeypatch.chdir(folder.path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("card.md")
        refused(folder.path, r"'card\.md' is not a regular file")


def test_a_pipe_instead_of_an_archive(tmp_path):
    os.mkfifo(tmp_path / "x.vedette")
    refused(tmp_path / "x.vedette", "neither a folder nor a file")


@pytest.mark.parametrize(
    ("name", "reason"), [(".git/x", "portable"), ("extra.bin", "'extra.bin' is not listed")]
)
def test_other_files_in_a_folder(folder, name, reason):
    target = folder.path / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"")
    refused(folder.path, reason)


def test_names_that_differ_in_case(folder):
    (folder.path / "Card.md").write_bytes(b"")
    if len(list(folder.path.glob("?ard.md"))) == 1:
        pytest.skip("this file system does not tell them apart")
    refused(folder.path, "differ only in case")


def test_a_name_that_is_not_text(folder):
    (folder.path / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    refused(folder.path, "portable")


def test_more_files_than_a_bundle_may_have(folder):
    for number in range(4100):
        (folder.path / f"f{number}").touch()
    refused(folder.path, "more than 4096 files")


def test_a_file_that_grows_or_shrinks_after_opening(folder, contents):
    bundle = open_bundle(folder.path)
    target = folder.path / "variants/f32/cnn.onnx"
    for content in (contents["variants/f32/cnn.onnx"] * 2, b"short"):
        target.write_bytes(content)
        with pytest.raises(BundleError, match=r"size of 'variants/f32/cnn\.onnx' changed"):
            bundle.graph_files("f32", "cnn")
    target.unlink()
    with pytest.raises(BundleError, match="No such file"):
        bundle.graph_files("f32", "cnn")


def test_a_file_of_another_size_than_listed(folder):
    (folder.path / "goldens/0.npz").write_bytes(b"more arrays")
    refused(folder.path, r"'goldens/0\.npz' has 11 bytes, the manifest says 6")


def test_a_huge_manifest_is_not_read(folder):
    os.truncate(folder.path / "manifest.json", 1 << 34)
    refused(folder.path, "17,179,869,184 bytes, more than")


def test_a_size_beyond_any_file(folder):
    folder.edit(lambda tree: tree["files"]["card.md"].update(size=2**60))
    refused(folder.path, r"manifest\.json: .*\$\.files")


def test_nothing_there(tmp_path):
    refused(tmp_path / "missing.vedette", "no such bundle")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"no manifest\.json")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "cannot be read")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file" / "below", "cannot be read")


def test_a_model_file_is_not_a_bundle(tmp_path):
    (tmp_path / "yolo.onnx").write_bytes(b"\x08\x07")
    refused(tmp_path / "yolo.onnx", r"vedette pack .*yolo\.onnx")
