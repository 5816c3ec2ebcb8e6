"""Run as a program, in a process of its own: ``export_keras.py MODEL.keras FOLDER`` writes a TensorFlow SavedModel and
says which versions did it, or what went wrong, as one line of JSON.

Code that a file brings with it (Lambda layers) is not run: Keras refuses it in its safe mode.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def export(path: str, folder: str) -> str:
    """Load the model and write it into ``folder``; the versions that did."""
    keras: Any = import_module("keras")
    tensorflow: Any = import_module("tensorflow")
    keras.models.load_model(path, compile=False, safe_mode=True).export(folder, verbose=False)
    return f"Keras {keras.__version__}, TensorFlow {tensorflow.__version__}"


def main(path: str, folder: str) -> int:
    """Export; the exit code."""
    try:
        answer = {"versions": export(path, folder)}
    except Exception as error:  # whatever the libraries raise, for the parent to tell
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
    return 0 if "versions" in answer else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
