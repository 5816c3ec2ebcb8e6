"""What is searched: for each setting a range or a list of values."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vedette.errors import ConfigError
from vedette_torch.recipe import Settings

if TYPE_CHECKING:
    import optuna

EXAMPLE = """\
[learning_rate]
low = 1e-4
high = 1e-1
log = true

[batch_size]
choices = [32, 64, 128]"""


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From ``low`` to ``high``, both included: whole numbers if both are. ``log``: small ones are tried as often as
    large ones are; ``step``: only these many apart, from ``low`` on."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} is not below high = {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low above 0, and no step")
        if self.step is not None and self.step <= 0:
            raise ValueError("step must be above 0")

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    def ends(self) -> tuple[int | float, ...]:
        """Values that stand for all of it."""
        return self.low, self.high

    def suggest(self, trial: optuna.Trial, name: str) -> int | float:
        """A value."""
        if self.whole:
            step = int(self.step or 1)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


class Choices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several values of any kind, in no order."""

    choices: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.choices:
            raise ValueError("choices is empty")

    def ends(self) -> tuple[Any, ...]:
        """All of them."""
        return self.choices

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """A value. Optuna stores scalars only, so lists go there as JSON."""
        return json.loads(trial.suggest_categorical(name, [json.dumps(choice) for choice in self.choices]))


Space = Mapping[str, Range | Choices]
"""By the name of the setting."""


def read_space(path: Path) -> Space:
    """Read ``space.toml``: a table for each setting, with ``low`` and ``high`` (``log``, ``step``), or ``choices``.

    Raises
    ------
    ConfigError
        It cannot be read, is no TOML, or a table says something else.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    try:
        return parse_space(plain)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", fix=error.fix) from error


def parse_space(plain: Mapping[str, Any]) -> Space:
    """A space in plain values. Raises ConfigError."""
    if not plain:
        raise ConfigError("there is no setting to be searched", fix=f"for example:\n{EXAMPLE}")
    space: dict[str, Range | Choices] = {}
    for name, table in plain.items():
        kind: Any = Choices if isinstance(table, Mapping) and "choices" in table else Range
        try:
            space[name] = msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            raise ConfigError(f"[{name}]: {error}", fix=f"for example:\n{EXAMPLE}") from error
    return space


def check_space(space: Space, settings_type: type[Settings], fixed: Mapping[str, Any]) -> None:
    """See that the recipe has the settings, and that they take the values, before anything is trained.

    Raises
    ------
    ConfigError
        Naming the setting.
    """
    known = settings_type.__struct_fields__
    for name, values in space.items():
        if name not in known:
            raise ConfigError(
                f"there is no setting {name!r} to be searched", fix=f"there are {', '.join(known)}"
            )
        if name in fixed:
            raise ConfigError(f"{name!r} is fixed and searched", fix="leave it out of --set or of the space")
        for value in values.ends():
            _check_value(settings_type, name, value)


def settings_with(settings_type: type[Settings], values: Mapping[str, Any]) -> Settings:
    """The settings with these values.

    Raises
    ------
    ConfigError
        They do not go together.
    """
    try:
        return msgspec.convert(dict(values), settings_type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"settings that do not go together: {error}") from error


def _check_value(settings_type: type[Settings], name: str, value: Any) -> None:
    """By the type of the one setting: what several have to do with each other is seen when they are known."""
    [field] = [one for one in msgspec.structs.fields(settings_type) if one.name == name]
    try:
        msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"setting {name!r} does not take {value!r}: {error}", fix="correct the space"
        ) from error
