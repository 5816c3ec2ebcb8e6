"""Whether what is asked for is the run that lies in the folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vedette.errors import VedetteError
from vedette_torch.data.samples import Sample
from vedette_torch.recipe import SampleT, Settings, Splits
from vedette_torch.training.run_folder import RunFolder, RunInfo
from vedette_torch.training.start import Start


def describe_run(
    recipe: str, settings: Settings, data: Path, splits: Splits[SampleT], start: Start | None = None
) -> RunInfo:
    """What makes a run what it is.

    Raises
    ------
    VedetteError
        The weights to begin with are not there.
    """
    return RunInfo(
        recipe=recipe,
        settings=msgspec.json.decode(msgspec.json.encode(settings)),  # as it will be read
        data=str(data),
        data_digest=_digest(data, splits.train, splits.validation),
        labels=splits.labels,
        train_samples=len(splits.train),
        validation_samples=len(splits.validation),
        start="" if start is None else start.describe(),
    )


def check_same_run(folder: RunFolder, info: RunInfo, resume: bool) -> None:
    """Refuse to mix two runs.

    Raises
    ------
    VedetteError
        The folder holds a run and ``resume`` is not said, or it is said and the run is another one.
    """
    if not folder.exists:
        if folder.last.exists():
            raise VedetteError(
                f"{folder.path} has a checkpoint but no run.json", fix="give --out another folder"
            )
        return
    if not resume:
        raise VedetteError(
            f"{folder.path} holds a run already",
            fix="go on with it by --resume, or give --out another folder",
        )
    old, new = msgspec.to_builtins(folder.read_info()), msgspec.to_builtins(info)
    old_settings, new_settings = old.pop("settings"), new.pop("settings")
    changed = [name for name in new if name != "data" and old[name] != new[name]]
    changed += [name for name in new_settings if old_settings.get(name) != new_settings[name]]
    if changed:
        raise VedetteError(
            f"{folder.path} holds another run: {', '.join(changed)} differ",
            fix="resume with the settings and the data that it was begun with, or give --out another folder",
        )


def _digest(data: Path, *splits: Sequence[Sample]) -> str:
    """Over paths and what is known of each sample; not over pixels, which would take as long as an epoch."""
    digest = hashlib.sha256()
    for samples in splits:
        for sample in samples:
            path = sample.path.relative_to(data) if sample.path.is_relative_to(data) else sample.path
            digest.update(f"{path}\0".encode())
            digest.update(sample.facts())
        digest.update(b"\0\0")
    return digest.hexdigest()
