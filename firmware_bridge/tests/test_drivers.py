"""The loader: one broken driver hinders nobody, and says whose it is."""

import subprocess
import sys

import pytest

from vedette_bridge import DriverError, DriverSpec, ParameterError, find_driver, load_drivers, open_camera

OURS = {"openmv", "openmv2", "pelco_d", "mavlink", "smp", "visca"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed distributions: ``site("acme", {"acme": "acme_driver:DRIVER"}, source)``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name, entries, source=""):
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = "\n".join(f"{key} = {value}" for key, value in entries.items())
        (info / "entry_points.txt").write_text(f"[vedette_bridge.drivers]\n{lines}\n")
        (tmp_path / f"{name}_driver.py").write_text(source)
        return str(tmp_path)

    yield install
    for module in [name for name in sys.modules if name.endswith("_driver")]:
        del sys.modules[module]


GOOD = """
from vedette_bridge import DriverSpec
DRIVER = DriverSpec(name="good", summary="Good.", open=lambda uri, options: uri, example="good:///x")
"""


def test_all_of_ours_load_and_say_what_they_are():
    drivers = load_drivers()
    assert drivers.keys() >= OURS
    for name in OURS:
        assert drivers[name].spec is not None, drivers[name].reason
        assert drivers[name].spec.example.startswith(f"{name}:")
        assert drivers[name].spec.emulate is not None


def test_a_broken_driver_is_listed_with_its_reason_and_the_others_work(site):
    site("good", {"good": "good_driver:DRIVER"}, GOOD)
    path = site("bad", {"bad": "bad_driver:DRIVER"}, "raise RuntimeError('no such chip')")
    drivers = load_drivers([path])
    assert isinstance(drivers["good"].spec, DriverSpec)
    assert drivers["bad"].spec is None
    with pytest.raises(
        DriverError, match=r"driver 'bad' \(bad 1.2\) cannot be used: .*RuntimeError: no such chip"
    ):
        find_driver("bad", [path])
    assert find_driver("good", [path]).summary == "Good."


@pytest.mark.parametrize(
    ("source", "reason"),
    [("DRIVER = 7", "is a int, not a DriverSpec"), (GOOD, "calls itself 'good'"), ("", "no attribute")],
)
def test_what_is_no_driver_is_refused(site, source, reason):
    path = site("odd", {"odd": "odd_driver:DRIVER"}, source)
    with pytest.raises(DriverError, match=reason):
        find_driver("odd", [path])


def test_a_driver_that_nobody_asks_for_is_not_imported(site):
    site("good", {"good": "good_driver:DRIVER"}, GOOD)
    path = site("bad", {"bad": "bad_driver:DRIVER"}, "raise RuntimeError")
    find_driver("good", [path])
    assert "bad_driver" not in sys.modules


def test_unknown_names_are_answered_with_what_may_be_meant():
    with pytest.raises(DriverError, match="camera driver 'viska' does not exist\n  -> did you mean 'visca'"):
        open_camera("viska:///dev/ttyUSB0")
    with pytest.raises(ParameterError, match="did you mean 'address'"):
        open_camera("visca:///dev/ttyUSB0?adress=1")


def test_importing_the_package_needs_pyserial_alone():
    """The drivers' modules as well: what an extra brings is imported when a camera is opened."""
    code = (
        "import sys, vedette_bridge, vedette_bridge.emulation; vedette_bridge.load_drivers();"
        "unwanted = {'vedette', 'click', 'numpy', 'msgspec', 'pluggy', 'pymavlink', 'smpclient', 'asyncio', 'cv2'};"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found in ("[]", "['asyncio']")
