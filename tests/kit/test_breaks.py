"""Authors' mistakes, one class for each in ``broken/``, and what the author is told: a part of it in its ``told``."""

import importlib.util
from functools import cache
from pathlib import Path

import pytest

FILES = {path.stem: path for path in sorted((Path(__file__).parent / "broken").glob("*.py"))}


@cache
def suites(kind):
    """The ``Test…`` classes of a file."""
    spec = importlib.util.spec_from_file_location(f"broken_{kind}", FILES[kind])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if name.startswith("Test")}


BREAKS = [
    pytest.param(kind, name, check, message, id=f"{kind}-{name[4:]}-{check[5:]}")
    for kind in FILES
    for name, suite in suites(kind).items()
    for check, message in getattr(suite, "told", {}).items()
]


@pytest.fixture(scope="module")
def told(run_pytest):
    """A run of each file: of a broken plugin the checks that it is to fail, of the sound one all."""

    @cache
    def run(kind):
        asked = [
            f"{FILES[kind]}::{name}::{check}"
            for name, suite in suites(kind).items()
            for check in getattr(suite, "told", {})
        ]
        return run_pytest(f"{FILES[kind]}::TestSound", *asked)

    return run


def test_every_kind_is_broken():
    assert set(FILES) == {
        "backends", "decoders", "models", "postprocessors", "preprocessors", "sinks", "sources", "stages"
    }  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_the_sound_one_passes(told, kind):
    checks = {check for check in dir(suites(kind)["TestSound"]) if check.startswith("test_")}
    assert told(kind).failed["TestSound"] == told(kind).failed["collection"] == {}
    assert told(kind).passed["TestSound"] == checks


@pytest.mark.parametrize(("kind", "suite", "check", "message"), BREAKS)
def test_the_author_is_told(told, kind, suite, check, message):
    text = told(kind).failed[suite].get(check, "nothing")
    assert message in text
    assert "\n  -> " in text  # what to change
