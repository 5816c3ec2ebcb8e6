"""What a bundle says to people: its card and its report. Programs never read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedette.bundle.bundle import Bundle
from vedette.bundle.write import Content, write_bundle
from vedette.errors import BundleError

CARD = "card.md"
REPORT = "report.html"
LARGEST = 32 << 20
"""Bytes of a document: what people can open."""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """Files to put into a bundle: ``card``, Markdown in UTF-8, as ``card.md``; ``report``, one self-contained page, as
    ``report.html``."""

    card: Path | None = None
    report: Path | None = None

    def read(self) -> dict[str, Content]:
        """Their contents by their names in a bundle.

        Raises
        ------
        BundleError
            One cannot be read, is empty or too large, or is not UTF-8.
        """
        given = ((CARD, self.card), (REPORT, self.report))
        return {name: _text(path, name) for name, path in given if path is not None}


def add_documents(bundle: Bundle, output: Path, documents: Documents, *, overwrite: bool = False) -> Path:
    """Write a copy of a bundle with documents in it, in place of those that it has.

    The copy is another bundle, with another digest, and is not signed.

    Raises
    ------
    BundleError
        A document cannot be used, or ``output`` is taken or cannot be written; nothing is left there.
    """
    kept: dict[str, Content] = {name: bundle.read(name) for name in bundle.manifest.files}
    return write_bundle(output, bundle.manifest, kept | documents.read(), overwrite=overwrite)


def _text(path: Path, name: str) -> bytes:
    fix = f"correct the path of the file that becomes {name}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}", fix=fix) from None
    if not content.strip():
        raise BundleError(f"{path}: is empty", fix=fix)
    if len(content) > LARGEST:
        raise BundleError(f"{path}: is larger than {LARGEST >> 20} MiB", fix=fix)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start})", fix=fix) from None
    return content
