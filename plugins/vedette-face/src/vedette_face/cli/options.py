"""What the commands of ``vedette face`` have in common."""

from __future__ import annotations

from pathlib import Path

import click

GALLERY = click.argument("gallery", type=click.Path(path_type=Path))
KEY = click.option(
    "--key",
    envvar="VEDETTE_FACE_KEY",
    required=True,
    metavar="WHERE",
    help="Where the master key is: file:PATH, env:NAME or keyring:SERVICE/USER.",
)
DETECTOR = click.option(
    "--detector",
    envvar="VEDETTE_FACE_DETECTOR",
    required=True,
    help="Bundle of a detector with five landmarks.",
)
EMBEDDING = click.option(
    "--embedding",
    envvar="VEDETTE_FACE_EMBEDDING",
    required=True,
    help="Bundle of the gallery's embedding model.",
)
PASSPHRASE = click.option(
    "--passphrase",
    metavar="WHERE",
    help="Where the passphrase is: file:PATH or env:NAME; default: it is asked for.",
)
