"""A finished training: its recipe, its best weights, and how its exported model is packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from vedette.bundle.manifest import PreprocessFeed
from vedette.bundle.request import PackRequest
from vedette.errors import PluginError, VedetteError
from vedette.registry import Registry
from vedette_torch.export import MODEL
from vedette_torch.recipe import Recipe
from vedette_torch.training.checkpoint import load_weights
from vedette_torch.training.run_folder import RunFolder, RunInfo


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """What lies in the folder of a run."""

    run: RunFolder
    info: RunInfo
    recipe: Recipe[Any, Any]
    settings: Any

    def network(self) -> nn.Module:
        """The network with the weights of its best epoch, on the processor and in ``eval`` mode.

        Raises
        ------
        VedetteError
            The weights cannot be read or do not fit the recipe.
        """
        network = self.recipe.network(self.settings, self.info.labels)
        load_weights(self.run.best, network)
        return network.eval()

    def pack_request(
        self, licence: str | None, samples: Sequence[Path] = (), reference: Path | None = None
    ) -> PackRequest:
        """What to pack, as the recipe says it is read on the edge. ``reference``: the picture that a network that
        compares is to compare with.

        Raises
        ------
        VedetteError
            The training has exported nothing yet, or its network does not become one graph that takes one picture,
            and the ``reference`` if it compares.
        """
        inputs, references = self.recipe.inputs(self.settings), self.recipe.references(self.settings)
        images = [name for name in inputs if name not in references]
        if self.recipe.packer is not None or len(images) != 1:
            how = f"vedette {self.recipe.packer} {self.run.path}" if self.recipe.packer else "vedette pack"
            raise VedetteError(
                f"{self.run.path}: the network of {self.recipe.name!r} is not one graph that takes one picture",
                fix=f"make its bundle by `{how}`, and give that",
            )
        model = self.run.path / MODEL
        if not model.is_file():
            raise VedetteError(
                f"{self.run.path} has no {MODEL}: its training has not come to its end",
                fix=f"vedette train {self.recipe.name} --data {self.info.data} --out {self.run.path} --resume",
            )
        if references and reference is None:
            raise VedetteError(
                f"{self.run.path}: the network of {self.recipe.name!r} compares with a flawless picture",
                fix="say which: --reference FILE",
            )
        image = inputs[images[0]]
        plan = self.recipe.export(self.settings, self.info.labels)
        return PackRequest(
            model=model,
            task=self.recipe.task,
            decoder=plan.decoder,
            params=plan.params,
            licence=licence,
            name=self.recipe.name.replace("_", "-"),
            labels=self.info.labels,
            image={name: value for name, value in msgspec.to_builtins(image).items() if name != "dtype"},
            samples=samples,
            **({} if reference is None else _feeds(images[0], references, reference)),
        )


def _feeds(image: str, references: Sequence[str], reference: Path) -> dict[str, Any]:
    feeds = {image: PreprocessFeed(name="image")}
    return {"feeds": feeds, "references": dict.fromkeys(references, reference)}


def is_run(path: Path) -> bool:
    """Whether there is a run of ``vedette train``."""
    return RunFolder(path).exists


def open_run(folder: Path, registry: Registry) -> Trained:
    """Read what a run is.

    Raises
    ------
    VedetteError
        The folder is no run, or its settings do not fit the recipe that is installed.
    PluginError
        Its recipe is not installed, or what that needs.
    """
    run = RunFolder(folder)
    info = run.read_info()
    recipe = find_recipe(registry, info.recipe)
    try:
        settings = msgspec.convert(info.settings, recipe.settings_type)
    except msgspec.ValidationError as error:
        raise VedetteError(
            f"{folder / 'run.json'} does not fit the recipe {recipe.name!r}: {error}",
            fix="use the version of the recipe that began the run",
        ) from error
    return Trained(run=run, info=info, recipe=recipe, settings=settings)


def find_recipe(registry: Registry, name: str) -> Recipe[Any, Any]:
    """The recipe of this name, built.

    Raises
    ------
    PluginError
        There is none, what it needs is not installed, or its plugin gives something else.
    """
    spec = registry.recipes[name]
    blame = registry.provider(spec)
    try:
        recipe = spec.build()
    except ImportError as error:
        raise PluginError(
            f"recipe {name!r} ({blame}) cannot be used: {error}",
            fix="install the extra of its plugin that trains",
        ) from error
    if not isinstance(recipe, Recipe):
        raise PluginError(
            f"recipe {name!r} ({blame}) is a {type(recipe).__name__}, not a vedette_torch.recipe.Recipe"
        )
    return recipe
