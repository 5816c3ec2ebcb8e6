"""The network of a training as torch runs it, before it is exported: the reference that a bundle is held against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vedette.errors import VedetteError
from vedette.frame import Frame
from vedette.registry import Registry, load_plugins
from vedette.results import Result
from vedette.specs import Affine, Roi, TensorInfo, Tensors
from vedette.vision.preprocess import ImagePreprocess
from vedette.vision.spec import InputSpec
from vedette_torch.evaluation.edge import with_low_threshold
from vedette_torch.evaluation.predictor import Subject
from vedette_torch.trained import open_run


class RunPredictor:
    """A :class:`~vedette_torch.evaluation.predictor.Predictor` of a run: the weights of its best epoch, on the
    processor at float32, between the preprocessing and the decoder that the bundle will have.

    Raises
    ------
    VedetteError
        The folder is no run, its recipe is not installed, its checkpoint does not fit, or the network takes more than
        one picture besides flawless ones.
    """

    def __init__(
        self, folder: Path, *, registry: Registry | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        registry = registry or load_plugins()
        trained = open_run(folder, registry)
        info, recipe, settings = trained.info, trained.recipe, trained.settings
        inputs = recipe.inputs(settings)
        references = recipe.references(settings)
        if len(inputs) != 1 + len(references):
            raise VedetteError(
                f"the network of {folder} takes {', '.join(inputs)}: torch evaluates only networks of one picture",
                fix="evaluate its bundle",
            )
        self._inputs = {name: (spec, _writer(name, spec)) for name, spec in inputs.items()}
        self._references = references
        self.spec = next(spec for name, spec in inputs.items() if name not in references)
        self.network = trained.network()
        self._plan = recipe.export(settings, info.labels)
        decoder = registry.postprocessors[self._plan.decoder]
        lowered, self.threshold = with_low_threshold(registry, decoder, self._plan.params, params or {})
        self.params = registry.convert_params(
            decoder, {**self._plan.params, **lowered}, f"decoder {decoder.name!r}"
        )
        self._decode = decoder.build(info.labels)
        self.labels = info.labels
        self.result = decoder.result
        self.subject = Subject(
            kind="torch",
            name=f"{info.recipe} in {folder.name}",
            path=str(folder),
            how={"backend": f"torch {torch.__version__}", "device": "cpu", "precision": "f32"},
            params=msgspec.to_builtins(self.params),
        )

    @torch.no_grad()
    def __call__(self, frame: Frame, reference: Frame | None = None) -> Result:
        tensors, affine = self.tensors(frame, reference)
        outputs = {name: value.numpy() for name, value in self.outputs(*tensors).items()}
        return self.read(outputs, affine[None], frame.size_wh).owned()

    def tensors(self, frame: Frame, reference: Frame | None = None) -> tuple[list[Tensor], Affine]:
        """A frame as the network takes it, ``(1, c, h, w) float32`` per input, and the map ``(2, 3)`` from the frame's
        tensor to the frame.

        Raises
        ------
        VedetteError
            The network compares, and there is no ``reference``.
        """
        rows, frames_affine = [], None
        for name, (spec, preprocess) in self._inputs.items():
            compared = name in self._references
            shown = reference if compared else frame
            if shown is None:
                raise VedetteError(
                    f"{self.subject.name} compares with a flawless picture, and there is none",
                    fix="take data with such pictures, or use its bundle, which holds one",
                )
            row = np.empty((1, *spec.row_shape), np.float32)
            affine = preprocess.write(shown, Roi.whole(shown.size_wh), row[0])
            frames_affine = frames_affine if compared else affine
            rows.append(torch.from_numpy(row))
        assert frames_affine is not None
        return rows, frames_affine

    def outputs(self, *tensors: Tensor) -> dict[str, Tensor]:
        """What the network gives for ``(n, c, h, w)`` per input, by the names that the exported graph will have."""
        outputs = self.network(*tensors)
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        return dict(zip(self._plan.outputs, outputs, strict=True))

    def read(
        self, outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int], params: Any = None
    ) -> Result:
        """Decode raw outputs, as :class:`vedette.specs.Postprocess`; ``params``: in place of :attr:`params`."""
        return self._decode(outputs, affines, size_wh, self.params if params is None else params)


def _writer(name: str, spec: InputSpec) -> ImagePreprocess:
    return ImagePreprocess(spec, TensorInfo(name=name, dtype=spec.dtype, shape=(None, *spec.row_shape)))
