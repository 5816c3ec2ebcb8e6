"""Data on the disk becomes what is learnt from and what it is validated on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vedette.errors import VedetteError
from vedette_torch.data.reading import Format, read_data
from vedette_torch.data.split import split_data
from vedette_torch.recipe import Settings, Splits

logger = logging.getLogger("vedette.torch.data")


def read_splits(data: Path, format: Format, settings: Settings) -> Splits[Any]:
    """The split ``train``, or all of data without splits; validated on ``val`` if there is one, else on the share
    ``settings.validation`` of it. A ``test`` split is not touched.

    Problems of the data are logged: their number, and how to see them.

    Raises
    ------
    VedetteError
        The data cannot be used, or has splits but no ``train``.
    """
    folder = read_data(data, format)
    if folder.problems:
        logger.warning(
            "%s: %d problems; `vedette data check %s` lists them", data, len(folder.problems), data
        )
    train = folder.split("train" if "train" in folder.splits or len(folder.splits) > 1 else None)
    if folder.splits.keys() & {"val", "test"} and "train" not in folder.splits:
        raise VedetteError(
            f"{data} has no training data, only {', '.join(folder.splits)}", fix="name it train"
        )
    if settings.validation == 0:
        return Splits(train=train.samples, validation=(), labels=folder.labels)
    if "val" in folder.splits:
        return Splits(train=train.samples, validation=folder.splits["val"].samples, labels=folder.labels)
    ratios = {"train": 1 - settings.validation, "val": settings.validation}
    parts = split_data(train, ratios, settings.seed)
    return Splits(train=parts["train"].samples, validation=parts["val"].samples, labels=folder.labels)
