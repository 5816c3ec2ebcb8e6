"""Zip files of strangers."""

import stat
import zipfile

import pytest

from vedette_torch.data.errors import DataError
from vedette_torch.data.unpack import unpack


def archive(path, files):
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files:
            opened.writestr(name, content)
    return path


def test_unpacks(tmp_path):
    into = unpack(
        archive(tmp_path / "a.zip", [("x/1.txt", "one"), ("y.txt", "two")]), tmp_path / "new" / "out"
    )
    assert into == tmp_path / "new" / "out"
    assert {p.name: p.read_text() for p in into.rglob("*.txt")} == {"1.txt": "one", "y.txt": "two"}


def test_all_in_one_folder(tmp_path):
    assert (
        unpack(archive(tmp_path / "a.zip", [("set/a", ""), ("set/b", "")]), tmp_path / "o")
        == tmp_path / "o" / "set"
    )


def link():
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ([("../out.txt", "x")], "leads out"),
        ([("/etc/out.txt", "x")], "leads out"),
        ([("a/../../out.txt", "x")], "leads out"),
        ([("a\\..\\out.txt", "x")], "not portable"),
        ([(link(), "/etc/passwd")], "link"),
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, files, what):
    path = archive(tmp_path / "a.zip", [("fine.txt", "x"), *files])
    with pytest.raises(DataError, match=what):
        unpack(path, tmp_path / "in" / "out")
    assert not list((tmp_path / "in").rglob("*"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="twice"):
        unpack(archive(tmp_path / "a.zip", [("x", "1"), ("x", "2")]), tmp_path / "out")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vedette_torch.data.unpack.MOST_BESIDE", 1 << 20)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(50 << 20))
    with pytest.raises(DataError, match="50 MiB"):
        unpack(path, tmp_path / "out")


def test_a_damaged_file_leaves_nothing(tmp_path):
    path = archive(tmp_path / "a.zip", [("x", "hello" * 100), ("y", "world" * 100)])
    content = bytearray(path.read_bytes())
    content[700] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="Bad CRC"):
        unpack(path, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(DataError, match="not an empty folder"):
        unpack(archive(tmp_path / "a.zip", [("x", "1")]), tmp_path / "out")
