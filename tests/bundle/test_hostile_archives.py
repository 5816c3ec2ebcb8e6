"""Archives and folders that were made to harm, or damaged on the way: one clear error each, and nothing written."""

import re
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError

END = struct.Struct("<4s4H2LH")


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
        ("..\N{FULLWIDTH SOLIDUS}evil", "portable"),
        ("\N{ONE DOT LEADER}\N{ONE DOT LEADER}/evil", "portable"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}xnno.evil", "portable"),
        ("\N{CYRILLIC SMALL LETTER A}.md", "portable"),
        ("a\x1b[2J", "portable"),
        ("evil.", "portable"),
        ("evil./x", "portable"),
        ("evil ", "portable"),
        ("x:stream", "portable"),
        ("nul", "device on Windows"),
        ("goldens/Aux.npz", "device on Windows"),
        ("x" * 201, "longer than 200"),
        ("x" * 65535, "longer than 200"),
        ("d/" * 150 + "x", "longer than 200"),
        ("folder/", "folder entry"),
        ("LABELS.txt", "differ only in case"),
        ("labels.txt/x", "also the folder"),
    ],
)
def test_names(refused, archive, name, reason):
    rewrite(archive.path, **{name: b"evil"})
    refused(archive.path, reason)


def test_a_name_with_a_nul(refused, archive):
    at = archive.path.read_bytes().index(b"card.md", directory(archive.path))
    patch(archive.path, at, b"card\0md")
    refused(archive.path, r"'card\\x00md' is not a portable")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["zz.bin", "z"])
def test_a_member_twice(refused, tmp_path, manifest, contents, name):
    path = write_bundle(tmp_path / "bundle.vedette", manifest, {**contents, name: b"good"})
    rewrite(path, **{name: b"evil"})
    refused(path, f"{name!r} is there twice")


def test_not_listed(refused, archive):
    rewrite(archive.path, **{"variants/f32/step.md": b"evil"})
    refused(archive.path, r"'variants/f32/step\.md' is not listed in the manifest")


def test_listed_but_missing(refused, archive, folder):
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
def test_members(refused, archive, change, reason):
    rewrite(archive.path, change)
    refused(archive.path, reason)


def test_a_bomb(refused, archive):
    bomb = bytes(64 << 20)
    content = members(archive.path)
    with zipfile.ZipFile(archive.path, "w", zipfile.ZIP_DEFLATED) as again:
        for name, data in content.items():
            again.writestr(name, bomb if name == "goldens/0.npz" else data)
    assert archive.path.stat().st_size < 1 << 20
    refused(archive.path, "is compressed")


def test_a_data_descriptor(refused, archive):
    """Sizes behind the content, as tools write them that cannot seek: two places that may contradict."""
    patch(archive.path, directory(archive.path) + 8, b"\x08\x00")
    refused(archive.path, "not canonical")


def test_a_checksum_that_is_wrong_in_both_places(refused, archive):
    for at in (14, directory(archive.path) + 16):
        patch(archive.path, at, b"evil")
    refused(archive.path, r"'manifest\.json' is damaged")


def test_encrypted(refused, archive):
    at = directory(archive.path)
    patch(archive.path, at + 8, b"\x01\x00")
    refused(archive.path, "is encrypted")


def test_the_header_contradicts_the_directory(refused, archive):
    patch(archive.path, 6, b"\x01\x00")
    refused(archive.path, r"header of 'manifest\.json' contradicts")
    patch(archive.path, 6, b"\x00\x00")
    patch(archive.path, 30, b"Manifest.json")
    refused(archive.path, r"header of 'manifest\.json' contradicts")


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**32 - 2])
def test_absurd_sizes(refused, archive, size):
    at = directory(archive.path)
    patch(archive.path, at + 20, struct.pack("<LL", size, size))
    refused(archive.path, "not canonical")


def test_overlapping_members(refused, archive):
    """Two directory entries over the same bytes: a bomb without compression."""
    raw = archive.path.read_bytes()
    second = raw.index(b"PK\x01\x02", directory(archive.path) + 4)
    patch(archive.path, second + 42, struct.pack("<L", 0))
    refused(archive.path, "not canonical")


def test_zip64(refused, archive):
    at = directory(archive.path)
    patch(archive.path, at + 20, b"\xff" * 8)
    refused(archive.path, "zip64 member")


def test_a_zip64_end_record(refused, archive):
    """Readers that look for it first would read another directory."""
    raw = archive.path.read_bytes()
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 46, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(raw) - END.size, 1)
    archive.path.write_bytes(raw[: -END.size] + record + locator + raw[-END.size :])
    refused(archive.path, "not where it claims")


# --- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"#!/bin/sh\n", b"PK\x03\x04", b"\0"])
def test_junk_around_the_archive(refused, archive, junk):
    raw = archive.path.read_bytes()
    archive.path.write_bytes(junk + raw)
    refused(archive.path, "precedes the archive|not where it claims")
    archive.path.write_bytes(raw + junk)
    refused(archive.path, "truncated, or something follows")


def test_hidden_bytes_before_the_directory(refused, archive):
    raw = archive.path.read_bytes()
    at = directory(archive.path)
    archive.path.write_bytes(raw[:at] + b"hidden" + raw[at:])
    set_end(archive.path, 6, at + 6)
    refused(archive.path, "not canonical")


def test_a_comment_at_the_end(refused, archive):
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
def test_the_end_record_lies(refused, archive, field, value, reason):
    set_end(archive.path, field, value)
    refused(archive.path, reason)


def test_not_a_zip(refused, tmp_path):
    for content in (b"", b"x", b"PK\x05\x06" + bytes(18), b"\x7fELF" + bytes(100)):
        (tmp_path / "x.vedette").write_bytes(content)
        refused(tmp_path / "x.vedette", "not a zip file")


def test_no_manifest_first(refused, archive):
    content = members(archive.path)
    with zipfile.ZipFile(archive.path, "w") as again:
        for name in sorted(content):
            again.writestr(zipfile.ZipInfo(name), content[name])
    refused(archive.path, "not its first member")


def test_members_not_sorted(refused, archive):
    content = members(archive.path)
    manifest = content.pop("manifest.json")
    with zipfile.ZipFile(archive.path, "w") as again:
        again.writestr(zipfile.ZipInfo("manifest.json"), manifest)
        for name in sorted(content, reverse=True):
            again.writestr(zipfile.ZipInfo(name), content[name])
    refused(archive.path, "not in order")


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
