"""Bundle: an opened bundle. Nothing of it is parsed or handed out before it is known to be what was sealed.

The order is the point: names and kinds of files, then the bytes of the manifest, then their meaning, then, whenever
a file is used, its hash. A signature, being over the bytes, has its place between the second and the third.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from vedette.bundle.archive import Archive, open_archive
from vedette.bundle.manifest import Manifest, parse_manifest
from vedette.bundle.names import MANIFEST
from vedette.bundle.unpacked import Unpacked
from vedette.errors import BundleError
from vedette.specs import ModelFiles

MAX_MANIFEST = 4 << 20
MAX_LABELS = 4 << 20

_COPY_AGAIN = "copy the bundle again from its origin"


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A model with everything that is known of it. Immutable, thread-safe, a context manager; see :func:`open_bundle`.

    Attributes
    ----------
    path
        The folder or ``.vedette`` file, links resolved.
    manifest
        What the bundle says of itself.
    digest
        SHA-256 of the exact bytes of the manifest, in hexadecimal: the identity of the bundle, because the manifest
        holds the hash of every other file.
    labels
        Class names by ``class_id``; empty where the model has none.
    """

    path: Path
    manifest: Manifest
    digest: str
    labels: tuple[str, ...]
    _archive: Archive = field(repr=False)
    _unpacked: Unpacked = field(repr=False)

    def graph_files(self, variant: str, graph: str) -> ModelFiles:
        """The files of one graph, verified now, as real paths that are valid until the bundle is closed.

        Files of an archive are unpacked into a private temporary folder.

        Raises
        ------
        BundleError
            There is no such variant or graph, a file is not what the manifest says, or the bundle is closed.
        """
        try:
            files = self.manifest.variants[variant].graphs[graph]
        except KeyError:
            known = ", ".join(f"{v}/{g}" for v in self.manifest.variants for g in self.manifest.graphs)
            raise BundleError(
                f"{self.path}: there is no {variant}/{graph} (variant/graph)", fix=f"take {known}"
            ) from None
        return ModelFiles(format=files.format, paths=tuple(self._verified_path(name) for name in files.files))

    def read(self, name: str) -> bytes:
        """The verified content of a file of the bundle.

        Raises
        ------
        BundleError
            The file is not in the bundle, or not what the manifest says.
        """
        return b"".join(self._chunks(name))

    def check_files(self) -> None:
        """Compare every file with its hash.

        Raises
        ------
        BundleError
            Naming the first file that is not what the manifest says.
        """
        for name in self.manifest.files:
            for _ in self._chunks(name):
                pass

    def close(self) -> None:
        """Remove what was unpacked. Closing twice is fine."""
        self._unpacked.close()
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _chunks(self, name: str) -> Iterator[bytes]:
        return _verified_chunks(self._archive, self.manifest, name)

    def _verified_path(self, name: str) -> Path:
        place = self._archive.place(name)
        if place is None:
            return self._unpacked.path(name, lambda: self._chunks(name))
        for _ in self._chunks(name):
            pass
        return place


def open_bundle(path: str | Path) -> Bundle:
    """Open a bundle: a folder or a ``.vedette`` file.

    Raises
    ------
    BundleError
        It is not there, not a bundle, its manifest is wrong (with the path of the field), or its files are not those
        that the manifest lists. Their content is verified when they are used.
    """
    path = Path(path)
    if path.suffix.lower() in (".onnx", ".xml", ".bin", ".tflite") and path.is_file():
        raise BundleError(f"{path}: a model file, not a bundle", fix=f"make one of it: vedette pack {path}")
    archive = open_archive(path)
    try:
        raw = _read_manifest(archive)
        manifest = parse_manifest(raw, f"{archive.path}/{MANIFEST}")
        _check_listing(archive, manifest)
        return Bundle(
            path=archive.path,
            manifest=manifest,
            digest=(digest := hashlib.sha256(raw).hexdigest()),
            labels=_read_labels(archive, manifest),
            _archive=archive,
            _unpacked=Unpacked(digest),
        )
    except BaseException:
        archive.close()
        raise


def _read_manifest(archive: Archive) -> bytes:
    size = archive.sizes[MANIFEST]
    if size > MAX_MANIFEST:
        raise BundleError(f"{archive.path}: {MANIFEST} has {size:,} bytes, more than {MAX_MANIFEST:,}")
    return b"".join(archive.chunks(MANIFEST))


def _check_listing(archive: Archive, manifest: Manifest) -> None:
    present = archive.sizes.keys() - {MANIFEST}
    for name in sorted(present - manifest.files.keys()):
        raise BundleError(
            f"{archive.path}: {name!r} is not listed in the manifest",
            fix="remove it: a bundle holds what was sealed",
        )
    for name, listed in manifest.files.items():
        if name not in present:
            raise BundleError(
                f"{archive.path}: {name!r} is listed in the manifest but missing", fix=_COPY_AGAIN
            )
        if archive.sizes[name] != listed.size:
            size = archive.sizes[name]
            raise BundleError(
                f"{archive.path}: {name!r} has {size:,} bytes, the manifest says {listed.size:,}",
                fix=_COPY_AGAIN,
            )


def _verified_chunks(archive: Archive, manifest: Manifest, name: str) -> Iterator[bytes]:
    """The content of a file. An error at its end means that nothing of it may be used."""
    listed = manifest.files.get(name)
    if listed is None:
        raise BundleError(
            f"{archive.path}: there is no file {name!r} in it", fix="`vedette inspect` lists its files"
        )
    hasher = hashlib.sha256()
    for chunk in archive.chunks(name):
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != listed.sha256:
        raise BundleError(
            f"{archive.path}: {name!r} is not what the manifest says (SHA-256 differs)", fix=_COPY_AGAIN
        )


def _read_labels(archive: Archive, manifest: Manifest) -> tuple[str, ...]:
    name = manifest.labels
    if name is None:
        return ()
    if manifest.files[name].size > MAX_LABELS:
        raise BundleError(f"{archive.path}: {name!r} has more than {MAX_LABELS:,} bytes of labels")
    return parse_labels(b"".join(_verified_chunks(archive, manifest, name)), f"{archive.path}: {name!r}")


def parse_labels(raw: bytes, where: str) -> tuple[str, ...]:
    """One class name per line of UTF-8 text, by ``class_id``.

    Raises
    ------
    BundleError
        Not UTF-8, or a line is empty: the classes after it would be taken for others.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: labels must be UTF-8 text: {error}") from None
    labels = tuple(line.strip() for line in text.rstrip().split("\n")) if text.strip() else ()
    for number, label in enumerate(labels, 1):
        if not label or not label.isprintable():
            raise BundleError(
                f"{where}: line {number} is not a label", fix="write one class name per line, none empty"
            )
    return labels
