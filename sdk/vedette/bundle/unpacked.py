"""Files taken out of an archive, because runtimes want paths."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path

from vedette.errors import BundleError


class Unpacked:
    """A private temporary folder (mode 0700), made when first needed. Thread-safe.

    It is removed by :meth:`close`, or when the process ends in order.
    """

    def __init__(self, digest: str) -> None:
        self._prefix = f"vedette-{digest[:12]}-"
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._remove: Callable[[], object] | None = None
        self._closed = False

    def path(self, name: str, chunks: Callable[[], Iterable[bytes]]) -> Path:
        """Where the file ``name`` is; its content is written first if it is not there yet.

        A file appears under its name only when ``chunks`` has ended without an error, so that one that fails its
        hash never does.

        Raises
        ------
        BundleError
            The folder is closed, or the file cannot be written.
        """
        with self._lock:
            try:
                target = self._folder() / name
                if not target.exists():
                    self._write(target, chunks())
            except OSError as error:
                raise BundleError(
                    f"{name!r} cannot be unpacked: {error}", fix="make room, or name another folder in TMPDIR"
                ) from error
            return target

    def close(self) -> None:
        """Remove everything. Closing twice is fine."""
        with self._lock:
            self._closed = True
            if self._remove:
                self._remove()

    def _folder(self) -> Path:
        if self._closed:
            raise BundleError("the bundle is closed", fix="keep it open for as long as its files are loaded")
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix=self._prefix))
            self._remove = weakref.finalize(self, shutil.rmtree, self._root, ignore_errors=True)
        return self._root

    @staticmethod
    def _write(target: Path, chunks: Iterable[bytes]) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"~{target.name}")  # no file of a bundle starts with a tilde
        with part.open("wb") as out:
            out.writelines(chunks)
        part.rename(target)
