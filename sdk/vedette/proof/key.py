"""ProofKey: everything that the answers of a model depend on. Where one thing changes, the old proof says nothing."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vedette import __version__
from vedette.bundle.bundle import Bundle
from vedette.errors import PluginError
from vedette.machine import describe_machine
from vedette.registry import Registry
from vedette.specs import BackendSpec, Candidate, Spec
from vedette.vision.accelerator import describe as describe_accelerator

if TYPE_CHECKING:
    from vedette.model.loading import Parts, Replace

_NVIDIA = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True, eq=False)
class ProofKey:
    """``parts``: plain values by what they are. ``lasting``: whether they tell one thing from another next time, too;
    a plugin that no distribution carries has no version."""

    parts: Mapping[str, Any]
    lasting: bool

    @cached_property
    def text(self) -> str:
        """Canonical JSON."""
        return json.dumps(self.parts, sort_keys=True, separators=(",", ":"), default=repr)

    @cached_property
    def digest(self) -> str:
        """40 hexadecimal digits that stand for it."""
        return hashlib.blake2b(self.text.encode(), digest_size=20).hexdigest()


def proof_key(
    bundle: Bundle, candidate: Candidate, parts: Parts, registry: Registry, replace: Replace
) -> ProofKey:
    """The key of running ``bundle`` this way, here.

    Thresholds of the bundle's own decoder are not part of it: they change what is reported, not what is computed.
    """
    machine = describe_machine()
    backend = _source(parts.backend, registry)
    preprocess = {
        f"{graph}/{name}": [*_source(spec, registry), msgspec.to_builtins(params)]
        for (graph, name), (spec, params) in parts.preprocess.items()
    }
    postprocess = [
        *_source(parts.postprocess, registry),
        dict(replace.params) if replace.postprocess else None,
    ]
    plain = {
        "vedette": __version__,
        "bundle": bundle.digest,
        "candidate": [candidate.variant, candidate.backend, candidate.device, candidate.precision],
        "runtime": parts.backend.version(),
        "backend": backend,
        "device": _device(parts.backend, candidate.device),
        "machine": [machine[name] for name in ("architecture", "processor", "features")],
        "preprocess": preprocess,
        "pixels": describe_accelerator() if preprocess else None,
        "postprocess": postprocess,
        "options": dict(replace.options),
        "batch": replace.batch,
    }
    sources: list[list[Any]] = [backend, postprocess, *preprocess.values()]
    return ProofKey(plain, lasting=all(source[2] is not None for source in sources))


def _source(spec: Spec, registry: Registry) -> list[Any]:
    """Name, distribution and version of a part."""
    try:
        provider = registry.provider(spec)
    except PluginError:
        return [spec.name, None, None]
    return [spec.name, provider.distribution, provider.version]


def _device(backend: BackendSpec, name: str) -> list[str]:
    """What the device calls itself, and the drivers below anything that is not the processor."""
    detail = next((device.detail for device in backend.devices() if device.name == name), "")
    if name == "cpu":
        return [detail]
    try:
        nvidia = _NVIDIA.read_text("utf-8", "replace")
    except OSError:
        nvidia = ""
    return [detail, platform.release(), nvidia]
