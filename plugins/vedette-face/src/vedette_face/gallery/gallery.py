"""A gallery: whom the box knows, and the only way to change it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette_face.gallery import audit
from vedette_face.gallery.calibration import Calibration
from vedette_face.gallery.errors import GalleryError
from vedette_face.gallery.keys import MasterKey, load_key
from vedette_face.gallery.record import Record, clean_name, unit_vectors
from vedette_face.gallery.search import Matches
from vedette_face.gallery.snapshot import Person, Snapshot, measure
from vedette_face.gallery.store import Contents, Store
from vedette_face.gallery.transfer import export, read_export

log = logging.getLogger("vedette.face")


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """What came of an enrolment. ``templates``: of this person, all told. ``nearest`` is the most similar other
    person, ``similarity`` the greatest cosine with them. ``alike``: that is so great that `verify` would take one for
    the other; ``None``: not calibrated, so nobody can say."""

    name: str
    templates: int
    nearest: str | None
    similarity: float
    alike: bool | None


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Whether each face is the person it claims to be. ``score``: cosine with the nearest of that person's
    templates."""

    name: str
    score: NDArray[np.float32]
    threshold: float
    same: NDArray[np.bool_]


class Gallery:
    """Templates of people, from one embedding model. Made by :meth:`create` and :meth:`open`.

    What is in memory is as of the last change through this object, or :meth:`reload`. Searching from several threads
    is safe; so is a change by another process at any time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = store.version()
        self._now = Snapshot.of(store.read())

    @classmethod
    def create(
        cls,
        path: Path | str,
        key: MasterKey | str,
        *,
        model: str,
        dimension: int,
        retention_days: float | None = None,
    ) -> Self:
        """Make an empty gallery, a new folder.

        Parameters
        ----------
        key
            The master key, or where it is: ``file:PATH``, ``env:NAME``, ``keyring:SERVICE/USER``.
        model
            Digest of the bundle that the embeddings come from (``Bundle.digest``).
        dimension
            Numbers of an embedding.
        retention_days
            Templates are removed so many days after they were enrolled; ``None``: they are kept.

        Raises
        ------
        GalleryError
            The folder is there already or cannot be written; a value is out of range.
        ConfigError
            There is no such key.
        """
        if not 1 <= dimension <= 8192:
            raise GalleryError(f"an embedding has 1 to 8192 numbers, not {dimension}")
        if retention_days is not None and not 0 < retention_days < math.inf:
            raise GalleryError(f"a retention time is a positive number of days, not {retention_days}")
        store = Store(Path(path), _master(key))
        store.create(model=model, dimension=dimension, retention_days=retention_days)
        return cls(store)

    @classmethod
    def open(cls, path: Path | str, key: MasterKey | str) -> Self:
        """Open a gallery, and remove what has expired. Damaged records are left out, logged, and named in
        :attr:`damage`.

        Raises
        ------
        GalleryError
            There is none, the key is wrong, or the index cannot be read.
        ConfigError
            There is no such key.
        """
        gallery = cls(Store(Path(path), _master(key)))
        for what in gallery.damage:
            log.error("gallery %s: %s", path, what)
        if gallery._now.expired and not gallery.damage:
            gallery.purge()
        return gallery

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        return self._store.path

    @property
    def model(self) -> str:
        """Digest of the bundle whose embeddings these are."""
        return self._now.contents.header.model

    @property
    def dimension(self) -> int:
        return self._now.contents.header.dimension

    @property
    def names(self) -> tuple[str, ...]:
        """Who is enrolled, sorted."""
        return self._now.people.names

    @property
    def calibration(self) -> Calibration | None:
        """The thresholds, for the people that are enrolled now; ``None``: not calibrated yet."""
        return self._now.contents.header.calibration

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with the store; records are named."""
        return self._now.contents.damage

    def __len__(self) -> int:
        return len(self._now.people)

    def people(self) -> list[Person]:
        """Everybody who is enrolled."""
        return [self._now.person(name) for name in self.names]

    def check_model(self, digest: str) -> None:
        """Refuse embeddings of another model: their numbers mean something else.

        Raises
        ------
        GalleryError
            ``digest`` is not :attr:`model`.
        """
        if digest != self.model:
            raise GalleryError(
                f"gallery {self.path}: its templates come from another embedding model: {self.model[:12]}, not "
                f"{digest[:12]}",
                fix="use that model, or enrol everybody again in a new gallery",
            )

    def reload(self) -> None:
        """Read the store again, if another process has changed it."""
        version = self._store.version()
        if version != self._version:
            self._now = Snapshot.of(self._store.read())
            self._version = version

    # --- asking ----------------------------------------------------------------------------------------------------

    def search(
        self, embeddings: NDArray[Any], threshold: float | None = None, margin: float = 0.0
    ) -> Matches:
        """Who each face is, or that it is nobody known here.

        Parameters
        ----------
        embeddings
            ``(n, d)``, of this gallery's model.
        threshold
            What a score must exceed; default: the calibrated one, for a gallery of this size.
        margin
            By how much the nearest person must be nearer than the second.

        Raises
        ------
        GalleryError
            The gallery is not calibrated and no threshold is given; or the embeddings do not fit.
        """
        if threshold is None:
            threshold = self._calibrated().identify.value
        if time.time() >= self._now.until_s:
            self._now = Snapshot.of(self._now.contents)
        return self._now.people.search(self._units(embeddings), threshold, margin)

    def verify(self, name: str, embeddings: NDArray[Any], threshold: float | None = None) -> Verified:
        """Whether each face is that person.

        Raises
        ------
        GalleryError
            There is no such person; the rest as for :meth:`search`.
        """
        name = self._known(name)
        if threshold is None:
            threshold = self._calibrated().verify.value
        score = (self._units(embeddings) @ self._templates(name).T).max(axis=1)
        return Verified(name=name, score=score, threshold=threshold, same=score > np.float32(threshold))

    def audit_log(self) -> audit.Log:
        """The log of what was done, checked."""
        header = self._store.read().header
        return audit.read(self.path, self._store.audit_key(header), header.audit_lines, header.audit_head)

    def note(self, what: str, detail: dict[str, Any], names: Sequence[str] = ()) -> None:
        """Add to the audit log what a program did with this gallery, and to whom."""
        self._store.note(what, detail | {"people": [self.pseudonym(name) for name in names]})

    def pseudonym(self, name: str) -> str:
        """What stands for a name in the audit log."""
        return audit.pseudonym(clean_name(name), self._store.audit_key(self._now.contents.header))

    # --- changing --------------------------------------------------------------------------------------------------

    def enrol(self, name: str, embeddings: NDArray[Any], *, model: str) -> Enrolled:
        """Add templates of a person; to those that are there, if they are enrolled. Thresholds are measured again.

        Parameters
        ----------
        embeddings
            ``(n, d)``, one or more.
        model
            Digest of the bundle that they come from.

        Raises
        ------
        GalleryError
            Another model, a name that is none, embeddings that do not fit; the store is damaged or cannot be written.
        """
        self.check_model(model)
        name, vectors = clean_name(name), self._units(embeddings)
        if not len(vectors):
            raise GalleryError(f"{name}: no template to enrol")
        detail = {"person": self.pseudonym(name), "templates": len(vectors)}
        self._change("enrol", detail, lambda now: ([self._record("person", name, vectors)], []))
        return self._enrolled(name)

    def forget(self, name: str) -> int:
        """Destroy the keys of all records of a person, and then the records. Returns how many templates these had.

        A copy of a record that was made before cannot be opened with this gallery and its master key any more.
        Whoever has a copy of record *and* index of that time, and the master key, still can: then :meth:`rekey` and
        destroy the old master key.

        Raises
        ------
        GalleryError
            There is no such person; the store is damaged or cannot be written.
        """
        name = clean_name(name)
        count = 0

        def change(now: Contents) -> tuple[list[Record], list[str]]:
            nonlocal count
            gone = [record for record, content in now.records.items() if content.name == name]
            if not gone:
                raise GalleryError(f"gallery {self.path}: {name!r} is not enrolled")
            count = sum(
                len(now.records[record].templates) for record in gone if now.records[record].kind == "person"
            )
            return [], gone

        self._change("forget", {"person": self.pseudonym(name)}, change)
        return count

    def purge(self) -> int:
        """Remove what is older than the retention time. Returns how many records."""
        gone: list[str] = []

        def change(now: Contents) -> tuple[list[Record], list[str]]:
            gone.extend(Snapshot.of(now).expired)
            return [], gone

        self._change("expire", {"records": len(self._now.expired)}, change)
        log.info("gallery %s: %d records were older than its retention time", self.path, len(gone))
        return len(gone)

    def drop_damaged(self) -> tuple[str, ...]:
        """Give up what is damaged, so that the gallery can be changed again. Returns the names of the records."""
        with self._store.writing():
            now = self._store.read()
            if now.damage:
                self._commit(now, "drop damaged", {"records": list(now.lost)}, [], list(now.lost))
        self.reload()
        return now.lost

    def calibrate(
        self,
        identify_rate: float,
        verify_rate: float,
        probes: Sequence[tuple[str | None, NDArray[Any]]] = (),
        *,
        model: str | None = None,
    ) -> Calibration:
        """Measure the thresholds, and again whenever people are enrolled or forgotten.

        Parameters
        ----------
        identify_rate
            With what probability a stranger may be taken for anybody who is enrolled.
        verify_rate
            With what probability a face may be taken for one other person.
        probes
            Faces to measure with, kept (encrypted) for the next time: of a person by name, or of strangers
            (``None``). They take the place of those given before. Without any, the templates of the gallery stand in
            for strangers, each against all other people.
        model
            Digest of the bundle that the probes come from.

        Raises
        ------
        GalleryError
            There are too few faces for such a rate; the rest as for :meth:`enrol`.
        """
        if probes:
            self.check_model(model or "")
        added = [
            self._record("probe", "" if name is None else clean_name(name), self._units(vectors))
            for name, vectors in probes
        ]

        def change(now: Contents) -> tuple[list[Record], list[str]]:
            old = [name for name, record in now.records.items() if record.kind == "probe"] if added else []
            return added, old

        detail = {"identify_rate": identify_rate, "verify_rate": verify_rate}
        self._change("calibrate", detail, change, rates=(identify_rate, verify_rate))
        return self._calibrated()

    def rekey(self, new: MasterKey) -> None:
        """Change the master key. Old copies of the whole gallery need the old one: destroy it."""
        with self._store.writing():
            now = self._store.read()
            self._refuse_damaged(now)
            self._store.rekey(now.header, new)
        self.reload()

    def export(self, passphrase: str) -> bytes:
        """Everybody who is enrolled as one file; see :mod:`vedette_face.gallery.transfer`."""
        people = [record for record in self._now.live.values() if record.kind == "person"]
        data = export(people, self.model, self.dimension, passphrase)
        self.note("export", {"records": len(people)})
        return data

    def import_(self, data: bytes, passphrase: str, where: str = "the export") -> int:
        """Add the people of such a file; the age of their templates comes with them. Returns how many records.

        Raises
        ------
        GalleryError
            The passphrase is wrong, the file is damaged, or its templates come from another model.
        """
        terms, records = read_export(data, passphrase, where)
        self.check_model(terms.model)
        checked = [
            msgspec.structs.replace(
                record, name=clean_name(record.name), vectors=self._units(record.templates).tobytes()
            )
            for record in records
        ]
        self._change("import", {"records": len(checked)}, lambda now: (checked, []))
        return len(checked)

    # --- within ----------------------------------------------------------------------------------------------------

    def _change(
        self,
        what: str,
        detail: dict[str, Any],
        change: Callable[[Contents], tuple[list[Record], list[str]]],
        rates: tuple[float, float] | None = None,
    ) -> None:
        """Read what there is now, decide what to add and remove, and commit it with thresholds to match."""
        with self._store.writing():
            now = self._store.read()
            self._refuse_damaged(now)
            add, remove = change(now)
            self._commit(now, what, detail, add, remove, rates)
        self.reload()

    def _commit(
        self,
        now: Contents,
        what: str,
        detail: dict[str, Any],
        add: list[Record],
        remove: list[str],
        rates: tuple[float, float] | None = None,
    ) -> None:
        records = [record for name, record in now.records.items() if name not in set(remove)] + add
        found = self._recalibrated(now, records, rates)
        header = msgspec.structs.replace(now.header, calibration=found)
        self._store.commit(header, what=what, detail=detail, add=add, remove=remove)

    def _recalibrated(
        self, now: Contents, records: list[Record], rates: tuple[float, float] | None
    ) -> Calibration | None:
        before = now.header.calibration
        if rates is None and before is None:
            return None
        identify, verify = rates or (before.identify.rate, before.verify.rate)  # type: ignore[union-attr]
        try:
            return measure(records, now.header.dimension, identify, verify)
        except GalleryError as error:
            if rates is not None:
                raise
            log.warning("gallery %s: no longer calibrated: %s", self.path, error.message)
            return None

    def _refuse_damaged(self, now: Contents) -> None:
        if now.damage:
            raise GalleryError(
                f"gallery {self.path} is damaged, so it is not changed: {'; '.join(now.damage)}",
                fix="restore it from a backup, or give up what is damaged: `vedette face forget --damaged`",
            )

    def _record(self, kind: Any, name: str, vectors: NDArray[np.float32]) -> Record:
        return Record(
            kind=kind,
            name=name,
            created_s=time.time(),
            dimension=self.dimension,
            vectors=vectors.astype("<f4").tobytes(),
        )

    def _enrolled(self, name: str) -> Enrolled:
        mine = self._templates(name)
        scores = self._now.people.person_scores(mine).max(axis=0)
        scores[self.names.index(name)] = -1
        at = int(scores.argmax())
        nearest = self.names[at] if len(self) > 1 else None
        similarity = float(scores[at])
        alike = None if self.calibration is None else similarity > self.calibration.verify.value
        if alike:
            log.warning("gallery %s: %r and %r are too alike: %.3f", self.path, name, nearest, similarity)
        return Enrolled(name=name, templates=len(mine), nearest=nearest, similarity=similarity, alike=alike)

    def _templates(self, name: str) -> NDArray[np.float32]:
        at = self.names.index(name)
        return self._now.people.templates[self._now.people.start[at] : self._now.people.start[at + 1]]

    def _known(self, name: str) -> str:
        name = clean_name(name)
        if name not in self.names:
            raise GalleryError(f"gallery {self.path}: {name!r} is not enrolled")
        return name

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise GalleryError(
                f"gallery {self.path} is not calibrated: nobody said how often a stranger may be taken for somebody",
                fix="`vedette face calibrate`, or give a threshold",
            )
        return self.calibration

    def _units(self, embeddings: NDArray[Any]) -> NDArray[np.float32]:
        return unit_vectors(embeddings, self.dimension, "embeddings")


def _master(key: MasterKey | str) -> MasterKey:
    return load_key(key) if isinstance(key, str) else key
