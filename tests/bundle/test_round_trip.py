"""Writing and reading, folder and archive."""

import gc
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError


@pytest.fixture(params=["bundle", "bundle.vedette"])
def written(request, tmp_path, manifest, contents) -> Path:
    return write_bundle(tmp_path / request.param, manifest, contents)


def digest(path: Path) -> str:
    with open_bundle(path) as bundle:
        return bundle.digest


def test_what_is_written_is_read(written, manifest, contents):
    with open_bundle(written) as bundle:
        assert msgspec.structs.replace(bundle.manifest, files={}) == manifest
        assert {name: bundle.read(name) for name in bundle.manifest.files} == contents
        assert bundle.labels == ("car", "person", "bücher bus")
        assert {name: file.size for name, file in bundle.manifest.files.items()} == {
            name: len(content) for name, content in contents.items()
        }
        bundle.check_files()


def test_both_forms_are_the_same_bundle(folder, archive):
    with open_bundle(folder.path) as one, open_bundle(archive.path) as other:
        assert one.digest == other.digest
        assert one.manifest == other.manifest
    raw = (folder.path / "manifest.json").read_bytes()
    assert one.digest == hashlib.sha256(raw).hexdigest()


def test_models_are_real_files_until_the_bundle_is_closed(written, contents):
    bundle = open_bundle(written)
    files = bundle.graph_files("f32", "step")
    assert files.format == "openvino"
    xml, binary = files.paths
    assert files.model == xml
    assert xml.parent == binary.parent
    assert (xml.name, binary.name) == ("step.xml", "step.bin")
    assert binary.read_bytes() == contents["variants/f32/step.bin"]
    assert bundle.graph_files("f32", "step") == files
    unpacked = not xml.is_relative_to(written)
    assert unpacked == written.is_file()
    bundle.close()
    bundle.close()
    assert xml.exists() != unpacked


def test_an_archive_unpacks_only_what_is_used_into_a_private_folder(archive):
    with open_bundle(archive.path) as bundle:
        (model,) = bundle.graph_files("f32", "cnn").paths
        root = model.parents[2]
        assert root.stat().st_mode & 0o077 == 0
        assert [path for path in root.rglob("*") if path.is_file()] == [model]
    assert not root.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it was not closed
def test_a_bundle_that_is_forgotten_leaves_nothing(archive):
    (model,) = open_bundle(archive.path).graph_files("f32", "cnn").paths
    gc.collect()
    assert not model.exists()


def test_a_closed_archive_says_so(archive):
    bundle = open_bundle(archive.path)
    (model,) = bundle.graph_files("f32", "cnn").paths
    bundle.close()
    with pytest.raises(BundleError, match="the bundle is closed"):
        bundle.graph_files("f32", "cnn")
    assert not model.parents[2].exists()
    with pytest.raises(BundleError, match="the bundle is closed"):
        bundle.read("labels.txt")


def test_no_room_to_unpack(archive, monkeypatch, tmp_path):
    (tmp_path / "full").write_text("not a folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    with open_bundle(archive.path) as bundle, pytest.raises(BundleError, match="TMPDIR"):
        bundle.graph_files("f32", "cnn")


def test_unknown_names_list_the_known_ones(folder):
    bundle = open_bundle(folder.path)
    with pytest.raises(BundleError, match="take f32/cnn, f32/step"):
        bundle.graph_files("int8", "cnn")
    with pytest.raises(BundleError, match="no file 'x'"):
        bundle.read("x")


def test_a_link_to_a_bundle_is_followed_once(folder, tmp_path):
    (tmp_path / "current").symlink_to(folder.path)
    assert open_bundle(tmp_path / "current").path == folder.path


@pytest.mark.parametrize("form", ["bundle", "bundle.vedette"])
def test_the_same_content_gives_the_same_bytes(form, tmp_path, manifest, contents):
    def tree(path):
        if path.is_file():
            return path.read_bytes()
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}

    one = write_bundle(tmp_path / "a" / form, manifest, contents)
    os.umask(os.umask(0o077))
    backwards = dict(reversed(contents.items()))
    other = write_bundle(tmp_path / "b" / form, manifest, backwards)
    assert tree(one) == tree(other)


def test_other_zip_tools_read_the_archive(archive, contents, tmp_path):
    with zipfile.ZipFile(archive.path) as other:
        assert other.testzip() is None
        assert other.namelist() == ["manifest.json", *sorted(contents)]
        assert {name: other.read(name) for name in contents} == contents
    if tool := shutil.which("unzip"):
        subprocess.run([tool, "-q", archive.path, "-d", tmp_path / "unzipped"], check=True)
        assert open_bundle(tmp_path / "unzipped").labels


def test_the_parts_may_come_from_files(tmp_path, manifest, contents, archive):
    sources = {}
    for number, (name, content) in enumerate(contents.items()):
        sources[name] = tmp_path / f"part{number}"
        sources[name].write_bytes(content)
    again = write_bundle(tmp_path / "again.vedette", manifest, sources)
    assert again.read_bytes() == archive.path.read_bytes()


def test_nothing_is_left_beside_a_written_bundle(tmp_path, archive, folder):
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "bundle.vedette"]


@pytest.mark.parametrize("form", ["bundle", "bundle.vedette"])
def test_a_failed_write_leaves_what_was_there(form, tmp_path, manifest, contents):
    path = write_bundle(tmp_path / form, manifest, contents)
    before = digest(path)
    with pytest.raises(BundleError, match=r"cannot be written.*missing"):
        write_bundle(path, manifest, {**contents, "card.md": tmp_path / "missing"}, overwrite=True)
    assert digest(path) == before
    assert [path.name for path in tmp_path.iterdir()] == [form]


@pytest.mark.parametrize("form", ["bundle", "bundle.vedette"])
def test_overwriting_is_asked_for(form, tmp_path, manifest, contents):
    path = write_bundle(tmp_path / form, manifest, contents)
    with pytest.raises(BundleError, match="exists"):
        write_bundle(path, manifest, contents)
    newer = msgspec.structs.replace(manifest, version="2.0.0")
    with open_bundle(write_bundle(path, newer, contents, overwrite=True)) as bundle:
        assert bundle.manifest.version == "2.0.0"
    assert [path.name for path in tmp_path.iterdir()] == [form]


def test_only_a_bundle_is_overwritten(tmp_path, manifest, contents, folder):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="not a bundle alone"):
        write_bundle(home, manifest, contents, overwrite=True)
    (folder.path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match=r"not a bundle alone.*thesis\.txt"):
        write_bundle(folder.path, manifest, contents, overwrite=True)
    assert (home / "thesis.txt").exists()
    assert (folder.path / "thesis.txt").exists()


def test_a_folder_is_not_replaced_by_a_file(tmp_path, manifest, contents):
    (tmp_path / "x.vedette").mkdir()
    with pytest.raises(BundleError, match="not a file"):
        write_bundle(tmp_path / "x.vedette", manifest, contents, overwrite=True)


def test_what_could_not_be_read_is_not_written(tmp_path, manifest, contents):
    del contents["labels.txt"]
    with pytest.raises(BundleError, match=r"'labels.txt' is not in `files` - at `\$.labels`"):
        write_bundle(tmp_path / "x", manifest, contents)
    with pytest.raises(BundleError, match="climbs out"):
        write_bundle(tmp_path / "x", manifest, {"../x": b""})
    with pytest.raises(BundleError, match="is there twice"):
        write_bundle(tmp_path / "x", manifest, {"manifest.json": b""})
    assert list(tmp_path.iterdir()) == []


def test_labels_are_one_per_line(tmp_path, manifest, contents):
    def labels(raw):
        contents["labels.txt"] = raw
        return open_bundle(write_bundle(tmp_path / "x", manifest, contents, overwrite=True)).labels

    assert labels(b"a\r\nb c \r\n") == ("a", "b c")
    assert labels(b"\xef\xbb\xbfa\n\n\n") == ("a",)
    assert labels(b"\n") == ()
    with pytest.raises(BundleError, match=r"labels\.txt': line 2 is not a label"):
        labels(b"a\n\nb")
    with pytest.raises(BundleError, match="UTF-8"):
        labels(b"\xff\xfe")
