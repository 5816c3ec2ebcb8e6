"""The network of a training as torch runs it, before it is exported: the reference that a bundle is held against."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from vedette.errors import VedetteError
from vedette.frame import Frame
from vedette.registry import Registry, load_plugins
from vedette.results import Result
from vedette.specs import Roi, TensorInfo
from vedette.vision.preprocess import ImagePreprocess
from vedette_torch.evaluation.edge import with_low_threshold
from vedette_torch.evaluation.predictor import Subject
from vedette_torch.recipe import Recipe
from vedette_torch.training.checkpoint import load_weights
from vedette_torch.training.run_folder import RunFolder


class RunPredictor:
    """A :class:`~vedette_torch.evaluation.predictor.Predictor` of a run: the weights of its best epoch, on the
    processor at float32, between the preprocessing and the decoder that the bundle will have.

    Raises
    ------
    VedetteError
        The folder is no run, its recipe is not installed, its checkpoint does not fit, or the network takes more than
        one picture.
    """

    def __init__(
        self, folder: Path, *, registry: Registry | None = None, params: Mapping[str, Any] | None = None
    ) -> None:
        registry = registry or load_plugins()
        run = RunFolder(folder)
        info = run.read_info()
        recipe: Recipe[Any, Any] = registry.recipes[info.recipe].build()
        settings = _settings(info.settings, recipe, run)
        inputs = recipe.inputs(settings)
        if len(inputs) != 1:
            raise VedetteError(
                f"the network of {folder} takes {', '.join(inputs)}: torch evaluates only networks of one picture",
                fix="evaluate its bundle",
            )
        ((name, spec),) = inputs.items()
        self._row = spec.row_shape
        self._preprocess = ImagePreprocess(
            spec, TensorInfo(name=name, dtype=spec.dtype, shape=(None, *spec.row_shape))
        )
        self._network = recipe.network(settings, info.labels)
        load_weights(run.best, self._network)
        self._network.eval()
        self._plan = recipe.export(settings, info.labels)
        decoder = registry.postprocessors[self._plan.decoder]
        lowered, self.threshold = with_low_threshold(registry, decoder, self._plan.params, params or {})
        self._params = registry.convert_params(
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
            params=msgspec.to_builtins(self._params),
        )

    @torch.no_grad()
    def __call__(self, frame: Frame) -> Result:
        row = np.empty((1, *self._row), np.float32)
        affine = self._preprocess.write(frame, Roi.whole(frame.size_wh), row[0])
        outputs = self._network(torch.from_numpy(row))
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        named = {name: value.numpy() for name, value in zip(self._plan.outputs, outputs, strict=True)}
        return self._decode(named, affine[None], frame.size_wh, self._params).owned()


def _settings(plain: Mapping[str, Any], recipe: Recipe[Any, Any], run: RunFolder) -> Any:
    try:
        return msgspec.convert(plain, recipe.settings_type)
    except msgspec.ValidationError as error:
        raise VedetteError(
            f"{run.path / 'run.json'} does not fit the recipe {recipe.name!r}: {error}",
            fix="use the version of the recipe that began the run",
        ) from error
