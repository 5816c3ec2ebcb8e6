"""``vedette new-plugin``: what it writes, and what it refuses. That it works is the matter of test_generated.py."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from vedette import __version__
from vedette.cli import main
from vedette.errors import PluginError
from vedette.scaffold import write
from vedette.scaffold.write import KINDS, render, write_plugin

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "plugins" / "_template"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_complete_distribution(tmp_path, kind):
    folder = write_plugin("heat-map", kind, tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert folder == tmp_path / "vedette-heat-map"
    assert project["name"] == "vedette-heat-map"
    assert project["entry-points"]["vedette.plugins"] == {"heat-map": "vedette_heat_map.plugin"}
    (core, *_) = (Requirement(item) for item in project["dependencies"])
    assert core.name == "vedette"
    assert core.specifier.contains(__version__)
    package = folder / "src" / "vedette_heat_map"
    for path in (folder / "README.md", package / "__init__.py", package / "py.typed", package / "plugin.py"):
        assert path.is_file()
    assert (folder / "tests" / "test_vedette_heat_map.py").is_file()
    assert [path for path in tmp_path.iterdir() if path != folder] == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(kind):
    for path, content in render("heat-map", kind):
        assert "@" not in str(path)
        assert path.suffix != ".tmpl"
        if path.suffix in (".py", ".md", ".toml", ".json"):
            assert b"@name@" not in content
            assert b"@package@" not in content
        if path.suffix == ".py":
            compile(content, str(path), "exec")


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_to_our_own_style(tmp_path, kind):
    """Lines, names and imports, as ruff sees them. Authors have rules of their own for tests and order of imports."""
    ruff = pytest.importorskip("ruff.__main__", reason="ruff is not installed").find_ruff_bin()
    folder = write_plugin("heat-map", kind, tmp_path)
    options = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    for command in (["format", "--check", *options], ["check", *options, "--ignore", "D1,I001"]):
        done = subprocess.run([ruff, *command, str(folder)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "name", "module"),
    [
        ("preprocess", "standardize", "standardize"),
        ("postprocess", "peaks", "peaks"),
        ("stage", "crowd", "crowd"),
    ],
)
def test_the_template_is_what_new_plugin_writes(kind, name, module):
    """The plugin to copy and the plugin that is written are one."""
    written = {path.name: content.decode() for path, content in render(name, kind)}
    assert (TEMPLATE / "src" / "vedette_template" / f"{module}.py").read_text() == written[f"{module}.py"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Blur",
        "blur_it",
        "blur.it",
        "1blur",
        "-blur",
        "blur-",
        "blur--it",
        "blür",
        "../blur",
        "a b",
        "x" * 41,
        "blur\n",
    ],
)
def test_other_names_are_refused(tmp_path, name):
    with pytest.raises(PluginError, match="cannot be the name of a plugin"):
        write_plugin(name, "stage", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_prefix_is_not_part_of_the_name(tmp_path):
    with pytest.raises(PluginError, match="take 'blur'"):
        write_plugin("vedette-blur", "stage", tmp_path)


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(PluginError, match="the kinds are: preprocess, backend"):
        write_plugin("blur", "tracker", tmp_path)


@pytest.mark.parametrize("existing", ["folder", "file", "dangling link"])
def test_what_is_there_is_not_touched(tmp_path, existing):
    target = tmp_path / "vedette-blur"
    if existing == "folder":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif existing == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(PluginError, match="exists already"):
        write_plugin("blur", "stage", tmp_path)
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_of_a_failure(tmp_path, monkeypatch):
    def fail(name, kind):
        yield Path("README.md"), b"text"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "render", fail)
    with pytest.raises(PluginError, match="No space left on device"):
        write_plugin("blur", "stage", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["new-plugin", "blur", "--kind", "stage"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("wrote vedette-blur\n")
    assert "pip install -e './vedette-blur[test]'" in result.output
    assert (tmp_path / "vedette-blur" / "src" / "vedette_blur" / "plugin.py").is_file()

    again = CliRunner().invoke(main, ["new-plugin", "blur", "--kind", "stage"])
    assert again.exit_code == 1


def test_the_command_says_which_kinds_there_are():
    result = CliRunner().invoke(main, ["new-plugin", "blur", "--kind", "tracker"])
    assert result.exit_code == 2
    assert all(kind in result.output for kind in KINDS)


def test_the_model_is_made_as_the_script_says(tmp_path):
    """``tests/kit/colour_model.py`` makes the bundle that is carried, byte by byte but for the recorded versions."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        import colour_model
    finally:
        sys.path.pop(0)
    colour_model.make(tmp_path / "bundle")
    made = {
        path.relative_to(tmp_path / "bundle") for path in (tmp_path / "bundle").rglob("*") if path.is_file()
    }
    carried = {
        path.relative_to(colour_model.PLACE) for path in colour_model.PLACE.rglob("*") if path.is_file()
    }
    assert made - {Path("manifest.json")} == carried - {Path("manifest.json.tmpl")}
    for path in (Path("labels.txt"), Path("variants/f32/model.onnx")):
        assert (tmp_path / "bundle" / path).read_bytes() == (colour_model.PLACE / path).read_bytes()
