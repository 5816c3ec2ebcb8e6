"""What is known of a model as options of ``vedette pack``, so that it can be shown, typed and overridden."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from vedette.errors import PluginError
from vedette.registry import Table
from vedette.specs import PostprocessSpec, Spec
from vedette.vision.spec import InputSpec

S = TypeVar("S", bound=Spec)


def look_up(table: Table[S], name: str, option: str) -> S:
    """What a plugin provides under a name that the user gave by ``option``.

    Raises
    ------
    PluginError
        There is none of this name; the message has the option and the names that there are.
    """
    try:
        return table[name]
    except PluginError as error:
        raise PluginError(f"{option}: {error.message}", fix=error.fix) from None


def option_of(field: str) -> str:
    """The option for a field of an :class:`~vedette.vision.spec.InputSpec`."""
    return f"--{_OPTION.get(field, field.replace('_', '-'))}"


def options_in(message: str) -> list[str]:
    """The options for those fields of an InputSpec that a message names."""
    words = set(re.findall(r"\w+", message))
    return [option_of(name) for name in InputSpec.__struct_fields__ if name in words and name != "dtype"]


def typed_params(params: Mapping[str, Any], decoder: PostprocessSpec) -> dict[str, Any]:
    """Texts as the decoder's parameters want them: ``758`` is the name of an output, or a number."""
    types = {item.name: item.type for item in msgspec.structs.fields(decoder.params)}
    return {
        name: _typed(value, types.get(name, Any)) if isinstance(value, str) else value
        for name, value in params.items()
    }


def _typed(text: str, wanted: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    try:
        msgspec.convert(text, wanted)
    except msgspec.ValidationError:
        return value
    return value if wanted is Any else text


def as_options(
    *,
    task: str | None = None,
    decoder: str | None = None,
    params: Mapping[str, Any],
    image: Mapping[str, Any],
    rows: Sequence[str] = (),
) -> Iterator[str]:
    """The options that say this, one by one, as a shell takes them."""
    if task is not None:
        yield f"--task {task}"
    if decoder is not None:
        yield f"--decoder {decoder}"
    for name, value in params.items():
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        yield f"--param {shlex.quote(f'{name}={text}')}"
    for name, value in image.items():
        yield f"{option_of(name)} {_image_value(name, value)}"
    for name in rows:
        yield f"--rows {shlex.quote(name)}"


_OPTION = {"size_wh": "input-size"}


def _image_value(name: str, value: Any) -> str:
    if name == "size_wh":
        return "x".join(map(str, value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        values = [value[0]] if len(set(value)) == 1 else value
        return ",".join(f"{item:.9g}" for item in values)
    return f"{value:.9g}" if isinstance(value, float) else str(value)
