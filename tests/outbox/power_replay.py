"""What a power cut leaves of files: a log of ``write_log.c`` replayed up to some point.

A file is what it was at its last sync; each write after that reached the disk whole, in part or not at all, whatever
the others did. Names are there once their file was made (SQLite syncs the folder), and a removal may or may not have
happened.
"""

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

OPENED, WRITTEN, TRUNCATED, SYNCED, REMOVED = 1, 2, 3, 4, 5
HEAD = struct.Struct("<BIQQ")
SECTOR = 512


@dataclass
class Step:
    kind: int
    file: int
    offset: int
    data: bytes


@dataclass
class Disk:
    """A file: what is safe, and what was done since."""

    safe: bytes = b""
    since: list[Step] = field(default_factory=list)


def read_log(path: Path) -> list[Step]:
    raw, at, steps = path.read_bytes(), 0, []
    while at < len(raw):
        kind, file, offset, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        length = length if kind in (OPENED, WRITTEN, REMOVED) else 0
        steps.append(Step(kind, file, offset, raw[at : at + length]))
        at += length
    return steps


def apply(content: bytearray, step: Step) -> None:
    if step.kind == TRUNCATED:
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(step.data)] = step.data


class Replay:
    """All files after some steps, and as a power cut would leave them. ``volatile``: the end of the name of a file that
    stands for what was seen from outside; nothing of it is lost."""

    def __init__(self, volatile: str) -> None:
        self._volatile = volatile
        self._names: dict[int, str] = {}
        self._files: dict[str, Disk] = {}
        self._removed: dict[str, Disk] = {}

    def do(self, step: Step) -> None:
        if step.kind == OPENED:
            self._names[step.file] = step.data.decode()
            self._files.setdefault(step.data.decode(), Disk())
        elif step.kind == REMOVED:
            name = step.data.decode()
            if name in self._files:
                self._removed[name] = self._files.pop(name)
        else:
            disk = self._files.setdefault(self._names[step.file], Disk())
            if step.kind == SYNCED:
                disk.safe = self._whole(disk)
                disk.since = []
                self._removed.clear()  # the folder was synced with it
            else:
                disk.since.append(step)

    def told(self) -> list[str]:
        """The words that the volatile file holds."""
        for name, disk in self._files.items():
            if name.endswith(self._volatile):
                return self._whole(disk).decode().split()
        return []

    def cut(self, folder: Path, draw: random.Random) -> None:
        """Write what is left after a power cut now."""
        gone = {name: disk for name, disk in self._removed.items() if draw.random() < 0.5}
        for name, disk in {**gone, **self._files}.items():
            if not name.endswith(self._volatile):
                (folder / Path(name).name).write_bytes(self._left(disk, draw))

    @staticmethod
    def _whole(disk: Disk) -> bytes:
        content = bytearray(disk.safe)
        for step in disk.since:
            apply(content, step)
        return bytes(content)

    @staticmethod
    def _left(disk: Disk, draw: random.Random) -> bytes:
        content = bytearray(disk.safe)
        for step in disk.since:
            fate = draw.choice(("kept", "lost", "torn"))
            if fate == "kept" or (fate == "torn" and step.kind == TRUNCATED):
                apply(content, step)
            elif fate == "torn":  # some sectors of it
                for at in range(0, len(step.data), SECTOR):
                    if draw.random() < 0.5:
                        part = step.data[at : at + SECTOR]
                        apply(content, Step(WRITTEN, step.file, step.offset + at, part))
        return bytes(content)
