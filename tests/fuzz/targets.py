"""What is fuzzed, and what must hold: a VedetteError of one bounded line, or something that keeps its promises."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import msgspec
import mutations
import seeds

from vedette.bundle.bundle import open_bundle, parse_labels
from vedette.bundle.canonical import write_archive
from vedette.bundle.manifest import parse_manifest
from vedette.bundle.names import name_problem
from vedette.bundle.protobuf import MalformedError
from vedette.bundle.recording import Recording
from vedette.bundle.references import external_locations
from vedette.bundle.signature import verify_signature
from vedette.errors import BundleError
from vedette.results import Result

CONTENTS = seeds.files()
TREE = seeds.manifest(CONTENTS)
RAW = seeds.encode(TREE)
SIGNATURE = seeds.signature(RAW)
GOLDEN = seeds.golden()
LONGEST = 1500

Members = list[tuple[str, bytes]]
MEMBERS: Members = [("manifest.json", RAW), ("signature", SIGNATURE), *sorted(CONTENTS.items())]


class BrokenPromiseError(AssertionError):
    """Something was accepted that should not have been, or refused badly."""


@contextlib.contextmanager
def one_clear_error():
    try:
        yield
    except (BundleError, MalformedError) as error:
        text = str(error)
        if len(text) > LONGEST or not text.replace("\n  -> ", "").isprintable():
            raise BrokenPromiseError(f"not one clear error: {text[:3000]!r}") from error


def fuzz_manifest(rng: Random, folder: Path) -> None:
    """Values changed, bytes changed, or something put in that no encoder writes."""
    kind = rng.randrange(4)
    raw = seeds.encode(mutations.change_json(rng, TREE)) if kind < 2 else RAW
    if kind == 2:
        raw = mutations.change_bytes(rng, raw)
    elif kind == 3:
        at = raw.index(rng.choice((b": ", b", ")), rng.randrange(len(raw) - 50)) + 2
        raw = raw[:at] + rng.choice(mutations.RAW) + raw[at + rng.choice((0, 1, 4)) :]
    with one_clear_error():
        _check_manifest(raw)


def _check_manifest(raw: bytes) -> None:
    manifest = parse_manifest(raw)
    for name in manifest.files:
        if name_problem(name):
            raise BrokenPromiseError(f"accepted the name {name!r}")
    used = {
        name
        for variant in manifest.variants.values()
        for part in variant.graphs.values()
        for name in part.files
    }
    if not used <= manifest.files.keys():
        raise BrokenPromiseError(f"accepted files that are not listed: {used - manifest.files.keys()}")
    if parse_manifest(msgspec.json.encode(manifest)) != manifest:
        raise BrokenPromiseError("the manifest changes when it is written again")


def fuzz_archive(rng: Random, folder: Path) -> None:
    """Bytes of an archive changed; or one written with changed members, whose checksums fit."""
    if rng.random() < 0.5:
        raw = mutations.change_bytes(rng, _archive())
    else:
        unsigned = rng.random() < 0.7
        members = [member for member in MEMBERS if member[0] != "signature" or not unsigned]
        raw = _zip(rng, _change_members(rng, members))
        if rng.random() < 0.3:
            raw = mutations.change_bytes(rng, raw)
    path = folder / "x.vedette"
    path.write_bytes(raw)
    with one_clear_error(), open_bundle(path) as bundle:
        bundle.check_files()
        contents = {name: list(bundle._archive.chunks(name)) for name in bundle._archive.sizes}
        bundle.graph_files(next(iter(bundle.manifest.variants)), bundle.manifest.program[0].run)
        if raw != _written(path.with_name("again"), contents):
            raise BrokenPromiseError("accepted an archive that is not the canonical one of its content")


@functools.cache
def _archive() -> bytes:
    return _zip(Random(0), MEMBERS, clean=True)


def _written(path: Path, contents: Mapping[str, list[bytes]]) -> bytes:
    path.unlink(missing_ok=True)
    write_archive(path, {name: functools.partial(iter, chunks) for name, chunks in contents.items()})
    return path.read_bytes()


def _change_members(rng: Random, members: Members) -> Members:
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(members))
        name, content = members[at]
        kind = rng.randrange(8)
        if kind == 0:
            members[at] = name, mutations.change_bytes(rng, content)
        elif kind == 1:
            members[at] = rng.choice(mutations.TEXTS), content
        elif kind == 2:
            del members[at]
        elif kind == 3:
            members.insert(rng.randrange(len(members) + 1), (name, rng.choice((content, b"evil"))))
        elif kind == 4:
            other = rng.randrange(len(members))
            members[at], members[other] = members[other], members[at]
        elif kind == 5:
            members.append((rng.choice(("z", "zz", "zz/a")), b""))
        else:
            members = [
                (found, seeds.encode(mutations.change_json(rng, TREE)) if found == "manifest.json" else data)
                for found, data in members
            ]
        if not members:
            break
    return members


def _zip(rng: Random, members: Members, *, clean: bool = False) -> bytes:
    """A stored zip file, with a field of a header or of the directory changed now and then."""
    bodies, records = b"", b""
    odd = -1 if clean or rng.random() < 0.6 else rng.randrange(len(members) + 1)
    for index, (name, content) in enumerate(members):
        raw = name.encode("utf-8", "surrogatepass")[:65535]
        common = [10, 0, 0, 0, 0x21, zlib.crc32(content), len(content), len(content), len(raw), 0]
        local = list(common)
        record = [3 << 8 | 10, *common, 0, 0, 0, 0o100644 << 16, len(bodies)]
        if index == odd:
            changed = rng.choice((local, record))
            at = rng.randrange(len(changed))
            changed[at] = rng.choice((0, 1, changed[at] + 1, 8, 0x7FFF, 0xFFFF)) & 0xFFFF
        records += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *record) + raw
        bodies += struct.pack("<4s5H3L2H", b"PK\x03\x04", *local) + raw + content
    end = [0, 0, len(members), len(members), len(records), len(bodies), 0]
    if odd == len(members):
        at = rng.randrange(len(end))
        end[at] = rng.choice((0, 1, end[at] + 1, 0xFFFF)) & 0xFFFF
    return bodies + records + struct.pack("<4s4H2LH", b"PK\x05\x06", *end)


def fuzz_folder(rng: Random, folder: Path) -> None:
    """The files of a folder changed; it is built once, and put in order again each time."""
    root = folder / "x"
    if not root.exists():
        for name, content in {"manifest.json": RAW, **CONTENTS}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    name = rng.choice(("manifest.json", *CONTENTS))
    good = RAW if name == "manifest.json" else CONTENTS[name]
    changed = mutations.change_bytes(rng, good)
    (root / name).write_bytes(changed)
    try:
        with one_clear_error(), open_bundle(root) as bundle:
            bundle.check_files()
            if changed != good and name != "manifest.json":
                raise BrokenPromiseError(f"accepted a changed {name}")
    finally:
        (root / name).write_bytes(good)


def fuzz_signature(rng: Random, folder: Path) -> None:
    """Bytes changed, or values; now and then nothing, so that what is accepted is among it."""
    changed = SIGNATURE
    if rng.random() < 0.5:
        changed = mutations.change_bytes(rng, SIGNATURE)
    elif rng.random() < 0.9:
        changed = seeds.encode(mutations.change_json(rng, json.loads(SIGNATURE)))
    with one_clear_error():
        verify_signature(RAW, changed, "bundle")
        if changed != SIGNATURE:
            raise BrokenPromiseError("accepted a changed signature")


def fuzz_golden(rng: Random, folder: Path) -> None:
    """Bytes of the file changed, or bytes of one of its arrays, packed again."""
    data = GOLDEN
    if rng.random() < 0.7:
        with zipfile.ZipFile(io.BytesIO(GOLDEN)) as old:
            members = {name: old.read(name) for name in old.namelist()}
        name = rng.choice(list(members))
        members[name] = mutations.change_bytes(rng, members[name])
        again = io.BytesIO()
        with zipfile.ZipFile(again, "w") as new:
            for name, content in members.items():
                new.writestr(zipfile.ZipInfo(name), content)
        data = again.getvalue()
    if data == GOLDEN or rng.random() < 0.1:
        data = mutations.change_bytes(rng, data)
    with one_clear_error():
        recording = Recording.from_npz(data, "golden", seeds.IMAGES)
        if not isinstance(recording.result, Result):
            raise BrokenPromiseError(f"accepted {recording.result!r} as a result")


def fuzz_onnx(rng: Random, folder: Path) -> None:
    path = folder / "x.onnx"
    path.write_bytes(mutations.change_bytes(rng, seeds.ONNX))
    with one_clear_error():
        external_locations(path)


def fuzz_labels(rng: Random, folder: Path) -> None:
    with one_clear_error():
        labels = parse_labels(mutations.change_bytes(rng, seeds.LABELS), "labels")
        if not all(label and label.isprintable() for label in labels):
            raise BrokenPromiseError(f"accepted the labels {labels}")


TARGETS: tuple[Callable[[Random, Path], None], ...] = (
    *[fuzz_manifest] * 4,
    *[fuzz_archive] * 4,
    fuzz_folder,
    fuzz_golden,
    fuzz_signature,
    fuzz_onnx,
    fuzz_labels,
)
"""By how often they are taken."""
