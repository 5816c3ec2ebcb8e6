"""Read a folder of data: find its samples, look at every picture, and say everything that is wrong in one list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal

from vedette.decoding import image_decoder
from vedette.frame import Decode
from vedette.registry import load_plugins
from vedette_torch.data.boxes import fit_boxes
from vedette_torch.data.clips import find_clips
from vedette_torch.data.coco import find_coco, json_files
from vedette_torch.data.deeppcb import find_deeppcb
from vedette_torch.data.errors import DataError
from vedette_torch.data.folders import find_folders
from vedette_torch.data.found import Found, FoundBoxes, FoundClip, FoundImage, FoundSequence
from vedette_torch.data.layout import existing_folder, files_below, is_clip, is_picture
from vedette_torch.data.pictures import Looked, Progress, look_at
from vedette_torch.data.samples import (
    BoxesSample,
    ClipSample,
    Dataset,
    ImageSample,
    Problem,
    SampleT,
    SequenceSample,
)
from vedette_torch.data.sequences import find_sequences
from vedette_torch.data.unpack import unpack
from vedette_torch.data.voc import find_voc
from vedette_torch.data.yolo import find_yolo

Format = Literal["folders", "yolo", "voc", "coco", "deeppcb", "clips", "sequences"]
FINDERS: Mapping[Format, Callable[[Path], Found[Any]]] = {
    "folders": find_folders,
    "yolo": find_yolo,
    "voc": find_voc,
    "coco": find_coco,
    "deeppcb": find_deeppcb,
    "clips": find_clips,
    "sequences": find_sequences,
}
_ORDER = ("train", "val", "test")
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class DataFolder(Generic[SampleT]):
    """A folder that was read. ``splits`` by name: ``train``, ``val``, ``test`` as far as there are any, or ``all``.
    ``problems`` are those of all splits, in the order of their paths; each split's data set has the same list."""

    root: Path
    format: Format
    labels: tuple[str, ...]
    splits: Mapping[str, Dataset[SampleT]]
    problems: tuple[Problem, ...]

    def split(self, name: str | None = None) -> Dataset[SampleT]:
        """One split; ``None``: the only one.

        Raises
        ------
        DataError
            There is none of this name, or no name was given and there are several.
        """
        if name is None and len(self.splits) == 1:
            return next(iter(self.splits.values()))
        if name is None or name not in self.splits:
            what = "has several splits" if name is None else f"has no split {name!r}"
            raise DataError(f"{self.root} {what}", fix=f"name one of {', '.join(self.splits)}")
        return self.splits[name]


def read_data(
    root: Path,
    format: Format | Literal["auto"] = "auto",
    *,
    strict: bool = False,
    unpack_to: Path | None = None,
    decode: Decode | None = None,
    progress: Progress | None = None,
) -> DataFolder[Any]:
    """Read the samples of a folder or a zip file. Every picture and every video is decoded whole, on all
    processors.

    Parameters
    ----------
    root
        A folder, or a ``.zip`` file, which is unpacked to ``unpack_to``; of sequences also a single table.
    format
        One of :data:`FINDERS`; ``auto`` tells by the files.
    strict
        Any problem is an error.
    decode
        Decoder of still images; default: those of the installed plugins.

    Returns
    -------
    DataFolder
        Of :class:`ImageSample` for ``folders``, :class:`ClipSample` for ``clips``, :class:`SequenceSample` for
        ``sequences``, else of :class:`BoxesSample`. Problems, beside those of the finders:
        ``corrupt`` (what cannot be decoded to its end), those of :func:`~vedette_torch.data.boxes.fit_boxes`,
        ``duplicate_across_splits`` (left out of the later of train, val, test: it would be judged by what was learnt by
        heart), ``duplicate`` (in one split; the first is kept) and ``conflicting_class`` (the same file in two classes;
        all are left out).

    Raises
    ------
    DataError
        The folder is not of this format; nothing is left; with ``strict``, there is a problem.
    """
    root = Path(root)
    if root.suffix.lower() == ".zip" and root.is_file():
        if unpack_to is None:
            raise DataError(f"{root} is an archive", fix="say where to unpack it (--unpack-to FOLDER)")
        root = unpack(root, unpack_to)
    kind = detect_format(root) if format == "auto" else format
    found = FINDERS[kind](root)
    looked = _look(found.entries, decode or image_decoder(load_plugins()), progress)
    problems = [*found.problems]
    kept = list(_settled(found, looked, problems))
    kept = _without_copies(kept, looked, problems)
    problems = sorted(problems, key=lambda problem: (problem.path, problem.kind))
    _judge(root, kind, kept, problems, strict)
    names = sorted({split for split, _ in kept}, key=_rank)
    return DataFolder(
        root=root,
        format=kind,
        labels=found.labels,
        problems=tuple(problems),
        splits={
            name: Dataset(
                samples=tuple(
                    sorted((s for split, s in kept if split == name), key=lambda sample: sample.path)
                ),
                labels=found.labels,
                problems=tuple(problems),
            )
            for name in names
        },
    )


def detect_format(root: Path) -> Format:
    """The format of a folder, by the files in it.

    Raises
    ------
    DataError
        None is known by them.
    """
    if root.is_file() and root.suffix.lower() == ".csv":
        return "sequences"
    files = list(files_below(existing_folder(root)))
    suffixes = {path.suffix.lower() for path in files}
    stems = {path.stem for path in files if is_picture(path)}
    if any(stem.endswith("_test") and f"{stem.removesuffix('_test')}_temp" in stems for stem in stems):
        return "deeppcb"
    if ".json" in suffixes and json_files(root):
        return "coco"
    if any(path.suffix.lower() == ".xml" and path.stem in stems for path in files):
        return "voc"
    if any(path.suffix == ".txt" and path.stem in stems for path in files):
        return "yolo"
    if any(is_picture(path) and path.parent != root for path in files):
        return "folders"
    if any(is_clip(path) for path in files):
        return "clips"
    raise DataError(f"{root}: its format is not known", fix=f"name it (--format): {', '.join(FINDERS)}")


def _look(
    entries: Sequence[FoundImage | FoundClip | FoundBoxes | FoundSequence],
    decode: Decode,
    progress: Progress | None,
) -> dict[Path, Looked | Problem]:
    files = [entry for entry in entries if not isinstance(entry, FoundSequence)]
    paths = [path for entry in files for path in (entry.path, getattr(entry, "template", None)) if path]
    return dict(look_at(list(dict.fromkeys(paths)), decode, progress))


_Kept = tuple[str, ImageSample | ClipSample | BoxesSample | SequenceSample]


def _settled(
    found: Found[Any], looked: Mapping[Path, Looked | Problem], problems: list[Problem]
) -> Iterator[_Kept]:
    """The samples whose files can be used, by split; appends to ``problems``."""
    for entry in found.entries:
        if isinstance(entry, FoundSequence):
            yield (
                entry.split,
                SequenceSample(path=entry.path, row=entry.row, values=entry.values, class_id=entry.class_id),
            )
            continue
        picture = looked[entry.path]
        template = looked[entry.template] if isinstance(entry, FoundBoxes) and entry.template else picture
        if isinstance(picture, Problem):
            problems.append(picture)
        elif isinstance(template, Problem):
            problems.append(template)
        elif template.size_wh != picture.size_wh:
            message = (
                f"{entry.path.name} has another size than its template: {picture.size_wh}, {template.size_wh}"
            )
            problems.append(Problem(path=entry.path, kind="size_mismatch", message=message))
        elif isinstance(entry, FoundImage):
            yield entry.split, ImageSample(path=entry.path, class_id=entry.class_id)
        elif isinstance(entry, FoundClip):
            yield entry.split, ClipSample(path=entry.path, class_id=entry.class_id, group=entry.group)
        else:
            sample, more = fit_boxes(entry, picture.size_wh, found.labels)
            problems += more
            if sample is not None:
                yield entry.split, sample


def _without_copies(
    kept: Sequence[_Kept], looked: Mapping[Path, Looked | Problem], problems: list[Problem]
) -> list[_Kept]:
    """Without files that are there more than once; appends to ``problems``. Rows of a table may be alike."""
    copies: dict[bytes, list[_Kept]] = defaultdict(list)
    for item in kept:
        if isinstance(item[1], SequenceSample):
            continue
        picture = looked[item[1].path]
        assert isinstance(picture, Looked)
        copies[picture.digest].append(item)
    gone: set[Path] = set()
    for same in copies.values():
        if len(same) > 1:
            found = list(_copies(same))
            problems += found
            gone |= {problem.path for problem in found}
    return [item for item in kept if item[1].path not in gone]


def _copies(same: list[_Kept]) -> Iterator[Problem]:
    """What is wrong with samples whose files are equal."""
    same.sort(key=lambda item: (_rank(item[0]), item[1].path))
    (first_split, first), *rest = same
    classes = {sample.class_id for _, sample in same if isinstance(sample, ImageSample | ClipSample)}
    if len(classes) > 1:
        for _, sample in same:
            other = rest[0][1] if sample is first else first
            message = f"the same file as {other.path}, but of another class"
            yield Problem(path=sample.path, kind="conflicting_class", message=message)
        return
    for split, sample in rest:
        across = split != first_split
        kind = "duplicate_across_splits" if across else "duplicate"
        message = f"the same file as {first.path}" + (f", which is in {first_split}" if across else "")
        yield Problem(path=sample.path, kind=kind, message=message)


def _rank(split: str) -> int:
    """``train``, ``val``, ``test``, then others."""
    return (*_ORDER, split).index(split)


def _judge(root: Path, kind: str, kept: Sequence[_Kept], problems: Sequence[Problem], strict: bool) -> None:
    if kept and not (strict and problems):
        return
    what = f"{len(problems)} problems" if kept else "there is no sample that can be used"
    shown = "".join(f"\n  - {p.path}: {p.kind}: {p.message}" for p in problems[:_SHOWN])
    more = f"\n  - and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    fix = f"`vedette data check {root} --format {kind}` lists all of them"
    raise DataError(f"{root}: {what}{shown}{more}", fix=fix)
