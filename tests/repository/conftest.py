"""The distributions of the repository and its files, as git sees them."""

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Distribution:
    folder: Path
    project: dict[str, Any]
    package: Path

    @classmethod
    def read(cls, pyproject: Path) -> "Distribution":
        content = tomllib.loads(pyproject.read_text())
        (package,) = content["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        return cls(pyproject.parent, content["project"], pyproject.parent / package)

    @property
    def requirements(self) -> dict[str, Requirement]:
        """What it needs, as a plugin of the core: the bridge works without it too."""
        as_plugin = self.project.get("optional-dependencies", {}).get("vedette", [])
        return {r.name.lower(): r for r in map(Requirement, [*self.project["dependencies"], *as_plugin])}


CORE = Distribution.read(ROOT / "pyproject.toml")
PLUGINS = [
    Distribution.read(path)
    for path in [*sorted(ROOT.glob("plugins/*/pyproject.toml")), ROOT / "firmware_bridge/pyproject.toml"]
]


def pytest_generate_tests(metafunc):
    for argument, values in {"distribution": [CORE, *PLUGINS], "plugin": PLUGINS}.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, ids=lambda value: value.project["name"])


@pytest.fixture
def core():
    return CORE


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def files(root):
    """Every file that git tracks or would track."""
    if not (shutil.which("git") and (root / ".git").exists()):
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    return [path for name in names.split("\0") if name and (path := root / name).is_file()]
