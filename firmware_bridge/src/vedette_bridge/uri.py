"""Addresses of cameras: ``driver[+transport]:port[?option=value&...]``.

=============================================  ==================================================================
``vlp:///dev/ttyACM0?baud=3000000``            a serial port
``vlp:COM3``                                   a serial port by a name without slashes
``visca+socket://10.0.0.5:5678``               a pyserial URL: its scheme is the transport
``visca://10.0.0.5``                           a host: what that means is the driver's business (here UDP)
=============================================  ==================================================================
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from vedette_bridge.errors import ParameterError

Options = TypeVar("Options")

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraUri:
    """The parts of an address; ``transport`` is empty where none is named.

    ``target`` is a path or name of a port where ``local``, otherwise host and port number.
    """

    driver: str
    transport: str
    target: str
    local: bool
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def port_url(self) -> str:
        """What pyserial calls the port."""
        return self.target if self.local else f"{self.transport or 'socket'}://{self.target}"

    def host_port(self, default: int) -> tuple[str, int]:
        """``target`` as host and port number.

        Raises
        ------
        ParameterError
            The port is not a number of 1 .. 65535, or the host is missing.
        """
        host, colon, number = self.target.rpartition(":")
        if not colon or "]" in number:
            host, number = self.target, str(default)
        if not number.isdecimal() or not 0 < int(number) < 65536 or not host:
            raise ParameterError(f"{self.target!r} is not HOST:PORT")
        return host.strip("[]"), int(number)


def parse_uri(text: str) -> CameraUri:
    """Take an address apart.

    Raises
    ------
    ParameterError
        It has no driver or no port, or an option comes twice.

    >>> parse_uri("vlp:///dev/ttyACM0?baud=3000000").port_url
    '/dev/ttyACM0'
    >>> parse_uri("visca+socket://10.0.0.5:5678").port_url
    'socket://10.0.0.5:5678'
    """
    scheme, colon, rest = text.partition(":")
    driver, _, transport = scheme.lower().partition("+")
    place, _, query = rest.partition("?")
    host = place.startswith("//") and not place.startswith("///")
    target = place.removeprefix("//")
    if not colon or not driver or "/" in driver or not (target or transport):
        raise ParameterError(
            f"{text!r} is not the address of a camera", fix="e.g. vlp:///dev/ttyACM0?baud=115200"
        )
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise ParameterError(f"{text!r} gives an option twice")
    local = not host and not transport
    return CameraUri(driver=driver, transport=transport, target=target, local=local, options=dict(pairs))


def read_options(kind: type[Options], given: Mapping[str, str], owner: str) -> Options:
    """Options as text become the fields of ``kind``, a dataclass of bool, int, float and str with defaults.

    Parameters
    ----------
    owner
        Whose options they are, for messages.

    Raises
    ------
    ParameterError
        There is no such option, or its text does not fit its type.
    """
    types = typing.get_type_hints(kind)
    known = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise unknown_name(f"{owner}: option", name, known)
    return kind(
        **{name: _convert(text, types[name], f"{owner}: option {name}") for name, text in given.items()}
    )


def unknown_name(what: str, name: str, known: Iterable[str]) -> ParameterError:
    """The error about a name that does not exist, with the one that may have been meant."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
    return ParameterError(f"{what} {name!r} does not exist", fix=hint)


def _convert(text: str, kind: Any, what: str) -> bool | int | float | str:
    try:
        if kind is bool:
            return (_TRUE + _FALSE).index(text.lower()) < len(_TRUE)
        if kind is int:
            return int(text, 0)
        return float(text) if kind is float else text
    except ValueError:
        raise ParameterError(f"{what} must be a {kind.__name__}, not {text!r}") from None
