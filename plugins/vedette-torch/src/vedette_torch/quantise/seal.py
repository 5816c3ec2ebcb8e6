"""Put a quantised variant into a bundle, beside the float one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vedette.bundle.bundle import Bundle
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import Golden, Grade, GraphFiles, Manifest, Oracle, Tolerance, Variant
from vedette.bundle.recording import images_of
from vedette.bundle.write import Content, write_bundle
from vedette.decoding import image_decoder
from vedette.errors import BundleError
from vedette.frame import Encoded, fourcc_of
from vedette.proof.oracle import LITERAL_BACKEND, LITERAL_OPTIONS
from vedette.proof.run import goldens_of
from vedette.registry import Registry
from vedette.specs import Execution
from vedette_torch.quantise.method import GraphContent

LISTING = "calibration.txt"
"""The file with hash and name of each calibration picture."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a variant answers to the goldens' pictures, and by what: ``contents`` has the files of ``goldens``.
    ``tolerance`` is for raw outputs on other backends; ``None``: the usual."""

    oracle: Oracle
    goldens: Sequence[Golden]
    contents: Mapping[str, Content]
    tolerance: Tolerance | None = None


def write_draft(
    path: Path,
    bundle: Bundle,
    variant: str,
    graphs: Mapping[str, GraphContent],
    recorded: Recorded | None = None,
) -> Path:
    """A bundle of nothing but a new variant and what is needed to run it, and to prove it if goldens are given.

    Raises
    ------
    BundleError
        It cannot be written.
    """
    made, contents = _variant(variant, graphs)
    needed = [*_references(bundle.manifest)]
    if bundle.manifest.labels:
        needed.append(bundle.manifest.labels)
    goldens: Sequence[Golden] = ()
    if recorded is not None:
        made = _proved(made, recorded)
        goldens = recorded.goldens
        contents |= recorded.contents
        needed += [golden.image for golden in goldens if golden.image]
    manifest = msgspec.structs.replace(
        bundle.manifest, variants={variant: made}, goldens=tuple(goldens), grades=()
    )
    return write_bundle(path, manifest, {**_read(bundle, needed), **contents})


def seal(
    path: Path,
    bundle: Bundle,
    variant: str,
    graphs: Mapping[str, GraphContent],
    recorded: Recorded,
    *,
    int8_first: bool,
    grades: Sequence[Grade],
    data: Sequence[str],
    recipe: str,
    listing: str,
    overwrite: bool = False,
) -> Path:
    """Write the bundle with both variants: all of it or nothing.

    Parameters
    ----------
    int8_first
        Whether a box tries int8 before float.
    data, recipe
        Added to the provenance.
    listing
        Content of ``calibration.txt``.

    Raises
    ------
    BundleError
        ``path`` is taken or cannot be written; nothing is left there.
    """
    made, contents = _variant(variant, graphs)
    variants = dict(bundle.manifest.variants)
    new = {variant: _proved(made, recorded)}
    provenance = bundle.manifest.provenance
    manifest = msgspec.structs.replace(
        bundle.manifest,
        variants={**new, **variants} if int8_first else {**variants, **new},
        goldens=(*_for_float_only(bundle.manifest), *recorded.goldens),
        grades=(*bundle.manifest.grades, *grades),
        provenance=msgspec.structs.replace(
            provenance,
            data=(*provenance.data, *data),
            recipe="; ".join(filter(None, (provenance.recipe, recipe))),
        ),
    )
    kept = _read(bundle, bundle.manifest.files)
    return write_bundle(
        path,
        manifest,
        {**kept, **contents, **recorded.contents, LISTING: listing.encode()},
        overwrite=overwrite,
    )


def _variant(name: str, graphs: Mapping[str, GraphContent]) -> tuple[Variant, dict[str, Content]]:
    contents: dict[str, Content] = {}
    stored = {}
    for graph, content in graphs.items():
        files = {f"variants/{name}/{file}": data for file, data in content.files.items()}
        contents |= files
        stored[graph] = GraphFiles(format=content.format, files=tuple(files), storage=content.storage)
    return Variant(graphs=stored), contents


def record(bundle: Bundle, draft: Bundle, float_variant: str, literal: bool, registry: Registry) -> Recorded:
    """What a new variant answers to the pictures of the float one's goldens, by its own files: literally (ONNX Runtime,
    nothing optimised), or else as the backend runs them that reads its format.

    Parameters
    ----------
    draft
        The new variant alone, open.

    Raises
    ------
    BundleError
        No golden has a picture.
    BackendError
        The files cannot be run.
    """
    (variant,) = draft.manifest.variants
    formats = {files.format for files in draft.manifest.variants[variant].graphs.values()}
    name = LITERAL_BACKEND if literal else next(iter(formats - {"onnx"}))
    backend = registry.backends[name]
    decode = image_decoder(registry)
    goldens: list[Golden] = []
    contents: dict[str, Content] = {}
    with ExitStack() as stack:
        sessions = {
            graph: stack.enter_context(
                closing(
                    backend.open(
                        draft.graph_files(variant, graph),
                        "cpu",
                        Execution(),
                        LITERAL_OPTIONS if literal else {},
                    )
                )
            )
            for graph in draft.manifest.graphs
        }
        recorder = Recorder(draft, registry, backend, sessions)
        for golden in goldens_of(bundle.manifest, float_variant):
            if golden.image is None:
                continue
            picture = bundle.read(golden.image)
            recording = recorder.record(decode(Encoded(fourcc_of(picture), picture, (0, 0))))
            tensors = f"goldens/{Path(golden.image).stem}.{variant}.npz"
            contents[tensors] = recording.to_npz(images_of(draft.manifest))
            goldens.append(msgspec.structs.replace(golden, tensors=tensors, variant=variant))
    if not goldens:
        raise BundleError(
            f"{bundle.path}: no golden has a picture, so nothing can prove the int8 variant",
            fix="pack the float model again: vedette pack MODEL --sample PICTURE",
        )
    oracle = Oracle(kind="literal" if literal else "self", runtime=backend.name, version=backend.version())
    return Recorded(oracle=oracle, goldens=goldens, contents=contents)


def _proved(made: Variant, recorded: Recorded) -> Variant:
    return msgspec.structs.replace(made, oracle=recorded.oracle, tolerance=recorded.tolerance)


def _for_float_only(manifest: Manifest) -> list[Golden]:
    """The goldens of the float variants: those that stood for all stand for each of these."""
    return [
        msgspec.structs.replace(golden, variant=variant)
        for golden in manifest.goldens
        for variant in ([golden.variant] if golden.variant else manifest.variants)
    ]


def _references(manifest: Manifest) -> set[str]:
    return {
        item.feed.file
        for graph in manifest.graphs.values()
        for item in graph.inputs.values()
        if hasattr(item.feed, "file")
    }


def _read(bundle: Bundle, names: Iterable[str]) -> dict[str, Content]:
    return {name: bundle.read(name) for name in names}
