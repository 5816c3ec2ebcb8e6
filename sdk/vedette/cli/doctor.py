"""``vedette doctor``: what this machine offers, what would be used, and why not the better one."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any

import click

from vedette import __version__
from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.errors import PluginError
from vedette.machine import describe_machine
from vedette.manager import guarded
from vedette.model.candidates import AUTO
from vedette.registry import Registry
from vedette.specs import BackendSpec

OPTIONAL = {"opencv-python-headless": "faster resizing", "opencv-python": "faster resizing", "av": "video"}
"""Distributions that are used when they are there."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Say what this machine offers, and what would be used.

    The exit code is 1 if a plugin failed or no backend can be used.
    """
    report = diagnose(current_registry())
    click.echo(json.dumps(report, indent=2) if as_json else _render(report))
    if report["problems"]:
        sys.exit(1)


def diagnose(registry: Registry) -> dict[str, Any]:
    """The findings in plain values. ``problems`` are what makes the command fail."""
    backends = [_backend(spec) for spec in registry.backends.values()]
    failed = [state for state in registry.manager.unusable() if state.status == "failed"]
    problems = [f"plugin {state.name!r}: {state.reason}" for state in failed]
    if not any(backend["usable"] for backend in backends):
        problems.append(
            "no backend can be used: pip install vedette-onnxruntime, or vedette-openvino for Intel processors"
        )
    return {
        "vedette": __version__,
        "machine": describe_machine(),
        "backends": backends,
        "auto": _auto(backends),
        "optional": {name: _version(name) for name in OPTIONAL},
        "problems": problems,
    }


def _backend(spec: BackendSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": spec.name,
        "formats": list(spec.formats),
        "rank": spec.rank,
        "devices": [],
    }
    try:
        reason = guarded("probe", spec.probe)
        if reason is None:
            found["version"] = guarded("version", spec.version)
            found["devices"] = [
                {"name": device.name, "detail": device.detail, "precisions": list(device.precisions)}
                for device in guarded("devices", spec.devices)
            ]
    except PluginError as error:
        reason = error.message
    return {**found, "usable": reason is None, "reason": reason}


def _auto(backends: list[dict[str, Any]]) -> dict[str, Any]:
    """What ``device = "auto"`` comes to, and why not a device before it."""
    order = sorted((b for b in backends if b["usable"]), key=lambda b: (-b["rank"], b["name"]))
    why_not: list[str] = []
    for wanted in AUTO:
        chosen = next(
            (
                (backend["name"], device["name"])
                for backend in order
                for device in backend["devices"]
                if device["name"].partition(":")[0] == wanted
            ),
            None,
        )
        if chosen:
            return {"backend": chosen[0], "device": chosen[1], "why_not_better": why_not}
        names = ", ".join(backend["name"] for backend in order) or "no usable backend"
        why_not.append(f"{wanted}: no device of this kind is seen by {names}")
    return {"backend": None, "device": None, "why_not_better": why_not}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _render(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"vedette {report['vedette']} on {machine['system']} {machine['architecture']}, Python {machine['python']}",
        f"processor  {machine['processor']}",
        f"threads    {machine['threads_usable']} of {machine['threads_present']} usable",
        f"features   {', '.join(machine['features']) or 'none that matter'}",
        f"memory     {machine['memory_mb']} MB",
        "",
        *table(["backend", "version", "device", "precisions", "detail"], _backend_rows(report["backends"])),
        "",
    ]
    auto = report["auto"]
    if auto["device"]:
        lines.append(f'device = "auto" comes to {auto["backend"]} on {auto["device"]}')
    lines += [f"  not {reason}" for reason in auto["why_not_better"]]
    optional = report["optional"].items()
    lines += [f"{name}: {version or f'not installed ({OPTIONAL[name]})'}" for name, version in optional]

    lines += ["", *(f"PROBLEM: {problem}" for problem in report["problems"])]
    return "\n".join(lines).rstrip()


def _backend_rows(backends: list[dict[str, Any]]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for backend in backends:
        if not backend["usable"]:
            rows.append([backend["name"], "-", "-", "-", f"not usable: {backend['reason']}"])
        rows += [
            [
                backend["name"],
                backend["version"],
                device["name"],
                " ".join(device["precisions"]),
                device["detail"],
            ]
            for device in backend["devices"]
        ]
    return rows
