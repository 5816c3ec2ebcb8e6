"""Drivers: what speaks a camera's protocol, found by the entry-point group ``vedette_bridge.drivers``.

A driver is a :class:`DriverSpec` that a distribution announces::

    [project.entry-points."vedette_bridge.drivers"]
    mine = "my_package.driver:DRIVER"

One that cannot be loaded does not hinder the others: :func:`load_drivers` lists it with the reason, and that reason is
the error of whoever asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from typing import Any

from vedette_bridge.camera import Camera
from vedette_bridge.device import Device
from vedette_bridge.errors import DriverError
from vedette_bridge.uri import CameraUri, parse_uri, read_options, unknown_name

GROUP = "vedette_bridge.drivers"

logger = logging.getLogger("vedette.bridge.drivers")


@dataclass(frozen=True, slots=True)
class NoOptions:
    """For a driver or an emulator that has nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSpec:
    """One protocol.

    Attributes
    ----------
    name
        Lower case; the scheme of its addresses.
    summary
        One line for ``vedette bridge drivers``.
    open
        Called with the address and with ``options`` read from it; connects, and raises ``LinkError`` if it cannot.
    options
        A frozen dataclass of bool, int, float and str, each with a default: what an address may set.
    emulate
        Builds a camera to practise on; ``None`` where there is none. Called with ``emulator_options``, and with whether
        it will be reached by datagrams, which some protocols frame differently.
    emulator_options
        As ``options``.
    example
        An address, for messages and documentation.
    """

    name: str
    summary: str
    open: Callable[[CameraUri, Any], Camera]
    example: str
    options: type = NoOptions
    emulate: Callable[[Any, bool], Device] | None = None
    emulator_options: type = NoOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverState:
    """A driver as it was found: ``spec``, or the ``reason`` why there is none."""

    name: str
    distribution: str
    version: str
    spec: DriverSpec | None
    reason: str = ""

    def __str__(self) -> str:
        return f"driver {self.name!r} ({self.distribution} {self.version})"


def load_drivers(search_path: Iterable[str] | None = None) -> dict[str, DriverState]:
    """Every announced driver, by name; the first distribution on the path that claims a name has it.

    Parameters
    ----------
    search_path
        Folders to look for installed distributions in; ``None``: ``sys.path``.
    """
    found: dict[str, DriverState] = {}
    for entry, distribution, version in _announced(search_path):
        if entry.name not in found:
            found[entry.name] = _load(entry, distribution, version)
        elif found[entry.name].distribution != distribution:
            logger.warning(
                "driver %r of %s is not used: %s has its name", entry.name, distribution, found[entry.name]
            )
    return dict(sorted(found.items()))


def find_driver(name: str, search_path: Iterable[str] | None = None) -> DriverSpec:
    """The driver of that name; no other is loaded.

    Raises
    ------
    DriverError
        There is none, or it cannot be loaded; the message names the distribution and the reason.
    """
    announced = list(_announced(search_path))
    wanted = next((found for found in announced if found[0].name == name), None)
    if wanted is None:
        unknown = unknown_name("camera driver", name, {entry.name for entry, _, _ in announced})
        raise DriverError(unknown.message, fix=unknown.fix)
    state = _load(*wanted)
    if state.spec is None:
        raise DriverError(f"{state} cannot be used: {state.reason}", fix="repair, update or remove it")
    return state.spec


def open_camera(uri: str) -> Camera:
    """Connect to the camera at an address, e.g. ``visca:///dev/ttyUSB0?address=1``; see :mod:`vedette_bridge.uri`.

    Raises
    ------
    ParameterError
        The address or one of its options is wrong.
    DriverError
        No driver has this scheme, or it cannot be used.
    LinkError
        The camera cannot be reached.
    """
    address = parse_uri(uri)
    spec = find_driver(address.driver)
    return spec.open(address, read_options(spec.options, address.options, f"driver {spec.name!r}"))


def build_emulator(name: str, options: Mapping[str, str], *, datagrams: bool = False) -> Device:
    """The emulated camera of a driver.

    Raises
    ------
    DriverError
        There is no such driver, it cannot be used, or it has no emulator.
    ParameterError
        An option is wrong.
    """
    spec = find_driver(name)
    if spec.emulate is None:
        raise DriverError(f"driver {name!r} has no emulator")
    return spec.emulate(read_options(spec.emulator_options, options, f"emulator {name!r}"), datagrams)


def _announced(search_path: Iterable[str] | None) -> Iterator[tuple[EntryPoint, str, str]]:
    """Entry points with the name and version of their distribution."""
    installed = distributions() if search_path is None else distributions(path=list(search_path))
    for distribution in installed:
        if GROUP in (distribution.read_text("entry_points.txt") or ""):
            for entry in distribution.entry_points.select(group=GROUP):
                yield entry, distribution.metadata["Name"], distribution.version


def _load(entry: EntryPoint, distribution: str, version: str) -> DriverState:
    reason, spec = "", None
    try:
        loaded = entry.load()
        if not isinstance(loaded, DriverSpec):
            reason = f"{entry.value} is a {type(loaded).__name__}, not a DriverSpec"
        elif loaded.name != entry.name:
            reason = f"{entry.value} calls itself {loaded.name!r}"
        else:
            spec = loaded
    except (Exception, SystemExit) as error:
        logger.debug("%s failed", entry.value, exc_info=error)
        reason = f"import of {entry.value} raised {type(error).__name__}: {' '.join(str(error).split())}"
    return DriverState(name=entry.name, distribution=distribution, version=version, spec=spec, reason=reason)
