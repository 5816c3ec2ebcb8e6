"""What is made to be expensive costs no more than a bound, in memory and time: each in a process with hard limits."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.write import write_bundle

MEMORY = 400 << 20
"""Address space beyond what Python, numpy and the core take. The most is 240 MB: a manifest of 4 MB of empty lists."""
SECONDS = 10
"""Of processor time. The most expensive here needs a few."""

OPEN = f"""
import json, resource, sys
from vedette.bundle.bundle import open_bundle
from vedette.errors import BundleError

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS},) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20,) * 2)
try:
    with open_bundle(sys.argv[1]) as bundle:
        bundle.check_files()
        bundle.graph_files("f32", "cnn")
    print(json.dumps("accepted"))
except BundleError as error:
    print(json.dumps(str(error)))
"""

MANIFEST_LIMIT = 4 << 20
CNN = "variants/f32/cnn.onnx"


def filled(piece: str, before: str = "", after: str = "") -> str:
    """As many pieces as a manifest has room for."""
    return before + ",".join([piece] * ((MANIFEST_LIMIT - 10_000) // (len(piece) + 1))) + after


def numbered(piece: str, before: str, after: str) -> str:
    count = (MANIFEST_LIMIT - 10_000) // (len(piece) + 6)
    return before + ",".join(piece % number for number in range(count)) + after


def under_ext(value: str) -> Callable[[Path], None]:
    """Where a manifest may say anything."""
    return lambda folder: insert(folder, '"ext":{"x":{"y":' + value + "}}")


def insert(folder: Path, entry: str) -> None:
    target = folder / "manifest.json"
    text = target.read_text().rstrip().removesuffix("}")
    target.write_text(f"{text}, {entry}}}")
    assert target.stat().st_size < MANIFEST_LIMIT


def every_file_in_every_variant(folder: Path) -> None:
    """Quadratic work for whoever looks for repeated files by comparing each with each."""
    target = folder / "manifest.json"
    tree = json.loads(target.read_text())
    names = [f"{number:x}" for number in range(4000)]
    for name in names:
        (folder / name).touch()
        tree["files"][name] = tree["files"]["card.md"]
    many = {"format": "onnx", "files": [CNN, *names]}
    tree["variants"] = {f"v{number}": {"graphs": {"cnn": many, "step": many}} for number in range(64)}
    target.write_bytes(msgspec.json.encode(tree))


def seal(folder: Path, name: str) -> None:
    """List a changed file as it is now."""
    target = folder / "manifest.json"
    tree = json.loads(target.read_text())
    content = (folder / name).read_bytes()
    tree["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    target.write_bytes(msgspec.json.encode(tree))


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)
        seal(folder, name)

    return change


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(under_ext(filled("[]", "[", "]")), "accepted", id="empty lists"),
        pytest.param(under_ext(filled("{}", "[", "]")), "accepted", id="empty objects"),
        pytest.param(under_ext(numbered('"%x":{}', "{", "}")), "accepted", id="keys"),
        pytest.param(under_ext(filled("1e0", "[", "]")), "accepted", id="numbers"),
        pytest.param(under_ext("1" * 4_000_000), "out of range", id="a long number"),
        pytest.param(under_ext('"' + "\\u0041" * 600_000 + '"'), "accepted", id="a long text"),
        pytest.param(under_ext("[" * 1_000_000 + "]" * 1_000_000), "recursion", id="deep lists"),
        pytest.param(under_ext('{"a":' * 500_000 + "1" + "}" * 500_000), "recursion", id="deep objects"),
        pytest.param(lambda folder: insert(folder, numbered('"%x":0', "", "")), "unknown field", id="fields"),
        pytest.param(
            lambda folder: os.truncate(folder / "manifest.json", 1 << 40), "more than 4,194,304", id="a huge manifest"
        ),
        pytest.param(every_file_in_every_variant, "there is no variant 'f32'", id="every file in every variant"),
        pytest.param(lambda folder: os.truncate(folder / CNN, 1 << 40), "the manifest says", id="a huge file"),
        pytest.param(write("labels.txt", b"a\n" * 2_200_000), "more than 4,194,304 bytes of labels", id="huge labels"),
        pytest.param(write("labels.txt", b"ab\n" * 1_300_000), "accepted", id="many labels"),
        pytest.param(write(CNN, b"\x3a\x00" * 2_000_001 + b"\x3a\x08location"), "than 2,000,000", id="fields of ONNX"),
        pytest.param(write(CNN, b"location" * 4_000_000), "is not an ONNX file", id="no ONNX"),
    ],
)  # fmt: skip
def test_folders(tmp_path, manifest, contents, make, reason):
    folder = write_bundle(tmp_path / "x", manifest, contents)
    make(folder)
    assert reason in opened(folder)


def test_a_sparse_archive_of_a_terabyte(tmp_path, manifest, contents):
    path = write_bundle(tmp_path / "x.vedette", manifest, contents)
    end = path.read_bytes()[-22:]
    os.truncate(path, (1 << 40) - 22)
    with path.open("ab") as file:
        file.write(end)
    assert "not where it claims" in opened(path)


def opened(path: Path) -> str:
    """What comes of opening ``path`` in a process of its own: ``accepted``, or the message of the one error."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, path], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr
    message: str = json.loads(done.stdout)
    assert len(message) < 1500
    return message
