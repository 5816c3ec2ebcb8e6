"""The recipe of the classifier: what its network is made of, and that it is found."""

from pathlib import Path

import pytest

from vedette.registry import load_plugins

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-cnn[torch]'")
torch = pytest.importorskip("torch", reason="needs torch: pip install 'vedette-cnn[torch]'")

from vedette_torch.splits import read_splits  # noqa: E402

INT8_BYTES = 600_000


@pytest.fixture(scope="module")
def recipe():
    return load_plugins().recipes["cifar_classifier"].build()


@pytest.fixture(scope="module")
def network(recipe):
    return recipe.network(recipe.settings_type(), tuple("abcdefghij")).eval()


def test_it_is_small_enough_as_int8(network):
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert 450_000 < parameters < 0.95 * INT8_BYTES, "a byte each, and room for scales and the graph"


def test_it_is_at_ease_in_int8(network):
    """No activation but ReLU, no depthwise convolution, and every convolution followed by a norm to fold."""
    leaves = {type(module).__name__ for module in network.modules() if not list(module.children())}
    assert leaves == {"Conv2d", "BatchNorm2d", "ReLU", "Identity", "AdaptiveAvgPool2d", "Dropout", "Linear"}
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert all(convolution.groups == 1 and convolution.bias is None for convolution in convolutions)


def test_it_gives_logits(network):
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_it_reads_cifar(recipe, data: Path, tmp_path):
    from zipfile import ZipFile

    with ZipFile(data / "datasets" / "cifar10" / "cifar10_subset.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith("7.jpg")]  # a tenth
        archive.extractall(tmp_path, names)
    settings = recipe.settings_type()
    splits = recipe.read(tmp_path, settings)
    assert splits.labels == (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
    )  # fmt: skip
    assert len(splits.train) + len(splits.validation) == pytest.approx(1500, abs=5)
    assert len(splits.validation) / len(splits.train) == pytest.approx(0.04, abs=0.01)
    assert read_splits(tmp_path, "folders", settings).train[0].path == splits.train[0].path
