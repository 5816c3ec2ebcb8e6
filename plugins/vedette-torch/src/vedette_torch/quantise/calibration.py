"""The pictures by which ranges are chosen, as the network is fed them on a box."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from vedette.bundle.goldens import Recorder
from vedette.bundle.trial import Trial
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.specs import Tensors
from vedette_torch.data.layout import files_below, is_picture
from vedette_torch.data.pictures import read_frame
from vedette_torch.quantise.errors import QuantiseError

FEW = 10
"""Fewer pictures than this leave ranges to chance."""


class CalibrationSet:
    """Pictures, put through the bundle's own preprocessing and its float graphs.

    Parameters
    ----------
    trial
        The float bundle with open sessions.
    paths
        Of the pictures.
    origin
        Where they are from, in words, for the provenance.

    Raises
    ------
    QuantiseError
        There is no picture.
    """

    def __init__(self, trial: Trial, paths: Sequence[Path], origin: str) -> None:
        if not paths:
            raise QuantiseError(
                f"{origin}: there is no picture to calibrate by",
                fix="name a folder of pictures of the kind that it will see",
            )
        self.paths = tuple(paths)
        self.origin = origin
        self._trial = trial
        self._decode = image_decoder(trial.registry)

    def __len__(self) -> int:
        return len(self.paths)

    def feeds(self, graph: str, most: int | None = None) -> Iterator[Tensors]:
        """What the inputs of a graph are filled with, picture by picture; computed anew each time.

        Raises
        ------
        QuantiseError
            A picture cannot be used; it is named.
        """
        recorder = Recorder(
            self._trial.bundle, self._trial.registry, self._trial.backend, self._trial.sessions
        )
        for path in self.paths[:most]:
            recorder.restart()
            try:
                recording = recorder.record(read_frame(path, self._decode).pixels())
            except VedetteError as error:
                raise QuantiseError(
                    f"{path}: no picture to calibrate by: {error.message}", fix=error.fix
                ) from error
            yield recording.inputs[graph]

    def listing(self) -> str:
        """SHA-256 and name of each picture, as ``sha256sum`` writes them."""
        return "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in self.paths
        )


def pictures_of(folder: Path) -> list[Path]:
    """All pictures below a folder, in the order of their paths.

    Raises
    ------
    QuantiseError
        It is not a folder, or there is none in it.
    """
    if not folder.is_dir():
        raise QuantiseError(f"{folder}: not a folder", fix="give the folder of the calibration pictures")
    found = [path for path in files_below(folder) if is_picture(path)]
    if not found:
        raise QuantiseError(
            f"{folder}: there is no picture to calibrate by",
            fix="give a folder of pictures of the kind that it will see",
        )
    return found
