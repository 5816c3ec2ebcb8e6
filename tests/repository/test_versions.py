"""All distributions share one version, and hold each other to it."""

from importlib.metadata import version


def test_same_version_everywhere(core, distribution):
    assert distribution.project["version"] == core.project["version"]


def test_installed_is_the_checked_out_version(core):
    assert version("vedette") == core.project["version"], "run `make setup` again"


def test_plugin_requires_the_core_of_its_minor_version(plugin):
    major, minor, _ = map(int, plugin.project["version"].split("."))
    assert str(plugin.requirements["vedette"].specifier) == f"<{major}.{minor + 1},>={major}.{minor}"


def test_extras_of_the_core_name_plugins_in_lock_step(core, plugin):
    extras = core.project["optional-dependencies"]
    (word,) = plugin.project["entry-points"]["vedette.plugins"]
    if word in extras:
        pin = plugin.requirements["vedette"].specifier
        assert extras[word] == [f"{plugin.project['name']}>={_lower(pin)},<{_upper(pin)}"]


def _lower(specifier):
    return next(s.version for s in specifier if s.operator == ">=")


def _upper(specifier):
    return next(s.version for s in specifier if s.operator == "<")
