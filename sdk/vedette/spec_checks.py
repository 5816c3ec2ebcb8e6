"""Checks of one specification that a plugin handed over: types that Python itself does not hold it to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeVar

import msgspec

from vedette.errors import PluginError
from vedette.results import Result, type_name
from vedette.specs import ResultSpec, Spec

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
"""The names that bundles and configurations can spell."""

S = TypeVar("S", bound=Spec)


def check_spec(spec: object, wanted: type[S]) -> S:
    """The same object, if it is a sound ``wanted``.

    Raises
    ------
    PluginError
        Naming the specification, the field, and what it must be.
    """
    if not isinstance(spec, wanted):
        raise PluginError(f"expected a {wanted.__name__}, got {_shown(spec)}")
    if not NAME.fullmatch(str(spec.name)):
        raise PluginError(f"{wanted.__name__} name {spec.name!r} must match {NAME.pattern}")
    for field in fields(spec):
        value = getattr(spec, field.name)
        for annotation, (sound, description) in _SOUND.items():
            if str(field.type).startswith(annotation):
                if not sound(value):
                    raise PluginError(
                        f"{wanted.__name__} {spec.name!r}: {field.name} must be {description}, not {_shown(value)}"
                    )
                break
    if isinstance(spec, ResultSpec) and spec.name != spec.result.type:
        raise PluginError(
            f"ResultSpec {spec.name!r}: its result has the type {spec.result.type!r}; they must be equal"
        )
    return spec


def _is_texts(value: object) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(item, str) for item in value)


def _is_params(value: object) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__struct_config__.forbid_unknown_fields
    )


def _is_result(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Result)


def _is_takes(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(role, str) and _is_result(kind) for role, kind in value.items()
    )


_SOUND: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "str": (lambda value: isinstance(value, str) and bool(value.strip()), "a text that is not empty"),
    "tuple[str, ...]": (_is_texts, "a tuple of at least one str"),
    "Callable": (callable, "callable"),
    "type[msgspec.Struct]": (_is_params, "a msgspec.Struct class with forbid_unknown_fields=True"),
    "type[Result] | None": (
        lambda value: value is None or _is_result(value),
        "a subclass of Result, or None",
    ),
    "type[Result]": (_is_result, "a subclass of Result"),
    "Mapping[str, type[Result]]": (_is_takes, "a mapping from role to a subclass of Result"),
}
"""By the annotation of the field: what its value must be. The first that the annotation starts with counts."""


def _shown(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    plain = isinstance(value, str | int | float)
    return f"{type_name(value)} {value!r:.60}" if plain else type_name(value)
