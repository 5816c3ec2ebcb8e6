"""The commands of the pages on packing, run on the models of the data folder or on small ones of the same kind."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import helper

from vedette.cli import main

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "bundles.md", *sorted((DOCS / "packing").glob("*.md"))]


def commands(page):
    """Every ``vedette pack`` of a page, with the output that the page shows."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for entry in re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
            line, _, output = entry.partition("\n")
            if line.startswith("vedette pack "):
                yield " ".join(line.split()), output.splitlines()


@pytest.fixture
def workplace(data, network, tmp_path):
    """``workplace(n)``: a new folder with the models and pictures of the data folder, and small networks under the
    names of large ones."""
    names = (data / "models" / "imagenet_labels_1001.txt").read_text().splitlines()
    large = [_classifier(network, name) for name in ("resnet50.onnx", "mobilenetv3_small_100.onnx")]

    def make(number) -> Path:
        folder = tmp_path / f"work{number}"
        folder.mkdir()
        for path in (*(data / "models").iterdir(), *(data / "images").iterdir(), *large):
            (folder / path.name).symlink_to(path)
        (folder / "imagenet1000.txt").write_text("\n".join(names[1:]))
        return folder

    return make


def _classifier(network, name) -> Path:
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
    ]
    weights = {"weights": np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)}
    shape = ("n", 3, 224, 224)
    return network(
        nodes, {"pixels": ("FLOAT", shape)}, {"logits": ("FLOAT", ("n", 1000))}, weights, name=name
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_do_what_their_page_says(workplace, monkeypatch, page):
    """Those whose model is here."""
    done = 0
    for number, (line, shown) in enumerate(commands(page)):
        folder, arguments = workplace(number), shlex.split(line)[1:]
        if (folder / arguments[1]).exists():
            monkeypatch.chdir(folder)
            check(folder, arguments, shown)
            done += 1
    if not done:
        pytest.skip("none of its models is in the data folder")


def check(folder, arguments, shown):
    result = CliRunner().invoke(main, arguments)
    fails = any(text.startswith("error: ") for text in shown)
    assert result.exit_code == int(fails), f"{arguments}\n{result.output}"
    assert fails or list(folder.glob("*.vedette"))
    output = result.output.replace(f"{folder}/", "")
    for text in shown:
        assert text.strip().removesuffix("...") in output


def test_the_commands_are_found():
    assert {page.name for page in PAGES if len([*commands(page)]) > 0} >= {
        "bundles.md",
        "index.md",
        "keras.md",
        "tensorflow-lite.md",
        "classifiers.md",
    }
