"""Folders that were made to harm, or damaged on the way: one clear error each, and nothing written."""

import os
import socket
import stat

import pytest

from vedette.bundle.bundle import open_bundle
from vedette.errors import BundleError


def test_a_linked_file(refused, folder, tmp_path):
    (tmp_path / "secret").write_bytes((folder.path / "card.md").read_bytes())
    (folder.path / "card.md").unlink()
    (folder.path / "card.md").symlink_to(tmp_path / "secret")
    refused(folder.path, r"'card\.md' is a symbolic link")


def test_a_linked_folder(refused, folder, tmp_path):
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


def test_a_hard_link_is_a_file_like_any_other(refused, folder, tmp_path, contents):
    """What is behind it is read only to be compared with the hash; it gives away nothing and harms nothing."""
    for secret, good in ((contents["card.md"], True), (b"another", False)):
        (tmp_path / "secret").write_bytes(secret)
        (folder.path / "card.md").unlink()
        (folder.path / "card.md").hardlink_to(tmp_path / "secret")
        if good:
            open_bundle(folder.path).check_files()
        else:
            refused(folder.path, r"'card\.md' has 7 bytes, the manifest says 0")


@pytest.mark.parametrize("name", ["card.md", "manifest.json"])
def test_a_device(refused, folder, name):
    (folder.path / name).unlink()
    try:
        os.mknod(folder.path / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    refused(folder.path, rf"'{name}' is not a regular file")


@pytest.mark.parametrize("name", ["card.md", "manifest.json"])
def test_a_folder_in_place_of_a_file(refused, folder, name):
    (folder.path / name).unlink()
    (folder.path / name).mkdir()
    refused(folder.path, r"'card\.md' is listed in the manifest but missing|no manifest\.json")


def test_a_file_in_place_of_a_folder(refused, folder):
    (folder.path / "goldens").rename(folder.path / "old")
    (folder.path / "goldens").write_bytes(b"")
    refused(folder.path, "'goldens' is not listed")


def test_a_pipe_that_appears_after_opening_does_not_block(folder):
    bundle = open_bundle(folder.path)
    (folder.path / "goldens/0.npz").unlink()
    os.mkfifo(folder.path / "goldens/0.npz")
    with pytest.raises(BundleError, match=r"size of 'goldens/0\.npz' changed"):
        bundle.read("goldens/0.npz")


@pytest.mark.parametrize(
    "name",
    [
        "evil ",
        "evil.",
        "back\\slash",
        "x" * 255,
        "\N{RIGHT-TO-LEFT OVERRIDE}xnno.evil",
        "\x1b[2J",
        "CON",
        "d/" * 120 + "deep",
    ],
)
def test_names_in_a_folder(refused, folder, name):
    (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / name).write_bytes(b"")
    refused(folder.path, "portable|longer than 200|device on Windows")


def test_a_manifest_that_is_a_link(refused, folder, tmp_path):
    (folder.path / "manifest.json").rename(tmp_path / "elsewhere.json")
    (folder.path / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    refused(folder.path, r"'manifest\.json' is a symbolic link")


def test_a_pipe_and_a_socket(refused, folder, monkeypatch):
    (folder.path / "card.md").unlink()
    os.mkfifo(folder.path / "card.md")
    refused(folder.path, r"'card\.md' is not a regular file")
    (folder.path / "card.md").unlink()
    monkeypatch.chdir(folder.path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("card.md")
        refused(folder.path, r"'card\.md' is not a regular file")


def test_a_pipe_instead_of_an_archive(refused, tmp_path):
    os.mkfifo(tmp_path / "x.vedette")
    refused(tmp_path / "x.vedette", "neither a folder nor a file")


@pytest.mark.parametrize(
    ("name", "reason"), [(".git/x", "portable"), ("extra.bin", "'extra.bin' is not listed")]
)
def test_other_files_in_a_folder(refused, folder, name, reason):
    target = folder.path / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"")
    refused(folder.path, reason)


def test_names_that_differ_in_case(refused, folder):
    (folder.path / "Card.md").write_bytes(b"")
    if len(list(folder.path.glob("?ard.md"))) == 1:
        pytest.skip("this file system does not tell them apart")
    refused(folder.path, "differ only in case")


def test_a_name_that_is_not_text(refused, folder):
    (folder.path / os.fsdecode(b"\xff\xfe")).write_bytes(b"")
    refused(folder.path, "portable")


def test_more_files_than_a_bundle_may_have(refused, folder):
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


def test_a_file_of_another_size_than_listed(refused, folder):
    (folder.path / "goldens/0.npz").write_bytes(b"more arrays")
    refused(folder.path, r"'goldens/0\.npz' has 11 bytes, the manifest says 6")


def test_a_huge_manifest_is_not_read(refused, folder):
    os.truncate(folder.path / "manifest.json", 1 << 34)
    refused(folder.path, "17,179,869,184 bytes, more than")


def test_a_size_beyond_any_file(refused, folder):
    folder.edit(lambda tree: tree["files"]["card.md"].update(size=2**60))
    refused(folder.path, r"manifest\.json: .*\$\.files")


def test_nothing_there(refused, tmp_path):
    refused(tmp_path / "missing.vedette", "no such bundle")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"no manifest\.json")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "cannot be read")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file" / "below", "cannot be read")
    refused(tmp_path / "a\0b", "cannot be read: embedded null byte")
    refused(tmp_path / ("x" * 300), "cannot be read: .*too long")


def test_a_model_file_is_not_a_bundle(refused, tmp_path):
    (tmp_path / "yolo.onnx").write_bytes(b"\x08\x07")
    refused(tmp_path / "yolo.onnx", r"vedette pack .*yolo\.onnx")
