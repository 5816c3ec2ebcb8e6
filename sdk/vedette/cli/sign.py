"""``vedette sign``: vouch for a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.bundle.keys import read_secret_key
from vedette.bundle.signing import sign_bundle


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key", required=True, type=click.Path(path_type=Path), help="Private key, of `vedette keys new`."
)
def sign(bundle: Path, key: Path) -> None:
    """Sign BUNDLE, a folder or a .vedette file, in place of a signature that it has.

    Every file is compared with its hash first. The contents and the digest stay what they are.
    """
    secret = read_secret_key(key)
    sign_bundle(bundle, secret)
    click.echo(f"signed {bundle} with {secret.public.fingerprint}")
