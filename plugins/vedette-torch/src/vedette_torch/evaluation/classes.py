"""The classes of data and of a model, brought together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vedette_torch.data.errors import DataError
from vedette_torch.data.samples import BoxesSample, Dataset, ImageSample, SampleT


def in_classes_of(
    labels: Sequence[str], dataset: Dataset[SampleT]
) -> tuple[tuple[SampleT, ...], tuple[str, ...], tuple[str, ...]]:
    """The samples with the class numbers of a model, its labels, and what is to be said of it.

    Classes are brought together by name. Where not all names of the data are the model's, but there are as many, or the
    model names none, they are taken by number, and a note says so.

    Raises
    ------
    DataError
        The data has classes that the model does not, or the model names a class twice.
    """
    own, theirs = tuple(labels), dataset.labels
    if own == theirs:
        return tuple(dataset.samples), own, ()
    if not own:
        return (
            tuple(dataset.samples),
            theirs,
            ("the model names no classes: they are those of the data, by number",),
        )
    if set(theirs) <= set(own):
        if len(set(own)) < len(own):
            raise DataError("the model names a class twice", fix="pack it with other labels")
        number = np.array([own.index(name) for name in theirs])
        return tuple(_renumbered(sample, number) for sample in dataset.samples), own, ()
    strange = [name for name in theirs if name not in own]
    if len(own) != len(theirs):
        raise DataError(
            f"the model has {len(own)} classes and the data {len(theirs)}, among them {', '.join(strange[:8])}",
            fix="name the classes of the data as the model does (`vedette inspect` lists its labels)",
        )
    note = f"classes are taken by number: the model has other names than the data, for example not {strange[0]!r}"
    return tuple(dataset.samples), own, (note,)


def _renumbered(sample: SampleT, number: NDArray[np.int64]) -> SampleT:
    if isinstance(sample, BoxesSample):
        return replace(sample, class_id=number[sample.class_id].astype(np.int32))
    assert isinstance(sample, ImageSample)
    return replace(sample, class_id=int(number[sample.class_id]))
