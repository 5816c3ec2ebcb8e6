"""``docs/results.md`` says what the code does: every type, column, dtype, shape and example."""

import contextlib
import io
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vedette.results import RESULT_TYPES, SOURCE_ROW, from_builtins

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def rows(section):
    """``{column: (shape, dtype)}`` of the section's table."""
    cells = re.findall(r"^\| `(\w+)` \| (.*?) ?\| (\w+) \|", SECTIONS[section], re.MULTILINE)
    return {name: (shape, dtype) for name, shape, dtype in cells}


def described(column):
    shape = ", ".join("any" if size is None else str(size) for size in column.shape)
    shape = f"({shape},)" if len(column.shape) == 1 else f"({shape})"
    return shape + " or none" * column.optional, np.dtype(column.dtype).name


def test_every_type_has_a_section_and_no_other_has():
    sections = [name for name in SECTIONS if name.startswith("`")]
    assert sections == [f"`{kind.__name__}`" for kind in RESULT_TYPES]


@pytest.mark.parametrize("kind", RESULT_TYPES)
def test_the_table_lists_the_columns(kind):
    assert rows(f"`{kind.__name__}`") == {name: described(column) for name, column in kind.columns.items()}


def test_the_shared_columns():
    assert rows("Where a row comes from") == {"source": ("", "str"), "source_row": described(SOURCE_ROW)}


@pytest.mark.parametrize("kind", RESULT_TYPES)
def test_the_json_example_is_one(kind):
    (example,) = re.findall(r"```json\n(.*?)```", SECTIONS[f"`{kind.__name__}`"], re.DOTALL)
    plain = msgspec.json.decode(example)
    result = from_builtins(plain)

    assert type(result) is kind
    assert len(result) > 0
    assert result.to_builtins() == plain


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_code_runs_and_prints_what_the_comment_says(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/results.md", "exec"), {"__name__": "results_page"})
    (said,) = re.findall(r"print\(.*\)  # (.*)", code)
    assert printed.getvalue().split() == said.replace(", then", "").split()
