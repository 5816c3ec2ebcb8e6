"""Which decoders could read a model, and what they say of it that its user did not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from vedette.bundle.manifest import Task
from vedette.bundle.options import as_options, look_up, typed_params
from vedette.bundle.quoting import one_line
from vedette.bundle.request import PackRequest
from vedette.errors import BundleError, PluginError
from vedette.manager import guarded
from vedette.registry import Registry
from vedette.results import type_name
from vedette.specs import ModelFacts, PostprocessSpec, Proposal
from vedette.vision.spec import InputSpec

T = TypeVar("T")

_RESIZE = ("anchor", "pad", "crop_fraction")
"""What belongs to one way to resize."""
_NORMALISATION = ("mean", "scale")
"""What says only together how pixels become numbers."""
_PER_CHANNEL = ("mean", "scale", "pad")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a model.

    Attributes
    ----------
    request
        What the user said, and what the decoder's proposal adds to it. Things may still be missing: they are asked for
        when it is packed.
    why
        By what the decoder knows the model, in one line.
    taken
        What was taken from the proposal, as options of ``vedette pack``.
    """

    request: PackRequest
    why: str
    taken: tuple[str, ...]

    def summary(self) -> str:
        """In one line: who reads it, and why."""
        return f"read by {self.request.decoder} ({self.why})"


def find_readings(request: PackRequest, facts: ModelFacts, registry: Registry) -> list[Reading]:
    """Every way in which an installed decoder could read the model, and that goes with what the user said; none if no
    decoder knows it.

    Only decoders and tasks that the user allows are asked. Of what they propose, a layout that the file itself states
    counts more than one that merely fits, and one that agrees with the user's other options more than one that they
    change. The user's word always holds.

    Raises
    ------
    PluginError
        The decoder is unknown; or it is the chosen one, and failed. Others that fail are blamed in the log.
    """
    chosen = look_up(registry.postprocessors, request.decoder, "--decoder") if request.decoder else None
    specs = [chosen] if chosen else registry.postprocessors.values()
    found = [
        (spec, proposal)
        for spec in specs
        for proposal in _ask(spec, facts, registry, chosen=chosen is not None)
        if request.task in (None, proposal.task)
    ]
    found = _prefer(found, lambda pair: pair[1].stated)
    found = _prefer(found, lambda pair: _agrees(request, *pair))
    readings: list[Reading] = []
    for spec, proposal in found:
        reading = _merge(request, spec, proposal)
        if not any(_same(reading, other) for other in readings):
            readings.append(reading)
    return readings


def ambiguous(
    model: Path, readings: Iterable[Reading], advice: str = ", or show it a picture (--check PICTURE)"
) -> BundleError:
    """The error of a model that several decoders could read: each with the options that choose it."""
    readings = list(readings)
    common = set.intersection(*(set(reading.taken) for reading in readings))
    listed = "".join(
        f"\n     {' '.join(option for option in reading.taken if option not in common) or '(nothing more)'}"
        f"\n         {reading.why}"
        for reading in readings
    )
    return BundleError(
        f"{model}: {len(readings)} decoders could read it",
        fix=f"say which{advice}. One of{listed}",
    )


def _ask(spec: PostprocessSpec, facts: ModelFacts, registry: Registry, *, chosen: bool) -> list[Proposal]:
    """What one decoder proposes, checked. An error of a plugin is not the end unless its decoder was ``chosen``."""
    try:
        found = guarded(f"recognise of decoder {spec.name!r}", lambda: list(spec.recognise(facts)))
        for proposal in found:
            _check(spec, proposal, facts)
    except PluginError as error:
        if chosen:
            raise PluginError(f"{registry.provider(spec)}: {error.message}") from error.__cause__
        registry.blame(spec, error)
        return []
    return list(found)


def _check(spec: PostprocessSpec, proposal: object, facts: ModelFacts) -> None:
    what = f"recognise of decoder {spec.name!r} proposes"
    if not isinstance(proposal, Proposal):
        raise PluginError(f"{what} {type_name(proposal)}, not a Proposal")
    for kind, names, known in (
        ("task", [proposal.task], get_args(Task)),
        ("parameter", proposal.params, spec.params.__struct_fields__),
        ("field of the image", proposal.image, InputSpec.__struct_fields__),
        ("output", proposal.rows, facts.outputs),
    ):
        for name in names:
            if name not in known:
                raise PluginError(f"{what} the {kind} {name!r}, which there is not")


def _prefer(items: list[T], better: Callable[[T], bool]) -> list[T]:
    return [item for item in items if better(item)] or items


def _agrees(request: PackRequest, spec: PostprocessSpec, proposal: Proposal) -> bool:
    params = typed_params(request.params, spec)
    return _compatible(params, proposal.params) and _compatible(request.image, proposal.image)


def _compatible(given: Mapping[str, Any], proposed: Mapping[str, Any]) -> bool:
    return all(_plain(given[name]) == _plain(value) for name, value in proposed.items() if name in given)


def _plain(value: Any) -> Any:
    """One value for each channel is the same as one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values[:1] if len(set(map(str, values))) == 1 else values


def _same(one: Reading, other: Reading) -> bool:
    """Whether the bundles would be the same but for the record of why."""
    return dataclasses.replace(one.request, told=()) == dataclasses.replace(other.request, told=())


def _merge(request: PackRequest, spec: PostprocessSpec, proposal: Proposal) -> Reading:
    given = typed_params(request.params, spec)
    params = {name: value for name, value in proposal.params.items() if name not in given}
    image = dict(_additional(request.image, proposal.image))
    rows = [name for name in proposal.rows if name not in request.rows]
    taken = [
        *as_options(
            task=None if request.task else proposal.task,
            decoder=None if request.decoder else spec.name,
            params=params,
            image=image,
            rows=rows,
        )
    ]
    labels = request.labels
    if labels is None and proposal.labels:
        labels = proposal.labels
        shown = one_line(", ".join(labels[:3]))
        taken.append(f"--labels ({len(labels)}: {shown}{', ...' * (len(labels) > 3)})")
    merged = dataclasses.replace(
        request,
        task=cast(Task, proposal.task),
        decoder=spec.name,
        params={**params, **given},
        image={**image, **request.image},
        rows=(*request.rows, *rows),
        labels=labels,
    )
    reading = Reading(request=merged, why=one_line(proposal.why), taken=tuple(taken))
    if not taken:
        return reading
    told = (*request.told, f"{reading.summary()}: {' '.join(taken)}")
    return dataclasses.replace(reading, request=dataclasses.replace(merged, told=told))


def _additional(given: Mapping[str, Any], proposed: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is proposed for the picture and goes with what was given: another way to resize, to normalise or to order
    the channels leaves nothing of what belongs to the proposed one."""
    dropped = set(given)
    if given.get("resize") not in (None, proposed.get("resize")):
        dropped |= set(_RESIZE)
    if not _compatible(given, {name: proposed[name] for name in _NORMALISATION if name in proposed}):
        dropped |= set(_NORMALISATION)
    if given.get("colour") not in (None, proposed.get("colour")):
        dropped |= {name for name in _PER_CHANNEL if name in proposed and len(_plain(proposed[name])) > 1}
    return ((name, value) for name, value in proposed.items() if name not in dropped)
