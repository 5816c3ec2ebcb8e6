"""What all tests of the repository share: the real data, distributions that are not installed, and the time taken."""

import os
import tomllib
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
NO_DATA = "VEDETTE_DATA is not set: this test needs the real videos and models"
REQUIRE_ALL = os.environ.get("VEDETTE_REQUIRE_ALL") == "1"
"""Nothing may be skipped for want of data, of a distribution or of anything else that can be installed."""

left_out = pytest.StashKey[list[str]]()

# From the reports of the tests, so that it is the same in one process and in several.
seconds: defaultdict[Path, float] = defaultdict(float)
figures: dict[str, str] = {}


def pytest_configure(config):
    config.stash[left_out] = []


def pytest_ignore_collect(collection_path, config):
    """Leave out the tests of a distribution that is not installed."""
    pyproject = collection_path / "pyproject.toml"
    if collection_path == ROOT or not pyproject.is_file():
        return None
    name = tomllib.loads(pyproject.read_text())["project"]["name"]
    try:
        distribution(name)
    except PackageNotFoundError:
        if REQUIRE_ALL:
            raise pytest.UsageError(f"{name} is not installed, and VEDETTE_REQUIRE_ALL=1") from None
        config.stash[left_out].append(name)
        return True
    return None


def pytest_collection_modifyitems(items):
    """Mark what asks for the real data, so that ``-m "not data"`` leaves it out."""
    for item in items:
        if "data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("data"):
        data_folder()


def data_folder() -> Path:
    value = os.environ.get("VEDETTE_DATA")
    if not value:
        (pytest.fail if REQUIRE_ALL else pytest.skip)(NO_DATA)
    if not Path(value).is_dir():
        pytest.fail(f"VEDETTE_DATA is not a folder: {value}")
    return Path(value)


@pytest.fixture(scope="session", autouse=True)
def vedette_home(tmp_path_factory):
    """What Vedette keeps for a user (keys, models, proofs) is kept for this run of the tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEDETTE_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real videos and models."""
    return data_folder()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return (yield from fail_if_needed())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return (yield from fail_if_needed())


def fail_if_needed():
    """A test that says ``needs ...`` when it is skipped lacks something that could be installed."""
    report = yield
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    if REQUIRE_ALL and report.skipped and reason.removeprefix("Skipped: ").startswith("needs "):
        report.outcome = "failed"
        report.longrepr = f"{reason}, and VEDETTE_REQUIRE_ALL=1"
    return report


def pytest_runtest_logreport(report):
    seconds[Path(report.nodeid.partition("::")[0]).parent] += report.duration
    if report.when == "call":
        figures.update((name, value) for name, value in report.user_properties if value is not None)


@pytest.fixture
def measured(record_property):
    """``measured(what, value, wanted)`` shows a figure at the end of the run."""
    return lambda what, value, wanted: record_property(what, f"{value:.4f}   (wanted: {wanted})")


def pytest_terminal_summary(terminalreporter, config):
    times = {
        str(folder): f"{spent:6.1f} s"
        for folder, spent in sorted(seconds.items(), key=lambda entry: -entry[1])
    }
    for title, table in ("measured", figures), ("time per directory", times):
        if table:
            terminalreporter.section(title)
            width = max(map(len, table))
            for name, value in table.items():
                terminalreporter.write_line(f"{name:<{width}}  {value}")
    for name in config.stash[left_out]:
        terminalreporter.write_line(f"left out: the tests of {name}, which is not installed", yellow=True)
