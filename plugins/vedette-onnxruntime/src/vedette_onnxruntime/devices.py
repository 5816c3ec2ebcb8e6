"""ONNX Runtime's execution providers under Vedette's device names, and the precisions that they compute in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnxruntime

from vedette.errors import BackendError
from vedette.specs import Device, Precision


@dataclass(frozen=True)
class Provider:
    """An execution provider. ``precisions`` maps what it can compute in to the provider options that make it so."""

    name: str
    kind: str
    precisions: Mapping[Precision, Mapping[str, str]] = field(default_factory=lambda: {"f32": {}})
    indexed: bool = True
    """Whether it takes a ``device_id``."""


PROVIDERS = (
    Provider("CPUExecutionProvider", "cpu", indexed=False),
    # by default it computes in TF32, which has a mantissa of 10 bits
    Provider("CUDAExecutionProvider", "gpu", {"f32": {"use_tf32": "0"}}),
    # its f32 is TF32 as well, and no option of the provider changes that
    Provider("TensorrtExecutionProvider", "gpu", {"f16": {"trt_fp16_enable": "1"}}),
    Provider("ROCMExecutionProvider", "gpu"),
    Provider("DmlExecutionProvider", "gpu"),
    Provider("CoreMLExecutionProvider", "gpu", {"f16": {}}, indexed=False),
    Provider("QNNExecutionProvider", "npu", {"f16": {"backend_type": "htp"}}, indexed=False),
)
"""The first one that the installed build has is the one that a device name means; option ``provider`` names another."""


def find_devices() -> tuple[Device, ...]:
    """The kinds of device that the installed build supports; whether one is there shows when a session is opened."""
    found: dict[str, Device] = {}
    for provider in _installed():
        if provider.kind not in found:
            found[provider.kind] = Device(
                name=provider.kind, detail=provider.name, precisions=tuple(provider.precisions)
            )
    return tuple(found.values())


def find_provider(device: str, wanted: str | None) -> tuple[Provider, dict[str, str]]:
    """The provider for a device name such as ``cpu`` or ``gpu:1``, and the options that choose the device.

    Raises
    ------
    BackendError
        The installed build has no such device, or no provider ``wanted`` for it.
    """
    kind, _, index = device.partition(":")
    installed = _installed()
    for provider in installed:
        numbered = not index or (provider.indexed and index.isdecimal())
        if provider.kind == kind and numbered and wanted in (None, provider.name):
            return provider, {"device_id": index} if index else {}
    here = ", ".join(f"{provider.kind} ({provider.name})" for provider in installed)
    by = f" by {wanted}" if wanted else ""
    raise BackendError(
        f"onnxruntime has no device {device!r}{by} here",
        fix=f"this build has: {here}; other devices need another build, such as onnxruntime-gpu, in its place",
    )


def _installed() -> list[Provider]:
    names = onnxruntime.get_available_providers()
    return [provider for provider in PROVIDERS if provider.name in names]
