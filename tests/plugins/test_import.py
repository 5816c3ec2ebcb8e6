"""The public names, and what importing them costs. Each import happens in a fresh interpreter."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import vedette

HEAVY = {"onnxruntime", "openvino", "cv2", "av", "torch", "nacl"}


def modules_after(statement):
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_loads_nothing():
    assert not {"numpy", "pluggy", "msgspec", "click", *HEAVY} & modules_after("import vedette")


@pytest.mark.parametrize(
    "statement", ["from vedette import *", "import vedette.cli", "import vedette.builtin"]
)
def test_import_loads_no_runtime(statement):
    assert not HEAVY & modules_after(statement)


def test_loading_plugins_loads_no_runtime():
    program = "from vedette.manager import PluginManager as M; from vedette.registry import Registry"
    program += "; m = M(env={}, search_path=[]); m.load(); Registry(m)"
    assert not HEAVY & modules_after(program)


def test_names_for_the_type_checker_and_the_interpreter_are_the_same():
    tree = ast.parse(Path(vedette.__file__).read_text(encoding="utf-8"))
    (guard,) = (node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.asname: statement.module for statement in guard.body for alias in statement.names}
    assert declared == vedette._MODULES


@pytest.mark.parametrize("name", vedette.__all__)
def test_name_is_there(name):
    assert getattr(vedette, name) is not None
    if name in vedette._MODULES:
        assert getattr(vedette, name) is getattr(importlib.import_module(vedette._MODULES[name]), name)


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="'Detection'"):
        vedette.Detection  # noqa: B018


def test_dir_lists_the_public_names():
    assert set(dir(vedette)) == set(vedette.__all__)
