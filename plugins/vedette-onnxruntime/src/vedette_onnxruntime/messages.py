"""ONNX Runtime's exceptions as errors that say what to do."""

from __future__ import annotations

import re
from pathlib import Path

from vedette.errors import BackendError

_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|Load model from .*? failed: ?"
    r"|Exception during initialization: "
    r"|/\S+\.(?:cc|h|cpp):\d+ .*?\) (?:const )?"  # where in ONNX Runtime's sources it was raised
)
_LONGEST = 500
_BEGINNINGS = (  # offset, bytes, what such a file is and what to do
    (0, b"<?xml", "it is an OpenVINO IR: use backend 'openvino'"),
    (4, b"TFL3", "it is a TFLite model: use backend 'openvino', or convert it to ONNX"),
    (0, b"version https://git-lfs", "it is a pointer of Git LFS, not the model: run `git lfs pull`"),
)
_REMEDIES = (
    (
        r"No Op registered|not a registered function|Could not find an implementation|not implemented",
        "this operator is not in the installed onnxruntime: try a newer one, another backend, or export without it",
    ),
    (r"opset|IR version", "try a newer onnxruntime, or export the model with an older opset"),
    (r"external data|External data", "a file with weights is missing beside the model: copy all its files"),
    (r"[Pp]rotobuf|No graph was found", "the file is damaged or not ONNX: copy or export it again"),
    (r"\b(alloc|[Mm]emory)", "use a smaller batch, fewer slots or a smaller model"),
)


def load_error(path: Path, device: str, error: Exception) -> BackendError:
    """What to tell when ``path`` could not be loaded."""
    text = essence(error)
    return BackendError(
        f"{path}: onnxruntime cannot load this model on {device}: {text}",
        fix=_foreign(path) or _remedy(text) or "run `onnx.checker` on the file, or try another backend",
    )


def run_error(path: Path, device: str, error: Exception) -> BackendError:
    """What to tell when a request failed. ONNX Runtime names the node."""
    text = essence(error)
    return BackendError(
        f"{path}: onnxruntime failed on {device}: {text}",
        fix=_remedy(text)
        or "look at this node in the model: its inputs did not have the values or shapes it needs",
    )


def essence(error: Exception) -> str:
    """The message as one line, without error numbers and source locations."""
    text = " ".join(_NOISE.sub("", " ".join(str(error).split())).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _foreign(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(64)
    for offset, beginning, remedy in _BEGINNINGS:
        if start[offset:].startswith(beginning):
            return remedy
    return None


def _remedy(text: str) -> str | None:
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, text)), None)
