"""Sphinx settings. The source is the whole repository, so that the links of every page are checked."""

import tomllib
from pathlib import Path

core = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

project = "Vedette"
author = "The Vedette authors"
version = release = core["version"]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/*.md", "plugins/*/README.md", "firmware_bridge/**.md"]
exclude_patterns = [".*", "dist", "site"]

extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
