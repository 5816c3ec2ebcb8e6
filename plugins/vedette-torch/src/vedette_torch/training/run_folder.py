"""The folder of a run: what it is, what it has come to, and who is at work in it."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from vedette.bundle.atomic import replace_file
from vedette.errors import VedetteError
from vedette.machine import describe_machine
from vedette.vision.accelerator import describe

LIBRARIES = ("vedette", "vedette-torch", "torch", "lightning-fabric", "torchmetrics", "kornia", "numpy")


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``run.json``: what makes a run this run. ``data_digest`` is over the samples, their classes and boxes; ``start``
    tells the weights that it began with, if these were not fresh."""

    recipe: str
    settings: dict[str, Any]
    data: str
    data_digest: str
    labels: tuple[str, ...]
    train_samples: int
    validation_samples: int
    start: str = ""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and files that are there in whole or not at all."""

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """The weights of the best epoch, by validation; of the last one where nothing is validated."""
        return self.path / "best.pt"

    @property
    def exists(self) -> bool:
        return (self.path / "run.json").is_file()

    def read_info(self) -> RunInfo:
        """``run.json``.

        Raises
        ------
        VedetteError
            It is not there or cannot be understood.
        """
        try:
            return msgspec.json.decode((self.path / "run.json").read_bytes(), type=RunInfo)
        except FileNotFoundError:
            raise VedetteError(f"{self.path} is not a run of vedette train", fix="check the path") from None
        except msgspec.MsgspecError as error:
            raise VedetteError(f"{self.path / 'run.json'} cannot be understood: {error}") from error

    def write_info(self, info: RunInfo) -> None:
        self.write("run.json", msgspec.json.format(msgspec.json.encode(info), indent=2))

    def write_environment(self) -> None:
        """``environment.json``: the machine and the versions that this run was last begun or gone on with."""
        about = {
            "machine": describe_machine(),
            "versions": {name: version(name) for name in LIBRARIES},
            "pixels": describe(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        }
        self.write("environment.json", json.dumps(about, indent=2).encode())

    def write_metrics(self, history: Sequence[Mapping[str, float]]) -> None:
        """``metrics.csv``: a line per epoch."""
        out = io.StringIO()
        names = list(dict.fromkeys(name for row in history for name in row))
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        self.write("metrics.csv", out.getvalue().encode())

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in place of the one that is there, which stays as it is if that fails.

        Raises
        ------
        VedetteError
            It cannot be written (the disk is full ...).
        """
        try:
            replace_file(self.path / name, data)
        except OSError as error:
            raise VedetteError(
                f"cannot write {self.path / name}: {error.strerror}; what was there before is still there",
                fix="make room, then go on with --resume",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder, which is made if need be. The lock ends with the process, however it ends.

        Raises
        ------
        VedetteError
            Another process owns it, which is named, or it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise VedetteError(f"cannot use {self.path} as a run folder: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise VedetteError(
                    f"the run folder {self.path} is in use by process {lock.read().strip() or '(unknown)'}",
                    fix="wait for it, stop it, or give --out another folder",
                ) from None
            try:
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
            except OSError as error:
                raise VedetteError(f"cannot write to the run folder {self.path}: {error.strerror}") from error
            yield
