"""Which ways there are to run a bundle here, and in which order they are tried."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from vedette.bundle.bundle import Bundle
from vedette.errors import BackendError
from vedette.proof.policy import Policy
from vedette.registry import Registry
from vedette.specs import BackendSpec, Candidate, Precision

log = logging.getLogger("vedette.model")

AUTO = ("npu", "gpu", "cpu")
"""What ``auto`` means: the first of these that is here."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user asks for; ``None`` leaves it open."""

    backend: str | None = None
    device: str | tuple[str, ...] = "auto"
    variant: str | None = None
    precision: Precision | None = None
    allow_ungraded: bool = False
    allow_fallback: bool = True
    proof: Policy = "require"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The candidates in the order of trying, and why the better ones are not among them."""

    candidates: tuple[Candidate, ...]
    rejected: tuple[str, ...]


def choose(bundle: Bundle, wanted: Wanted, registry: Registry) -> Choice:
    """All ways to run ``bundle`` that fit ``wanted``, best first.

    Configuration goes before a plugin's ranking, that before the static order (device, variant as listed in the
    manifest, rank of the backend).

    Raises
    ------
    BackendError
        There is none; the message says why each was rejected.
    PluginError
        The named backend does not exist or failed to load.
    """
    rejected: list[str] = []
    backends = _backends(wanted, registry, rejected)
    order = (wanted.device,) if isinstance(wanted.device, str) and wanted.device != "auto" else wanted.device
    devices = AUTO if order == "auto" else tuple(order)
    found: list[Candidate] = []
    for position, device in enumerate(devices):
        here = [
            candidate
            for variant in _variants(bundle, wanted, rejected if position == 0 else [])
            for backend in backends
            for candidate in _on_device(bundle, variant, backend, device, wanted, rejected)
        ]
        found += here
        if not here and order != "auto":
            rejected.append(f"device {device!r}: not here ({_present(backends)})")
            if not wanted.allow_fallback:
                break
        if found and not wanted.allow_fallback:
            break
    if not found:
        reasons = "".join(f"\n  - {reason}" for reason in dict.fromkeys(rejected))
        raise BackendError(
            f"bundle {bundle.manifest.name!r}: nothing here can run it:{reasons}",
            fix="install a backend (pip install vedette-onnxruntime or vedette-openvino) or name another device",
        )
    ranked = registry.rank_candidates(bundle, tuple(found))
    return Choice(candidates=tuple(ranked or found), rejected=tuple(dict.fromkeys(rejected)))


def _backends(wanted: Wanted, registry: Registry, rejected: list[str]) -> list[BackendSpec]:
    if wanted.backend is not None:
        spec = registry.backends[wanted.backend]
        reason = spec.probe()
        if reason is not None:
            raise BackendError(f"backend {spec.name!r} cannot be used: {reason}")
        return [spec]
    usable: list[BackendSpec] = []
    for spec in sorted(registry.backends.values(), key=lambda spec: (-spec.rank, spec.name)):
        reason = spec.probe()
        if reason is None:
            usable.append(spec)
        else:
            rejected.append(f"backend {spec.name!r}: {reason}")
    return usable


def _variants(bundle: Bundle, wanted: Wanted, rejected: list[str]) -> Sequence[str]:
    variants = bundle.manifest.variants
    if wanted.variant is None:
        return list(variants)
    if wanted.variant not in variants:
        rejected.append(f"variant {wanted.variant!r}: the bundle has {', '.join(variants)}")
        return []
    return [wanted.variant]


def _on_device(
    bundle: Bundle, variant: str, backend: BackendSpec, device: str, wanted: Wanted, rejected: list[str]
) -> list[Candidate]:
    formats = {files.format for files in bundle.manifest.variants[variant].graphs.values()}
    if unread := formats - set(backend.formats):
        rejected.append(
            f"variant {variant!r} on {backend.name!r}: it does not read {', '.join(sorted(unread))} files"
        )
        return []
    found = []
    for present in backend.devices():
        if present.name != device and present.name.partition(":")[0] != device:
            continue
        for precision in _precisions(bundle, variant, backend, wanted, rejected):
            if precision in present.precisions:
                found.append(
                    Candidate(variant=variant, backend=backend.name, device=present.name, precision=precision)
                )
            else:
                rejected.append(f"{backend.name!r} on {present.name!r}: does not compute in {precision}")
    return found


def _precisions(
    bundle: Bundle, variant: str, backend: BackendSpec, wanted: Wanted, rejected: list[str]
) -> list[Precision]:
    """The graded precisions of a variant, in the order of the grades."""
    graded = dict.fromkeys(
        grade.precision
        for grade in bundle.manifest.grades
        if grade.variant == variant and grade.backend in (None, backend.name)
    )
    if wanted.precision is None:
        if graded:
            return list(graded)
        if wanted.allow_ungraded:
            return ["f32"]
        rejected.append(
            f"variant {variant!r}: nobody measured its accuracy (allow_ungraded = true takes it anyway)"
        )
        return []
    if wanted.precision in graded or wanted.allow_ungraded:
        return [wanted.precision]
    rejected.append(
        f"variant {variant!r} at {wanted.precision}: nobody measured its accuracy "
        "(allow_ungraded = true takes it anyway)"
    )
    return []


def _present(backends: Sequence[BackendSpec]) -> str:
    return "; ".join(
        f"{spec.name} has {', '.join(device.name for device in spec.devices()) or 'none'}"
        for spec in backends
    )
