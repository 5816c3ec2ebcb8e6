"""What users and plugin authors build on, name by name, as docs/compatibility.md promises it.

The list is ``public_names.txt``. When a name comes or goes on purpose, write it anew and say so in the changelog::

    python tests/repository/test_public_names.py
"""

import ast
import importlib.util
import inspect
from pathlib import Path

import vedette
from vedette.cli.core import CORE_COMMANDS
from vedette.discovery import HOOK_VERSION
from vedette.hookspecs import Specs

LIST = Path(__file__).parent / "public_names.txt"
ROOT = Path(__file__).parents[2]
MODULES = (
    "vedette.specs",
    "vedette.frame",
    "vedette.packet",
    "vedette.results",
    "vedette.events",
    "vedette.errors",
    "vedette.inference",
    "vedette.vision.spec",
    "vedette.vision.geometry",
    "vedette.vision.nms",
    "vedette.vision.preprocess",
    "vedette.sinks.jsonl",
    "vedette.sinks.output",
    "vedette.pipeline.config",
    "vedette.testing.conformance",
    "vedette.testing.conformance.base",
    "vedette.testing.conformance.samples",
    "vedette.testing.dist",
    "vedette.testing.fakes",
    "vedette.testing.pytest_plugin",
    "vedette.testing.session",
)
"""Their names without a leading underscore are public, and so are the members of their classes."""

IN_PARTS = ("vedette.specs",)
"""Packages whose names are defined in their modules, and public as the package's own."""

NOT_OURS = {"logger", "log", "T", "S"}


def test_no_public_name_comes_or_goes_unnoticed():
    listed, found = LIST.read_text().splitlines(), names()
    gone = [f"- {line}" for line in listed if line not in found]
    come = [f"+ {line}" for line in found if line not in listed]
    told = "\n".join([*gone, *come])
    assert listed == found, f"{told}\n\nif that is meant: python {Path(__file__).relative_to(ROOT)}"


def test_what_vedette_exports_is_public_where_it_is_defined():
    """An author who imports from the module finds the same name in the list."""
    listed = LIST.read_text().splitlines()
    for name in set(vedette.__all__) - {"__version__"}:
        module = getattr(vedette, name).__module__
        if module in MODULES:
            assert any(line.split(":")[0].split("(")[0] == f"{module} {name}" for line in listed), name


def names():
    """The list as it is to be."""
    return [
        f"hook version {HOOK_VERSION}",
        *(f"hook {name}({', '.join(_arguments(hook))})" for name, hook in _hooks()),
        *sorted(f"command {name}" for name in CORE_COMMANDS),
        *sorted(f"vedette {name}" for name in vedette.__all__),
        *(line for module in MODULES for line in _of_module(module)),
    ]


def _hooks():
    return [(name, hook) for name, hook in vars(Specs).items() if name.startswith("vedette_")]


def _arguments(hook):
    return list(inspect.signature(hook).parameters)[1:]


def _of_module(module):
    file = Path(importlib.util.find_spec(module).origin)
    files = sorted(file.parent.glob("*.py")) if module in IN_PARTS else [file]
    lines = []
    for node in [node for file in files for node in ast.parse(file.read_text()).body]:
        members = sorted(set(_public(node.body))) if isinstance(node, ast.ClassDef) else []
        shown = f": {' '.join(members)}" if members else ""
        lines += [f"{module} {name}{shown}" for name in _public([node])]
    return sorted(lines)


def _public(body):
    """The names that statements bind, without those that begin with an underscore."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            bound = [node.name]
        elif isinstance(node, ast.AnnAssign):
            bound = [node.target.id] if isinstance(node.target, ast.Name) else []
        elif isinstance(node, ast.Assign):
            targets = [item for target in node.targets for item in getattr(target, "elts", [target])]
            bound = [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            bound = [alias.asname for alias in node.names if alias.asname]
        else:
            bound = []
        yield from (name for name in bound if not name.startswith("_") and name not in NOT_OURS)


if __name__ == "__main__":
    LIST.write_text("\n".join(names()) + "\n")
