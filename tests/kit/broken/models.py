"""A distribution that carries a sound model, and the mistakes that authors make with it."""
# ruff: noqa: RUF012 - class attributes that nobody changes, but for those that are broken on purpose

import json
from pathlib import Path

import pytest

from vedette import ModelSpec, Registry
from vedette.manager import PluginManager
from vedette.scaffold.write import write_plugin
from vedette.testing.conformance import ModelConformance


class Suite(ModelConformance):
    name, task, place = "colour", "classification", "bundle"

    @pytest.fixture
    def written(self, tmp_path):
        folder = write_plugin("colour", "model", tmp_path) / "src" / "vedette_colour"
        self.spoil(folder / "bundle")
        return folder

    def spoil(self, bundle: Path) -> None:
        pass

    @pytest.fixture
    def spec(self, written):
        return ModelSpec(
            name=self.name, summary="Colours.", task=self.task, locate=lambda: written / self.place
        )


class TestSound(Suite):
    pass


class TestIsNotThere(Suite):
    told = {"test_every_file_is_what_was_sealed": "see that the wheel carries it"}
    place = "bundles"


class TestIsNamedOtherwise(Suite):
    told = {"test_it_is_what_the_specification_says": "registered as 'color', its bundle is called 'colour'"}
    name = "color"


class TestHasAnotherTask(Suite):
    told = {"test_it_is_what_the_specification_says": "says task 'detection', the bundle 'classification'"}
    task = "detection"


class TestWasEdited(Suite):
    told = {"test_every_file_is_what_was_sealed": "'labels.txt' is not what the manifest says"}

    def spoil(self, bundle):
        labels = bundle / "labels.txt"
        labels.write_text(labels.read_text().replace("green", "GREEN"))


class TestHoldsOneFileMore(Suite):
    told = {"test_every_file_is_what_was_sealed": "'notes.txt' is not listed in the manifest"}

    def spoil(self, bundle):
        (bundle / "notes.txt").write_text("do not forget")


class Edited(Suite):
    def spoil(self, bundle):
        manifest = bundle / "manifest.json"
        plain = json.loads(manifest.read_text())
        self.edit(plain)
        manifest.write_text(json.dumps(plain))


class TestIsNotGraded(Edited):
    told = {"test_it_is_graded": "nobody measured the accuracy of f32"}

    def edit(self, plain):
        plain["grades"] = []


class TestHasFewGoldens(Edited):
    told = {"test_it_can_prove_itself": "variant 'f32' has 3 goldens, fewer than 8"}

    def edit(self, plain):
        plain["goldens"] = plain["goldens"][:3]


class TestAnswersOtherwise(Edited):
    """The goldens are those of another model."""

    told = {"test_it_runs_on_every_backend_that_reads_it": "it does not run on"}

    def edit(self, plain):
        pictures = [golden["image"] for golden in plain["goldens"]]
        for golden, picture in zip(plain["goldens"], pictures[1:] + pictures[:1], strict=True):
            golden["image"] = picture


class TestNamesAnotherDecoder(Edited):
    told = {"test_its_parts_are_installed": "in the `dependencies` of your pyproject.toml"}

    def edit(self, plain):
        plain["decoder"]["name"] = "colours"


class TestNamesTheWrongDecoder(Edited):
    told = {"test_it_runs_on_every_backend_that_reads_it": "it does not run on"}

    def edit(self, plain):
        plain["decoder"] = {"name": "yolox", "params": {"input_wh": [16, 16]}}
        plain["goldens"] = []
        for name in [name for name in plain["files"] if name.startswith("goldens/")]:
            del plain["files"][name]

    def spoil(self, bundle):
        super().spoil(bundle)
        for path in (bundle / "goldens").iterdir():
            path.unlink()
        (bundle / "goldens").rmdir()


class TestHasNoBackend(Suite):
    told = {"test_it_runs_on_every_backend_that_reads_it": "no usable backend here reads onnx"}

    @pytest.fixture
    def registry(self):
        manager = PluginManager(env={"VEDETTE_PLUGINS": "cnn"})
        manager.load()
        return Registry(manager)
