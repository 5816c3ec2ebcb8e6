"""Turn a model file of another tool into a bundle.

What the file tells is taken from it; what it does not tell is asked for, all of it at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np

from vedette.bundle.bundle import Bundle, open_bundle, parse_labels
from vedette.bundle.draft import GRAPH, draft_manifest
from vedette.bundle.foreign import find_model, open_foreign
from vedette.bundle.goldens import Recorder, Recording
from vedette.bundle.manifest import File, Golden, Grade, Manifest, parse_manifest
from vedette.bundle.request import PackRequest
from vedette.bundle.write import SUFFIX, Content, check_target, write_bundle
from vedette.decoding import image_decoder
from vedette.errors import BackendError, BundleError, VedetteError
from vedette.frame import Decode, Encoded, Packed, Pixels, fourcc_of
from vedette.registry import Registry, load_plugins
from vedette.specs import BackendSpec, Execution, Session

__all__ = ["PackRequest", "pack_model"]

_SUFFIXES = {"JPEG": "jpg", "PNG ": "png", "BMP ": "bmp", "GIF ": "gif", "WEBP": "webp"}


def pack_model(
    request: PackRequest,
    output: str | Path | None = None,
    *,
    registry: Registry | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a bundle of a model file.

    The model is opened with an installed backend and run once, on each sample or else on a grey picture: only parts
    that fit together become a bundle. Goldens are what backend and decoder answer here, at f32 on the processor,
    through the reference preprocessing: the variant is its own reference.

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
    model = find_model(request.model, request.beside)
    contents: dict[str, Content] = {**model.stored(f"variants/{request.storage}", GRAPH)}
    backend, session = open_foreign(model, registry, request.backend)
    try:
        manifest = draft_manifest(request, model.format, tuple(contents), backend, session, registry)
    finally:
        session.close()
    if request.labels is not None:
        labels = contents["labels.txt"] = _read(request.labels)
        parse_labels(labels, str(request.labels))
    _check_manifest(manifest, contents, request.model)
    output = Path(f"{manifest.name}-{manifest.version}{SUFFIX}" if output is None else output)
    check_target(output, overwrite)
    recordings = _record(request, manifest, contents, registry, backend)
    goldens = []
    for number, (picture, recording) in enumerate(recordings):
        name = f"goldens/{number:03}"
        golden = Golden(image=f"{name}.{_SUFFIXES[fourcc_of(picture)]}", tensors=f"{name}.npz")
        contents |= {f"{golden.image}": picture, f"{golden.tensors}": recording.to_npz()}
        goldens.append(golden)
    grade = Grade(variant=request.storage, precision="f32", metric="reference", value=1.0, n=len(goldens))
    manifest = msgspec.structs.replace(manifest, grades=(grade,), goldens=tuple(goldens))
    return write_bundle(output, manifest, contents, overwrite=overwrite)


def _check_manifest(manifest: Manifest, contents: Iterable[str], model: Path) -> None:
    """Find mistakes before the model runs, and name the model rather than a draft of the bundle."""
    unknown = File(sha256="0" * 64, size=0)
    draft = msgspec.structs.replace(manifest, files=dict.fromkeys(contents, unknown))
    try:
        parse_manifest(msgspec.json.encode(draft), str(model))
    except BundleError as error:
        raise BundleError(error.message, fix="correct the option that this comes from") from None


def _record(
    request: PackRequest,
    manifest: Manifest,
    contents: Mapping[str, Content],
    registry: Registry,
    backend: BackendSpec,
) -> list[tuple[bytes, Recording]]:
    """Each sample with what the model answers to it; none where there are no samples, but the model has run."""
    with (
        tempfile.TemporaryDirectory(prefix="vedette-pack-") as folder,
        open_bundle(write_bundle(Path(folder) / "draft", manifest, contents)) as draft,
        closing(_open(draft, backend, request)) as session,
    ):
        recorder = Recorder(draft, registry, backend, {GRAPH: session})
        if not request.samples:
            _run(recorder, _grey(), f"{request.model}: a trial run on a grey picture failed")
        decode = image_decoder(registry)
        recordings = []
        for sample in request.samples:
            picture = _read(sample)
            pixels = _decode(picture, decode, sample)
            recordings.append(
                (picture, _run(recorder, pixels, f"{request.model}: the run on {sample} failed"))
            )
    return recordings


def _open(draft: Bundle, backend: BackendSpec, request: PackRequest) -> Session:
    """Open the model from the bundle: what it refers to must be in there."""
    try:
        return backend.open(draft.graph_files(request.storage, GRAPH), "cpu", Execution(), {})
    except BackendError as error:
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
        raise BundleError(f"{what}: {error.message}", fix=error.fix) from error


def _grey() -> Packed:
    return Packed("bgr", np.full((48, 64, 3), 128, np.uint8))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
