"""Make a bundle of a program of several graphs: recurrent networks, clips, whatever one model file cannot say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import Golden, Grade, Manifest, Oracle, Variant
from vedette.bundle.recording import images_of
from vedette.bundle.write import Content, check_target, write_bundle
from vedette.decoding import image_decoder
from vedette.errors import BackendError, BundleError, VedetteError
from vedette.frame import Encoded, Packed, Pixels, fourcc_of
from vedette.proof.oracle import LITERAL_BACKEND, LITERAL_OPTIONS
from vedette.registry import Registry, load_plugins
from vedette.results import Result
from vedette.specs import BackendSpec, Execution, Session

LEAST = 8
"""Goldens of a variant."""
_NOTHING = Packed("bgr", np.zeros((1, 1, 3), np.uint8))
"""In place of a picture, for models that see none."""
_SUFFIXES = {"JPEG": "jpg", "PNG ": "png", "BMP ": "bmp", "GIF ": "gif", "WEBP": "webp"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """What a golden is recorded from: an encoded picture, where the model sees any, and the results of other stages,
    one row each, by the roles that inputs are fed from."""

    picture: bytes | None = None
    results: Mapping[str, Result] = field(default_factory=dict)


def pack_program(
    manifest: Manifest,
    contents: Mapping[str, Content],
    moments: Sequence[Moment],
    output: str | Path,
    *,
    registry: Registry | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a bundle of graphs, run here in the order of the program: only parts that fit together become one.

    Goldens are what each variant answers to ``moments``, one after the other in one stream that begins with the first:
    state is carried on and clips fill up. A variant with int8 in it is answered by its own files literally (ONNX
    Runtime, nothing optimised), a float one by the first backend that opens it at f32 on the processor.

    Parameters
    ----------
    manifest
        All but ``files``, ``goldens`` and the ``oracle`` of the variants. ``grades`` are those that were measured; a
        float variant without one is graded as its own reference.
    contents
        The files of the graphs, labels and the like, by their names in the bundle.
    moments
        At least 8: what happens, for as long as it takes to reach every part of the network.

    Returns
    -------
    Path
        ``output``, a folder or a ``.vedette`` file. It is not signed.

    Raises
    ------
    BundleError
        The manifest is wrong, there are too few moments, the parts do not fit together, an int8 variant has no grade,
        or ``output`` is taken.
    BackendError
        No backend here opens a variant.
    """
    registry = load_plugins() if registry is None else registry
    output = Path(output)
    check_target(output, overwrite)
    if len(moments) < LEAST:
        raise BundleError(
            f"{output}: {len(moments)} moments are too few to prove a model by", fix=f"give {LEAST}"
        )
    made = dict(contents)
    variants: dict[str, Variant] = {}
    goldens: list[Golden] = []
    with tempfile.TemporaryDirectory(prefix="vedette-pack-") as folder:
        draft = write_bundle(Path(folder) / "draft", manifest, contents)
        with open_bundle(draft) as bundle:
            for name, variant in manifest.variants.items():
                own = name if len(manifest.variants) > 1 else None
                with _open_variant(bundle, name, registry) as (oracle, recorder):
                    goldens += _record(recorder, moments, own, bundle.manifest, registry, made)
                variants[name] = msgspec.structs.replace(variant, oracle=oracle)
    complete = msgspec.structs.replace(
        manifest, variants=variants, goldens=tuple(goldens), grades=tuple(_grades(manifest, len(moments)))
    )
    return write_bundle(output, complete, made, overwrite=overwrite)


def _record(
    recorder: Recorder,
    moments: Sequence[Moment],
    variant: str | None,
    manifest: Manifest,
    registry: Registry,
    contents: dict[str, Content],
) -> Iterator[Golden]:
    """One golden per moment; their files go into ``contents``. Pictures are the same for all variants."""
    decode = image_decoder(registry)
    for number, moment in enumerate(moments):
        pixels: Pixels = _NOTHING
        image = None
        if moment.picture is not None:
            coding = fourcc_of(moment.picture)
            image = f"goldens/{number:03}.{_SUFFIXES.get(coding, 'bin')}"
            pixels = decode(Encoded(coding, moment.picture, (0, 0), image))
            contents[image] = moment.picture
        try:
            recording = recorder.record(pixels, moment.results)
        except VedetteError as error:
            raise BundleError(f"the run on moment {number} failed: {error.message}", fix=error.fix) from error
        tensors = f"goldens/{number:03}{f'.{variant}' if variant else ''}.npz"
        contents[tensors] = recording.to_npz(images_of(manifest))
        yield Golden(image=image, tensors=tensors, variant=variant, origin="synthetic")


@contextmanager
def _open_variant(bundle: Bundle, variant: str, registry: Registry) -> Iterator[tuple[Oracle, Recorder]]:
    """What answers the goldens of a variant."""
    literal = _is_quantised(bundle.manifest.variants[variant])
    reasons = []
    for backend in _backends(bundle, variant, registry, literal):
        with ExitStack() as stack:
            try:
                sessions = {
                    graph: stack.enter_context(closing(_open(bundle, variant, graph, backend, literal)))
                    for graph in bundle.manifest.graphs
                }
            except BackendError as error:
                reasons.append(f"\n  {backend.name}: {error.message}")
                continue
            oracle = Oracle(
                kind="literal" if literal else "self", runtime=backend.name, version=backend.version()
            )
            yield oracle, Recorder(bundle, registry, backend, sessions)
            return
    raise BackendError(
        f"variant {variant!r}: no backend here opens it{''.join(reasons)}",
        fix="install one that does: pip install vedette-onnxruntime (onnx) or vedette-openvino (all)",
    )


def _backends(bundle: Bundle, variant: str, registry: Registry, literal: bool) -> list[BackendSpec]:
    """Those that read every file of a variant, the one whose own format it is first."""
    formats = {files.format for files in bundle.manifest.variants[variant].graphs.values()}
    able = [
        spec
        for spec in registry.backends.values()
        if formats <= set(spec.formats)
        and spec.probe() is None
        and (not literal or spec.name == LITERAL_BACKEND)
    ]
    return sorted(able, key=lambda spec: (sum(map(spec.formats.index, formats)), -spec.rank, spec.name))


def _open(bundle: Bundle, variant: str, graph: str, backend: BackendSpec, literal: bool) -> Session:
    options = LITERAL_OPTIONS if literal else {}
    return backend.open(bundle.graph_files(variant, graph), "cpu", Execution(), options)


def _grades(manifest: Manifest, goldens: int) -> Iterator[Grade]:
    yield from manifest.grades
    graded = {grade.variant for grade in manifest.grades}
    for name, variant in manifest.variants.items():
        if name in graded:
            continue
        if _is_quantised(variant):
            raise BundleError(
                f"variant {name!r} has int8 in it, and no grade: nobody measured what that costs",
                fix="measure its accuracy, and give a grade for it",
            )
        yield Grade(variant=name, precision="f32", metric="reference", value=1.0, n=goldens)


def _is_quantised(variant: Variant) -> bool:
    return any(files.storage in ("int8", "mixed") for files in variant.graphs.values())
