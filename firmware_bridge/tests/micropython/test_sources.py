"""The sources use only what MicroPython 1.20 has: a walk over their syntax trees."""

import ast
import json
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "micropython"
MODULES = {path.stem for path in SOURCES.glob("*.py")}
BUILT_IN = {
    "binascii",
    "gc",
    "hashlib",
    "json",
    "machine",
    "math",
    "micropython",
    "os",
    "struct",
    "sys",
    "time",
}
BOARDS = {"camera", "csi", "pyb"}
FORBIDDEN_NODES = (
    ast.AnnAssign,
    ast.AsyncFor,
    ast.AsyncFunctionDef,
    ast.AsyncWith,
    ast.Match,
    ast.NamedExpr,
    ast.TryStar,
)
FORBIDDEN_NAMES = {
    "breakpoint", "compile", "format", "frozenset", "input", "open", "super().__format__", "vars", "aiter", "anext",
}  # fmt: skip
FORBIDDEN_ATTRIBUTES = {
    "bit_length", "bit_count", "removeprefix", "removesuffix", "maketrans", "translate", "casefold", "hex", "fromhex",
    "tobytes", "toreadonly", "cast", "digest_size", "monotonic", "monotonic_ns", "perf_counter", "iter_unpack",
    "is_integer", "as_integer_ratio", "hexdigest", "zfill", "ljust", "rjust", "expandtabs", "title", "swapcase",
}  # fmt: skip


def files():
    return sorted(SOURCES.rglob("*.py"))


def problems(source):
    """What MicroPython does not have, by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Import() | ast.ImportFrom():
                names = (
                    [node.module]
                    if isinstance(node, ast.ImportFrom)
                    else [alias.name for alias in node.names]
                )
                found += [(line, name) for name in names if name not in BUILT_IN | BOARDS | MODULES]
            case ast.FunctionDef():
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                if (
                    node.args.posonlyargs
                    or node.returns
                    or any(argument.annotation for argument in arguments)
                ):
                    found.append((line, "annotations"))
                if node.decorator_list:
                    found.append((line, "decorator"))
            case ast.ClassDef() if node.keywords or node.decorator_list or len(node.bases) > 1:
                found.append((line, "class"))
            case ast.Name() if node.id in FORBIDDEN_NAMES:
                found.append((line, node.id))
            case ast.Attribute() if node.attr in FORBIDDEN_ATTRIBUTES:
                found.append((line, node.attr))
            case ast.JoinedStr():
                found.append((line, "f-string"))  # not in every build
            case ast.Tuple() | ast.List() | ast.Set() if any(
                isinstance(item, ast.Starred) for item in node.elts
            ):
                found.append((line, "unpacking into a display"))
            case ast.Slice() if node.step is not None:
                found.append((line, "step of a slice"))
            case _ if isinstance(node, FORBIDDEN_NODES):
                found.append((line, type(node).__name__))
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_source_uses_what_micropython_has(path):
    source = path.read_text()
    assert problems(source) == []
    assert source.isascii()


@pytest.mark.parametrize(
    "source",
    [
        "import typing",
        "from dataclasses import dataclass",
        "import hmac",
        "x: int = 1",
        "def f(a: int): pass",
        "def f(a, /): pass",
        "async def f(): pass",
        "@property\ndef f(): pass",
        "class A(B, metaclass=C): pass",
        "match a:\n    case 1: pass",
        "if (n := 1): pass",
        "n.bit_length()",
        "a[::2]",
        "(1, *a)",
        "f'{a}'",
    ],
)
def test_the_check_finds_what_is_forbidden(source):
    assert problems(source)


def test_constants_are_folded():
    """``_NAME = const(...)`` takes no memory: each must be private, a number, and used."""
    for path in SOURCES.glob("*.py"):
        source = path.read_text()
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                if getattr(node.value.func, "id", "") != "const":
                    continue
                name = node.targets[0].id
                assert name.startswith("_"), (path.name, name)
                assert isinstance(node.value.args[0], ast.Constant), (path.name, name)
                assert source.count(name) > 1, f"{path.name}: {name} is not used"


def test_the_package_lists_every_module():
    """What `mpremote mip install` copies."""
    package = json.loads((SOURCES / "package.json").read_text())
    assert sorted(target for target, _ in package["urls"]) == sorted(f"{name}.py" for name in MODULES)
    assert all(target == source for target, source in package["urls"])
