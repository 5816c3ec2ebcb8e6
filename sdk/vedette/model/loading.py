"""Open a bundle on this box: pick its three parts, open its sessions, bind its feeds and its decoder."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle
from vedette.bundle.manifest import Graph, Input, Output, PreprocessFeed, ReferenceFeed, StatePair
from vedette.errors import BackendError, PluginError
from vedette.frame import Decode, Pixels
from vedette.inference import describe, shape_text
from vedette.model.candidates import Wanted, choose
from vedette.model.feeds import PreparedInput, Row, prepare_input
from vedette.model.pool import Lease, SessionPool
from vedette.proof.key import proof_key
from vedette.proof.policy import OFF, Gate, Standing
from vedette.registry import Registry
from vedette.results import Result, type_name
from vedette.specs import (
    Affine,
    BackendSpec,
    Candidate,
    Execution,
    Postprocess,
    PostprocessSpec,
    PreprocessSpec,
    Session,
    Tensor,
    TensorInfo,
    Tensors,
)
from vedette.vision.spec import InputSpec

log = logging.getLogger("vedette.model")


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Parts of the model taken from elsewhere, and the settings that go with them."""

    preprocess: str | None = None
    preprocess_params: Mapping[str, Any] | None = None
    postprocess: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the decoder, over the bundle's own."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The runtime's own options."""
    batch: int = 1
    threads_per_request: int = 1
    cache_dir: Path | None = None
    reference: Pixels | None = None
    """What a model that compares is to compare with, in place of the picture in its bundle."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The three exchangeable parts of a model. ``preprocess`` by (graph, input), with converted parameters."""

    preprocess: Mapping[tuple[str, str], tuple[PreprocessSpec, Any]]
    backend: BackendSpec
    postprocess: PostprocessSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedGraph:
    """One graph with its session and the writers of its inputs."""

    name: str
    lease: Lease
    inputs: tuple[PreparedInput, ...]
    state: tuple[StatePair, ...]
    dynamic: bool

    @property
    def session(self) -> Session:
        return self.lease.session

    @property
    def batch(self) -> int:
        return self.session.max_batch

    def shapes(self, row: Row, rows: int) -> dict[str, tuple[int, ...]] | None:
        """Full shapes for :meth:`Session.acquire`; ``None`` where all dimensions are fixed."""
        if not self.dynamic:
            return None
        return {
            item.name: (rows, *(item.row_shape or item.shape_of(row)))
            for item in self.inputs
            if None in self.session.inputs[item.name].shape
        }

    def fill(self, inputs: Mapping[str, Tensor], at: int, row: Row) -> Affine | None:
        """Write batch row ``at`` of every input; the geometry of the image input, if there is one."""
        affine = None
        for item in self.inputs:
            written = item.write(row, inputs[item.name][at, ...])
            affine = written if affine is None else affine
        return affine

    def initial_state(self) -> dict[str, NDArray[Any]]:
        """The state of a stream that starts, by input name, without the batch axis."""
        shapes = {item.name: item.row_shape for item in self.inputs}
        return {
            pair.input: np.full(shapes[pair.input] or (), pair.init, self.session.inputs[pair.input].dtype)
            for pair in self.state
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A bundle, open on one candidate."""

    bundle: Bundle
    candidate: Candidate
    parts: Parts
    graphs: tuple[LoadedGraph, ...]
    decode: Postprocess
    params: Any
    own_params: Any
    """The decoder's parameters without what the user set over the bundle's."""
    pool: SessionPool
    standing: Standing = OFF
    fallbacks: tuple[str, ...] = ()

    def postprocess(self, outputs: Tensors, affines: NDArray[np.float64], size_wh: tuple[int, int]) -> Result:
        """Decode raw outputs; checks that the decoder keeps to its specification."""
        result = self.decode(outputs, affines, size_wh, self.params)
        spec = self.parts.postprocess
        if not isinstance(result, spec.result):
            raise PluginError(
                f"postprocess {spec.name!r} returned {type_name(result)}, not {spec.result.__name__} as it declares"
            )
        if len(result) and int(result.source_row.max()) >= len(affines):
            raise PluginError(
                f"postprocess {spec.name!r}: source_row names a row beyond the {len(affines)} it was given"
            )
        return result

    def close(self) -> None:
        for graph in self.graphs:
            self.pool.close(graph.lease)


def used_rows(array: Tensor, rows: int, batch: int) -> Tensor:
    """The rows of a batch that were asked for: a fixed batch may be larger. Outputs without batch axis pass."""
    return array[:rows] if rows < batch and array.ndim and array.shape[0] == batch else array


def load_model(
    bundle: Bundle,
    registry: Registry,
    pool: SessionPool,
    decode: Decode,
    *,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    replace: Replace = Replace(),
    without: frozenset[Candidate] = frozenset(),
) -> LoadedModel:
    """Open a bundle with the first candidate that works, which is one that proves itself by the bundle's goldens.

    Parameters
    ----------
    decode
        Decoder of still images, for reference feeds.
    without
        Candidates that have failed and are not to be tried.

    Raises
    ------
    BackendError
        No candidate works; the message holds the reason of each.
    PluginError
        A part is missing.
    """
    choice = choose(bundle, wanted, registry)
    gate = Gate(bundle, wanted.proof)
    fallbacks = list(choice.rejected if wanted.device != "auto" else ())
    for reason in fallbacks:
        log.warning("bundle %r: not used: %s", bundle.manifest.name, reason)
    for candidate in choice.candidates:
        if candidate in without:
            fallbacks.append(f"{_title(candidate)}: failed before")
            continue
        try:
            model = _open_proved(bundle, candidate, registry, pool, replace, decode, gate)
        except BackendError as error:
            fallbacks.append(f"{_title(candidate)}: {error.message}")
            log.warning("bundle %r: %s; trying the next candidate", bundle.manifest.name, fallbacks[-1])
            if not wanted.allow_fallback:
                break
            continue
        return dataclasses.replace(model, fallbacks=tuple(fallbacks))
    reasons = "".join(f"\n  - {reason}" for reason in fallbacks)
    raise BackendError(
        f"bundle {bundle.manifest.name!r}: no candidate can be used:{reasons}",
        fix=f"`vedette verify {bundle.path}` shows how each does by the goldens, `vedette doctor` what is here",
    )


def _open_proved(
    bundle: Bundle,
    candidate: Candidate,
    registry: Registry,
    pool: SessionPool,
    replace: Replace,
    decode: Decode,
    gate: Gate,
) -> LoadedModel:
    """Open one candidate, and have it prove itself unless it has before."""
    parts = resolve_parts(bundle, registry, registry.backends[candidate.backend], replace)
    key = proof_key(bundle, candidate, parts, registry, replace) if gate.guards(candidate) else None
    standing = None if key is None else gate.recall(key)
    model = _open(bundle, candidate, parts, registry, pool, replace, decode)
    try:
        if standing is None:
            standing = gate.pass_unproved() if key is None else gate.admit(model, key, decode)
    except BaseException:
        model.close()
        raise
    return dataclasses.replace(model, standing=standing)


def _open(
    bundle: Bundle,
    candidate: Candidate,
    parts: Parts,
    registry: Registry,
    pool: SessionPool,
    replace: Replace,
    decode: Decode,
) -> LoadedModel:
    spec = parts.postprocess
    own = {} if replace.postprocess else bundle.manifest.decoder.params
    params = registry.convert_params(spec, {**own, **replace.params}, f"postprocess {spec.name!r}")
    return LoadedModel(
        bundle=bundle,
        candidate=candidate,
        parts=parts,
        graphs=_open_graphs(bundle, candidate, parts, pool, replace, decode),
        decode=spec.build(bundle.labels),
        params=params,
        own_params=params
        if replace.postprocess
        else registry.convert_params(spec, own, f"decoder {spec.name!r}"),
        pool=pool,
    )


def resolve_parts(bundle: Bundle, registry: Registry, backend: BackendSpec, replace: Replace) -> Parts:
    """The bundle's own three parts, or their replacements, as registered specifications."""
    registry.check_ext(bundle.manifest.ext, str(bundle.path))
    preprocess = {
        (graph_name, name): _preprocess(item.feed, registry, replace, f"{graph_name}.{name}")
        for graph_name, graph in bundle.manifest.graphs.items()
        for name, item in graph.inputs.items()
        if isinstance(item.feed, PreprocessFeed | ReferenceFeed)
    }
    postprocess = registry.postprocessors[replace.postprocess or bundle.manifest.decoder.name]
    return Parts(preprocess=preprocess, backend=backend, postprocess=postprocess)


def _preprocess(
    feed: PreprocessFeed | ReferenceFeed, registry: Registry, replace: Replace, where: str
) -> tuple[PreprocessSpec, Any]:
    spec = registry.preprocessors[replace.preprocess or feed.name]
    params = feed.params if replace.preprocess_params is None else replace.preprocess_params
    return spec, registry.convert_params(spec, params, f"preprocess {spec.name!r} of input {where}")


def _open_graphs(
    bundle: Bundle, candidate: Candidate, parts: Parts, pool: SessionPool, replace: Replace, decode: Decode
) -> tuple[LoadedGraph, ...]:
    opened: list[LoadedGraph] = []
    try:
        for step in bundle.manifest.program:
            graph = bundle.manifest.graphs[step.run]
            opened.append(_open_graph(bundle, step.run, graph, candidate, parts, pool, replace, decode))
    except BaseException:
        for loaded in opened:
            pool.close(loaded.lease)
        raise
    return tuple(opened)


def _open_graph(
    bundle: Bundle,
    name: str,
    graph: Graph,
    candidate: Candidate,
    parts: Parts,
    pool: SessionPool,
    replace: Replace,
    decode: Decode,
) -> LoadedGraph:
    execution = Execution(
        precision=candidate.precision,
        threads=pool.threads,
        threads_per_request=replace.threads_per_request,
        batch=replace.batch,
        fuse=_fusible(name, graph, parts),
        cache_dir=replace.cache_dir,
    )
    key = (bundle.digest, name, candidate, repr(execution), repr(sorted(replace.options.items())))
    lease = pool.open(key, _opener(bundle, name, candidate, parts.backend, execution, replace.options))
    try:
        session = lease.session
        _check_tensors(bundle, name, graph, session)
        inputs = tuple(
            prepare_input(
                item.feed, session.inputs[input_name], _declared(item.shape, session, input_name), bundle,
                parts.preprocess.get((name, input_name)), decode, item.clip, replace.reference,
            )
            for input_name, item in graph.inputs.items()
        )  # fmt: skip
    except BaseException:
        pool.close(lease)
        raise
    dynamic = any(None in info.shape for info in session.inputs.values())
    return LoadedGraph(name=name, lease=lease, inputs=inputs, state=graph.state, dynamic=dynamic)


def _opener(
    bundle: Bundle,
    graph: str,
    candidate: Candidate,
    backend: BackendSpec,
    execution: Execution,
    options: Mapping[str, Any],
) -> Callable[[], Session]:
    def factory() -> Session:
        files = bundle.graph_files(candidate.variant, graph)
        session = backend.open(files, candidate.device, execution, options)
        if session.execution_precision != candidate.precision:
            session.close()
            raise BackendError(
                f"backend {backend.name!r} computes in {session.execution_precision} "
                f"though {candidate.precision} was asked for"
            )
        return session

    return factory


def _fusible(graph: str, declared: Graph, parts: Parts) -> dict[str, InputSpec]:
    fused = {}
    for (owner, name), (spec, params) in parts.preprocess.items():
        wish = spec.fuse(params) if owner == graph and not declared.inputs[name].clip else None
        if wish is not None:
            fused[name] = wish
    return fused


def _declared(shape: tuple[int | None, ...], session: Session, name: str) -> tuple[int | None, ...]:
    """The manifest's shape, in the order of axes that a fused input has."""
    info = session.inputs[name]
    if info.dtype == "uint8" and len(shape) == 4 and shape[1] in (1, 3) and info.shape[-1] == shape[1]:
        return (shape[0], shape[2], shape[3], shape[1])
    return shape


def _check_tensors(bundle: Bundle, name: str, graph: Graph, session: Session) -> None:
    for kind, declared, real in (
        ("input", set(graph.inputs), set(session.inputs)),
        ("output", set(graph.outputs), set(session.outputs)),
    ):
        wrong = declared - real if kind == "output" else declared ^ real
        if wrong:
            raise BackendError(
                f"bundle {bundle.manifest.name!r}, graph {name!r}: {kind} {min(wrong)!r} of the manifest and the "
                f"model's own ({', '.join(sorted(real))}) do not agree",
                fix="pack the model again",
            )
    for pair in graph.state:
        for key, stated, found in (
            (f"inputs.{pair.input}", graph.inputs[pair.input], session.inputs[pair.input]),
            (f"outputs.{pair.output}", graph.outputs[pair.output], session.outputs[pair.output]),
        ):
            _check_state(f"bundle {bundle.manifest.name!r}: graphs.{name}.{key}", stated, found)


def _check_state(where: str, stated: Input | Output, found: TensorInfo) -> None:
    """State that is kept in another shape than the model's would be wrong from the second step on."""
    fits = len(stated.shape) == len(found.shape) and all(
        a is None or b is None or a == b for a, b in zip(stated.shape, found.shape, strict=True)
    )
    if not fits or stated.dtype != found.dtype:
        raise BackendError(
            f"{where}: the manifest says {stated.dtype} {shape_text(stated.shape)}, the model has {describe(found)}",
            fix="pack the model again",
        )


def _title(candidate: Candidate) -> str:
    return f"{candidate.variant} on {candidate.backend}:{candidate.device} at {candidate.precision}"
