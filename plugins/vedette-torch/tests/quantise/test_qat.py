"""Quantisation-aware training: float in, float out, and int8 that loses less."""

import numpy as np
import pytest
import torch
from tiny_onnx import run
from torch import nn

from vedette.vision.spec import InputSpec
from vedette_torch.export import export_onnx
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.onnx_graph import load_float, prepare
from vedette_torch.quantise.qat import fake_quantised, fold_batch_norm
from vedette_torch.quantise.qdq import calibrate
from vedette_torch.recipe import ExportPlan


class Network(nn.Module):
    """Its depthwise layer has channels that are worlds apart, as those of trained mobile networks often have."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8 * 16, 4)

    def forward(self, image):
        x = torch.relu(self.norm(self.first(image)))
        x = torch.relu(self.depthwise(x))
        return self.head(nn.functional.avg_pool2d(x, 2).flatten(1))


def pictures(count, seed):
    """Bars at four angles, in noise."""
    random = np.random.default_rng(seed)
    angle = random.integers(0, 4, count)
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)))
    slope = np.stack([np.cos(np.pi * angle / 4), np.sin(np.pi * angle / 4)])
    phase = np.einsum("ahw,an->nhw", grid, slope) * 1.6 + random.uniform(0, 6, (count, 1, 1))
    image = np.sin(phase)[:, None] + random.normal(0, 0.6, (count, 1, 8, 8))
    return torch.tensor(image, dtype=torch.float32), torch.tensor(angle)


def train(network, steps, rate):
    images, truth = pictures(2048, 1)
    optimiser = torch.optim.Adam(network.parameters(), rate)
    for step in range(steps):
        chosen = slice(step * 64 % 2048, step * 64 % 2048 + 64)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images[chosen]), truth[chosen]).backward()
        optimiser.step()


def spread(network):
    """Rescale the channels against each other, which leaves the float network as it is (ReLU is homogeneous)."""
    factor = torch.logspace(-2, 2, 8)
    with torch.no_grad():
        network.norm.weight *= factor
        network.norm.bias *= factor
        network.depthwise.weight /= factor.reshape(-1, 1, 1, 1)


def accuracies(network, folder):
    """Of the exported file and of its int8 form, by ONNX Runtime."""
    images, truth = pictures(1000, 2)
    inputs = {"image": InputSpec(size_wh=(8, 8), colour="gray")}
    export_onnx(
        network.eval(), inputs, ExportPlan(outputs=("scores",), decoder="classification"), folder / "x.onnx"
    )
    ready = prepare(load_float(folder / "x.onnx"))
    made = calibrate(ready, [{"image": images[:200].numpy()}]).quantise()
    answers = [run(model, {"image": images.numpy()})[0].argmax(1) for model in (ready, made)]
    return [float((answer == truth.numpy()).mean()) for answer in answers]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """So small a network is slower with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained():
    network = Network()
    train(network, 200, 3e-3)
    network.eval()
    spread(network)
    return network


def test_int8_loses_less_after_it(trained, tmp_path):
    folded = fold_batch_norm(trained)
    float_before, int8_before = accuracies(folded, tmp_path)
    with fake_quantised(folded.train()):
        train(folded, 100, 1e-3)
    float_after, int8_after = accuracies(folded, tmp_path)
    assert float_before - int8_before > 0.03  # else there is nothing to learn
    assert float_after - int8_after < 0.5 * (float_before - int8_before)
    assert int8_after > int8_before + 0.02


def test_folding_gives_the_same_answers(trained):
    images, _ = pictures(16, 3)
    folded = fold_batch_norm(trained)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), trained(images), atol=1e-4, rtol=1e-4)


def test_the_network_is_float_again_afterwards(trained):
    images, _ = pictures(16, 3)
    folded = fold_batch_norm(trained)
    before, names = folded(images), list(folded.state_dict())
    with fake_quantised(folded):
        assert (folded(images) - before).abs().max() > 1e-3
    torch.testing.assert_close(folded(images), before)
    assert sorted(folded.state_dict()) == sorted(names)


def test_layers_that_are_left_out_are_not_rounded(trained):
    images, _ = pictures(16, 3)
    folded = fold_batch_norm(trained)
    before = folded(images)
    with (
        pytest.raises(QuantiseError, match="no layer to quantise"),
        fake_quantised(folded, without=("first", "depthwise", "head")),
    ):
        pass
    with fake_quantised(folded, without=("first", "depthwise")):
        partly = (folded(images) - before).abs().max()
    with fake_quantised(folded):
        assert (folded(images) - before).abs().max() > partly > 0
    with pytest.raises(QuantiseError, match="no layer 'tail'"), fake_quantised(folded, without=("tail",)):
        pass


def test_a_network_that_cannot_be_traced_is_named():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(QuantiseError, match="Branching cannot be traced"):
        fold_batch_norm(Branching())
