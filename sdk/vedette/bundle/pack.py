"""Turn a model file of another tool into a bundle.

What the file tells is taken from it; what it does not tell is asked for, all of it at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np

from vedette.bundle.bundle import Bundle, open_bundle, parse_labels
from vedette.bundle.draft import GRAPH, draft_manifest, reference_name
from vedette.bundle.foreign import find_model, open_foreign
from vedette.bundle.goldens import Recorder
from vedette.bundle.manifest import File, Golden, Grade, Manifest, Oracle, parse_manifest
from vedette.bundle.opened import OpenedModel, open_model
from vedette.bundle.recording import Recording, images_of
from vedette.bundle.request import PackRequest
from vedette.bundle.samples import Sample, make_up
from vedette.bundle.write import SUFFIX, Content, check_target, write_bundle
from vedette.decoding import image_decoder
from vedette.errors import BackendError, BundleError, VedetteError
from vedette.frame import Decode, Encoded, Packed, Pixels, fourcc_of
from vedette.proof.oracle import LITERAL_OPTIONS
from vedette.registry import Registry, load_plugins
from vedette.specs import BackendSpec, Execution, Session

__all__ = ["PackRequest", "open_draft", "pack_model", "pack_opened", "read_sample"]

GOLDENS = 8
"""A bundle has at least so many."""

_FIXES = {
    "name": "--name is of a-z, 0-9, _ . and -, as in my-model",
    "version": "--version is of three numbers, as in 1.2.0",
}
"""By the field of the manifest that is wrong."""

_READERS = "; --decoder, --param and --labels say how outputs are read"

_SUFFIXES = {"JPEG": "jpg", "PNG ": "png", "BMP ": "bmp", "GIF ": "gif", "WEBP": "webp"}


def pack_model(
    request: PackRequest,
    output: str | Path | None = None,
    *,
    registry: Registry | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a bundle of a model file.

    The model is opened with an installed backend and run: only parts that fit together become a bundle. Goldens are
    what the oracle and the decoder answer here, at f32 on the processor, through the reference preprocessing: to each
    sample and, where these are fewer than 8, to pictures made of them or else drawn from a seed.

    Parameters
    ----------
    output
        A folder, or a file that ends in ``.vedette``; default: ``NAME-VERSION.vedette`` in the current folder.
    registry
        Plugins to use; default: all that are installed.

    Returns
    -------
    Path
        Where the bundle is.

    Raises
    ------
    BundleError
        Something is missing (all of it is named, as options of ``vedette pack``), the parts do not fit together, or
        ``output`` is taken.
    BackendError
        No installed backend can open the model.
    PluginError, ConfigError
        The decoder is unknown, or its parameters or those of the image are wrong.
    """
    registry = load_plugins() if registry is None else registry
    with open_model(request, registry) as opened:
        return pack_opened(request, opened, registry, output, overwrite=overwrite)


def pack_opened(
    request: PackRequest,
    opened: OpenedModel,
    registry: Registry,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """:func:`pack_model` of a model that is open already."""
    with open_draft(request, opened, registry) as (draft, contents):
        manifest = draft.manifest
        output = Path(f"{manifest.name}-{manifest.version}{SUFFIX}" if output is None else output)
        _check_output(output, overwrite)
        goldens, images = [], images_of(manifest)
        with _open_oracle(request, draft, registry, opened.backend) as (oracle, recorder):
            for number, (sample, recording) in enumerate(_record(request, recorder, registry)):
                name = f"goldens/{number:03}"
                golden = Golden(
                    image=f"{name}.{_SUFFIXES[fourcc_of(sample.data)]}",
                    tensors=f"{name}.npz",
                    origin=sample.origin,
                )
                contents |= {f"{golden.image}": sample.data, f"{golden.tensors}": recording.to_npz(images)}
                goldens.append(golden)
    variant = msgspec.structs.replace(
        manifest.variants[request.storage], oracle=oracle, tolerance=request.tolerance
    )
    grade = Grade(variant=request.storage, precision="f32", metric="reference", value=1.0, n=len(goldens))
    manifest = msgspec.structs.replace(
        manifest, variants={request.storage: variant}, grades=(grade,), goldens=tuple(goldens)
    )
    return write_bundle(output, manifest, contents, overwrite=overwrite)


@contextmanager
def open_draft(
    request: PackRequest, opened: OpenedModel, registry: Registry
) -> Iterator[tuple[Bundle, dict[str, Content]]]:
    """The bundle without goldens, in a temporary folder that goes away at the end; and what is in it.

    Raises
    ------
    BundleError
        Something is missing, or the parts do not fit together.
    PluginError, ConfigError
        The decoder is unknown, or its parameters or those of the image are wrong.
    """
    contents: dict[str, Content] = {**opened.model.stored(f"variants/{request.storage}", GRAPH)}
    manifest = draft_manifest(request, opened, tuple(contents), registry)
    if request.labels is not None:
        contents["labels.txt"] = _labels(request)
    contents |= {reference_name(name, request): data for name, data in _references(request, registry)}
    contents |= request.documents.read()
    _check_manifest(manifest, contents, request.model)
    with (
        tempfile.TemporaryDirectory(prefix="vedette-pack-") as folder,
        open_bundle(write_bundle(Path(folder) / "draft", manifest, contents)) as draft,
    ):
        yield draft, contents


def _check_manifest(manifest: Manifest, contents: Iterable[str], model: Path) -> None:
    """Find mistakes before the model runs, and name the model rather than a draft of the bundle."""
    unknown = File(sha256="0" * 64, size=0)
    draft = msgspec.structs.replace(manifest, files=dict.fromkeys(contents, unknown))
    try:
        parse_manifest(msgspec.json.encode(draft), str(model))
    except BundleError as error:
        _, _, field = error.message.rstrip("`").rpartition("`$.")
        raise BundleError(
            error.message, fix=_FIXES.get(field, "correct the option that this comes from")
        ) from None


def _check_output(output: Path, overwrite: bool) -> None:
    try:
        check_target(output, overwrite)
    except BundleError as error:
        raise BundleError(
            error.message, fix="--output names another place, --overwrite replaces a bundle"
        ) from None


def _record(
    request: PackRequest, recorder: Recorder, registry: Registry
) -> Iterator[tuple[Sample, Recording]]:
    """Each golden's picture, with what the model answers to it."""
    _run(recorder, _grey(), f"{request.model}: a trial run on a grey picture failed")
    recorder.restart()
    decode = image_decoder(registry)
    given = [read_sample(path, decode) for path in request.samples]
    made = make_up([sample.picture() for sample in given], GOLDENS - len(given))
    for sample in (*given, *made):
        yield sample, _run(recorder, sample.pixels, f"{request.model}: the run on {sample.name} failed")


def read_sample(path: Path, decode: Decode, option: str = "--sample") -> Sample:
    """Read a picture, which was given by ``option``.

    Raises
    ------
    BundleError
        It cannot be read, or is not a picture that is known here.
    """
    data = _read(path, option)
    return Sample(name=str(path), data=data, pixels=_decode(data, decode, path), origin="sample")


def _references(request: PackRequest, registry: Registry) -> Iterator[tuple[str, bytes]]:
    decode = image_decoder(registry)
    for name, path in request.references.items():
        yield name, read_sample(path, decode, f"--feed {name}=reference").data


def _labels(request: PackRequest) -> bytes:
    """The file of class names, checked."""
    given = request.labels or ()
    if isinstance(given, Path):
        raw, where, names = _read(given, "--labels"), str(given), None
    else:
        raw, where, names = "".join(f"{name}\n" for name in given).encode(), f"{request.model}", tuple(given)
    try:
        parsed = parse_labels(raw, where)
    except BundleError as error:
        fix = error.fix or "a text file with one class name per line"
        raise BundleError(error.message, fix=f"--labels: {fix}") from None
    if names is not None and parsed != names:
        raise BundleError(
            f"{where}: a class name of it has line breaks or blanks at its ends", fix="give --labels FILE"
        )
    return raw


@contextmanager
def _open_oracle(
    request: PackRequest, draft: Bundle, registry: Registry, backend: BackendSpec
) -> Iterator[tuple[Oracle, Recorder]]:
    """What answers the goldens. The packed model is opened in any case."""
    with ExitStack() as stack:
        session = stack.enter_context(closing(_open(draft, backend, request)))
        if request.reference is not None:
            backend, session = open_foreign(find_model(request.reference), registry, request.backend)
            stack.callback(session.close)
            _check_reference(request.reference, draft.manifest, session)
        oracle = Oracle(kind=request.oracle, runtime=backend.name, version=backend.version())
        yield oracle, Recorder(draft, registry, backend, {GRAPH: session})


def _check_reference(path: Path, manifest: Manifest, session: Session) -> None:
    graph = manifest.graphs[GRAPH]
    for kind, ours, theirs in (
        ("input", graph.inputs, session.inputs),
        ("output", graph.outputs, session.outputs),
    ):
        if missing := sorted(ours.keys() ^ theirs.keys()):
            raise BundleError(
                f"{path}: its {kind}s are not those of the model: {missing[0]!r} is in one of them only",
                fix="give --reference the float model that this one was quantised from",
            )


def _open(draft: Bundle, backend: BackendSpec, request: PackRequest) -> Session:
    """Open the model from the bundle: what it refers to must be in there."""
    options = LITERAL_OPTIONS if request.oracle == "literal" else {}
    try:
        return backend.open(draft.graph_files(request.storage, GRAPH), "cpu", Execution(), options)
    except (BackendError, BundleError) as error:
        raise BundleError(
            f"{request.model}: opens in its own folder, but not in a bundle: {error.message}",
            fix="name the files that it refers to (weights) with --beside",
        ) from error


def _decode(picture: bytes, decode: Decode, path: Path) -> Pixels:
    fourcc = fourcc_of(picture)
    if not fourcc:
        raise BundleError(
            f"{path}: not a picture", fix=f"give {', '.join(map(str.strip, _SUFFIXES))} files as samples"
        )
    try:
        return decode(Encoded(fourcc, picture, (0, 0)))
    except VedetteError as error:
        raise BundleError(f"{path}: {error.message}", fix=error.fix) from error


def _run(recorder: Recorder, pixels: Pixels, what: str) -> Recording:
    try:
        return recorder.record(pixels)
    except VedetteError as error:
        raise BundleError(f"{what}: {error.message}", fix=f"{error.fix}{_READERS}") from error


def _grey() -> Packed:
    return Packed("bgr", np.full((48, 64, 3), 128, np.uint8))


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}", fix=f"correct {option}") from None
