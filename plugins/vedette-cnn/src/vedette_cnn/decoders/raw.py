"""Raw outputs, checked before anything is computed from them: a wrong model or a broken run must not look like an
empty picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ResultError
from vedette.specs import Tensor, Tensors

Floats = NDArray[np.floating[Any]]
OTHER_DECODER = "use the decoder of this network's output format; `vedette plugins` lists what there is"


@dataclass(frozen=True)
class Raw:
    """The outputs of one run, as the decoder called ``decoder`` reads them."""

    decoder: str
    outputs: Tensors

    def floats(self, name: str | None, shape: tuple[int | None, ...], fix: str = OTHER_DECODER) -> Floats:
        """The floating-point output ``name`` (``None``: the only one) of shape ``shape`` (``None``: any size).

        Raises
        ------
        ResultError
            There is no such output, or it is another dtype or shape; the message ends with ``fix``.
        """
        name, tensor = self.find(name)
        fits = len(tensor.shape) == len(shape) and all(
            want in (None, got) for want, got in zip(shape, tensor.shape, strict=True)
        )
        if not fits or tensor.dtype.kind != "f":
            want = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.error(
                f"output {name!r} must be ({want}) of floats, not {tensor.shape} {tensor.dtype}", fix
            )
        return tensor

    def find(self, name: str | None) -> tuple[str, Tensor]:
        """The output ``name``, or the only one.

        Raises
        ------
        ResultError
            It is not there, or ``name`` is ``None`` and there are several.
        """
        if name is None and len(self.outputs) == 1:
            name = next(iter(self.outputs))
        if name is None or name not in self.outputs:
            missing = "there are several outputs" if name is None else f"there is no output {name!r}"
            names = ", ".join(repr(known) for known in self.outputs) or "none"
            raise self.error(
                missing, f"name the right one in the decoder's parameters; the outputs are: {names}"
            )
        return name, self.outputs[name]

    def refuse_nan(self, what: str, values: Floats) -> None:
        """Raise where ``values``, described as ``what``, are not all numbers: every comparison with NaN is false, so
        that it would read as "nothing found"."""
        if np.isnan(values).any():
            raise self.error(
                f"{what} holds NaN",
                "run it at precision f32 and on another backend: if that does not help, the model file is broken",
            )

    def check_classes(self, classes: int, labels: tuple[str, ...]) -> None:
        """Raise where the output has no room for a class, or there are labels but not one for each class."""
        if classes < 1:
            raise self.error("the output has no room for a class")
        if labels and len(labels) != classes:
            raise self.error(
                f"the model has {classes} classes, but the bundle has {len(labels)} labels",
                "give one label per class, in the model's order",
            )

    def classes(self, number: Tensor, first: int, labels: tuple[str, ...]) -> NDArray[np.intp]:
        """Class numbers as a network lists them, counted from its class ``first``.

        Raises
        ------
        ResultError
            One is NaN, comes before ``first``, or has no label.
        """
        self.refuse_nan("the class of a box", number)
        class_id = number.astype(np.intp) - first
        if len(class_id) and class_id.min() < 0:
            raise self.error(
                f"a box is of class {class_id.min() + first}", f"lower first_class, which is {first}"
            )
        if len(class_id) and labels and class_id.max() >= len(labels):
            raise self.error(
                f"a box is of class {class_id.max() + first}, but there are {len(labels)} labels",
                "give one label per class; if the network's class 0 is the background and the decoder has a parameter "
                "first_class, set it to 1",
            )
        return class_id

    def error(self, message: str, fix: str = OTHER_DECODER) -> ResultError:
        """An error that names the decoder."""
        return ResultError(f"decoder {self.decoder!r}: {message}", fix=fix)
