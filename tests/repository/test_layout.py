"""The shape of the repository."""

import re
from importlib.metadata import EntryPoint


def test_distribution_is_complete(distribution):
    for path in (
        distribution.folder / distribution.project["readme"],
        distribution.package / "__init__.py",
        distribution.package / "py.typed",
    ):
        assert path.is_file(), f"{path} is missing"


def test_distribution_import_and_folder_share_a_name(root, plugin):
    name = plugin.project["name"]
    assert plugin.package.name == name.replace("-", "_")
    assert plugin.folder.name in (name, "_template", "firmware_bridge")


def test_entry_points_name_existing_modules(distribution):
    groups = {"console_scripts": distribution.project.get("scripts", {})}
    groups |= distribution.project.get("entry-points", {})
    found = [EntryPoint(n, value, group) for group, entries in groups.items() for n, value in entries.items()]
    assert found
    for entry in found:
        path = distribution.package.parent.joinpath(*entry.module.split("."))
        exists = path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
        assert exists, f"[{entry.group}] {entry.name} names {entry.module}, which does not exist"


def test_folders_are_not_packages(root, files):
    """From the root of the repository ``import sdk`` would succeed, as an empty namespace package."""
    wrong = re.compile(r"^\s*(?:import|from)\s+(?:sdk|plugins)\b", re.MULTILINE)
    sources = [path for path in files if path.suffix == ".py"]
    assert [path for path in sources if wrong.search(path.read_text())] == []


def test_no_path_of_one_machine(root, files):
    absolute = re.compile(rb"(?<![\w.~/}$-])/(?:work|root|home/\w+|Users/\w+)/")
    sibling = re.compile(rb"\.\./share[d]\b")
    assert _containing(absolute, files) == []
    assert [path for path in _containing(sibling, files) if path != root / ".ci" / "run"] == []


def _containing(pattern, files):
    return [path for path in files if b"\0" not in (content := path.read_bytes()) and pattern.search(content)]


def test_no_large_file(files):
    """But for bundled models, which have a limit of their own."""
    most = {".vedette": 4_000_000}
    assert [path for path in files if path.stat().st_size > most.get(path.suffix, 2_000_000)] == []
