"""What a bundle that a distribution carries must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.manifest import PreprocessFeed, ReferenceFeed
from vedette.errors import VedetteError
from vedette.model.single import Model
from vedette.registry import Registry, load_plugins
from vedette.specs import BackendSpec, ModelSpec
from vedette.testing.conformance import samples
from vedette.testing.conformance.base import Conformance, demand, refuse

GOLDENS = 8
"""So many samples at least tell a backend that computes wrongly from one that does not."""


class ModelConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.ModelSpec`.

    Must give: ``spec``. May give: ``registry``, ``picture``.
    """

    spec_type = ModelSpec

    @pytest.fixture
    def registry(self) -> Registry:
        """The plugins that the model is run with. Default: all that are installed."""
        return load_plugins()

    @pytest.fixture
    def picture(self) -> NDArray[np.uint8]:
        """``(h, w, 3) uint8`` BGR pixels to run the model on."""
        return samples.noise(0)

    @pytest.fixture
    def bundle(self, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
        """The bundle, open; nothing is remembered of earlier proofs. Not to be overridden."""
        monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
        path: Any = spec.locate()
        demand(
            isinstance(path, Path) and path.exists(),
            f"locate() returned {path!r}, which is not there",
            "return Path(__file__).parent / the bundle, and see that the wheel carries it: a build leaves out files "
            "that .gitignore names",
        )
        try:
            bundle = open_bundle(path)
        except VedetteError as error:
            refuse(
                f"the bundle cannot be opened: {error.message}",
                error.fix or "pack it again with `vedette pack`",
            )
        with bundle:
            yield bundle

    def test_every_file_is_what_was_sealed(self, bundle: Bundle) -> None:
        """The hashes of the manifest."""
        try:
            bundle.check_files()
        except VedetteError as error:
            refuse(error.message, "pack the bundle again with `vedette pack`; never edit a file of it")

    def test_it_is_what_the_specification_says(self, spec: ModelSpec, bundle: Bundle) -> None:
        """Task and name; and a licence."""
        manifest = bundle.manifest
        demand(
            manifest.task == spec.task,
            f"the specification says task {spec.task!r}, the bundle {manifest.task!r}",
            "let the specification repeat what the bundle says",
        )
        demand(
            manifest.name == spec.name,
            f"the model is registered as {spec.name!r}, its bundle is called {manifest.name!r}",
            "give both one name: messages, events and proofs use the bundle's",
        )
        demand(manifest.licence.strip(), "the bundle names no licence", "pack it with --licence")

    def test_it_is_graded(self, bundle: Bundle) -> None:
        """A pipeline takes no variant whose accuracy nobody measured, unless its user insists."""
        graded = {grade.variant for grade in bundle.manifest.grades}
        missing = sorted(bundle.manifest.variants.keys() - graded)
        demand(
            not missing,
            f"nobody measured the accuracy of {', '.join(missing)}",
            "pack the variant with its grade, or leave it out of the bundle",
        )

    def test_it_can_prove_itself(self, bundle: Bundle) -> None:
        """Goldens, by which a box judges the model before it trusts it."""
        for variant in bundle.manifest.variants:
            goldens = [golden for golden in bundle.manifest.goldens if golden.variant in (None, variant)]
            demand(
                len(goldens) >= GOLDENS,
                f"variant {variant!r} has {len(goldens)} goldens, fewer than {GOLDENS}",
                "pack it again with `vedette pack`, and give pictures of its own world with --sample",
            )

    def test_its_parts_are_installed(self, bundle: Bundle, registry: Registry) -> None:
        """Preprocessor and decoder by name, with parameters that they take."""
        manifest = bundle.manifest
        try:
            decoder = registry.postprocessors[manifest.decoder.name]
            registry.convert_params(decoder, manifest.decoder.params, "decoder.params")
            for graph in manifest.graphs.values():
                for name, tensor in graph.inputs.items():
                    if isinstance(tensor.feed, PreprocessFeed | ReferenceFeed):
                        spec = registry.preprocessors[tensor.feed.name]
                        registry.convert_params(spec, tensor.feed.params, f"inputs.{name}.params")
        except VedetteError as error:
            refuse(
                f"a part of the model is missing: {error.message}",
                "name the distribution that provides it in the `dependencies` of your pyproject.toml",
            )

    def test_it_runs_on_every_backend_that_reads_it(
        self, bundle: Bundle, registry: Registry, picture: NDArray[np.uint8]
    ) -> None:
        """On the processor: it is proved, then gives what its decoder declares. A recurrent model is left out."""
        backends = [spec for spec in registry.backends.values() if _reads(spec, bundle)]
        formats = sorted(
            {
                files.format
                for variant in bundle.manifest.variants.values()
                for files in variant.graphs.values()
            }
        )
        demand(
            backends,
            f"no usable backend here reads {', '.join(formats)}",
            "install one where the tests run, for example: pip install vedette-onnxruntime",
        )
        if any(graph.state for graph in bundle.manifest.graphs.values()):
            return
        wanted = registry.postprocessors[bundle.manifest.decoder.name].result
        for backend in backends:
            try:
                with Model(
                    bundle, registry=registry, backend=backend.name, device="cpu", proof="require"
                ) as model:
                    found = model(picture)
            except VedetteError as error:
                refuse(
                    f"it does not run on {backend.name!r}: {error.message}",
                    error.fix or "export the model again",
                )
            demand(
                isinstance(found, wanted),
                f"on {backend.name!r} it gives {type(found).__name__}, not {wanted.__name__}",
                "name the decoder of this network's output format in the bundle",
            )


def _reads(backend: BackendSpec, bundle: Bundle) -> bool:
    """Whether a backend is usable here and reads all graphs of one variant at least."""
    variants = bundle.manifest.variants.values()
    reads = any(
        all(files.format in backend.formats for files in variant.graphs.values()) for variant in variants
    )
    return reads and backend.probe() is None
