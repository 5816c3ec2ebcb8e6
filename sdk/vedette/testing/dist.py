"""Fake installed distributions: what ``pip install`` leaves behind, so that discovery is tested for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from vedette.discovery import group_of


def make_dist(
    folder: Path,
    name: str,
    version: str,
    entry_points: Mapping[str, str],
    modules: Mapping[str, str],
    hook_version: int = 1,
) -> Path:
    """Install a distribution into ``folder``, which takes the place of ``site-packages``.

    Parameters
    ----------
    entry_points
        The plugin's name and its module.
    modules
        Source by dotted name; it may be indented.
    hook_version
        The version of the hooks that the plugins are announced for: 1 is the group ``vedette.plugins``.

    Returns
    -------
    Path
        ``folder``: put it on ``sys.path``, and in ``PluginManager(search_path=...)``.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = [
        f"[{group_of(hook_version)}]",
        *(f"{entry} = {module}" for entry, module in entry_points.items()),
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for dotted, source in modules.items():
        path = folder.joinpath(*dotted.split(".")).with_suffix(".py")
        for package in path.relative_to(folder).parents[:-1]:
            (folder / package).mkdir(parents=True, exist_ok=True)
            (folder / package / "__init__.py").touch()
        path.write_text(dedent(source), encoding="utf-8")
    return folder
