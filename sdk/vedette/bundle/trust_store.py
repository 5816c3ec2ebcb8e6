"""The keys that a person trusts on this box, or has revoked.

They are files of one folder, one each, named by fingerprint: to give a fleet its keys, copy the files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from vedette.bundle.atomic import create_file, replace_file
from vedette.bundle.keys import NAME, check_name, parse_fingerprint
from vedette.errors import BundleError
from vedette.home import config_folder

_MAX_FILE = 16 << 10
_MAX_REASON = 200


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and why a key was revoked."""

    at: datetime
    reason: str

    def __str__(self) -> str:
        return f"revoked on {self.at:%Y-%m-%d}" + (f": {self.reason}" if self.reason else "")


class KnownKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key that somebody decided on; a file of the trust folder."""

    schema: Literal[1]
    fingerprint: str
    name: str
    since: datetime
    revoked: Revocation | None = None


def trust_folder() -> Path:
    """Where trusted keys are kept unless another folder is named."""
    return config_folder() / "trust"


class TrustStore:
    """The keys that are trusted or revoked here.

    Parameters
    ----------
    folder
        Default: :func:`trust_folder`, which need not exist.

    Raises
    ------
    BundleError
        The folder was named but is not there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None and not folder.is_dir():
            raise BundleError(f"{folder}: there is no such folder of trusted keys", fix="correct its path")
        self.folder = folder or trust_folder()

    def known(self) -> list[KnownKey]:
        """All keys, by name.

        Raises
        ------
        BundleError
            A file of the folder is not such a key.
        """
        try:
            paths = [path for path in self.folder.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self.folder, error) from None
        keys = [self._read(path) for path in paths]
        return sorted((key for key in keys if key), key=lambda key: (key.name, key.fingerprint))

    def get(self, fingerprint: str) -> KnownKey | None:
        """What was decided on a key; ``None`` where nothing was.

        Raises
        ------
        BundleError
            Its file is damaged.
        """
        return self._read(self._path(fingerprint))

    def trust(self, fingerprint: str, name: str) -> KnownKey:
        """Trust a key from now on.

        Raises
        ------
        BundleError
            It was revoked, the name is not allowed, or the folder cannot be written.
        """
        key = KnownKey(schema=1, fingerprint=fingerprint, name=check_name(name), since=_now())
        with self._writing():
            known = self.get(fingerprint)
            if known is None:
                create_file(self._path(fingerprint), _encode(key))
                return key
            if known.revoked:
                raise BundleError(
                    f"{known.name!r}, {fingerprint}: {known.revoked}; it does not become good again",
                    fix="have a new key made and trust that one",
                )
            return known

    def revoke(self, fingerprint: str, reason: str = "") -> KnownKey:
        """Never trust a key again, whether it was trusted before or not.

        Raises
        ------
        BundleError
            The reason is not a line of text, or the folder cannot be written.
        """
        if len(reason) > _MAX_REASON or not reason.isprintable():
            raise BundleError(f"the reason must be one line of at most {_MAX_REASON} characters")
        with self._writing():
            known = self.get(fingerprint)
            if known is not None and known.revoked:
                return known
            before = known or KnownKey(schema=1, fingerprint=fingerprint, name="unknown", since=_now())
            key = msgspec.structs.replace(before, revoked=Revocation(at=_now(), reason=reason))
            replace_file(self._path(fingerprint), _encode(key))
            return key

    def _path(self, fingerprint: str) -> Path:
        return self.folder / f"{fingerprint.removeprefix('ed25519:')}.json"

    def _read(self, path: Path) -> KnownKey | None:
        try:
            with path.open("rb") as file:
                raw = file.read(_MAX_FILE)
            key = msgspec.json.decode(raw, type=KnownKey)
            problem = self._problem(path, key)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            problem = str(error)
        if problem:
            raise BundleError(
                f"{path}: not a trusted key: {problem}",
                fix="remove the file, and trust or revoke the key again",
            )
        return key

    def _problem(self, path: Path, key: KnownKey) -> str | None:
        if parse_fingerprint(key.fingerprint) != key.fingerprint:
            return f"{key.fingerprint!r:.80} is not a fingerprint"
        if path != self._path(key.fingerprint):
            return f"it is that of {key.fingerprint}, which has another file name"
        if not NAME.fullmatch(key.name):
            return f"{key.name!r:.80} is not a name"
        if key.revoked and (len(key.revoked.reason) > _MAX_REASON or not key.revoked.reason.isprintable()):
            return "its reason is not a line of text"
        return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time: a revocation must not be lost to somebody who trusts the key meanwhile."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BundleError(
                f"{self.folder}: cannot be written: {error.strerror}",
                fix="set VEDETTE_HOME, or ask who owns it",
            ) from None


def _encode(key: KnownKey) -> bytes:
    return msgspec.json.format(msgspec.json.encode(key), indent=2) + b"\n"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(
        f"{path}: trusted keys cannot be read: {error.strerror}", fix="correct its owner or permissions"
    )
