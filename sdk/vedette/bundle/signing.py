"""Sign a bundle that is there."""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from pathlib import Path

from vedette.bundle.archive import open_archive
from vedette.bundle.atomic import replace_file, sync_folder
from vedette.bundle.bundle import open_bundle
from vedette.bundle.canonical import ZipArchive, write_archive
from vedette.bundle.keys import SecretKey
from vedette.bundle.names import MANIFEST, SIGNATURE
from vedette.bundle.signature import make_signature
from vedette.bundle.trust import Trust
from vedette.errors import BundleError


def sign_bundle(path: str | Path, key: SecretKey) -> None:
    """Sign a folder or a ``.vedette`` file, in place of a signature that it has. All or nothing.

    The bundle is checked first, each file with its hash: what is damaged is not vouched for.

    Raises
    ------
    BundleError
        It is not a whole bundle, or cannot be written.
    """
    path = Path(path)
    with open_bundle(path, Trust("off")) as bundle:
        bundle.check_files()
        digest = bundle.digest
    archive = open_archive(path)
    try:
        manifest = b"".join(archive.chunks(MANIFEST))
        if hashlib.sha256(manifest).hexdigest() != digest:
            raise BundleError(f"{path}: it was changed while it was signed", fix="sign it again")
        signature = make_signature(manifest, key)
        if isinstance(archive, ZipArchive):
            _write_again(archive, signature)
        else:
            _put_into(archive.path, signature)
    except OSError as error:
        raise BundleError(f"{path}: the signature cannot be written: {error}") from None
    finally:
        archive.close()


def _write_again(archive: ZipArchive, signature: bytes) -> None:
    beside = archive.path.with_name(f".{archive.path.name}.{secrets.token_hex(4)}.zip")
    members = {name: partial(archive.chunks, name) for name in archive.sizes}
    try:
        write_archive(beside, {**members, SIGNATURE: lambda: [signature]})
        beside.replace(archive.path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(archive.path.parent)


def _put_into(folder: Path, signature: bytes) -> None:
    """Written beside the bundle: a second file within it would make it another bundle for those who look just now."""
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.signature")
    try:
        replace_file(beside, signature)
        beside.replace(folder / SIGNATURE)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(folder)
