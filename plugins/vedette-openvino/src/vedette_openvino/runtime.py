"""The one OpenVINO runtime of this process: its module, loaded without usage reporting, and its ``Core``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_REPORTING = "openvino_telemetry"


def _load() -> Any:
    """Import ``openvino`` while ``openvino_telemetry`` cannot be imported.

    A plain ``import openvino`` sends an event to a web service from a child process, starts a thread and writes to
    ``~/intel``. Without the reporting package it falls back to a stub of its own that does nothing.
    """
    absent = object()
    before: Any = sys.modules.get(_REPORTING, absent)
    sys.modules[_REPORTING] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_REPORTING]
        if before is not absent:
            sys.modules[_REPORTING] = before


ov = _load()
core = ov.Core()
