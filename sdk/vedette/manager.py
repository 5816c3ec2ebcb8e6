"""PluginManager: finds plugins, loads them one by one, and says which one is to blame for what.

Order: the built-in plugin; entry points of the group ``vedette.plugins`` by name; modules that the caller names. The
environment decides which entry points count: ``VEDETTE_PLUGINS`` allows (a comma-separated list of their names),
``VEDETTE_DISABLE_PLUGINS`` forbids, and with ``VEDETTE_STRICT_PLUGINS=1`` the first failure is an error.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pluggy

from vedette import __version__
from vedette.discovery import announced_plugins
from vedette.errors import PluginError
from vedette.hookspecs import Specs
from vedette.results import type_name

BUILTIN = "builtin"

logger = logging.getLogger("vedette.plugins")


@dataclass(frozen=True, slots=True)
class Provider:
    """Who provides something: a plugin, and the distribution that carries it (``None`` for a plain module)."""

    plugin: str
    distribution: str | None = None
    version: str | None = None

    @property
    def title(self) -> str:
        """The distribution with its version; the plugin, where there is none."""
        return f"{self.distribution} {self.version}" if self.distribution else f"plugin {self.plugin!r}"

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} ({self.title if self.distribution else 'no distribution'})"


@dataclass(slots=True, eq=False)
class PluginState:
    """One plugin as ``vedette plugins`` lists it.

    ``reason`` says why it is disabled or failed; of an active plugin, what went wrong in a policy or notice hook.
    """

    name: str
    distribution: str | None
    version: str | None
    module: str
    status: Literal["active", "disabled", "failed"] = "active"
    reason: str = ""
    hooks: tuple[str, ...] = ()

    @property
    def provider(self) -> Provider:
        """Who it is, for messages."""
        return Provider(self.name, self.distribution, self.version)


class PluginManager:
    """Loads plugins. An object to pass around: there is no global one, and nothing happens at import.

    Parameters
    ----------
    env
        The environment variables; ``None``: the process's own.
    search_path
        Folders to look for installed distributions in; ``None``: ``sys.path``.
    """

    def __init__(
        self, *, env: Mapping[str, str] | None = None, search_path: Sequence[str] | None = None
    ) -> None:
        env = os.environ if env is None else env
        self._allowed = _words(env["VEDETTE_PLUGINS"]) if "VEDETTE_PLUGINS" in env else None
        self._disabled = _words(env.get("VEDETTE_DISABLE_PLUGINS", ""))
        self._strict = env.get("VEDETTE_STRICT_PLUGINS", "") not in ("", "0")
        self._search_path = search_path
        self._demanded: frozenset[str] = frozenset()
        self._pluggy = pluggy.PluginManager("vedette")
        self._pluggy.add_hookspecs(Specs)
        self._registered: dict[str, PluginState] = {}
        self.states: list[PluginState] = []
        """Every plugin that was seen, in the order of loading."""

    def load(self, extra_modules: Iterable[str] = ()) -> None:
        """Load all plugins. A failure is logged and listed, and the others go on.

        Parameters
        ----------
        extra_modules
            Modules to load as plugins whatever the environment says.

        Raises
        ------
        PluginError
            One of ``extra_modules`` failed, or the built-in plugin, or any and ``VEDETTE_STRICT_PLUGINS`` is set.
        """
        extra = tuple(dict.fromkeys(extra_modules))
        self._demanded = frozenset((BUILTIN, *extra))  # without its own parts, the core is broken
        self._load_module(PluginState(BUILTIN, "vedette", __version__, "vedette.builtin"))
        announced = announced_plugins(self._search_path)
        for plugin in announced:
            state = PluginState(plugin.name, plugin.distribution, plugin.version, plugin.module)
            self._load(state, plugin.load, self._forbidden(plugin.name), plugin.refused)
        self._report_unknown({plugin.name for plugin in announced})
        for module in extra:
            if not self._pluggy.is_registered(sys.modules.get(module)):
                self._load_module(PluginState(module, None, None, module))

    def active(self) -> list[PluginState]:
        """The plugins that are in use, in the order of loading."""
        return [state for state in self.states if state.status == "active"]

    def unusable(self) -> list[PluginState]:
        """The plugins that are not in use: what is missing may be theirs."""
        return [state for state in self.states if state.status != "active"]

    def implementations(self, hook: str) -> Iterator[tuple[PluginState, Callable[..., object]]]:
        """The implementations of a hook in the order of calling; each takes the hook's arguments by keyword."""
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, hook)
        for impl in reversed(caller.get_hookimpls()):
            yield self._registered[impl.plugin_name], _by_keyword(impl)

    def collect(self, state: PluginState, hook: str) -> list[object]:
        """What one plugin registers through one hook; empty if it does not implement it.

        Raises
        ------
        PluginError
            It raised, or did not return an iterable. The message is the reason alone; :meth:`fail` adds the blame.
        """
        found: list[object] = []
        for owner, function in self.implementations(hook):
            if owner is state:
                returned = guarded(f"hook {hook}", function)
                if not isinstance(returned, Iterable):
                    raise PluginError(
                        f"hook {hook} must return an iterable of specs, not {type_name(returned)}"
                    )
                found += guarded(f"hook {hook}", list, returned)  # a generator runs here, not later
        return found

    def fail(self, state: PluginState, error: PluginError) -> None:
        """Take a plugin out of use, for a reason.

        Raises
        ------
        PluginError
            The caller named this plugin, or ``VEDETTE_STRICT_PLUGINS`` is set.
        """
        if self._registered.get(state.name) is state:
            del self._registered[state.name]
            if self._pluggy.has_plugin(state.name):
                self._pluggy.unregister(name=state.name)
        state.status, state.reason = "failed", error.message
        if self._strict or self._demanded & {state.name, state.module}:
            raise PluginError(
                f"{state.provider}: {state.reason}",
                fix="repair or disable it; `vedette plugins` lists all plugins",
            ) from error.__cause__
        logger.warning("%s is not used: %s", state.provider, state.reason)

    def blame(self, state: PluginState, error: PluginError) -> None:
        """Record an error of a policy or notice hook; the plugin stays in use.

        Raises
        ------
        PluginError
            ``VEDETTE_STRICT_PLUGINS`` is set.
        """
        state.reason = error.message
        if self._strict:
            raise PluginError(f"{state.provider}: {state.reason}") from error.__cause__
        logger.warning("%s: %s", state.provider, state.reason)

    def _load_module(self, state: PluginState) -> None:
        self._load(state, partial(importlib.import_module, state.module))

    def _load(
        self,
        state: PluginState,
        load: Callable[[], object],
        forbidden: str | None = None,
        refused: str = "",
    ) -> None:
        self.states.append(state)
        if forbidden is not None:
            state.status, state.reason = "disabled", forbidden
            return
        try:
            if refused:
                raise PluginError(refused)
            if (owner := self._registered.get(state.name)) is not None:
                raise PluginError(f"its name is already taken by {owner.provider}")
            self._register(state, guarded(f"import of {state.module}", load))
        except PluginError as error:
            self.fail(state, error)

    def _register(self, state: PluginState, plugin: object) -> None:
        if inspect.isclass(plugin):
            raise PluginError(f"{state.module} is a class: name a module, or an instance of the class")
        self._registered[state.name] = state
        guarded("registration", self._pluggy.register, plugin, state.name)
        callers = self._pluggy.get_hookcallers(plugin) or []
        for caller in callers:
            _check(caller, plugin)
        state.hooks = tuple(sorted(caller.name for caller in callers))

    def _forbidden(self, name: str) -> str | None:
        if name in self._disabled:
            return "VEDETTE_DISABLE_PLUGINS names it"
        if self._allowed is not None and name not in self._allowed:
            return "VEDETTE_PLUGINS does not name it"
        return None

    def _report_unknown(self, found: set[str]) -> None:
        for name in sorted((self._allowed or frozenset()) - found - {BUILTIN}):
            state = PluginState(name, None, None, "")
            self.states.append(state)
            self.fail(state, PluginError(f"VEDETTE_PLUGINS names it; it is not installed{near(name, found)}"))
        for name in sorted(self._disabled - found):
            logger.warning(
                "VEDETTE_DISABLE_PLUGINS names %r: no such plugin is installed%s", name, near(name, found)
            )


def guarded(what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plugin's code.

    Raises
    ------
    PluginError
        It raised: the message has ``what``, the error and its place; the error is the cause.
    """
    try:
        return function(*args, **kwargs)
    except (Exception, SystemExit) as error:
        logger.debug("%s failed", what, exc_info=error)
        text = " ".join(str(error).split())
        raise PluginError(f"{what} raised {type(error).__name__}: {text}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """Where a plugin's code raised; nothing where the import system or this module did."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if "importlib" not in frame.filename]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _words(value: str) -> frozenset[str]:
    return frozenset(word.strip() for word in value.split(",") if word.strip())


def near(name: str, known: Iterable[str]) -> str:
    """The end of a message about a name that is not known: what may have been meant."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _check(caller: pluggy.HookCaller, plugin: object) -> None:
    """Refuse what pluggy lets pass and then never calls, or calls differently from version to version."""
    for impl in caller.get_hookimpls():
        if impl.plugin is not plugin:
            continue
        if not caller.has_spec() and not impl.optionalhook:
            known = [name for name in vars(Specs) if name.startswith("vedette_")]
            raise PluginError(f"there is no hook {caller.name}{near(caller.name, known)}")
        if impl.hookwrapper or impl.wrapper:
            raise PluginError(f"hook {caller.name} is implemented by a wrapper: wrappers are not supported")
        for parameter in inspect.signature(impl.function).parameters.values():
            if parameter.default is not parameter.empty:
                raise PluginError(f"hook {caller.name}: argument {parameter.name!r} must have no default")
            if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
                raise PluginError(f"hook {caller.name}: argument {str(parameter)!r} must be a plain one")


def _by_keyword(impl: pluggy.HookImpl) -> Callable[..., object]:
    """The implementation, called with those of the hook's arguments that it asks for."""
    return lambda **arguments: impl.function(*(arguments[name] for name in impl.argnames))
