"""Bundle: an opened bundle. Nothing of it is parsed or handed out before it is known to be what was sealed.

The order is the point: names and kinds of files, then the bytes of the manifest, then the signature over them, then
their meaning, then, whenever a file is used, its hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from vedette.bundle.archive import Archive, open_archive
from vedette.bundle.atomic import sync_folder
from vedette.bundle.manifest import Manifest, parse_manifest
from vedette.bundle.names import MANIFEST, SIGNATURE
from vedette.bundle.references import reference_problem
from vedette.bundle.signature import MAX_SIGNATURE
from vedette.bundle.trust import Signature, Trust, check_signature
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
    signature
        Who vouches for it, and what that is worth here.
    labels
        Class names by ``class_id``; empty where the model has none.
    """

    path: Path
    manifest: Manifest
    digest: str
    signature: Signature
    labels: tuple[str, ...]
    _archive: Archive = field(repr=False)
    _unpacked: Unpacked = field(repr=False)

    def graph_files(self, variant: str, graph: str) -> ModelFiles:
        """The files of one graph, verified now, as real paths that are valid until the bundle is closed.

        Files of an archive are unpacked into a private temporary folder.

        Raises
        ------
        BundleError
            There is no such variant or graph, a file is not what the manifest says, a model keeps weights elsewhere
            than in the files of its graph, or the bundle is closed.
        """
        try:
            files = self.manifest.variants[variant].graphs[graph]
        except KeyError:
            known = ", ".join(f"{v}/{g}" for v in self.manifest.variants for g in self.manifest.graphs)
            raise BundleError(
                f"{self.path}: there is no {variant}/{graph} (variant/graph)", fix=f"take {known}"
            ) from None
        paths = tuple(self._verified_path(name) for name in files.files)
        problem = reference_problem(paths[0], files.files[0], files)
        if problem:
            raise BundleError(
                f"{self.path}: {problem}",
                fix="pack the model with all its files: vedette pack MODEL --beside FILE",
            )
        return ModelFiles(format=files.format, paths=paths)

    def read(self, name: str) -> bytes:
        """The verified content of a file of the bundle.

        Raises
        ------
        BundleError
            The file is not in the bundle, or not what the manifest says.
        """
        return b"".join(self._chunks(name))

    def copy_to(self, folder: Path) -> None:
        """Write every file, manifest and signature included, into a new folder, and wait until the disk has it.

        Open the copy to know that it is whole.
        """
        folder.mkdir()
        for name in self._archive.sizes:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.writelines(self._archive.chunks(name))
                out.flush()
                os.fsync(out.fileno())
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            sync_folder(path)

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


def open_bundle(path: str | Path, trust: Trust = Trust()) -> Bundle:  # noqa: B008 - frozen
    """Open a bundle: a folder or a ``.vedette`` file.

    Parameters
    ----------
    trust
        Who must have signed it. By default anybody or nobody: what the signature is worth is in ``Bundle.signature``.

    Raises
    ------
    BundleError
        It is not there, not a bundle, its signature does not verify or is not one that ``trust`` wants, its manifest
        is wrong (with the path of the field), or its files are not those that the manifest lists. Their content is
        verified when they are used; all of it now if ``trust`` requires a signature.
    """
    path = Path(path)
    if path.suffix.lower() in (".onnx", ".xml", ".bin", ".tflite") and path.is_file():
        raise BundleError(f"{path}: a model file, not a bundle", fix=f"make one of it: vedette pack {path}")
    archive = open_archive(path)
    try:
        raw = _read_whole(archive, MANIFEST, MAX_MANIFEST)
        signature = check_signature(raw, _read_signature(archive), str(archive.path), trust)
        manifest = parse_manifest(raw, f"{archive.path}/{MANIFEST}")
        _check_listing(archive, manifest)
        bundle = Bundle(
            path=archive.path,
            manifest=manifest,
            digest=(digest := hashlib.sha256(raw).hexdigest()),
            signature=signature,
            labels=_read_labels(archive, manifest),
            _archive=archive,
            _unpacked=Unpacked(digest),
        )
        if trust.policy == "require":
            bundle.check_files()
        return bundle
    except BaseException:
        archive.close()
        raise


def _read_whole(archive: Archive, name: str, most: int) -> bytes:
    size = archive.sizes[name]
    if size > most:
        raise BundleError(f"{archive.path}: {name} has {size:,} bytes, more than {most:,}")
    return b"".join(archive.chunks(name))


def _read_signature(archive: Archive) -> bytes | None:
    return _read_whole(archive, SIGNATURE, MAX_SIGNATURE) if SIGNATURE in archive.sizes else None


def _check_listing(archive: Archive, manifest: Manifest) -> None:
    present = archive.sizes.keys() - {MANIFEST, SIGNATURE}
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
