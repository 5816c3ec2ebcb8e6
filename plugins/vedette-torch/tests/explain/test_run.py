"""Maps of a run's network lie where the answer comes from, by every method."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install vedette-torch")

from vedette.bundle.samples import encode_png  # noqa: E402
from vedette.errors import VedetteError  # noqa: E402
from vedette.explain.occlusion import Occlusion  # noqa: E402
from vedette.explain.saliency import correlation  # noqa: E402
from vedette.frame import Packed  # noqa: E402
from vedette.model.feeds import still  # noqa: E402
from vedette_torch.evaluation.run import RunPredictor  # noqa: E402
from vedette_torch.explain.cam import FORMULAS, grad_cam_plus_plus  # noqa: E402
from vedette_torch.explain.layers import find_layer  # noqa: E402
from vedette_torch.explain.run import METHODS, explain_run  # noqa: E402

LABELS = ("a", "b", "c")
SEEN = (72 - 6, 48 - 4, 96, 64)
"""The corner that the network sees, in the frame of 96 x 64, and what a cell of a map reaches beyond it."""


@pytest.fixture(scope="module")
def frame(noise):
    return still(Packed("bgr", noise))


@pytest.fixture(scope="module")
def corner(make_run, registry):
    return RunPredictor(make_run("corner", LABELS), registry=registry)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", [None, "features.0"])
def test_the_map_lies_in_the_corner_that_the_network_sees(corner, frame, method, layer):
    found = explain_run(corner, frame, method=method, layer=layer, occlusion=Occlusion(cells=16))
    assert found.heat.max() > 0, "something speaks for the most confident class"
    assert found.share_inside(SEEN) > 0.95
    assert found.extent == (0, 0, 96, 64)


def test_after_the_mean_and_a_linear_layer_grad_cam_is_the_class_activation_map(corner, frame):
    """Selvaraju et al. 2017, section 3.1: there the gradient of a logit is the weight over the number of places."""
    found = explain_run(corner, frame, method="grad-cam")
    with torch.no_grad():
        features = corner.network.features(corner.tensors(frame)[0][0] * corner.network.mask)[0]
        weight = corner.network.head.weight[found.target.class_id]
        exact = (weight[:, None, None] * features).sum(dim=0).relu() / features[0].numel()
    assert np.allclose(found.heat, exact.numpy(), atol=1e-6)
    hires = explain_run(corner, frame, method="hires-cam")
    assert np.allclose(found.heat, hires.heat, atol=1e-6), (
        "Draelos and Carin 2020, section 3: here the two are one"
    )


def test_grad_cam_plus_plus_is_that_of_the_paper():
    """Equation 19 with the weights of one channel, worked out by hand: A = (1, 3), G = (2, 0)."""
    activations, gradient = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 0.0]]])
    alpha = 4 / (2 * 4 + 8 * 1)
    assert grad_cam_plus_plus(activations, gradient).tolist() == [[alpha * 2 * 1, alpha * 2 * 3]]


def test_another_network_gives_another_map(make_run, registry, frame):
    """Adebayo et al. 2018, "Sanity checks for saliency maps": a map must depend on the weights."""
    whole = [
        RunPredictor(make_run("corner", LABELS, seed_of_weights=seed, corner=32), registry=registry)
        for seed in (0, 1)
    ]
    for method in FORMULAS:
        first, other = (explain_run(network, frame, method=method, target="b") for network in whole)
        assert correlation(first, other) < 0.6, method


def test_the_layer_is_found_or_named(corner, frame):
    (tensor,), _ = corner.tensors(frame)
    assert find_layer(corner.network, tensor, None, boxes=False)[0] == "features", "what the mean is taken of"
    assert find_layer(corner.network, tensor, None, boxes=True)[0] == "features.2", "the widest convolution"
    with pytest.raises(VedetteError, match="no layer 'nowhere'") as caught:
        explain_run(corner, frame, layer="nowhere")
    assert "features.0, features.2" in caught.value.fix
    with pytest.raises(VedetteError, match="no layer 'head'"):
        explain_run(corner, frame, layer="head")


def test_an_unknown_class_is_refused(corner, frame):
    with pytest.raises(VedetteError, match="no class 'zebra'"):
        explain_run(corner, frame, target="zebra")


def test_the_command_explains_a_run(make_run, registry, noise, tmp_path, monkeypatch, vedette_cli):
    monkeypatch.setattr("vedette.cli.load_plugins", lambda extra=(): registry)
    (tmp_path / "noise.png").write_bytes(encode_png(noise))
    run = make_run("corner", LABELS)
    code, told = vedette_cli("explain", run, tmp_path / "noise.png", "--out", tmp_path / "maps")
    assert code == 0, told
    assert "(grad-cam, 1 inferences)" in told
    assert (tmp_path / "maps" / "noise.grad-cam.png").is_file()
    code, told = vedette_cli(
        "explain", run, tmp_path / "noise.png", "--out", tmp_path, "--backend", "openvino"
    )
    assert code == 1
    assert "is a run, so --backend does not apply" in told
    code, told = vedette_cli(
        "explain", run, tmp_path / "noise.png", "--out", tmp_path, "--method", "activation"
    )
    assert "does not explain" in told


@pytest.fixture(scope="module")
def spots(make_run, registry):
    return RunPredictor(make_run("spots", ("spot",)), registry=registry)


@pytest.fixture(scope="module")
def two_spots():
    """In the cells (2, 1) and (6, 5) of 8 x 8, in a picture of 64 x 64."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[8:16, 16:24] = 255
    picture[40:48, 48:56] = 235
    return still(Packed("bgr", picture))


@pytest.mark.parametrize("method", [None, "hires-cam", "layer-cam", "occlusion"])
@pytest.mark.parametrize(("row", "cell"), [(0, (16, 8, 24, 16)), (1, (48, 40, 56, 48))])
def test_of_a_detector_one_detection_is_explained(spots, two_spots, method, row, cell):
    """The score of one detection comes out of a decoder in numpy, and is differentiated all the same."""
    seen = spots(two_spots)
    assert len(seen) == 2
    assert np.allclose(seen.xyxy[row], [cell[0] - 4, cell[1] - 4, cell[2] + 4, cell[3] + 4], atol=5)
    found = explain_run(spots, two_spots, method=method, row=row, occlusion=Occlusion(cells=8))
    assert found.target.xyxy == tuple(seen.xyxy[row].tolist())
    left, top, right, bottom = cell
    assert found.share_inside((left - 8, top - 8, right + 8, bottom + 8)) > 0.85


def test_grad_cam_does_not_tell_detections_apart(spots, two_spots):
    """It weighs channels by the mean of their gradient over all places, and so shows whatever else the same channels
    see; Draelos and Carin 2020, section 4. That is why it is not what detectors are explained by unless asked for."""
    found = explain_run(spots, two_spots, method="grad-cam", row=0)
    assert 0.3 < found.share_inside((8, 0, 32, 24)) < 0.7
    assert explain_run(spots, two_spots).method == "hires-cam"


def test_the_derivative_of_a_decoded_confidence_is_right(spots, two_spots):
    """Against the derivative worked out by hand: the confidence is objectness times class."""
    from vedette.explain.answer import choose
    from vedette_torch.explain.score import detection_score

    (tensor,), affine = spots.tensors(two_spots)
    outputs = {"output": spots.outputs(tensor)["output"].detach().requires_grad_()}
    target = choose(spots(two_spots))
    score = detection_score(outputs, lambda raw: spots.read(raw, affine[None], two_spots.size_wh), target)
    score.backward()
    slope = outputs["output"].grad[0]
    cell = int(slope.abs().sum(dim=1).argmax())
    objectness, probability = outputs["output"][0, cell, 4:].tolist()
    assert cell == 1 * 8 + 2
    assert slope[cell, 4:].tolist() == pytest.approx([probability, objectness], rel=1e-3)
    assert slope.abs().sum() == pytest.approx(objectness + probability, rel=1e-2), "and nothing else matters"
