"""A bundle by whatever names it: a path, an installed model, or one that a distribution carries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.store import ModelStore, locate
from vedette.bundle.trust import Trust
from vedette.errors import BundleError, PluginError
from vedette.manager import guarded, near
from vedette.registry import Registry
from vedette.specs import ModelSpec


def open_named(
    model: str | Path,
    registry: Registry,
    trust: Trust = Trust(),  # noqa: B008 - frozen
    base: Path = Path(),
) -> Bundle:
    """Open a bundle by its name or path.

    A text is looked up among the models that are installed here, then among those that distributions carry, and is
    else a path, as is everything with a ``/`` in it. Somebody installed a model on purpose, so it goes before what came
    with a package; ``PLUGIN:NAME`` is always the carried one.

    Parameters
    ----------
    base
        Where a path counts from.

    Raises
    ------
    BundleError
        There is no such bundle, or it is refused; see :func:`~vedette.bundle.bundle.open_bundle`.
    PluginError
        The plugin that carries the model does not have it.
    """
    spec = carried(model, registry)
    if spec is not None:
        return open_carried(spec, registry, trust)
    path = locate(model, base)
    if not path.exists() and len(Path(model).parts) == 1:
        raise _unknown(str(model), path, registry)
    return open_bundle(path, trust)


def carried(model: str | Path, registry: Registry) -> ModelSpec | None:
    """The model that a distribution carries, if this names it and no installed one goes before."""
    if not isinstance(model, str) or ModelStore().get(model) is not None:
        return None
    return registry.models.get(model)


def open_carried(spec: ModelSpec, registry: Registry, trust: Trust = Trust()) -> Bundle:  # noqa: B008 - frozen
    """Open the bundle that a distribution carries. That it came with code that runs here is noted in its signature.

    Raises
    ------
    PluginError
        The plugin does not have it.
    BundleError
        As :func:`~vedette.bundle.bundle.open_bundle`.
    """
    provider = registry.provider(spec)
    what = f"locate of model {spec.name!r}"
    path: Any = guarded(what, spec.locate)
    if not (isinstance(path, Path) and path.exists()):
        raise PluginError(
            f"{provider}: {what} returned {path!r:.200}, which is not there",
            fix="install the distribution again",
        )
    return open_bundle(path, replace(trust, carrier=provider.title))


def _unknown(model: str, path: Path, registry: Registry) -> BundleError:
    known = sorted({*registry.models, *(entry.name for entry in ModelStore().models())})
    return BundleError(
        f"{path}: there is no such bundle, nor a model of this name{near(model, known)}",
        fix=f"`vedette models list` shows the models here: {', '.join(known) or 'none'}",
    )
