"""OpenVINO's devices under Vedette's names, and the precisions that they compute in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vedette.errors import BackendError
from vedette.specs import Device, Precision
from vedette_openvino.messages import essence
from vedette_openvino.runtime import core

logger = logging.getLogger("vedette.openvino")

_KINDS = ("CPU", "GPU", "NPU")
"""Real devices. AUTO, MULTI and HETERO choose or mix devices by themselves, which Vedette leaves to the user."""
_CAPABILITIES: dict[Precision, str] = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


def find_devices() -> tuple[Device, ...]:
    """The devices here, in OpenVINO's order."""
    found = []
    for native in core.available_devices:
        if native.partition(".")[0] in _KINDS:
            try:
                found.append(_device(native))
            except RuntimeError as error:  # a driver that answers to its name only
                logger.warning("%s is listed but does not answer: %s", to_name(native), essence(error))
    return tuple(found)


def find_device(name: str) -> tuple[str, Device]:
    """OpenVINO's own name of the device that Vedette calls ``name``, and what it offers.

    Raises
    ------
    BackendError
        There is no such device here, or it does not answer.
    """
    here = {to_name(native): native for native in core.available_devices}
    if name not in here:
        raise BackendError(
            f"openvino has no device {name!r} here",
            fix=f"use one of: {', '.join(here)}; a missing one needs its driver (`vedette doctor` shows what is found)",
        )
    try:
        return here[name], _device(here[name])
    except RuntimeError as error:
        raise BackendError(
            f"{name} is listed but does not answer: {essence(error)}",
            fix="check its driver, or use another device",
        ) from error


def to_name(native: str) -> str:
    """``GPU.1`` is ``gpu:1`` to Vedette; ``GPU.0`` and ``GPU`` are ``gpu``."""
    kind, _, index = native.lower().partition(".")
    return f"{kind}:{index}" if index not in ("", "0") else kind


def _device(native: str) -> Device:
    x86_processor = native == "CPU" and "intel64" in str(core.get_property(native, "DEVICE_ARCHITECTURE"))
    return Device(
        name=to_name(native),
        detail=str(core.get_property(native, "FULL_DEVICE_NAME")).strip(),
        precisions=order_precisions(core.get_property(native, "OPTIMIZATION_CAPABILITIES"), x86_processor),
    )


def order_precisions(capabilities: Sequence[str], x86_processor: bool) -> tuple[Precision, ...]:
    """The execution precisions among a device's ``OPTIMIZATION_CAPABILITIES``, the fastest first.

    On x86 processors f16 comes last: it was measured slower than f32 on one that has AMX for bf16 but not for f16.
    """
    order: tuple[Precision, ...] = ("bf16", "f32", "f16") if x86_processor else ("f16", "bf16", "f32")
    return tuple(precision for precision in order if _CAPABILITIES[precision] in capabilities)
