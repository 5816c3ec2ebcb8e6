"""``docs/bundles.md`` says what is so."""

import inspect
import re
from pathlib import Path

import pytest

from vedette.bundle import manifest

PAGE = (Path(__file__).parents[2] / "docs" / "bundles.md").read_text()
PARTS = [
    item for _, item in inspect.getmembers(manifest, inspect.isclass)
    if issubclass(item, manifest.Strict) and item is not manifest.Strict
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_is_described(part):
    section = re.search(rf"^### {part.__name__}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/bundles.md has no heading for {part.__name__}"
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section[1], re.MULTILINE)
    assert tuple(name for name, _ in rows) == part.__struct_encode_fields__
    if part.__struct_config__.tag:
        assert f'`"from": "{part.__struct_config__.tag}"`' in section[1]


def test_it_describes_nothing_else():
    described = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
    assert set(described) == {part.__name__ for part in PARTS}


def test_the_python_examples_run(classifier, tmp_path, monkeypatch, capsys):
    classifier()
    monkeypatch.chdir(tmp_path)
    for source in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(source, "docs/bundles.md", "exec"), {})
    name, labels, files = capsys.readouterr().out.splitlines()
    assert name.startswith("tiny 1.0.0 ")
    assert labels == "()"
    assert re.fullmatch(r"onnx .*/variants/f32/model\.onnx", files)
