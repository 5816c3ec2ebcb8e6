"""The models that the wheel carries."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vedette.bundle.bundle import open_bundle
from vedette.model.candidates import Wanted
from vedette.model.loading import Replace
from vedette.model.named import open_named
from vedette.model.single import Model
from vedette.proof.verify import verify
from vedette.registry import load_plugins
from vedette.testing.conformance import ModelConformance
from vedette_cnn.bundled import BUNDLED, FOLDER

PLUGIN = Path(__file__).parents[1]
WHOLE = 4_000_000
INT8 = {"cifar-classifier": 600_000, "defect-detector": 1_500_000}
LEAST = {"cifar-classifier": 0.84, "defect-detector": 0.90}
MOST_DROP = {"cifar-classifier": 0.003, "defect-detector": 0.005}
PARITY = 0.003
BACKENDS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def registry():
    return load_plugins()


@pytest.fixture(params=BUNDLED, ids=lambda spec: spec.name)
def spec(request):
    return request.param


@pytest.fixture
def bundle(spec):
    with open_bundle(spec.locate()) as opened:
        yield opened


class TestConformance(ModelConformance):
    @pytest.fixture
    def spec(self, spec):
        return spec


def test_every_file_of_the_folder_is_registered():
    assert {path for path in FOLDER.glob("*") if path.suffix == ".vedette"} == {
        spec.locate() for spec in BUNDLED
    }


def test_it_is_small(spec, bundle):
    assert spec.locate().stat().st_size <= WHOLE
    (files,) = (graph.files for graph in bundle.manifest.variants["int8"].graphs.values())
    assert sum(bundle.manifest.files[name].size for name in files) <= INT8[spec.name]


def test_it_says_what_may_be_done_with_it(spec, bundle):
    assert bundle.manifest.licence == "Apache-2.0"
    card = bundle.read("card.md").decode()
    for part in ("Data.", "Meant for", "Not meant for", "Figures"):
        assert part in card
    assert not re.search(r"\bTODO\b|\bTBD\b", card)


def test_it_says_where_it_comes_from(spec, bundle):
    told = bundle.manifest.provenance
    data = " ".join(told.data)
    name, licence = {"cifar-classifier": ("CIFAR-10", "citation"), "defect-detector": ("DeepPCB", "MIT")}[
        spec.name
    ]
    assert name in data
    assert licence in data
    assert "calibrated on" in data
    assert "sha256" in data
    assert told.seeds
    assert re.match(r"[0-9a-f]{40}", told.commit)
    assert "vedette train" in told.recipe
    assert "settings epochs=" in told.recipe


def test_it_tells_nothing_of_the_machine_that_made_it(bundle):
    for name in bundle.manifest.files:
        content = bundle.read(name)
        assert b"/site-packages/" not in content
        assert b"stack_trace" not in content


def test_its_figures_meet_their_goals(spec, bundle):
    measured = {
        (grade.variant, grade.backend): grade
        for grade in bundle.manifest.grades
        if grade.metric != "reference"
    }
    assert {backend for _, backend in measured} == {*BACKENDS}
    for backend in BACKENDS:
        before, after = measured["f32", backend], measured["int8", backend]
        assert before.n == after.n >= 81
        assert before.value >= LEAST[spec.name]
        assert before.value - after.value <= MOST_DROP[spec.name] + 1e-9
        assert before.interval is not None
    assert abs(measured["int8", BACKENDS[0]].value - measured["int8", BACKENDS[1]].value) <= PARITY + 1e-9


def test_its_goldens_are_the_drawn_samples(spec, bundle):
    """No picture of a data set."""
    samples = {path.read_bytes() for path in (PLUGIN / "models" / spec.name / "samples").glob("*.png")}
    pictures = {golden.image for golden in bundle.manifest.goldens}
    assert {bundle.read(name) for name in pictures} <= samples
    assert len(pictures) >= 8


def test_it_passes_on_both_backends(bundle, registry):
    verdicts = list(verify(bundle, registry, Wanted(device=("cpu",)), Replace(threads_per_request=1), 1))
    assert {(item.variant, item.backend) for item in verdicts} >= {
        (variant, backend) for variant in ("f32", "int8") for backend in BACKENDS
    }
    assert [item for item in verdicts if not item.passed] == []


def test_by_its_name(spec, registry):
    with open_named(spec.name, registry) as opened:
        assert opened.manifest.name == spec.name
        assert opened.signature.carrier.startswith("vedette-cnn ")
    with Model(spec.name, registry=registry, variant="int8", threads=1) as model:
        assert model(np.full((32, 32, 3), 255, np.uint8)).labels


def test_the_wheel_carries_it(tmp_path):
    """As it is built from the source."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(tmp_path), str(PLUGIN)], capture_output=True, text=True, check=False
    )
    if "No module named 'hatchling'" in done.stderr or "Cannot import 'hatchling" in done.stderr:
        pytest.skip("needs hatchling where the tests run: pip install hatchling")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for spec in BUNDLED:
            assert archive.read(f"vedette_cnn/bundles/{spec.locate().name}") == spec.locate().read_bytes()


def test_the_page_has_its_figures(spec, bundle):
    """``docs/bundled-models.md``, rounded as it is written there."""
    page = (PLUGIN.parents[1] / "docs" / "bundled-models.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| `{spec.name}`"))
    for grade in bundle.manifest.grades:
        if grade.metric != "reference":
            assert f"{grade.value:.4f}" in row, (grade.variant, grade.backend)


def test_listed(registry):
    done = subprocess.run(
        [sys.executable, "-m", "vedette", "models", "list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    carried = {model["name"]: model for model in json.loads(done.stdout)["carried"]}
    for spec in BUNDLED:
        assert carried[spec.name]["problem"] is None
        assert carried[spec.name]["carrier"].startswith("vedette-cnn ")
