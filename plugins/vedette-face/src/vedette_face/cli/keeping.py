"""The commands that look at no picture: make, list, forget, copy, and the log."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from vedette.bundle.atomic import create_file
from vedette.cli import current_registry
from vedette.cli.report import table
from vedette.model.named import open_named
from vedette.secrets import resolve_secret
from vedette_face.cli.options import EMBEDDING, GALLERY, KEY, PASSPHRASE
from vedette_face.gallery import Gallery, GalleryError, MasterKey
from vedette_face.gallery.keys import write_key
from vedette_face.gallery.snapshot import Person


@click.command()
@GALLERY
@EMBEDDING
@KEY
@click.option(
    "--dimension", type=click.IntRange(1, 8192), help="Numbers of an embedding; default: as the bundle says."
)
@click.option("--retention-days", type=float, help="Remove templates so many days after they were enrolled.")
def create(
    gallery: Path, embedding: str, key: str, dimension: int | None, retention_days: float | None
) -> None:
    """Make an empty gallery for the templates of one embedding model.

    A key file that is not there is made, readable for its owner only. Keep it apart from the gallery: without it nobody
    can read the gallery, and with both anybody can.
    """
    with open_named(embedding, current_registry()) as bundle:
        digest = bundle.digest
        shapes = [
            output.shape for graph in bundle.manifest.graphs.values() for output in graph.outputs.values()
        ]
    if dimension is None:
        dimension = _dimension(embedding, shapes)
    kind, _, place = key.partition(":")
    path = Path(place).expanduser()
    if kind == "file" and not path.exists():
        write_key(path, MasterKey.new())
        click.echo(f"made the key {path}")
    made = Gallery.create(gallery, key, model=digest, dimension=dimension, retention_days=retention_days)
    click.echo(f"made {made.path} for templates of {dimension} numbers from {digest[:12]}")


@click.command(name="list")
@GALLERY
@KEY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(gallery: Path, key: str, as_json: bool) -> None:
    """List who is enrolled, and what is damaged."""
    opened = Gallery.open(gallery, key)
    people = opened.people()
    opened.note("list", {"count": len(people)})
    if as_json:
        plain = {
            "gallery": str(opened.path),
            "model": opened.model,
            "dimension": opened.dimension,
            "calibration": opened.calibration,
            "people": [
                {
                    "name": person.name,
                    "templates": person.templates,
                    "expires": _when(person),
                    "records": person.records,
                }
                for person in people
            ],
            "damage": opened.damage,
        }
        click.echo(json.dumps(msgspec.to_builtins(plain), indent=2, ensure_ascii=False))
        return
    rows = [[person.name, person.templates, _when(person) or "never"] for person in people]
    click.echo("\n".join(table(["name", "templates", "expires"], rows)) if rows else "nobody is enrolled")
    for what in opened.damage:
        click.echo(f"damaged: {what}", err=True)


@click.command()
@GALLERY
@click.argument("name", required=False)
@KEY
@click.option("--damaged", is_flag=True, help="Give up records that cannot be read.")
def forget(gallery: Path, name: str | None, key: str, damaged: bool) -> None:
    """Destroy what is known of NAME: the keys of their records, then the records.

    A copy of a record from before cannot be opened with this gallery any more. Who has a copy of the whole gallery and
    the master key still can: change that with `vedette face rekey`, and destroy the old key.
    """
    if (name is None) is not damaged:
        raise click.UsageError("give a NAME, or --damaged")
    opened = Gallery.open(gallery, key)
    if name is None:
        lost = opened.drop_damaged()
        click.echo(f"gave up {len(lost)} records" + "".join(f"\n  {record}" for record in lost))
        return
    click.echo(f"forgot {name}: {opened.forget(name)} templates")


@click.command()
@GALLERY
@KEY
@click.argument("new_key", type=click.Path(path_type=Path))
def rekey(gallery: Path, key: str, new_key: Path) -> None:
    """Change the master key to a new one, which is written to NEW_KEY. Then destroy the old one: copies of the gallery
    from before cannot be read without it.
    """
    opened = Gallery.open(gallery, key)
    new = MasterKey.new()
    write_key(new_key, new)
    opened.rekey(new)
    click.echo(f"{gallery} now needs file:{new_key}; destroy {key}")


@click.command()
@GALLERY
@click.argument("file", type=click.Path(path_type=Path))
@KEY
@PASSPHRASE
def export(gallery: Path, file: Path, key: str, passphrase: str | None) -> None:
    """Write everybody who is enrolled to FILE, encrypted with a passphrase."""
    opened = Gallery.open(gallery, key)
    data = opened.export(_passphrase(passphrase, confirm=True))
    try:
        create_file(file, data)
    except OSError as error:
        raise GalleryError(f"{file}: cannot be written: {error.strerror}", fix="name a new file") from None
    click.echo(f"exported {len(opened)} people to {file}")


@click.command(name="import")
@GALLERY
@click.argument("file", type=click.Path(path_type=Path))
@KEY
@PASSPHRASE
def import_(gallery: Path, file: Path, key: str, passphrase: str | None) -> None:
    """Add the people of an export. It must come from the same embedding model."""
    opened = Gallery.open(gallery, key)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise GalleryError(f"{file}: cannot be read: {error.strerror}") from None
    count = opened.import_(data, _passphrase(passphrase, confirm=False), str(file))
    click.echo(f"imported {count} records; {len(opened)} people are enrolled")


@click.command()
@GALLERY
@KEY
@click.option("--person", help="Only what concerns this name.")
@click.pass_context
def audit(ctx: click.Context, gallery: Path, key: str, person: str | None) -> None:
    """Show who did what to a gallery, and when. The exit code is 1 if the log was tampered with."""
    opened = Gallery.open(gallery, key)
    log = opened.audit_log()
    wanted = None if person is None else opened.pseudonym(person)
    rows = [
        [entry.line, entry.time, entry.who, entry.what, json.dumps(entry.detail)]
        for entry in log.entries
        if wanted is None or wanted == entry.detail.get("person") or wanted in entry.detail.get("people", ())
    ]
    click.echo("\n".join(table(["line", "time", "who", "what", "detail"], rows)))
    for what in log.damage:
        click.echo(f"damaged: {what}", err=True)
    ctx.exit(1 if log.damage else 0)


KEEPING = (create, list_, forget, rekey, export, import_, audit)


def _dimension(embedding: str, shapes: list[tuple[int | None, ...]]) -> int:
    """The length of the one output."""
    lengths = [size for size in (shapes[0][1:] if len(shapes) == 1 else ()) if isinstance(size, int)]
    if len(shapes) != 1 or not lengths:
        raise GalleryError(
            f"{embedding}: it does not say how long its embeddings are", fix="give --dimension"
        )
    return math.prod(lengths)


def _when(person: Person) -> str | None:
    if person.expires_s is None:
        return None
    return datetime.fromtimestamp(person.expires_s, UTC).date().isoformat()


def _passphrase(reference: str | None, *, confirm: bool) -> str:
    if reference is not None:
        return resolve_secret(reference, "--passphrase")
    return str(click.prompt("passphrase", hide_input=True, confirmation_prompt=confirm))
