"""A bundle that can give class activation maps: its features as one more output, and the weights of its last layer."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import Golden, Graph, Manifest, Output
from vedette.bundle.recording import images_of
from vedette.bundle.write import Content, check_target, write_bundle
from vedette.decoding import image_decoder
from vedette.errors import BundleError
from vedette.explain.activation import DISTRIBUTION, ActivationMap, Ext
from vedette.frame import Encoded, fourcc_of
from vedette.proof.oracle import LITERAL_BACKEND, LITERAL_OPTIONS
from vedette.registry import Registry, load_plugins
from vedette.results import Classification
from vedette.specs import Execution, ModelFiles, TensorInfo
from vedette_torch.explain.onnx_head import find_head, with_features

WEIGHTS = "explain/weights.npy"


def add_activation_map(
    source: Bundle, path: Path, *, registry: Registry | None = None, overwrite: bool = False
) -> Path:
    """Write a bundle that also gives class activation maps. Its answers stay the same; its goldens are recorded anew,
    with the new output; a signature is lost.

    Raises
    ------
    BundleError
        The bundle is no classifier of one ONNX graph that ends in the mean over all places and one linear layer, it
        has such a map already, or ``path`` is taken.
    """
    registry = registry or load_plugins()
    check_target(path, overwrite)
    name = _fitting_graph(source, registry)
    contents: dict[str, Content] = {file: source.read(file) for file in source.manifest.files}
    output, weights = _add_outputs(source, name, contents)
    contents[WEIGHTS] = _npy(weights)
    with tempfile.TemporaryDirectory(prefix="vedette-cam-") as folder:
        info = _as_loaded(source, name, contents, output, registry, Path(folder))
        manifest = _with_output(source.manifest, name, info)
        bare = msgspec.structs.replace(manifest, goldens=())
        with open_bundle(write_bundle(Path(folder) / "draft", bare, contents)) as draft:
            _record_all(draft, manifest, contents, registry)
    return write_bundle(path, manifest, contents, overwrite=overwrite)


def _fitting_graph(bundle: Bundle, registry: Registry) -> str:
    manifest = bundle.manifest
    what = f"bundle {manifest.name!r}"
    if DISTRIBUTION in manifest.ext:
        raise BundleError(f"{what} gives an activation map already")
    if not issubclass(registry.postprocessors[manifest.decoder.name].result, Classification):
        raise BundleError(f"{what} is no classifier, and activation maps are of classes", fix="use occlusion")
    if len(manifest.graphs) != 1:
        raise BundleError(
            f"{what} has {len(manifest.graphs)} graphs; activation maps are for one", fix="use occlusion"
        )
    for name, variant in manifest.variants.items():
        if any(files.format != "onnx" or len(files.files) != 1 for files in variant.graphs.values()):
            raise BundleError(
                f"{what}: variant {name!r} is not one ONNX file",
                fix="add the map to the float bundle first, then quantise it",
            )
        if variant.oracle is not None and variant.oracle.kind == "fp32-relative":
            raise BundleError(
                f"{what}: the goldens of variant {name!r} are another model's answers",
                fix="add the map to the bundle of the float model first",
            )
    return next(iter(manifest.graphs))


def _add_outputs(bundle: Bundle, graph: str, contents: dict[str, Content]) -> tuple[str, NDArray[np.float32]]:
    """Put the output into the files of all variants. The weights are those of the first variant in float, or else the
    first."""
    manifest = bundle.manifest
    logits = manifest.decoder.params.get("output")
    found: dict[str, NDArray[np.float32]] = {}
    names = set()
    for variant, stated in manifest.variants.items():
        (file,) = stated.graphs[graph].files
        model = onnx.load_from_string(bundle.read(file))
        head = find_head(model, logits, f"{bundle.path}, variant {variant!r}")
        model, name = with_features(model, head)
        contents[file] = model.SerializeToString()
        found[variant] = head.weights
        names.add(name)
    if len(names) > 1:
        raise BundleError(
            f"{bundle.path}: its variants name their tensors differently: {', '.join(sorted(names))}"
        )
    best = next(
        (name for name, item in manifest.variants.items() if item.graphs[graph].storage == "f32"), None
    )
    return names.pop(), found[best or next(iter(found))]


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _as_loaded(
    bundle: Bundle, graph: str, contents: dict[str, Content], output: str, registry: Registry, folder: Path
) -> TensorInfo:
    """The new output as the first variant's graph has it when it is loaded."""
    variant = next(iter(bundle.manifest.variants.values()))
    (file,) = variant.graphs[graph].files
    content = contents[file]
    assert isinstance(content, bytes)
    path = folder / "model.onnx"
    path.write_bytes(content)
    session = registry.backends[LITERAL_BACKEND].open(
        ModelFiles(format="onnx", paths=(path,)), "cpu", Execution(), {}
    )
    with closing(session):
        return session.outputs[output]


def _with_output(manifest: Manifest, graph: str, info: TensorInfo) -> Manifest:
    stated = manifest.graphs[graph]
    more: Graph = msgspec.structs.replace(
        stated, outputs={**stated.outputs, info.name: Output(dtype=info.dtype, shape=info.shape)}
    )
    ext = Ext(activation_map=ActivationMap(graph=graph, features=info.name, weights=WEIGHTS))
    recipe = "; ".join(filter(None, (manifest.provenance.recipe, "vedette add-cam")))
    return msgspec.structs.replace(
        manifest,
        graphs={graph: more},
        ext={**manifest.ext, DISTRIBUTION: msgspec.to_builtins(ext)},
        provenance=msgspec.structs.replace(manifest.provenance, recipe=recipe),
    )


def _record_all(draft: Bundle, manifest: Manifest, contents: dict[str, Content], registry: Registry) -> None:
    """Record what each golden's variant answers now, by what answered it before."""
    decode = image_decoder(registry)
    first = next(iter(manifest.variants))
    for variant in manifest.variants:
        goldens = [golden for golden in manifest.goldens if (golden.variant or first) == variant]
        if not goldens:
            continue
        with _recorder(draft, variant, registry) as recorder:
            for golden in goldens:
                _check(draft, golden)
                picture = draft.read(str(golden.image))
                recording = recorder.record(decode(Encoded(fourcc_of(picture), picture, (0, 0))))
                contents[str(golden.tensors)] = recording.to_npz(images_of(draft.manifest))


def _check(bundle: Bundle, golden: Golden) -> None:
    if golden.image is None or golden.tensors is None:
        raise BundleError(
            f"{bundle.manifest.name}: a golden has no picture, so it cannot be recorded with the new output",
            fix="pack the model again: vedette pack MODEL --sample PICTURE",
        )


@contextmanager
def _recorder(draft: Bundle, variant: str, registry: Registry) -> Iterator[Recorder]:
    oracle = draft.manifest.variants[variant].oracle
    literal = oracle is not None and oracle.kind == "literal"
    backend = registry.backends[LITERAL_BACKEND if literal or oracle is None else oracle.runtime]
    options = LITERAL_OPTIONS if literal else {}
    with ExitStack() as stack:
        sessions = {
            graph: stack.enter_context(
                closing(backend.open(draft.graph_files(variant, graph), "cpu", Execution(), options))
            )
            for graph in draft.manifest.graphs
        }
        yield Recorder(draft, registry, backend, sessions)
