"""Run a model on pictures and keep nothing: a bundle, or what a request would make of a model file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import msgspec

from vedette.bundle.bundle import Bundle
from vedette.bundle.draft import GRAPH, IMAGE, INPUT_WH
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import PreprocessFeed
from vedette.bundle.opened import OpenedModel
from vedette.bundle.pack import open_draft
from vedette.bundle.request import PackRequest
from vedette.errors import BackendError
from vedette.frame import Pixels
from vedette.model.candidates import Wanted, choose
from vedette.registry import Registry
from vedette.results import Result
from vedette.specs import BackendSpec, Candidate, Execution, Session
from vedette.vision.spec import InputSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """A bundle with open sessions, one for each of its graphs by name."""

    bundle: Bundle
    registry: Registry
    backend: BackendSpec
    sessions: Mapping[str, Session]

    def look(self, pictures: Sequence[Pixels]) -> list[Result]:
        """What the model says of each picture, at f32, by the path that goldens are recorded on: the bundle's own
        preprocessing, every graph, and its decoder. A recurrent model begins anew with each.

        Raises
        ------
        VedetteError
            A part of the model failed, or the decoder does not fit the outputs.
        """
        recorder = Recorder(self.bundle, self.registry, self.backend, self.sessions)
        results = []
        for pixels in pictures:
            recorder.restart()
            results.append(recorder.record(pixels).result.owned())
        return results

    def with_image(self, graph: str, name: str, spec: InputSpec) -> Trial:
        """The same model with its input ``name`` of ``graph`` made by ``spec``."""
        manifest = self.bundle.manifest
        owner = manifest.graphs[graph]
        given = owner.inputs[name]
        feed = PreprocessFeed(name=IMAGE, params=msgspec.to_builtins(spec))
        changed = msgspec.structs.replace(given, shape=(given.shape[0], *spec.row_shape), feed=feed)
        owner = msgspec.structs.replace(owner, inputs={**owner.inputs, name: changed})
        decoder = manifest.decoder
        if INPUT_WH in decoder.params:
            params = {**decoder.params, INPUT_WH: list(spec.size_wh)}
            decoder = msgspec.structs.replace(decoder, params=params)
        manifest = msgspec.structs.replace(
            manifest, graphs={**manifest.graphs, graph: owner}, decoder=decoder
        )
        return dataclasses.replace(self, bundle=dataclasses.replace(self.bundle, manifest=manifest))


@contextmanager
def open_trial(bundle: Bundle, registry: Registry, backend: str | None = None) -> Iterator[Trial]:
    """Open a bundle on the processor, with the first backend that can; nothing is proved.

    Raises
    ------
    BackendError
        No backend here can open it; the message has the reason of each.
    """
    choice = choose(bundle, Wanted(backend=backend, device="cpu", allow_ungraded=True), registry)
    reasons = []
    for candidate in choice.candidates:
        spec = registry.backends[candidate.backend]
        with ExitStack() as stack:
            try:
                sessions = {
                    graph: stack.enter_context(closing(_open(bundle, graph, candidate, spec)))
                    for graph in bundle.manifest.graphs
                }
            except BackendError as error:
                reasons.append(f"\n  - {candidate.variant} on {spec.name}: {error.message}")
                continue
            yield Trial(bundle=bundle, registry=registry, backend=spec, sessions=sessions)
            return
    raise BackendError(f"{bundle.path}: no backend here can open it:{''.join(reasons)}")


@contextmanager
def try_request(request: PackRequest, opened: OpenedModel, registry: Registry) -> Iterator[Trial]:
    """What would be packed, ready to be run. The licence may be missing.

    Raises
    ------
    BundleError
        Anything else is missing, or the parts do not fit together.
    PluginError, ConfigError
        The decoder is unknown, or its parameters or those of the image are wrong.
    """
    complete = dataclasses.replace(request, licence=request.licence or "not yet known")
    with open_draft(complete, opened, registry) as (bundle, _):
        yield Trial(
            bundle=bundle, registry=registry, backend=opened.backend, sessions={GRAPH: opened.session}
        )


def _open(bundle: Bundle, graph: str, candidate: Candidate, backend: BackendSpec) -> Session:
    execution = Execution(precision=candidate.precision)
    return backend.open(bundle.graph_files(candidate.variant, graph), candidate.device, execution, {})
