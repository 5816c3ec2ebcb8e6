"""``vedette face``: enrol people, and recognise, list and forget them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from vedette.cli import current_registry
from vedette.cli.check import pictures_in
from vedette.cli.report import table
from vedette.errors import VedetteError
from vedette_face.cli.keeping import KEEPING
from vedette_face.cli.looking import ENROL, RECOGNISE, Face, Looker, best, the_one_face
from vedette_face.cli.options import DETECTOR, EMBEDDING, GALLERY, KEY
from vedette_face.gallery import Gallery, GalleryError

MOST = 5


@click.group()
def face() -> None:
    """Enrol people, and recognise, list and forget them.

    A gallery is a folder of encrypted templates. Pictures are never kept. --key, --detector and --embedding can also be
    given as VEDETTE_FACE_KEY, VEDETTE_FACE_DETECTOR and VEDETTE_FACE_EMBEDDING.
    """


for _command in KEEPING:
    face.add_command(_command)


@face.command()
@GALLERY
@click.argument("name")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@KEY
@DETECTOR
@EMBEDDING
@click.option(
    "--most", type=click.IntRange(1, 50), default=MOST, show_default=True, help="Templates to take, the best."
)
def enrol(
    gallery: Path, name: str, pictures: tuple[Path, ...], key: str, detector: str, embedding: str, most: int
) -> None:
    """Enrol NAME from PICTURES that show nobody else; of a folder, all pictures in it.

    Of good faces the best are taken. Poor ones are refused, and it is said why. Who is enrolled already gets more
    templates. The exit code is 1 if no picture is good enough.
    """
    opened = Gallery.open(gallery, key)
    with Looker(detector, embedding, current_registry()) as looker:
        opened.check_model(looker.model)
        good = list(_good(looker, pictures_in(pictures)))
        chosen = best(good, most)
        if not chosen:
            raise GalleryError(
                f"{name}: none of the pictures is good enough to enrol",
                fix="one face, from the front, sharp, 20 pixels or more between the eyes",
            )
        done = opened.enrol(name, np.stack([item.vector for item in chosen]), model=looker.model)
    click.echo(
        f"enrolled {done.name}: {len(chosen)} of {len(good)} good faces, {done.templates} templates in all"
    )
    if done.nearest is not None:
        click.echo(f"most similar to: {done.nearest} ({done.similarity:.3f})")
    if done.alike:
        click.echo(f"warning: {done.name} and {done.nearest} are too alike to be told apart", err=True)


@face.command()
@GALLERY
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@KEY
@DETECTOR
@EMBEDDING
@click.option("--threshold", type=float, help="What a score must exceed; default: the calibrated threshold.")
@click.option(
    "--margin", type=click.FloatRange(0, 2), default=0.0, help="Least distance to the second person."
)
def identify(
    gallery: Path,
    pictures: tuple[Path, ...],
    key: str,
    detector: str,
    embedding: str,
    threshold: float | None,
    margin: float,
) -> None:
    """Say who is in PICTURES, or that it is nobody known here."""
    opened = Gallery.open(gallery, key)
    rows: list[list[Any]] = []
    seen: set[str] = set()
    with Looker(detector, embedding, current_registry()) as looker:
        opened.check_model(looker.model)
        for picture in pictures_in(pictures):
            faces = looker.faces(picture, RECOGNISE)
            rows += [[picture.name, "-", "no face", "", ""]] if not faces else []
            for item in faces:
                found = opened.search(item.vector[None], threshold, margin)
                name = f"not judged: {item.problem}" if item.problem else found.name[0] or "unknown"
                seen |= {found.name[0]} if found.name[0] and not item.problem else set()
                rows.append(
                    [picture.name, _place(item), name, f"{found.score[0]:.3f}", f"{found.margin[0]:.3f}"]
                )
    opened.note("identify", {"faces": len(rows)}, sorted(seen))
    click.echo("\n".join(table(["picture", "x0 y0 x1 y1", "who", "score", "margin"], rows)))


@face.command()
@GALLERY
@click.argument("name")
@click.argument("picture", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@KEY
@DETECTOR
@EMBEDDING
@click.option(
    "--threshold", type=float, help="What the score must exceed; default: the calibrated threshold."
)
@click.pass_context
def verify(
    ctx: click.Context,
    gallery: Path,
    name: str,
    picture: Path,
    key: str,
    detector: str,
    embedding: str,
    threshold: float | None,
) -> None:
    """Say whether PICTURE shows NAME. The exit code is 1 if it does not."""
    opened = Gallery.open(gallery, key)
    with Looker(detector, embedding, current_registry()) as looker:
        opened.check_model(looker.model)
        found = the_one_face(looker.faces(picture, RECOGNISE))
    if isinstance(found, str):
        raise GalleryError(f"{picture}: {found}", fix="give a picture of one face, well seen")
    done = opened.verify(name, found.vector[None], threshold)
    same = bool(done.same[0])
    opened.note("verify", {"same": same}, [done.name])
    relation = ">" if same else "<="
    click.echo(f"{'yes' if same else 'no'}: {done.name}, {done.score[0]:.3f} {relation} {done.threshold:.3f}")
    ctx.exit(0 if same else 1)


@face.command()
@GALLERY
@click.option(
    "--probes",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of pictures: a folder per person, named as they are enrolled; those of strangers beside them.",
)
@KEY
@click.option(
    "--detector", envvar="VEDETTE_FACE_DETECTOR", help="Bundle of the face detector; with --probes."
)
@click.option("--embedding", envvar="VEDETTE_FACE_EMBEDDING", help="Bundle of the embedding; with --probes.")
@click.option(
    "--identify-rate",
    type=float,
    default=0.01,
    show_default=True,
    help="How often a stranger may be taken for anybody.",
)
@click.option(
    "--verify-rate",
    type=float,
    default=0.001,
    show_default=True,
    help="How often a face may be taken for one other person.",
)
def calibrate(
    gallery: Path,
    probes: Path | None,
    key: str,
    detector: str | None,
    embedding: str | None,
    identify_rate: float,
    verify_rate: float,
) -> None:
    """Measure the thresholds from faces of your own; they are measured again whenever people are enrolled or forgotten.

    Without --probes, the templates of the gallery stand in for strangers, each against all other people. Templates of
    probes are kept, encrypted, for the next time; `forget` removes those of a person.
    """
    opened = Gallery.open(gallery, key)
    if probes is None:
        found = opened.calibrate(identify_rate, verify_rate)
    elif not (detector and embedding):
        raise click.UsageError("--probes needs --detector and --embedding")
    else:
        with Looker(detector, embedding, current_registry()) as looker:
            given = [(name, np.stack(vectors)) for name, vectors in _probes(looker, probes) if vectors]
            found = opened.calibrate(identify_rate, verify_rate, given, model=looker.model)
    rows = [
        [
            what,
            f"{item.value:.4f}",
            f"{item.rate:g}",
            f"{item.accepted} of {item.impostors}",
            f"{item.low:.5f} to {item.high:.5f}",
        ]
        for what, item in (("identify", found.identify), ("verify", found.verify))
    ]
    click.echo("\n".join(table(["for", "threshold", "asked", "impostors above", "95 % interval"], rows)))
    click.echo(f"\nfor {found.people} people, measured with {_SOURCES[found.source]}")


_SOURCES = {"probes": "the pictures given", "gallery": "the gallery's own templates"}


def _good(looker: Looker, pictures: Sequence[Path]) -> Iterator[Face]:
    """The pictures' faces that are good enough to enrol; the others are named."""
    for picture in pictures:
        found = _looked(looker, picture)
        if isinstance(found, Face):
            yield found
        else:
            click.echo(f"refused {picture}: {found}", err=True)


def _looked(looker: Looker, picture: Path) -> Face | str:
    """A picture that cannot be read is refused like a poor one; a wrong model is an error."""
    try:
        return the_one_face(looker.faces(picture, ENROL))
    except GalleryError:
        raise
    except VedetteError as error:
        return error.message


def _probes(looker: Looker, folder: Path) -> Iterator[tuple[str | None, list[Any]]]:
    for person in sorted(filter(Path.is_dir, folder.iterdir())):
        yield person.name, [item.vector for item in _good(looker, pictures_in([person]))]
    yield None, [item.vector for item in _good(looker, pictures_in([folder]))]


def _place(item: Face) -> str:
    return " ".join(map(str, item.xyxy))
