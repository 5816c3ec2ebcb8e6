"""Logs for TensorBoard, for those who want them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from vedette.errors import VedetteError
from vedette_torch.training.position import Row

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Board:
    """Writes rows below ``run/tensorboard``; nothing where it is not wanted.

    Raises
    ------
    VedetteError
        It is wanted, and TensorBoard is not installed.
    """

    def __init__(self, run: Path, wanted: bool) -> None:
        self._writer: SummaryWriter | None = None
        if wanted:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise VedetteError(
                    "TensorBoard is not installed", fix="pip install 'vedette-torch[tensorboard]'"
                ) from error
            self._writer = SummaryWriter(str(run / "tensorboard"))

    def write(self, row: Row) -> None:
        """The numbers of an epoch."""
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name, value, int(row["epoch"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._writer is not None:
            self._writer.close()
