"""Registry: what all plugins provide, by kind and name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from vedette.errors import BundleError, ConfigError, PluginError
from vedette.manager import PluginManager, PluginState, Provider, guarded, near
from vedette.spec_checks import check_spec
from vedette.specs import (
    BackendSpec,
    Candidate,
    CommandSpec,
    DecoderSpec,
    ModelSpec,
    PostprocessSpec,
    PreprocessSpec,
    RecipeSpec,
    ResultSpec,
    SinkSpec,
    SourceSpec,
    Spec,
    StageSpec,
)

if TYPE_CHECKING:
    from vedette.bundle.bundle import Bundle

S = TypeVar("S", bound=Spec)
RANK = "vedette_rank_candidates"


class MissingName(PluginError, KeyError):  # noqa: N818 - reads as a sentence: MissingName: there is no backend ...
    """No plugin provides this name."""


class Table(Mapping[str, S], Generic[S]):
    """The specifications of one kind by name: ``registry.backends["openvino"]``.

    A plain name belongs to the plugin that claimed it first; a key may also be ``plugin:name``, which says whose is
    meant. Iteration gives the plain names.
    """

    def __init__(self, kind: str, spec_type: type[S], manager: PluginManager) -> None:
        self.kind = kind
        self.spec_type = spec_type
        self._manager = manager
        self._plain: dict[str, S] = {}
        self._full: dict[str, S] = {}

    def __getitem__(self, name: str) -> S:
        """Look a name up.

        Raises
        ------
        MissingName
            A :class:`~vedette.errors.PluginError` with the known names, and the reasons of plugins that are not in use.
        """
        spec = self._plain.get(name) or self._full.get(name)
        if spec is None:
            raise self._missing(name)
        return spec

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    @property
    def noun(self) -> str:
        """One of the kind, for messages."""
        return self.kind.removesuffix("s")

    def add(self, spec: S, full: str) -> None:
        """Add a specification by its plain and its full name."""
        self._plain[spec.name] = self._full[full] = spec

    def add_outdone(self, spec: S, full: str) -> S:
        """Add a specification by its full name alone, which becomes its name."""
        renamed = self._full[full] = replace(spec, name=full)
        return renamed

    def _missing(self, name: str) -> MissingName:
        unusable = "".join(
            f"\n  {state.provider} is {state.status}: {state.reason}" for state in self._manager.unusable()
        )
        known = ", ".join(sorted(self._plain)) or "none"
        return MissingName(
            f"there is no {self.noun} {name!r}{near(name, self._plain)}{unusable}",
            fix=f"known {self.kind}: {known}; install the distribution that provides it, or see `vedette plugins`",
        )


class HasParams(Protocol):
    """A specification whose parts take parameters."""

    @property
    def name(self) -> str: ...
    @property
    def params(self) -> type[msgspec.Struct]: ...


class Registry:
    """Everything that the plugins of a manager provide. Built once; nothing is added later.

    Raises
    ------
    PluginError
        A plugin broke its contract, and the caller named it or ``VEDETTE_STRICT_PLUGINS`` is set. Otherwise it is
        listed as failed, and the others are used.
    """

    def __init__(self, manager: PluginManager) -> None:
        self.manager = manager
        self.preprocessors = Table("preprocessors", PreprocessSpec, manager)
        self.backends = Table("backends", BackendSpec, manager)
        self.postprocessors = Table("postprocessors", PostprocessSpec, manager)
        self.models = Table("models", ModelSpec, manager)
        self.stages = Table("stages", StageSpec, manager)
        self.sources = Table("sources", SourceSpec, manager)
        self.decoders = Table("decoders", DecoderSpec, manager)
        self.sinks = Table("sinks", SinkSpec, manager)
        self.results = Table("results", ResultSpec, manager)
        self.commands = Table("commands", CommandSpec, manager)
        self.recipes = Table("recipes", RecipeSpec, manager)
        self.tables: tuple[Table[Any], ...] = tuple(
            table for table in vars(self).values() if isinstance(table, Table)
        )
        self._provided: dict[int, tuple[Table[Any], Spec, PluginState]] = {}
        for state in manager.active():
            try:
                self._add(state)
            except PluginError as error:
                manager.fail(state, error)

    def provider(self, spec: Spec) -> Provider:
        """The plugin, distribution and version that a specification of this registry comes from."""
        if id(spec) not in self._provided:
            raise PluginError(f"{type(spec).__name__} {spec.name!r} was not registered by any plugin")
        return self._provided[id(spec)][2].provider

    def blame(self, spec: Spec, error: PluginError) -> None:
        """Record an error of a specification's plugin and log it; the plugin stays in use.

        Raises
        ------
        PluginError
            ``VEDETTE_STRICT_PLUGINS`` is set.
        """
        self.manager.blame(self._provided[id(spec)][2], error)

    def provided_by(self, state: PluginState) -> dict[str, list[Spec]]:
        """What one plugin provides, by kind."""
        found: dict[str, list[Spec]] = {}
        for table, spec, owner in self._provided.values():
            if owner is state:
                found.setdefault(table.kind, []).append(spec)
        return found

    def convert_params(self, spec: HasParams, given: Mapping[str, Any], where: str) -> Any:
        """An instance of ``spec.params`` from what the user wrote.

        Raises
        ------
        ConfigError
            The message starts with the path of the offending entry, of which ``where`` is the beginning.
        """
        try:
            return msgspec.convert(given, type=spec.params)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$")
            fields = ", ".join(spec.params.__struct_fields__) or "none"
            raise ConfigError(
                f"{where}{path.rstrip('`')}: {text}", fix=f"the parameters of {spec.name!r} are: {fields}"
            ) from None

    def rank_candidates(
        self, bundle: Bundle, candidates: tuple[Candidate, ...]
    ) -> tuple[Candidate, ...] | None:
        """The order that a plugin wants, the best first; ``None`` if no plugin cares."""
        for state, function in self.manager.implementations(RANK):
            try:
                order = guarded(f"hook {RANK}", function, bundle=bundle, candidates=candidates)
                if order is not None:
                    return _permutation(guarded(f"hook {RANK}", tuple, order), candidates)
            except PluginError as error:
                self.manager.blame(state, error)
        return None

    def check_ext(self, ext: Mapping[str, Any], where: str) -> None:
        """Have each entry of a bundle's ``ext`` checked by the plugins of its distribution.

        Raises
        ------
        BundleError
            One of them refuses its entry, or there is none that checks it. ``where`` names the bundle.
        """
        for distribution, entry in ext.items():
            at, checked = f'{where}: `$.ext["{distribution}"]`', False
            for state, function in self.manager.implementations("vedette_check_ext"):
                if _canonical(state.provider.distribution) == distribution:
                    checked = True
                    try:
                        guarded("hook vedette_check_ext", function, ext=entry)
                    except PluginError as error:
                        raise BundleError(f"{at}: {state.provider}: {error.message}") from error
            if not checked:
                raise BundleError(
                    f"{at}: no plugin of {distribution} is here to check it",
                    fix=f"install {distribution}, or take a bundle without this entry",
                )

    def plan_built(self, plan: object) -> None:
        """Tell the plugins that a plan was built."""
        self._notify("vedette_plan_built", plan=plan)

    def pipeline_closed(self, pipeline: object, error: Exception | None) -> None:
        """Tell the plugins that a pipeline has ended, and what stopped it."""
        self._notify("vedette_pipeline_closed", pipeline=pipeline, error=error)

    def _notify(self, hook: str, **arguments: object) -> None:
        for state, function in self.manager.implementations(hook):
            try:
                guarded(f"hook {hook}", function, **arguments)
            except PluginError as error:
                self.manager.blame(state, error)

    def _add(self, state: PluginState) -> None:
        """Add all that a plugin provides, or nothing."""
        found = [(table, spec) for table in self.tables for spec in self._collect(table, state)]
        taken = next(((table, spec) for table, spec in found if spec.name in table), None)
        for table, spec in found:
            full = f"{state.name}:{spec.name}"
            if taken is None:
                table.add(spec, full)
                self._provided[id(spec)] = (table, spec, state)
            else:
                renamed = table.add_outdone(spec, full)
                self._provided[id(renamed)] = (table, renamed, state)
        if taken is not None:
            table, spec = taken
            raise PluginError(
                f"{table.noun} {spec.name!r} is already provided by {self.provider(table[spec.name])}; "
                f"only full names reach this plugin: '{state.name}:{spec.name}'"
            )

    def _collect(self, table: Table[S], state: PluginState) -> list[S]:
        hook = f"vedette_{table.kind}"
        found = self.manager.collect(state, hook)
        try:
            specs = [check_spec(spec, table.spec_type) for spec in found]
            names = Counter(spec.name for spec in specs)
            if twice := [name for name, count in names.items() if count > 1]:
                raise PluginError(f"{table.noun} {twice[0]!r} is there twice")
        except PluginError as error:
            raise PluginError(f"hook {hook}: {error.message}") from None
        return specs


def load_plugins(extra_modules: Iterable[str] = ()) -> Registry:
    """Load every plugin of this environment, and ``extra_modules`` on top.

    Raises
    ------
    PluginError
        One of ``extra_modules`` failed, or any plugin did and ``VEDETTE_STRICT_PLUGINS`` is set.
    """
    manager = PluginManager()
    manager.load(extra_modules)
    return Registry(manager)


def _canonical(distribution: str | None) -> str:
    """The name of a distribution in the one spelling that an index knows it by (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution or "").lower()


def _permutation(order: tuple[Any, ...], candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    known = all(candidate in candidates for candidate in order)
    if not known or len(order) != len(candidates) or len(set(order)) != len(order):
        raise PluginError(
            f"hook {RANK} must return all {len(candidates)} candidates, each once, not {order!r:.200}"
        )
    return order
