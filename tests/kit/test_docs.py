"""The guides say what is so: every line of the tutorial is run, each page names what its conformance class asks for."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from PIL import Image

from vedette.scaffold.write import KINDS, TEMPLATES
from vedette.testing import conformance

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = (DOCS / "writing-a-plugin.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_AN_INDEX = "twine upload dist/*"
PAGES = sorted((DOCS / "plugins").glob("*.md"))


@pytest.mark.slow
def test_the_tutorial(fresh_environment):
    """Line by line: a file is written, a command is run and prints what the page shows."""
    box = fresh_environment
    (box.folder / "pictures").mkdir()
    for number, value in enumerate((200, 10, 10, 200)):
        Image.new("L", (64, 48), value).save(box.folder / "pictures" / f"{number}.png")
    left_out = []
    for language, text in BLOCK.findall(TUTORIAL):
        if language == "console":
            for command, shown in commands(text):
                if command == NEEDS_AN_INDEX:
                    left_out.append(command)
                    continue
                printed = box.run(command)
                for line in shown:
                    assert line in printed, f"$ {command}\nprints no {line!r}, but:\n{printed}"
        else:
            first, _, rest = text.partition("\n")
            path = box.folder / first.removeprefix("# ")
            assert path.parent.is_dir(), f"{first}: not the place of a file"
            path.write_text(rest)
    assert left_out == [NEEDS_AN_INDEX]


def commands(text):
    """``(command, what it shows)`` of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, [line.strip() for line in shown if line.strip()]


def test_there_is_a_page_for_each_kind():
    assert {page.stem for page in PAGES} == {*KINDS, "decoder"}
    for kind in KINDS:
        assert f"(plugins/{kind}.md)" in TUTORIAL


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_names_the_fixtures(page):
    text = page.read_text()
    name = f"{page.stem.capitalize()}Conformance"
    assert f"`vedette.testing.conformance.{name}`" in text
    described = re.findall(r"^\| `(\w+)` \| (must|may)\b", text, re.MULTILINE)
    assert {fixture for fixture, _ in described} - {"params"} == set(asked(name)) - {"params"}
    summary = getattr(conformance, name).__doc__
    for fixture, _ in described:
        assert f"``{fixture}``" in summary or fixture == "folder"


def asked(name):
    """The fixtures of a conformance class that an author may give."""
    for suite in getattr(conformance, name).__mro__[:-1]:
        for node in ast.parse(inspect.getsource(suite)).body[0].body:
            decorators = map(ast.unparse, getattr(node, "decorator_list", ()))
            if "pytest.fixture" in decorators and "Not to be overridden" not in ast.get_docstring(node):
                yield node.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_includes_is_there(page):
    included = re.findall(r"^```\{literalinclude\} (.+)$", page.read_text(), re.MULTILINE)
    assert included
    for path in included:
        assert (page.parent / path).is_file(), path
    if page.stem in KINDS:
        for name in ("plugin.py.tmpl", "test_@package@.py.tmpl"):
            assert any(path.endswith(name) for path in included)
        assert all(str((page.parent / path).resolve()).startswith(str(TEMPLATES)) for path in included)
