"""Models of Keras and TensorFlow become OpenVINO's own format, where bundles are made.

A TensorFlow SavedModel is read by OpenVINO itself. A ``.keras`` file is exported to one first, by Keras with
TensorFlow, in a child process: its import is slow and noisy, and would stay in memory.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from vedette.errors import BackendError
from vedette.specs import Converted, ModelFiles
from vedette_openvino import export_keras
from vedette_openvino.messages import essence
from vedette_openvino.runtime import core, ov

PATIENCE_S = 600
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}


def convert_saved_model(path: Path, folder: Path) -> Converted:
    """Turn the folder of a TensorFlow SavedModel (its default signature) into an IR, weights at f32.

    Parameters
    ----------
    folder
        Where ``model.xml`` and ``model.bin`` go.

    Raises
    ------
    BackendError
        The folder is damaged, or the model uses an operator that OpenVINO lacks.
    """
    try:
        model = core.read_model(path)
        ov.save_model(model, folder / "model.xml", compress_to_fp16=False)
    except Exception as error:
        raise BackendError(
            f"openvino cannot convert the SavedModel {path}: {essence(error)}",
            fix="export it again, without the operator that is named; or convert it to ONNX with tf2onnx",
        ) from error
    files = ModelFiles(format="openvino", paths=(folder / "model.xml", folder / "model.bin"))
    return Converted(files=files, by=f"OpenVINO {str(ov.get_version()).partition('-')[0]}")


def convert_keras(path: Path, folder: Path) -> Converted:
    """Turn a ``.keras`` file into an IR, by way of a SavedModel in ``folder``.

    Raises
    ------
    BackendError
        Keras or TensorFlow is not installed, or cannot load or export the file; or as for a SavedModel.
    """
    if missing := [name for name in ("keras", "tensorflow") if importlib.util.find_spec(name) is None]:
        raise BackendError(
            f"{path}: a .keras file needs {' and '.join(missing)}, which is not installed",
            fix="pip install 'vedette-openvino[keras]', or export it (model.export) and give the folder",
        )
    versions = _export(path, folder / "saved_model", folder)
    made = convert_saved_model(folder / "saved_model", folder)
    return Converted(files=made.files, by=f"{versions}, {made.by}")


def _export(path: Path, target: Path, home: Path) -> str:
    """Have a child process export the model; the versions that did it."""
    command = [sys.executable, "-P", export_keras.__file__, str(path), str(target)]
    environment = {**os.environ, **_QUIET, "KERAS_HOME": str(home)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"{path}: Keras has not exported it within {PATIENCE_S} s") from None
    answer = _answer(done.stdout)
    if "versions" not in answer:
        reason = answer.get("error") or f"exit code {done.returncode}: {done.stderr[-500:]}"
        raise BackendError(
            f"{path}: Keras cannot export it: {' '.join(str(reason).split())[:500]}",
            fix="export it where it was made (model.export(FOLDER)), and give the folder",
        )
    return str(answer["versions"])


def _answer(output: str) -> dict[str, Any]:
    """The last line, which is ours; libraries print before it."""
    try:
        answer = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
