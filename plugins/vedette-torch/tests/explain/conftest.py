"""Runs whose networks are known to look at one corner: as ``vedette train`` leaves them, but not trained."""

import sys
import types
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install vedette-torch")

from torch import Tensor, nn  # noqa: E402

from vedette.hookspecs import hookimpl  # noqa: E402
from vedette.manager import PluginManager  # noqa: E402
from vedette.registry import Registry  # noqa: E402
from vedette.specs import RecipeSpec  # noqa: E402
from vedette.vision.spec import InputSpec  # noqa: E402
from vedette_torch.classifier import ClassifierRecipe, ClassifierSettings  # noqa: E402
from vedette_torch.recipe import ExportPlan, Recipe, Settings  # noqa: E402
from vedette_torch.training.checkpoint import save_weights  # noqa: E402
from vedette_torch.training.run_folder import RunFolder, RunInfo  # noqa: E402

SIDE, CORNER = 32, 8


class CornerSettings(ClassifierSettings, frozen=True, kw_only=True):
    seed_of_weights: int = 0
    corner: int = CORNER


class CornerNetwork(nn.Module):
    """All but the lower right corner is multiplied by 0; then two convolutions, the mean, a linear layer."""

    def __init__(self, settings, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(settings.seed_of_weights)
        mask = torch.zeros(1, 1, SIDE, SIDE)
        mask[..., SIDE - settings.corner :, SIDE - settings.corner :] = 1
        self.register_buffer("mask", mask)
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1, bias=False), nn.ReLU()
        )
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, classes)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(
                    torch.randn(weight.shape, generator=generator) * (0.5 if weight.ndim == 4 else 3)
                )

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.pool(self.features(image * self.mask)).flatten(1))


class CornerClassifier(ClassifierRecipe[CornerSettings]):
    name, settings_type = "corner", CornerSettings

    def inputs(self, settings) -> Mapping[str, InputSpec]:
        return {
            "image": InputSpec(size_wh=(SIDE, SIDE), resize="stretch", mean=(128.0,) * 3, scale=(64.0,) * 3)
        }

    def network(self, settings, labels) -> nn.Module:
        return CornerNetwork(settings, len(labels))


class SpotSettings(Settings, frozen=True, kw_only=True):
    grid: int = 8


class SpotNetwork(nn.Module):
    """A YOLOX head of one class over ``grid x grid`` cells: the brighter a cell, the surer a box of its size."""

    def __init__(self, settings) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 4, 1), nn.ReLU())
        self.head = nn.Conv2d(4, 6, 1)
        with torch.no_grad():
            self.body[1].weight.fill_(1 / 3)
            self.body[1].bias.fill_(0)
            self.head.weight.zero_()
            self.head.bias.copy_(torch.tensor([0.5, 0.5, 0.7, 0.7, -6.0, 6.0]))
            self.head.weight[4] = 1.0

    def forward(self, image: Tensor) -> Tensor:
        out = self.head(self.body(image))
        out = torch.cat([out[:, :4], out[:, 4:].sigmoid()], dim=1)
        return out.flatten(2).transpose(1, 2)


class Spots(Recipe[SpotSettings, None]):
    name, task, settings_type = "spots", "detection", SpotSettings

    def read(self, data, settings):
        raise NotImplementedError

    def load(self, sample, labels, loader):
        raise NotImplementedError

    def objective(self, settings, splits):
        raise NotImplementedError

    def inputs(self, settings) -> Mapping[str, InputSpec]:
        return {
            "image": InputSpec(size_wh=(SIDE, SIDE), resize="stretch", mean=(0.0,) * 3, scale=(128.0,) * 3)
        }

    def network(self, settings, labels) -> nn.Module:
        return SpotNetwork(settings)

    def export(self, settings, labels) -> ExportPlan:
        params = {"input_wh": [SIDE, SIDE], "strides": [4], "confidence_threshold": 0.3}
        return ExportPlan(outputs=("output",), decoder="yolox", params=params)


@pytest.fixture(scope="session")
def registry() -> Registry:
    """With the recipes above."""
    module = types.ModuleType("explain_recipes")

    @hookimpl
    def vedette_recipes():
        return [
            RecipeSpec(name="corner", summary="Corner.", task="classification", build=CornerClassifier),
            RecipeSpec(name="spots", summary="Spots.", task="detection", build=Spots),
        ]

    module.vedette_recipes = vedette_recipes
    sys.modules[module.__name__] = module
    manager = PluginManager(env={})
    manager.load([module.__name__])
    return Registry(manager)


@pytest.fixture(scope="session")
def make_run(registry, tmp_path_factory):
    """``make_run("corner", labels, seed_of_weights=1)``: the folder of a run whose best weights are the fresh ones."""

    def make(recipe: str, labels: tuple[str, ...], **settings) -> Path:
        built = registry.recipes[recipe].build()
        typed = built.settings_type(**settings)
        run = RunFolder(tmp_path_factory.mktemp(recipe))
        run.write_info(
            RunInfo(
                recipe=recipe, settings=settings, data="", data_digest="", labels=labels,
                train_samples=0, validation_samples=0,
            )
        )  # fmt: skip
        save_weights(run, built.network(typed, labels))
        return run.path

    return make


@pytest.fixture(scope="session")
def vedette_cli():
    """Run ``vedette ...`` in this process."""
    from click.testing import CliRunner

    from vedette.cli import main

    def run(*arguments) -> tuple[int, str]:
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        return done.exit_code, done.output

    return run


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """A picture ``(64, 96, 3)``, not square, of blocks of noise."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (16, 24, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
