"""Where a sink writes: a path with placeholders, checked before anything is lost."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vedette.errors import PipelineError

PLACEHOLDERS = ("stream", "start")


@dataclass(frozen=True)
class OutputPath:
    """A path as the user wrote it.

    ``{stream}`` stands for the name of the stream, so that each gets its own file; ``{start}`` for the time at which
    the sink was opened, in UTC (``20261122T084501Z``), so that each run does.

    Raises
    ------
    PipelineError
        The path is empty or has another placeholder.
    """

    template: str
    start: str = ""

    def __post_init__(self) -> None:
        names = _placeholders(self.template)
        if not self.template or not names <= set(PLACEHOLDERS):
            raise PipelineError(
                f"{self.template!r} is not a path to write to",
                fix=f"its placeholders may be {' and '.join('{' + name + '}' for name in PLACEHOLDERS)}",
            )
        if not self.start:
            object.__setattr__(self, "start", datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))

    @property
    def per_stream(self) -> bool:
        """Each stream has a path of its own."""
        return "stream" in _placeholders(self.template)

    def of(self, stream: str) -> Path:
        """The path for ``stream``; what cannot stand in a file name becomes ``_``.

        >>> OutputPath("out/{stream}.mp4").of("gate/2").name
        'gate_2.mp4'
        """
        name = re.sub(r"[^\w.-]", "_", stream).lstrip(".") or "_"
        return Path(self.template.format(stream=name, start=self.start)).expanduser()


def make_parent(path: Path) -> None:
    """Create the folder that ``path`` will be in.

    Raises
    ------
    PipelineError
        It cannot be created, or ``path`` is a folder itself.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PipelineError(
            f"cannot write {path}: its folder cannot be created ({error.strerror})",
            fix="choose another path, or make the folder writable",
        ) from error
    if path.is_dir():
        raise PipelineError(f"cannot write {path}: it is a folder", fix="give the path of a file")


def refuse_existing(path: Path, modes: str) -> None:
    """Raise :class:`PipelineError` if there is a file at ``path``. ``modes`` says how to allow it."""
    if path.exists():
        raise PipelineError(
            f"{path} exists already",
            fix=f"remove it, choose another path (with {{start}} in it each run gets its own), or set {modes}",
        )


def _placeholders(template: str) -> set[str]:
    try:
        return {name for _, name, *_ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise PipelineError(f"{template!r} is not a path to write to: {error}") from error
