"""Write a new plugin: the files of ``templates/common`` and of ``templates/KIND``, with their placeholders filled in.

``@name@`` is the plugin's name, ``@distribution@`` and ``@package@`` what is made of it, in paths, too. Files that end
in ``.tmpl`` are filled in and lose the ending; others are copied byte by byte.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from vedette import __version__
from vedette.errors import PluginError

KINDS = ("preprocess", "backend", "postprocess", "stage", "source", "sink", "model")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40
PREFIX = "vedette-"
TEMPLATES = Path(__file__).parent / "templates"

_DEPENDENCIES = {"model": ("vedette-cnn",)}
_TEST_DEPENDENCIES = {"model": ("vedette-onnxruntime",)}


def write_plugin(name: str, kind: str, out: Path) -> Path:
    """Write the package of a new plugin; all of it or nothing.

    Parameters
    ----------
    name
        Lower-case words with hyphens between them; the distribution is ``vedette-NAME``, the package ``vedette_NAME``.
    kind
        One of :data:`KINDS`.
    out
        The folder to write ``vedette-NAME`` into; it is made if it is missing.

    Returns
    -------
    Path
        The folder of the new distribution.

    Raises
    ------
    PluginError
        The name or the kind cannot be used, the folder exists, or it cannot be written.
    """
    check_name(name)
    if kind not in KINDS:
        raise PluginError(f"there is no kind {kind!r} of plugin", fix=f"the kinds are: {', '.join(KINDS)}")
    target = out / f"{PREFIX}{name}"
    if target.exists() or target.is_symlink():
        raise PluginError(f"{target} exists already", fix="choose another name, or another folder with --out")
    beside = out / f".{target.name}.{secrets.token_hex(4)}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in render(name, kind):
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_bytes(content)
        beside.rename(target)
    except OSError as error:
        raise PluginError(
            f"cannot write {target}: {error.strerror}", fix="choose another folder with --out"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a plugin, a distribution and a package.

    Raises
    ------
    PluginError
        Saying what a name is.
    """
    if name.startswith(PREFIX):
        raise PluginError(
            f"{name!r} begins with {PREFIX!r}, which is put before the name anyway",
            fix=f"take {name[len(PREFIX) :]!r}",
        )
    if len(name) > LONGEST or not NAME.fullmatch(name):
        raise PluginError(
            f"{name!r} cannot be the name of a plugin",
            fix=f"use lower-case letters and digits, words joined by single hyphens, at most {LONGEST} characters: "
            "'blur', 'heat-map'",
        )


def render(name: str, kind: str) -> Iterator[tuple[Path, bytes]]:
    """The files of a new plugin: their path in its folder, and their content."""
    major, minor = __version__.split(".")[:2]
    pin = f">={major}.{minor},<{major}.{int(minor) + 1}"
    filled = {
        "@name@": name,
        "@distribution@": f"{PREFIX}{name}",
        "@package@": f"{PREFIX}{name}".replace("-", "_"),
        "@kind@": kind,
        "@dependencies@": _listed(f"{each}{pin}" for each in ("vedette", *_DEPENDENCIES.get(kind, ()))),
        "@test_dependencies@": _listed(
            ["pytest>=8", *(f"{each}{pin}" for each in _TEST_DEPENDENCIES.get(kind, ()))]
        ),
    }
    for folder in (TEMPLATES / "common", TEMPLATES / kind):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            place = _fill(path.relative_to(folder).as_posix(), filled)
            if place.endswith(".tmpl"):
                yield Path(place.removesuffix(".tmpl")), _fill(path.read_text("utf-8"), filled).encode()
            else:
                yield Path(place), path.read_bytes()


def _listed(requirements: Iterator[str] | list[str]) -> str:
    return ", ".join(f'"{requirement}"' for requirement in requirements)


def _fill(text: str, filled: dict[str, str]) -> str:
    for placeholder, value in filled.items():
        text = text.replace(placeholder, value)
    return text
