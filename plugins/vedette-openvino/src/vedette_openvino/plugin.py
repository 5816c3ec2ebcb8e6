"""What Vedette finds: the OpenVINO backend. The runtime is imported when one of the functions below is called."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.hookspecs import hookimpl
from vedette.specs import BackendSpec, Converted, Device, Execution, ModelFiles, Session


def probe() -> str | None:
    """``None`` when OpenVINO can be used, else the reason."""
    try:
        import vedette_openvino.runtime  # noqa: F401
    except (
        Exception
    ) as error:  # a broken installation raises whatever the dynamic linker or the plug-in finder does
        return f"OpenVINO cannot be loaded: {' '.join(str(error).split())}"
    return None


def version() -> str:
    """OpenVINO's version, as ``2026.4.1``."""
    from vedette_openvino.runtime import ov

    return str(ov.get_version()).partition("-")[0]


def devices() -> tuple[Device, ...]:
    """What OpenVINO can use here now."""
    from vedette_openvino.devices import find_devices

    return find_devices()


def open_session(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> Session:
    """Load a model; see :func:`vedette_openvino.loading.load`."""
    from vedette_openvino.loading import load

    return load(files, device, execution, options)


def convert_saved_model(path: Path, folder: Path) -> Converted:
    """Convert a TensorFlow SavedModel; see :func:`vedette_openvino.converting.convert_saved_model`."""
    from vedette_openvino import converting

    return converting.convert_saved_model(path, folder)


def convert_keras(path: Path, folder: Path) -> Converted:
    """Convert a ``.keras`` file; see :func:`vedette_openvino.converting.convert_keras`."""
    from vedette_openvino import converting

    return converting.convert_keras(path, folder)


BACKEND = BackendSpec(
    name="openvino",
    summary="OpenVINO on Intel processors, GPUs and NPUs",
    formats=("openvino", "onnx", "tflite"),
    probe=probe,
    version=version,
    devices=devices,
    open=open_session,
    converts={"saved_model": convert_saved_model, "keras": convert_keras},
    rank=10
    if platform.machine() in ("x86_64", "AMD64")
    else 0,  # made for these, and faster there (measured)
)


@hookimpl
def vedette_backends() -> list[BackendSpec]:
    """The one backend of this distribution."""
    return [BACKEND]
