"""Two exports of one network: what streams over a clip or a track gives the answer of the whole, in every runtime."""

import numpy as np
import pytest

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-rnn[torch]'")
torch = pytest.importorskip("torch", reason="needs torch: pip install 'vedette-rnn[torch]'")

from vedette.inference import infer  # noqa: E402
from vedette.registry import load_plugins  # noqa: E402
from vedette.specs import Execution, ModelFiles  # noqa: E402
from vedette_rnn.recipes.clip_network import fading_mean  # noqa: E402

SAME = 1e-4
"""The worst difference of logits that is allowed; they are of the order of 1."""
ROWS = 3
LABELS = ("a", "b", "c")
SMALL = {
    "clip_gru": {"size_wh": (32, 24), "width": 6, "hidden": 10, "memory": 5, "window": 12},
    "gesture_gru": {"hidden": 12, "window": 12},
}


def trained(recipe, settings):
    """Not trained, but with norms and weights that are no longer those of the beginning, and answers apart."""
    torch.manual_seed(0)
    network = recipe.network(settings, LABELS)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.01, 0.1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


@pytest.fixture(params=SMALL, scope="module")
def made(request, tmp_path_factory):
    """Recipe, settings, network, the folder with its exports, and inputs for the whole: rows of samples."""
    recipe = load_plugins().recipes[request.param].build()
    settings = recipe.settings_type(**SMALL[request.param])
    network = trained(recipe, settings)
    folder = tmp_path_factory.mktemp(request.param)
    recipe.write(network, settings, LABELS, folder)
    (graph,) = recipe.form(settings, LABELS, "clip").graphs.values()
    (name,) = graph.inputs
    shape = (ROWS, *graph.inputs[name].shape[1:])
    whole = np.random.default_rng(1).random(shape, np.float32)
    return recipe, settings, network, folder, whole


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request):
    return load_plugins().backends[request.param]


def run_whole(made, backend):
    recipe, settings, _, folder, whole = made
    form = recipe.form(settings, LABELS, "clip")
    session = opened(backend, folder / form.files["model"])
    try:
        return infer(session, {next(iter(session.inputs)): whole})["logits"]
    finally:
        session.close()


def run_streaming(made, backend):
    """The answers at all steps: what the graphs, one after the other, say with the state that they left."""
    recipe, settings, _, folder, whole = made
    form = recipe.form(settings, LABELS, "stream")
    sessions = {name: opened(backend, folder / form.files[name]) for name in form.graphs}
    state = {
        name: {
            pair.input: np.full((ROWS, *graph.inputs[pair.input].shape[1:]), pair.init, np.float32)
            for pair in graph.state
        }
        for name, graph in form.graphs.items()
    }
    said = []
    for step in range(whole.shape[1]):
        tensors = {}
        for name, graph in form.graphs.items():
            feeds = dict(state[name])
            for key, item in graph.inputs.items():
                if key in feeds:
                    continue
                came = getattr(item.feed, "output", None)
                feeds[key] = whole[:, step] if came is None else tensors[came]
            outputs = infer(sessions[name], feeds)
            tensors |= outputs
            state[name] = {pair.input: outputs[pair.output] for pair in graph.state}
        said.append(tensors["logits"])
    for session in sessions.values():
        session.close()
    return np.stack(said, axis=1)


def opened(backend, path):
    files = ModelFiles(format="onnx", paths=(path,))
    return backend.open(files, "cpu", Execution(precision="f32", batch=ROWS), {})


def test_streaming_gives_the_answer_of_the_whole(made, backend):
    _, _, network, _, whole = made
    with torch.no_grad():
        want = network(torch.from_numpy(whole)).numpy()
    assert np.ptp(want) > 0.5, "answers that are all alike would prove nothing"
    streamed = run_streaming(made, backend)
    np.testing.assert_allclose(streamed, want, atol=SAME)
    np.testing.assert_allclose(run_whole(made, backend), streamed[:, -1], atol=SAME)


def test_an_answer_knows_nothing_later(made):
    _, _, network, _, whole = made
    other = whole.copy()
    other[:, 7:] = other[:, 7:][:, ::-1] * 0.5
    with torch.no_grad():
        first, second = (network(torch.from_numpy(item)).numpy() for item in (whole, other))
    np.testing.assert_allclose(first[:, :7], second[:, :7], atol=1e-6)
    assert np.abs(first[:, 7:] - second[:, 7:]).max() > 1e-2


def test_where_a_track_is_does_not_matter_nor_how_bright_a_scene_is(made):
    recipe, _, network, _, whole = made
    scale = 0.5 if recipe.name == "clip_gru" else 1.0
    with torch.no_grad():
        first = network(torch.from_numpy(whole * scale))
        second = network(torch.from_numpy(whole * scale + np.float32(0.25)))
    torch.testing.assert_close(first, second, atol=1e-3, rtol=0)


def test_the_mean_fades():
    states = torch.randn(2, 9, 3, dtype=torch.float64)
    mean, want = torch.zeros(2, 3, dtype=torch.float64), []
    for step in range(9):
        mean = mean + (states[:, step] - mean) / min(step + 1, 4)
        want.append(mean)
    torch.testing.assert_close(fading_mean(states, 4), torch.stack(want, dim=1))
    torch.testing.assert_close(fading_mean(states, 99)[:, -1], states.mean(dim=1))
