"""The recipe of the defect detector: what its network is made of, that it learns, and that the edge reads it."""

import shlex
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from click.testing import CliRunner

from vedette.bundle.samples import encode_png
from vedette.cli import main
from vedette.decoding import image_decoder
from vedette.errors import ConfigError, VedetteError
from vedette.registry import load_plugins

pytest.importorskip("vedette_torch", reason="needs vedette-torch: pip install 'vedette-cnn[torch]'")
torch = pytest.importorskip("torch", reason="needs torch: pip install 'vedette-cnn[torch]'")

from vedette_torch.augment import Negative  # noqa: E402
from vedette_torch.data.pictures import read_frame  # noqa: E402
from vedette_torch.evaluation.edge import EdgePredictor  # noqa: E402
from vedette_torch.evaluation.run import RunPredictor  # noqa: E402
from vedette_torch.export import export_run, pack_command  # noqa: E402
from vedette_torch.pictures import PictureLoader  # noqa: E402
from vedette_torch.train_command import parse_settings  # noqa: E402
from vedette_torch.training import Hardware, train  # noqa: E402

INT8_BYTES = 1_500_000
LABELS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads cost more than they give for networks this small, above all where others use the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe():
    return load_plugins().recipes["defect_detector"].build()


@pytest.fixture(scope="module", params=[True, False], ids=["comparing", "alone"])
def network(request, recipe):
    return recipe.network(recipe.settings_type(compare=request.param), LABELS).eval()


def pictures_for(network, *shape):
    """What it takes: a picture, or two of them."""
    count = 2 if hasattr(network, "seen") else 1
    return [torch.randn(2, 1, *shape) for _ in range(count)]


def test_it_is_small_enough_as_int8(network):
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert 400_000 < parameters < 0.8 * INT8_BYTES


def test_it_is_at_ease_in_int8(network):
    """No activation but ReLU, no depthwise convolution, and a norm to fold after every convolution but the last."""
    leaves = {type(module).__name__ for module in network.modules() if not list(module.children())}
    assert leaves == {"Conv2d", "BatchNorm2d", "ReLU", "Identity"}
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert all(convolution.groups == 1 for convolution in convolutions)
    assert sum(convolution.bias is not None for convolution in convolutions) == 3


def test_a_fresh_network_finds_next_to_nothing(network):
    with torch.no_grad():
        outputs = network(*pictures_for(network, 96, 64))
    assert outputs.shape == (2, 12 * 8, 5 + len(LABELS))
    assert outputs[..., 4].sigmoid().max() < 0.05


def test_a_picture_beside_does_not_change_what_is_found(network):
    pictures = pictures_for(network, 64, 64)
    with torch.no_grad():
        alone = network(*(picture[1:] for picture in pictures))
        torch.testing.assert_close(network(*pictures)[1:], alone)


def test_what_it_compares_with_counts(recipe):
    network = recipe.network(recipe.settings_type(), LABELS).eval()
    image, other = torch.randn(2, 1, 1, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(network(image, image), network(image, other))


def test_a_picture_without_a_flawless_one_is_named(recipe, boards, settings):
    sample = replace(recipe.read(boards, settings).train[0], template=None)
    loader = PictureLoader(recipe.inputs(settings))
    with pytest.raises(VedetteError, match=f"{sample.path.name} has no flawless picture") as caught:
        recipe.load(sample, LABELS, loader)
    assert "compare=false" in caught.value.fix


@pytest.mark.parametrize("change", ["crop=100", "size_wh=[640,360]"])
def test_sides_that_do_not_fit_are_refused(recipe, change):
    with pytest.raises(ConfigError, match="is not a multiple of 16"):
        parse_settings(recipe.settings_type, [change])


def test_opposites_must_pair_classes_off_and_fit_the_data(recipe):
    for wrong in ("[1,2,0]", "[1]", "[0,0]"):
        with pytest.raises(ConfigError, match="does not pair classes off"):
            parse_settings(recipe.settings_type, [f"opposite={wrong}"])
    settings = parse_settings(recipe.settings_type, ["opposite=[1,0]"])
    with pytest.raises(ConfigError, match="has 2 classes, the data has 6"):
        recipe.network(settings, LABELS)
    assert recipe.augmentation(settings)[-1] == Negative(opposite=(1, 0))


# --- from data to the edge ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def boards(tmp_path_factory) -> Path:
    """Striped boards of 96 x 96 with a bright square (``blob``) or a dark one (``hole``), in the layout of DeepPCB."""
    root = tmp_path_factory.mktemp("boards")
    (root / "train").mkdir()
    rng = np.random.default_rng(0)
    flawless = np.full((96, 96, 3), 128, np.uint8)
    flawless[:, 20:28] = 60
    for number in range(42):
        picture, side = flawless.copy(), int(rng.integers(20, 32))
        x, y = rng.integers(0, 96 - side, 2).tolist()
        picture[y : y + side, x : x + side] = 255 if number % 2 else 0
        name = root / "train" / f"{number % 6:05}{number:03}"
        name.with_name(f"{name.name}_test.png").write_bytes(encode_png(picture))
        name.with_name(f"{name.name}_temp.png").write_bytes(encode_png(flawless))
        name.with_suffix(".txt").write_text(f"{x} {y} {x + side} {y + side} {number % 2 + 1}\n")
    return root


@pytest.fixture(scope="module")
def settings(recipe):
    """Of a tiny network."""
    return recipe.settings_type(
        epochs=8,
        batch_size=16,
        size_wh=(96, 96),
        crop=64,
        crops=4,
        validation=1 / 6,
        learning_rate=5e-3,
        ema=0.9,
        widths=(8, 8, 16, 16),
        blocks=(0, 1, 0),
        head=16,
    )


@pytest.fixture(scope="module")
def done(recipe, settings, boards, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "boards"
    done = train(recipe, boards, run, settings=settings, hardware=Hardware(accelerator="cpu"))
    export_run(recipe, settings, done)
    return done


def test_it_learns(done):
    history = [row["val_map50"] for row in done.history]
    assert history[0] < 0.3
    assert max(history) > 0.6


def test_a_board_is_in_one_split_and_templates_come_once(recipe, boards, settings):
    splits = recipe.read(boards, settings)
    learnt, held = ({sample.group for sample in part} for part in (splits.train, splits.validation))
    assert learnt
    assert held
    assert not learnt & held
    times = Counter(sample.path.name for sample in splits.train)
    assert {name[-9:-4]: count for name, count in times.items()} == {"_test": 4, "_temp": 1}
    assert all(sample.path.stem.endswith("_test") for sample in splits.validation)


def test_other_boards_that_are_named_test_are_not_touched(recipe, boards, settings, tmp_path):
    for path in (boards / "train").iterdir():
        folder = tmp_path / ("test" if path.name.startswith("00000") else "train")
        folder.mkdir(exist_ok=True)
        shutil.copy(path, folder)
    splits = recipe.read(tmp_path, settings)
    groups = {sample.group for sample in (*splits.train, *splits.validation)}
    assert groups == {f"{board:05}" for board in range(1, 6)}


def test_it_reads_deeppcb(recipe, data: Path, tmp_path):
    """Some of the boards, one of them as the test split."""
    with ZipFile(data / "datasets" / "deeppcb" / "deeppcb_subset.zip") as archive:
        for name in archive.namelist():
            if name[:5] in ("12000", "44000", "90100"):
                archive.extract(name, tmp_path / ("test" if name.startswith("90100") else "train"))
    settings = recipe.settings_type()
    splits = recipe.read(tmp_path, settings)
    assert splits.labels == LABELS
    groups = Counter(sample.group for sample in splits.train)
    assert groups in ({"44000": 21 * (settings.crops + 1)}, {"12000": 2 * (settings.crops + 1)})
    assert {sample.group for sample in splits.validation} == {"12000", "44000"} - groups.keys()


@pytest.fixture(scope="module")
def bundle(recipe, settings, boards, done, tmp_path_factory) -> Path:
    """Packed by the command that the training prints."""
    out = tmp_path_factory.mktemp("bundles") / "boards.vedette"
    sample = next((boards / "train").glob("*_test.png"))
    flawless = sample.with_name(sample.name.replace("_test", "_temp"))
    command = shlex.split(pack_command(recipe, settings, done).replace("FLAWLESS.png", str(flawless)))
    packed = CliRunner().invoke(
        main, [*command[1:], "--licence", "Apache-2.0", "--sample", str(sample), "--output", str(out)]
    )
    assert packed.exit_code == 0, packed.output
    return out


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_the_bundle_finds_what_the_network_finds(done, bundle, boards, backend):
    if backend not in load_plugins().backends:
        pytest.skip(f"needs {backend}: pip install vedette-{backend}")
    reference, decode = RunPredictor(done.run.path), image_decoder(load_plugins())
    boxes = 0
    with EdgePredictor(bundle, backend=backend) as edge:
        for path in sorted((boards / "train").glob("*_test.png"))[:12]:
            frame = read_frame(path, decode)
            flawless = read_frame(path.with_name(path.name.replace("_test", "_temp")), decode)
            found, wanted = edge(frame), reference(frame, flawless)
            sure = wanted.confidence > 0.1
            boxes += int(sure.sum())
            np.testing.assert_allclose(found.xyxy[: sure.sum()], wanted.xyxy[sure], atol=0.05)
            np.testing.assert_allclose(found.confidence[: sure.sum()], wanted.confidence[sure], atol=1e-3)
            assert (found.class_id[: sure.sum()] == wanted.class_id[sure]).all()
    assert boxes > 6, "there is something to compare"
