"""Models of formats that no backend reads, converted by one that can."""

from __future__ import annotations

from pathlib import Path

from vedette.bundle.foreign import ForeignModel
from vedette.errors import BackendError
from vedette.registry import Registry


def convert(model: ForeignModel, registry: Registry, folder: Path) -> tuple[ForeignModel, str]:
    """The model in a format that a backend reads, and who made it so, in words; unchanged, and ``""``, if one reads it
    already or none can.

    Parameters
    ----------
    folder
        Where the converted files go; it belongs to the caller.

    Raises
    ------
    BackendError
        It cannot be converted; the message has each backend's reason.
    """
    backends = list(registry.backends.values())
    able = [spec for spec in backends if model.format in spec.converts]
    if not able or any(model.format in spec.formats for spec in backends):
        return model, ""
    reasons = []
    for spec in sorted(able, key=lambda spec: (-spec.rank, spec.name)):
        reason = spec.probe()
        try:
            if reason is None:
                made = spec.converts[model.format](model.model, folder)
                files = ForeignModel(format=made.files.format, paths=made.files.paths)
                return files, f"converted from {model.format} by {made.by}"
        except BackendError as error:
            reason = str(error)
        reasons.append(f"{spec.name}: {reason}")
    raise BackendError(f"{model.model}: cannot be converted\n  " + "\n  ".join(reasons))
