"""A bundle that was given an activation map: exact, the same on both backends and in int8, for one more inference."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install vedette-torch")
onnx = pytest.importorskip("onnx", reason="needs onnx: pip install onnx")

from vedette.bundle.bundle import open_bundle  # noqa: E402
from vedette.bundle.pack import PackRequest, pack_model  # noqa: E402
from vedette.bundle.samples import draw, encode_png  # noqa: E402
from vedette.errors import BundleError  # noqa: E402
from vedette.explain.occlusion import Occlusion  # noqa: E402
from vedette.explain.saliency import correlation  # noqa: E402
from vedette.explain.single import explain  # noqa: E402
from vedette.frame import Packed  # noqa: E402
from vedette.model.feeds import still  # noqa: E402
from vedette.model.single import Model  # noqa: E402
from vedette.vision.spec import InputSpec  # noqa: E402
from vedette_torch.evaluation.run import RunPredictor  # noqa: E402
from vedette_torch.explain.onnx_head import find_head, with_features  # noqa: E402
from vedette_torch.explain.run import explain_run  # noqa: E402
from vedette_torch.explain.seal import add_activation_map  # noqa: E402
from vedette_torch.export import export_onnx  # noqa: E402
from vedette_torch.recipe import ExportPlan  # noqa: E402

BACKENDS = ["onnxruntime", "openvino"]
LABELS = ("a", "b", "c")
SEEN = (72 - 6, 48 - 4, 96, 64)


@pytest.fixture(scope="module")
def corner(make_run, registry):
    return RunPredictor(make_run("corner", LABELS), registry=registry)


@pytest.fixture(scope="module")
def packed(corner, registry, tmp_path_factory):
    """The network of the run as a bundle, and the same with an activation map."""
    folder = tmp_path_factory.mktemp("cam")
    recipe = registry.recipes["corner"].build()
    settings = recipe.settings_type()
    export_onnx(
        corner.network, recipe.inputs(settings), recipe.export(settings, LABELS), folder / "model.onnx"
    )
    request = PackRequest(
        model=folder / "model.onnx",
        task="classification",
        decoder="classification",
        params={"activation": "softmax", "output": "logits"},
        licence="Apache-2.0",
        labels=list(LABELS),
        image={"resize": "stretch", "kernel": "bilinear", "colour": "rgb", "mean": [128], "scale": [64]},
        name="corner",
    )
    plain = pack_model(request, folder / "plain.vedette", registry=registry)
    with open_bundle(plain) as opened:
        return plain, add_activation_map(opened, folder / "cam.vedette", registry=registry)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_map_adds_up_to_the_logit(packed, corner, registry, noise, backend):
    """Zhou et al. 2016, equation 2; the bias is the one thing that no place has a share in."""
    with Model(packed[1], registry=registry, backend=backend) as model:
        found = explain(model, noise)
        logits = model.raw(noise)["model"]["logits"][0]
    bias = corner.network.head.bias.detach().numpy()
    number = found.target.class_id
    assert (found.method, found.inferences) == ("activation", 1)
    assert found.heat.sum() == pytest.approx(logits[number] - bias[number], abs=1e-3)
    assert found.share_inside(SEEN) > 0.95


def test_it_is_what_grad_cam_and_occlusion_show(packed, corner, registry, noise):
    frame = still(Packed("bgr", noise))
    with Model(packed[1], registry=registry, backend="openvino") as model:
        found = explain(model, frame)
        occluded = explain(model, frame, method="occlusion", occlusion=Occlusion(cells=16))
    grad_cam = explain_run(corner, frame, target=found.target.class_id)
    assert np.allclose(found.heat.clip(min=0), grad_cam.heat, atol=1e-3 * grad_cam.heat.max())
    assert occluded.share_inside(SEEN) > 0.95


def test_both_backends_give_one_map(packed, registry, noise):
    maps = []
    for backend in BACKENDS:
        with Model(packed[1], registry=registry, backend=backend) as model:
            maps.append(explain(model, noise).heat)
    assert np.abs(maps[0] - maps[1]).max() < 1e-4 * np.abs(maps[0]).max()


def test_nothing_else_has_changed(packed, registry, noise):
    """The same answers; and the bundle proves itself, by goldens that hold the new output."""
    answers = []
    for path in packed:
        with Model(path, registry=registry, backend="onnxruntime", proof="require") as model:
            answers.append(model(noise))
            assert model.loaded.standing.verdict == "passed"
    assert answers[0].confidence.tolist() == answers[1].confidence.tolist()
    with open_bundle(packed[1]) as bundle:
        assert set(bundle.manifest.graphs["model"].outputs) == {"logits", "features"}
        assert bundle.manifest.provenance.recipe.endswith("vedette add-cam")


def test_int8_shows_the_same_places(packed, registry, noise, tmp_path):
    """Statically quantised by ONNX Runtime's own tool, with the features as an output."""
    quantization = pytest.importorskip("onnxruntime.quantization", reason="needs onnxruntime")

    class Pictures(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left = [picture[:32, :32].transpose(2, 0, 1)[None] for picture in draw(16)]

        def get_next(self):
            return {"image": (self._left.pop().astype(np.float32) - 128) / 64} if self._left else None

    with open_bundle(packed[0]) as bundle:
        (file,) = bundle.manifest.variants["f32"].graphs["model"].files
        (tmp_path / "f32.onnx").write_bytes(bundle.read(file))
    quantization.quantize_static(
        tmp_path / "f32.onnx",
        tmp_path / "int8.onnx",
        Pictures(),
        per_channel=True,
        quant_format=quantization.QuantFormat.QDQ,
    )
    request = PackRequest(
        model=tmp_path / "int8.onnx",
        task="classification",
        decoder="classification",
        params={"activation": "softmax", "output": "logits"},
        licence="Apache-2.0",
        labels=list(LABELS),
        image={"resize": "stretch", "kernel": "bilinear", "colour": "rgb", "mean": [128], "scale": [64]},
        storage="int8",
        oracle="literal",
    )
    plain = pack_model(request, tmp_path / "int8.vedette", registry=registry)
    with open_bundle(plain) as opened:
        int8 = add_activation_map(opened, tmp_path / "int8-cam.vedette", registry=registry)
    with Model(packed[1], registry=registry, backend="openvino") as model:
        wanted = explain(model, noise)
    for backend in BACKENDS:
        with Model(int8, registry=registry, backend=backend, proof="off") as model:
            found = explain(model, noise, target=wanted.target.class_id)
        assert found.method == "activation"
        assert correlation(wanted, found) > 0.98


@pytest.fixture
def exported(tmp_path):
    def export(network):
        path = tmp_path / "network.onnx"
        spec = InputSpec(size_wh=(8, 8))
        plan = ExportPlan(outputs=("logits",), decoder="classification")
        export_onnx(network.eval(), {"image": spec}, plan, path)
        return onnx.load(path)

    return export


def test_a_head_of_a_convolution_is_read(exported):
    nn = torch.nn
    head = nn.Conv2d(6, 4, 1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), head, nn.Flatten(), nn.Softmax(1)
    )
    found = find_head(exported(network), None, "network")
    assert np.array_equal(found.weights, head.weight.detach().numpy()[:, :, 0, 0])


@pytest.mark.parametrize(
    ("tail", "named"),
    [
        (lambda nn: [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)], "mean over all places"),
        (lambda nn: [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(6, 4)], "mean over all places"),
        (
            lambda nn: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.ReLU()],
            "linear layer.*Relu",
        ),
        (
            lambda nn: [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)],
            "mean over all places.*Relu",
        ),
    ],
)
def test_a_network_that_ends_otherwise_is_refused(exported, tail, named):
    nn = torch.nn
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), *tail(nn))
    with pytest.raises(BundleError, match=f"does not end in .*{named}"):
        find_head(exported(network), None, "network")


def test_names_do_not_clash(exported):
    nn = torch.nn
    model = exported(
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    )
    head = find_head(model, "logits", "network")
    once, first = with_features(model, head)
    twice, second = with_features(once, head)
    assert (first, second) == ("features", "cam_features")
    onnx.checker.check_model(twice)


def test_a_map_is_added_once_and_to_classifiers_alone(packed, registry, tmp_path):
    with open_bundle(packed[1]) as bundle, pytest.raises(BundleError, match="already"):
        add_activation_map(bundle, tmp_path / "again.vedette", registry=registry)
    assert not (tmp_path / "again.vedette").exists()


def test_the_commands(packed, vedette_cli, noise, make_run, tmp_path):
    (tmp_path / "noise.png").write_bytes(encode_png(noise[..., ::-1]))
    code, told = vedette_cli("add-cam", packed[0], "-o", tmp_path / "made.vedette")
    assert code == 0, told
    picture, maps = tmp_path / "noise.png", tmp_path / "maps"
    code, told = vedette_cli("explain", tmp_path / "made.vedette", picture, "--out", maps)
    assert code == 0, told
    assert "(activation, 1 inferences)" in told
    assert (maps / "noise.activation.png").read_bytes().startswith(b"\x89PNG")
    code, told = vedette_cli("explain", packed[0], picture, "--out", maps, "--cells", "4", "--class", "b")
    assert code == 0, told
    assert "noise.png: b 0." in told
    assert "(occlusion, 17 inferences)" in told
    (written,) = json.loads((maps / "explain.json").read_text())["maps"]
    assert (written["label"], written["map"]) == ("b", "noise.occlusion.png")
    code, told = vedette_cli("explain", packed[0], picture, "--out", maps, "--method", "grad-cam")
    assert code == 1
    assert "is a bundle, which method 'grad-cam' does not explain" in told
    code, told = vedette_cli("explain", packed[0], picture, "--out", maps, "--layer", "y")
    assert "so --layer does not apply" in told
