"""The installed models of this box.

::

    models/NAME/0007-3f2a91bc55d0/      an unpacked bundle: a number that grows, and its digest
    models/NAME/0008-77aa01bc93e4/
    models/NAME/current                 a link to one of them

``current`` is all the state there is. The version before it, the highest number below, is where a rollback goes;
everything else is debris of a process that was killed, and the next installation removes it. A version is complete and
on the disk before the link is switched, by one rename: at any moment it names a whole version.
"""

from __future__ import annotations

import fcntl
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.bundle.atomic import sync_folder
from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.trust import Trust
from vedette.errors import BundleError, VedetteError
from vedette.home import data_folder

log = logging.getLogger("vedette.models")

Prove = Callable[[Bundle], object]
"""Raises a :class:`~vedette.errors.VedetteError` if a bundle does not compute here what it should."""

_CURRENT = "current"
_WARN = Trust("warn")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_VERSION = re.compile(r"([0-9]{4,9})-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A model of the store: the folders of the version in use and of the one before, if that is kept."""

    name: str
    path: Path
    previous: Path | None


def models_folder() -> Path:
    """Where models are installed unless another folder is named."""
    return data_folder() / "models"


def locate(model: str | Path, base: Path = Path()) -> Path:
    """The folder of an installed model, by its name; anything else is a path, which counts from ``base``.

    ``./NAME`` is a path even if a model of that name is installed.
    """
    installed = ModelStore().get(model) if isinstance(model, str) and _MODEL.fullmatch(model) else None
    return installed.path if installed else base / model


class ModelStore:
    """The installed models in one folder. Several processes may use it at once.

    Parameters
    ----------
    root
        Default: :func:`models_folder`, which need not exist.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or models_folder()

    def models(self) -> list[Installed]:
        """What is installed, by name."""
        try:
            names = sorted(path.name for path in self.root.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BundleError(f"{self.root}: cannot be read: {error.strerror}") from None
        found = (self.get(name) for name in names)
        return [model for model in found if model]

    def get(self, name: str) -> Installed | None:
        """An installed model; ``None`` if there is none of this name."""
        if not _MODEL.fullmatch(name):
            return None
        home = self.root / name
        try:
            current = _current(home)
            if current is None:
                return None
            before = {number: path for number, path in _versions(home).items() if number < current[0]}
        except FileNotFoundError:  # removed meanwhile
            return None
        except OSError as error:
            raise BundleError(f"{home}: cannot be read: {error.strerror}") from None
        return Installed(name=name, path=current[1], previous=before[max(before)] if before else None)

    def install(self, source: str | Path, *, trust: Trust = _WARN, prove: Prove | None = None) -> Installed:
        """Install a bundle under the name in its manifest: unpack beside, verify, prove, switch.

        If anything goes wrong the version in use stays in use. A bundle that is in use already is verified and proved
        again, and stays.

        Parameters
        ----------
        source
            A folder or ``.vedette`` file.
        trust
            Who must have signed it.
        prove
            Called with the unpacked bundle before it is put to use.

        Raises
        ------
        VedetteError
            What ``prove`` raised.
        BundleError
            The bundle is refused, or the store cannot be written.
        """
        look = trust if trust.policy == "off" else replace(trust, policy="tell")  # judged once, here:
        with open_bundle(source, trust) as bundle, self._exclusive():
            self._clean()
            name = bundle.manifest.name
            used = self._in_use(bundle, look)
            if used is not None:
                _check(used, bundle, look, prove)
            else:
                incoming = self.root / f".incoming-{name}"
                try:
                    bundle.copy_to(incoming)
                    _check(incoming, bundle, look, prove)
                    self._put_to_use(name, incoming, bundle.digest)
                finally:
                    shutil.rmtree(incoming, ignore_errors=True)
        return self._known(name)

    def rollback(self, name: str) -> Installed:
        """Go back to the version before the one in use. The next installation removes the one that is left.

        Raises
        ------
        BundleError
            There is no such model or no version before, or that is damaged.
        """
        with self._exclusive():
            model = self._known(name)
            if model.previous is None:
                raise BundleError(
                    f"model {name!r}: no version before this one is kept",
                    fix="install the one that you want: vedette models install BUNDLE",
                )
            with open_bundle(model.previous) as bundle:
                bundle.check_files()
            _switch(self.root / name, model.previous)
            return self._known(name)

    def remove(self, name: str) -> None:
        """Remove a model with all its versions.

        Raises
        ------
        BundleError
            There is no such model.
        """
        with self._exclusive():
            self._known(name)
            removed = self.root / f".removed-{name}"
            shutil.rmtree(removed, ignore_errors=True)
            (self.root / name).rename(removed)
            sync_folder(self.root)
            shutil.rmtree(removed)

    def _known(self, name: str) -> Installed:
        model = self.get(name)
        if model is None:
            names = ", ".join(model.name for model in self.models()) or "none"
            raise BundleError(f"there is no model {name!r} in {self.root}", fix=f"installed models: {names}")
        return model

    def _in_use(self, bundle: Bundle, look: Trust) -> Path | None:
        """The version in use, if it is this bundle with this signature, and undamaged."""
        model = self.get(bundle.manifest.name)
        if model is None:
            return None
        try:
            with open_bundle(model.path, look) as used:
                used.check_files()
                return model.path if _same(used, bundle) else None
        except BundleError as error:
            log.warning("model %r: the version in use is replaced: %s", model.name, error.message)
            return None

    def _put_to_use(self, name: str, incoming: Path, digest: str) -> None:
        home = self.root / name
        home.mkdir(exist_ok=True)
        sync_folder(self.root)
        number = max(_versions(home), default=0) + 1
        target = home / f"{number:04d}-{digest[:12]}"
        incoming.rename(target)
        sync_folder(home)
        _switch(home, target)
        _remove_debris(home)

    def _clean(self) -> None:
        """Remove what processes left that were killed. Nobody else is writing now."""
        for path in self.root.iterdir():
            if path.name.startswith((".incoming-", ".removed-")):
                shutil.rmtree(path)
            elif _MODEL.fullmatch(path.name) and path.is_dir():
                _remove_debris(path)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One process at a time. The lock goes with the process that has it, however that ends."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.warning("%s: waiting for another process that is changing it", self.root)
                    fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise BundleError(
                f"{self.root}: cannot be written: {error}",
                fix="make room, ask who owns it, or set VEDETTE_HOME to another folder",
            ) from error


def _check(path: Path, original: Bundle, look: Trust, prove: Prove | None) -> None:
    """Verify a copy of a bundle that was judged, and prove it."""
    with open_bundle(path, look) as bundle:
        bundle.check_files()
        if not _same(bundle, original):
            raise BundleError(
                f"{original.path}: it was changed while it was installed", fix="install it again"
            )
        if prove is not None:
            try:
                prove(bundle)
            except VedetteError as error:
                title = f"{bundle.manifest.name} {bundle.manifest.version}"
                error.message = f"{title} is not installed: {error.message}"
                raise


def _same(one: Bundle, other: Bundle) -> bool:
    return (one.digest, one.signature) == (other.digest, other.signature)


def _current(home: Path) -> tuple[int, Path] | None:
    """Number and folder of the version in use."""
    try:
        target = (home / _CURRENT).readlink().name
    except OSError:  # no model, or no link
        return None
    match = _VERSION.fullmatch(target)
    return (int(match[1]), home / target) if match else None


def _versions(home: Path) -> dict[int, Path]:
    """The folders of all versions by their numbers."""
    found = ((_VERSION.fullmatch(path.name), path) for path in home.iterdir())
    return {int(match[1]): path for match, path in found if match}


def _switch(home: Path, target: Path) -> None:
    link = home / f".{_CURRENT}"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(home / _CURRENT)
    sync_folder(home)


def _remove_debris(home: Path) -> None:
    """All but the version in use and the one before; the folder, if no version of it was ever in use."""
    (home / f".{_CURRENT}").unlink(missing_ok=True)
    versions = _versions(home)
    current = _current(home)
    keep = set(sorted(number for number in versions if current and number <= current[0])[-2:])
    for number in versions.keys() - keep:
        shutil.rmtree(versions[number])
    if current is None and not any(home.iterdir()):
        home.rmdir()
