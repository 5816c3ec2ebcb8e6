"""Runs conformance classes as a plugin author does, and gives what pytest tells the author."""

import os
import shlex
import subprocess
import sys
import sysconfig
import venv
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Told:
    """What an author is told: the text of each failure, by class and check."""

    def __init__(self):
        self.failed = defaultdict(dict)
        self.passed = defaultdict(set)

    def pytest_runtest_logreport(self, report):
        _, suite, check = report.nodeid.split("::")
        name = check.partition("[")[0]
        if report.failed:
            self.failed[suite].setdefault(name, str(report.longrepr))
        elif report.when == "call":
            self.passed[suite].add(name)

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed["collection"][report.nodeid] = str(report.longrepr)


@pytest.fixture(scope="session")
def run_pytest(tmp_path_factory):
    """``run_pytest("file.py::TestClass::test_check", ...)``: a run of its own, in this process."""
    folder = tmp_path_factory.mktemp("kit")
    ini = folder / "pytest.ini"
    ini.write_text("[pytest]\n")

    def run(*what):
        told = Told()
        options = ["-q", "-p", "no:cacheprovider", "-c", str(ini), "--rootdir", str(folder)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VEDETTE_TEST_PATIENCE_S", "3")
            pytest.main([*options, "--import-mode=importlib", *map(str, what)], plugins=[told])
        return told

    return run


class Box:
    """An environment of its own: the core and plugins are installed in it, the libraries are those of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=False)
        site = folder / "venv" / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        libraries = sysconfig.get_path("purelib")
        (site / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
        python = shlex.quote(str(self.bin / "python"))
        self._script("pip", f"{shlex.quote(sys.executable)} -m pip --python {python} --quiet")
        self._script("pytest", f"{python} -m pytest -q -p no:cacheprovider -rs")

    def run(self, command: str) -> str:
        """Run a line of shell in the environment's folder, without a network; what it prints."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("VEDETTE_", "PYTEST_"))
        }
        env = {
            **kept,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "VEDETTE_HOME": str(self.folder / "home"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which is how pip spells "off"
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _script(self, name: str, command: str) -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)


@pytest.fixture(scope="session")
def fresh_environment(tmp_path_factory):
    """An environment in which the core is installed from its wheel. Plugins that a test installs stay in it."""
    box = Box(tmp_path_factory.mktemp("box"))
    box.run(f"pip install {shlex.quote(str(ROOT))}")
    return box
