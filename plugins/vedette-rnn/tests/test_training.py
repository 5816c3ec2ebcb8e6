"""From data to a proved bundle: both recipes trained for a moment on data that are made here, packed, and run."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-rnn[torch]'")
torch = pytest.importorskip("torch", reason="needs torch: pip install 'vedette-rnn[torch]'")
av = pytest.importorskip("av", reason="needs vedette-video: pip install vedette-video")

from click.testing import CliRunner  # noqa: E402

from vedette.bundle.bundle import open_bundle  # noqa: E402
from vedette.bundle.manifest import Temporal  # noqa: E402
from vedette.cli import main  # noqa: E402
from vedette.model.candidates import Wanted  # noqa: E402
from vedette.model.loading import Replace  # noqa: E402
from vedette.proof.verify import verify  # noqa: E402
from vedette.registry import load_plugins  # noqa: E402
from vedette_rnn.packing.int8 import stream_clips  # noqa: E402
from vedette_rnn.recipes.clip_gru import ClipGru, ClipSettings, held_to_the_end, with_sampling  # noqa: E402
from vedette_rnn.recipes.sequence import EndObjective, at_end  # noqa: E402
from vedette_torch.data.reading import read_data  # noqa: E402
from vedette_torch.example import Batch, Example, Targets  # noqa: E402
from vedette_torch.pictures import PictureLoader  # noqa: E402
from vedette_torch.recipe import Splits  # noqa: E402

BOTH = {"onnxruntime", "openvino"}


def film(path, moving, seed, frames=8):
    """A square on a wall that is never quite still; in one class it crosses the picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    y, pace = rng.integers(4, 20), rng.integers(3, 6)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            picture = rng.normal(90, 2, (48, 64, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
            x = 5 + pace * number if moving else 20
            picture[y : y + 16, x : x + 16] = 220
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vedette(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.output


def proved(path):
    """The verdicts of all variants on all backends."""
    with open_bundle(path) as bundle:
        verdicts = list(verify(bundle, load_plugins(), Wanted(), Replace(), threads=1))
    assert [item.problem for item in verdicts if not item.passed] == []
    return {(item.variant, item.backend) for item in verdicts}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            for name in ("crossing", "resting"):
                film(root / split / name / f"{number}.mp4", name == "crossing", 100 * count + number)
    return root


@pytest.fixture(scope="module")
def clip_run(clips, tmp_path_factory):
    run = tmp_path_factory.mktemp("clip") / "run"
    settings = {
        "epochs": 20, "batch_size": 8, "size_wh": "[32,24]", "width": 6, "hidden": 8, "window": 8, "shortest": 5,
        "longest": 8, "speed": 0.1, "zoom": 1.1, "learning_rate": 0.02, "dropout": 0.0,
    }  # fmt: skip
    sets = [f"--set={name}={value}" for name, value in settings.items()]
    said = vedette("train", "clip_gru", f"--data={clips}", f"--out={run}", *sets)
    assert f"vedette pack-recurrent {run}" in said
    return run


def test_a_stream_in_int8_and_float(clips, clip_run, tmp_path):
    path = tmp_path / "crossing.vedette"
    said = vedette(
        "pack-recurrent", clip_run, "--licence=MIT", f"--int8={clips}", "--max-drop=50", "-o", path
    )
    assert "int8 on openvino" in said
    assert proved(path) == {(variant, backend) for variant in ("f32", "int8") for backend in BOTH}
    with open_bundle(path) as bundle:
        stored = bundle.manifest.variants["int8"].graphs
        assert {name: files.storage for name, files in stored.items()} == {"features": "int8", "step": "f32"}
        assert {grade.variant: grade.n for grade in bundle.manifest.grades} == {"f32": 8, "int8": 8}
        assert bundle.manifest.variants["int8"].oracle.kind == "literal"
        data = read_data(clips, "clips").split("val")
        held = with_sampling(
            Splits(train=data.samples, validation=(), labels=data.labels),
            ClipSettings(size_wh=(32, 24), window=8),
        ).train
        answers = list(stream_clips(bundle, held, "onnxruntime", load_plugins()))
    right = [said.argmax() == clip.class_id for said, clip in zip(answers, held, strict=True)]
    assert np.mean(right) > 0.8, "whether something crosses the picture is not hard to see"


def test_a_clip_at_a_time(clip_run, tmp_path):
    path = tmp_path / "clip.vedette"
    vedette("pack-recurrent", clip_run, "--licence=MIT", "--form=clip", "-o", path)
    assert proved(path) == {("f32", backend) for backend in BOTH}
    with open_bundle(path) as bundle:
        assert bundle.manifest.graphs["model"].inputs["clip"].clip


def test_int8_within_its_budget_or_not_at_all(clips, clip_run, tmp_path):
    path = tmp_path / "no.vedette"
    arguments = ["pack-recurrent", clip_run, "--licence=MIT", f"--int8={clips}", "--max-drop=-1", "-o", path]
    refused = CliRunner().invoke(main, list(map(str, arguments)))
    assert refused.exit_code != 0
    assert "points" in refused.output
    assert not path.exists()


def test_tracks(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(240):
        way = number // 80
        angle = (0.0, 0.4, -0.4)[way] * np.arange(16) + rng.uniform(0, 6)
        radius = 0.05 if way else 0.0
        points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + rng.normal(0, 0.001, (16, 2))
        rows.append(",".join(map(str, [way, *(points - points[0]).ravel()])))
    (tmp_path / "tracks.csv").write_text("\n".join(rows))
    settings = ("epochs=12", "batch_size=16", "mirror=[[1,2]]", "hidden=16", "guard=4", "shortest=12")
    sets = [f"--set={setting}" for setting in settings]
    run = tmp_path / "run"
    vedette("train", "gesture_gru", f"--data={tmp_path / 'tracks.csv'}", f"--out={run}", *sets)
    metrics = (run / "metrics.csv").read_text().splitlines()
    column = metrics[0].split(",").index("val_top1")
    assert max(float(line.split(",")[column]) for line in metrics[1:]) > 0.9
    (tmp_path / "names.txt").write_text("rest\nright\nleft\n")
    for form in ("clip", "stream"):
        path = tmp_path / f"{form}.vedette"
        labels = f"--labels={tmp_path / 'names.txt'}"
        vedette("pack-recurrent", run, "--licence=MIT", f"--form={form}", labels, "-o", path)
        assert proved(path) == {("f32", backend) for backend in BOTH}
    with open_bundle(path) as bundle:
        assert bundle.labels == ("rest", "right", "left")


def test_what_counts_is_the_last_answer_of_each():
    outputs = torch.randn(3, 5, 2)
    examples = [Example.of_class(torch.zeros(length, 2), 0, 2) for length in (5, 2, 4)]
    targets: Targets = Batch.of(examples).targets
    torch.testing.assert_close(
        at_end(outputs, targets.length), torch.stack([outputs[0, 4], outputs[1, 1], outputs[2, 3]])
    )
    objective = EndObjective(ClipSettings(), [1, 1])
    spoilt = outputs.clone()
    spoilt[1, 2:] = torch.nan
    assert objective.loss(spoilt, targets).total == objective.loss(outputs, targets).total


def test_the_end_of_a_short_clip_is_no_motion():
    clips = Batch.of([Example.of_class(torch.rand(length, 1, 4, 4) + 0.1, 0, 2) for length in (6, 3)]).input
    held = held_to_the_end(clips)
    torch.testing.assert_close(held[0], clips[0])
    torch.testing.assert_close(held[1, :3], clips[1, :3])
    torch.testing.assert_close(held[1, 3:], clips[1, 2:3].expand(3, -1, -1, -1))


def test_a_clip_is_sampled_as_its_settings_say(clips):
    recipe, settings = ClipGru(), ClipSettings(rate_hz=5.0, size_wh=(32, 24), validation=0.0)
    splits = recipe.read(clips, settings)
    loader = PictureLoader(recipe.inputs(settings))
    example = recipe.load(splits.train[0], splits.labels, loader)
    assert example.input.shape == (5, 1, 24, 32)
    assert splits.train[0].temporal == Temporal(rate_hz=5.0, window=16, stride=4)
    other = recipe.read(clips, ClipSettings(rate_hz=10.0, validation=0.0))
    assert other.train[0].facts() != splits.train[0].facts()
