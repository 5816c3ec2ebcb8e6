"""The pictures by which ranges are chosen, as the network is fed them on a box."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from vedette.bundle.goldens import Recorder
from vedette.bundle.trial import Trial
from vedette.decoding import image_decoder
from vedette.errors import VedetteError
from vedette.frame import Pixels
from vedette.specs import Tensors
from vedette_torch.data.layout import files_below, is_picture
from vedette_torch.data.pictures import read_frame
from vedette_torch.data.reading import read_data
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
    references
        For models that compare: the flawless picture for each of ``paths``, in place of the bundle's.

    Raises
    ------
    QuantiseError
        There is no picture.
    """

    def __init__(
        self,
        trial: Trial,
        paths: Sequence[Path],
        origin: str,
        references: Mapping[Path, Path] = MappingProxyType({}),
    ) -> None:
        if not paths:
            raise QuantiseError(
                f"{origin}: there is no picture to calibrate by",
                fix="name a folder of pictures of the kind that it will see",
            )
        self.paths = tuple(paths)
        self.origin = origin
        self._references = references
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
                recording = recorder.record(self._pixels(path), reference=self._reference(path))
            except VedetteError as error:
                raise QuantiseError(
                    f"{path}: no picture to calibrate by: {error.message}", fix=error.fix
                ) from error
            yield recording.inputs[graph]

    def _pixels(self, path: Path) -> Pixels:
        return read_frame(path, self._decode).pixels()

    def _reference(self, path: Path) -> Pixels | None:
        reference = self._references.get(path)
        return None if reference is None else self._pixels(reference)

    def listing(self) -> str:
        """SHA-256 and name of each picture, as ``sha256sum`` writes them."""
        return "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in self.paths
        )


def pictures_of(folder: Path) -> dict[Path, Path | None]:
    """All pictures below a folder, in the order of their paths, each with the flawless one beside it if it has one (as
    in DeepPCB), which is then not among them.

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
    if not any(path.stem.endswith("_temp") for path in found):
        return dict.fromkeys(found)
    return {sample.path: sample.template for sample in read_data(folder, "deeppcb").split().samples}
