"""``vedette plugins``: all plugins, with their state, the reason, and what they provide."""

from __future__ import annotations

import json
from typing import Any

import click

from vedette.cli import current_registry
from vedette.errors import PluginError
from vedette.manager import PluginState, guarded
from vedette.registry import Registry
from vedette.specs import BackendSpec, Spec


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(as_json: bool) -> None:
    """List all plugins, with their state and what they provide.

    The exit code is 0 also when some have failed; `vedette doctor` is the command that fails then.
    """
    registry = current_registry()
    listed = [describe_plugin(registry, state) for state in registry.manager.states]
    if as_json:
        click.echo(json.dumps({"plugins": listed}, indent=2))
    else:
        width = max(len(plugin["name"]) for plugin in listed)
        for plugin in listed:
            click.echo("\n".join(_lines(plugin, width)))


def describe_plugin(registry: Registry, state: PluginState) -> dict[str, Any]:
    """One plugin in plain values, as ``vedette plugins --json`` prints it."""
    return {
        "name": state.name,
        "status": state.status,
        "reason": state.reason or None,
        "distribution": state.distribution,
        "version": state.version,
        "module": state.module or None,
        "hooks": list(state.hooks),
        "provides": {
            kind: [_describe(spec) for spec in specs] for kind, specs in registry.provided_by(state).items()
        },
    }


def _describe(spec: Spec) -> dict[str, Any]:
    described: dict[str, Any] = {"name": spec.name, "summary": spec.summary}
    if isinstance(spec, BackendSpec):
        reason = _probe(spec)
        described |= {"usable": reason is None, "reason": reason}
    return described


def _probe(spec: BackendSpec) -> str | None:
    try:
        reason: str | None = guarded("probe", spec.probe)
    except PluginError as error:
        return error.message
    return reason


def _lines(plugin: dict[str, Any], width: int) -> list[str]:
    carrier = f"{plugin['distribution']} {plugin['version']}" if plugin["distribution"] else "no distribution"
    lines = [f"{plugin['name']:<{width}}  {plugin['status']:<8}  {carrier}"]
    if plugin["reason"]:
        lines.append(f"  {plugin['reason']}")
    for kind, provided in plugin["provides"].items():
        lines.append(f"  {kind:<15} {', '.join(_title(item) for item in provided)}")
    hooks = [hook for hook in plugin["hooks"] if hook.removeprefix("vedette_") not in plugin["provides"]]
    if hooks:
        lines.append(f"  {'hooks':<15} {', '.join(hooks)}")
    return lines


def _title(item: dict[str, Any]) -> str:
    return (
        f"{item['name']} (not usable: {item['reason']})" if item.get("usable") is False else str(item["name"])
    )
