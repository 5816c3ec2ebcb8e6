"""What Vedette finds: the ONNX Runtime backend. The runtime is imported when one of the functions below is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.hookspecs import hookimpl
from vedette.specs import BackendSpec, Device, Execution, ModelFiles, Session


def probe() -> str | None:
    """``None`` when ONNX Runtime can be used, else the reason."""
    try:
        import onnxruntime

        onnxruntime.get_available_providers()
    except Exception as error:  # a broken installation raises whatever the dynamic linker does
        return f"ONNX Runtime cannot be loaded: {' '.join(str(error).split())}"
    return None


def version() -> str:
    """ONNX Runtime's version, as ``1.31.1``."""
    import onnxruntime

    return str(onnxruntime.__version__)


def devices() -> tuple[Device, ...]:
    """What the installed build of ONNX Runtime can use."""
    from vedette_onnxruntime.devices import find_devices

    return find_devices()


def open_session(files: ModelFiles, device: str, execution: Execution, options: Mapping[str, Any]) -> Session:
    """Load a model; see :func:`vedette_onnxruntime.loading.load`."""
    from vedette_onnxruntime.loading import load

    return load(files, device, execution, options)


BACKEND = BackendSpec(
    name="onnxruntime",
    summary="ONNX Runtime on the processor, and on what else the installed build supports",
    formats=("onnx",),
    probe=probe,
    version=version,
    devices=devices,
    open=open_session,
)


@hookimpl
def vedette_backends() -> list[BackendSpec]:
    """ONNX Runtime."""
    return [BACKEND]
