"""The networks: what they learn, and that one step of a stream is what they answer to a whole window."""

import numpy as np
import pytest

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-anomaly[torch]'")
torch = pytest.importorskip("torch", reason="needs torch: pip install 'vedette-anomaly[torch]'")

import drawn  # noqa: E402
import onnxruntime  # noqa: E402

from vedette.errors import VedetteError  # noqa: E402
from vedette.registry import load_plugins  # noqa: E402
from vedette_anomaly.recipes.footage import Footage  # noqa: E402
from vedette_anomaly.recipes.frame_autoencoder import AutoencoderSettings, FrameAutoencoder  # noqa: E402
from vedette_anomaly.recipes.next_frame import NextFrame, NextFrameSettings  # noqa: E402
from vedette_anomaly.recipes.reconstruction import CELL, LEVELS, UNSEEN, normalised  # noqa: E402
from vedette_anomaly.recipes.scoring import cell_errors, raw_scores, smoothed  # noqa: E402
from vedette_torch.training import Hardware, train  # noqa: E402

SIZE = {"size_wh": drawn.SIZE_WH, "rate_hz": float(drawn.RATE)}
PREDICT = NextFrameSettings(**SIZE, epochs=10, windows=160, checked=8, validation=0.2, crop=48, ema=0.9)
RECONSTRUCT = AutoencoderSettings(**SIZE, epochs=2, windows=160, checked=8, validation=0.2, latent=16)
ON_CPU = Hardware(accelerator="cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    drawn.write_video(folder / "normal.mp4", drawn.normal(200))
    return folder


@pytest.fixture(scope="module")
def predicting(videos, tmp_path_factory):
    return train(NextFrame(), videos, tmp_path_factory.mktemp("run"), settings=PREDICT, hardware=ON_CPU)


def footage(pictures):
    return Footage("x", 0, [picture[None] for picture in pictures])


def test_both_are_listed_and_built_when_they_are_asked_for():
    recipes = load_plugins().recipes
    assert isinstance(recipes["next_frame"].build(), NextFrame)
    assert isinstance(recipes["frame_autoencoder"].build(), FrameAutoencoder)


def test_the_network_is_small():
    parameters = sum(item.numel() for item in NextFrame().network(NextFrameSettings(), ()).parameters())
    assert 40_000 < parameters < 60_000


def test_where_something_moves_it_predicts_better_than_that_nothing_changes(predicting):
    pictures = footage(drawn.normal(40, seed=3))
    cells = LEVELS * cell_errors(NextFrame(), predicting.network, pictures, PREDICT.past)
    frames = np.stack(pictures.frames)[:, 0].astype(float)
    change = np.abs(np.diff(frames, axis=0))[PREDICT.past - 1 :]
    change = change.reshape(len(change), 16, CELL, 24, CELL).mean(axis=(2, 4))
    moving = change > 8
    assert moving.sum() > 100
    assert cells[moving].mean() < 0.75 * change[moving].mean()


def test_what_rushes_through_scores_higher_than_anything_normal(predicting):
    def score(pictures):
        return raw_scores(cell_errors(NextFrame(), predicting.network, footage(pictures), PREDICT.past), 6)

    odd = score(drawn.unusual())
    there = slice(drawn.BEGINS - PREDICT.past + 1, drawn.ENDS - PREDICT.past)
    assert np.median(odd[there]) > 2 * score(drawn.normal(60, seed=5)).max()


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        (NextFrame(), PREDICT),
        (FrameAutoencoder(), RECONSTRUCT),
        (FrameAutoencoder(), AutoencoderSettings(**SIZE, stack=3, latent=16)),
    ],
    ids=["next frame", "autoencoder", "autoencoder of a stack"],
)
def test_one_step_of_a_stream_is_what_the_network_says_of_the_window(recipe, settings, tmp_path):
    torch.manual_seed(0)
    network = recipe.network(settings, ()).eval()
    model = recipe.write(network, settings, (), tmp_path)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    pictures = np.stack(drawn.normal(8))[:, None]
    past = np.zeros((1, settings.past, *pictures.shape[2:]), np.float32)
    for at, picture in enumerate(pictures):
        feeds = {"frame": normalised(torch.from_numpy(picture[None]).float()).numpy()}
        found = session.run(None, feeds | ({"past": past} if settings.past else {}))
        past = found[1] if settings.past else past
        if at < settings.past:
            assert (found[0] == UNSEEN).all()
            continue
        window = normalised(torch.from_numpy(pictures[at - settings.past : at + 1][None]).float())
        with torch.no_grad():
            error = network(recipe.shown(window)) - recipe.wanted(window)
        height, width = (side // CELL for side in error.shape[2:])
        expected = error[:, -1].abs().reshape(-1, height, CELL, width, CELL).mean(dim=(2, 4))
        np.testing.assert_allclose(found[0], expected.numpy(), atol=1e-5)


def test_a_black_frame_is_seen_and_no_beginning():
    assert float(normalised(torch.zeros(1))) > 0


def test_a_size_that_the_scales_do_not_fit_is_refused():
    with pytest.raises(VedetteError, match=r"size_wh is \(97, 64\).*multiples of 4"):
        NextFrame().inputs(NextFrameSettings(size_wh=(97, 64)))


def test_too_short_footage_is_refused(tmp_path):
    drawn.write_video(tmp_path / "a.mp4", drawn.normal(4))
    with pytest.raises(VedetteError, match="no footage of 5 frames"):
        NextFrame().read(tmp_path, NextFrameSettings(**SIZE, validation=0))


def test_an_autoencoder_with_noise_learns_to_take_it_away(videos, tmp_path):
    settings = AutoencoderSettings(
        **SIZE, epochs=8, windows=160, checked=8, validation=0.2, noise=25.0, latent=24
    )
    done = train(FrameAutoencoder(), videos, tmp_path / "run", settings=settings, hardware=ON_CPU)
    clean = normalised(torch.from_numpy(np.stack(drawn.normal(20, seed=4))[:, None]).float())
    noisy = clean + torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) * 25 / 256
    with torch.no_grad():
        given = done.network(noisy)
        again = done.network.decode(done.network.encode(clean))
        assert torch.equal(again, done.network(clean))
        assert done.network.encode(clean).shape == (20, 24)
    assert float((given - clean).square().mean()) < 0.5 * float((noisy - clean).square().mean())


def test_smoothing_is_that_of_the_stage():
    scores = np.array([1.0, 0.0, 2.0])
    np.testing.assert_allclose(smoothed(scores, 10, 0.448), [1, 0.8, 0.8 + 0.2 * 1.2], rtol=1e-3)
