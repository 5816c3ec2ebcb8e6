"""``vedette keys``: make keys, and say whose bundles may run here."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from vedette.bundle.keys import PublicKey, keys_folder, new_key, parse_fingerprint, read_public_key
from vedette.bundle.trust_store import KnownKey, TrustStore
from vedette.cli.report import table
from vedette.errors import BundleError

TRUST = click.option(
    "--trust", type=click.Path(path_type=Path), help="Folder of trusted keys; default: this user's."
)


@click.group()
def keys() -> None:
    """Make keys to sign with, and say whose bundles may run here."""


@keys.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; default: this user's keys.")
def new(name: str, out: Path | None) -> None:
    """Make a key to sign with: NAME.key, to be kept secret, and NAME.pub, to be given away.

    The private key is protected by its permissions alone (0600), not by a passphrase.
    """
    private, public = new_key(name, out or keys_folder())
    click.echo(
        f"private key  {private}\n"
        f"public key   {private.with_suffix('.pub')}\n"
        f"fingerprint  {public.fingerprint}\n\n"
        f"to sign a bundle:      vedette sign BUNDLE --key {private}\n"
        f"to trust it on a box:  vedette keys trust {private.with_suffix('.pub')}"
    )


@keys.command(name="list")
@TRUST
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(trust: Path | None, as_json: bool) -> None:
    """List the keys that are trusted or revoked here."""
    store = TrustStore(trust)
    known = store.known()
    if as_json:
        click.echo(json.dumps({"folder": str(store.folder), "keys": msgspec.to_builtins(known)}, indent=2))
    elif known:
        click.echo("\n".join(table(["name", "fingerprint", "since", "state"], [_row(key) for key in known])))
    else:
        click.echo(f"no keys in {store.folder}")


@keys.command()
@click.argument("key")
@click.option("--name", help="What to call it here; default: the name in the key.")
@TRUST
def trust(key: str, name: str | None, trust: Path | None) -> None:
    """Trust KEY: bundles that it signed may run here.

    KEY is the file of a public key, its text, or its fingerprint. Whoever has the private key can then have any model
    run here: compare the fingerprint with its owner first.
    """
    fingerprint, own_name = _identify(key)
    title = name or own_name
    if not title:
        raise BundleError("the key has no name", fix="give it one: --name NAME")
    known = TrustStore(trust).trust(fingerprint, title)
    click.echo(f"trusted: {known.name}, {fingerprint}")


@keys.command()
@click.argument("key")
@click.option("--reason", default="", help="Why, for those who ask later.")
@TRUST
def revoke(key: str, reason: str, trust: Path | None) -> None:
    """Never trust KEY again: what it signed is refused here where signatures are required.

    KEY is a fingerprint, or a public key as for `vedette keys trust`.
    """
    fingerprint, _ = _identify(key)
    known = TrustStore(trust).revoke(fingerprint, reason)
    click.echo(f"{known.revoked}: {known.name}, {fingerprint}")


def _identify(key: str) -> tuple[str, str]:
    """Fingerprint and name; the name may be empty."""
    fingerprint = parse_fingerprint(key)
    if fingerprint is not None:
        return fingerprint, ""
    public = PublicKey.parse(key, "KEY") if key.startswith("ed25519-") else read_public_key(Path(key))
    return public.fingerprint, public.name


def _row(key: KnownKey) -> list[str]:
    return [
        key.name,
        key.fingerprint,
        f"{key.since:%Y-%m-%d}",
        str(key.revoked) if key.revoked else "trusted",
    ]
