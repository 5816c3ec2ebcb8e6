"""One byte changed, anywhere: refused when the file is used at the latest, and by its name."""

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from vedette.bundle.bundle import open_bundle
from vedette.bundle.canonical import write_archive
from vedette.bundle.write import write_bundle
from vedette.errors import BundleError

REAL = ["mobilenet_v2", "retail_0005", "yolox_nano"]
"""ONNX, an IR of two files, and one with samples."""


def flip(path: Path, position: int, mask: int) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        (byte,) = os.pread(descriptor, 1, position)
        os.pwrite(descriptor, bytes([byte ^ mask]), position)
    finally:
        os.close(descriptor)


def refused_at(bundle: Path, file: Path, positions: Iterable[int], name: str) -> None:
    """Each of ``positions`` of ``file`` is changed and changed back; the error names the bundle and ``name``."""
    rng = random.Random(0)
    for position in positions:
        mask = rng.randrange(1, 256)
        flip(file, position, mask)
        try:
            with pytest.raises(BundleError) as caught, open_bundle(bundle) as opened:
                opened.check_files()
        finally:
            flip(file, position, mask)
        assert caught.value.message.startswith(str(bundle))
        assert name in caught.value.message, (position, mask)


def some(size: int, count: int) -> list[int]:
    """The first and last positions, and others in between."""
    edges = {*range(min(size, 8)), *range(max(0, size - 8), size)}
    return sorted(edges | {random.Random(size).randrange(size) for _ in range(count)})


def test_every_byte_of_an_archive(tmp_path, manifest, contents):
    """None is free: not in a header, not in the directory, not in the manifest, not in a file."""
    small = {name: content[:40] for name, content in contents.items()}
    path = write_bundle(tmp_path / "x.vedette", manifest, small)
    refused_at(path, path, range(path.stat().st_size), "")
    with open_bundle(path) as bundle:
        bundle.check_files()


def test_every_byte_of_every_hashed_file_of_a_folder(tmp_path, manifest, contents):
    small = {name: content[:40] for name, content in contents.items()}
    path = write_bundle(tmp_path / "x", manifest, small)
    for name, content in small.items():
        refused_at(path, path / name, range(len(content)), repr(name))
    open_bundle(path).check_files()


def test_the_manifest_of_an_unsigned_folder_is_not_protected(folder):
    """What the hashes cannot do, and ``vedette inspect`` says."""
    folder.edit(lambda tree: tree.update(licence="MIT"))
    with open_bundle(folder.path) as bundle:
        bundle.check_files()
        assert bundle.manifest.licence == "MIT"


@pytest.mark.parametrize("name", REAL)
def test_real_bundles(packed, name, tmp_path):
    path = tmp_path / "x.vedette"
    path.write_bytes(packed(name).read_bytes())
    refused_at(path, path, some(path.stat().st_size, 100), "")
    with open_bundle(path) as bundle:
        for file in ("manifest.json", *bundle.manifest.files):
            target = tmp_path / "folder" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"".join(bundle._archive.chunks(file)))
    for file, listed in bundle.manifest.files.items():
        refused_at(tmp_path / "folder", tmp_path / "folder" / file, some(listed.size, 20), repr(file))


def test_only_the_canonical_archive_is_accepted(archive):
    """What is accepted is what would be written."""
    with open_bundle(archive.path) as bundle:
        again = archive.path.with_name("again")
        parts = {name: (lambda name=name: bundle._archive.chunks(name)) for name in bundle._archive.sizes}
        write_archive(again, parts)
    assert again.read_bytes() == archive.path.read_bytes()
