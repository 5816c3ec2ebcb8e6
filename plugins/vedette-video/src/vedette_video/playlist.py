"""The source ``playlist``: videos and pictures one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.errors import EndOfStream, SourceError
from vedette.specs import Capture, Source, SourceInfo
from vedette_video.images import find_images, open_images
from vedette_video.locate import PLAYLIST, local_path, matches_images, matches_video
from vedette_video.params import PlaylistParams
from vedette_video.video_file import open_video


@dataclass(frozen=True)
class Item:
    """One entry: where it stands, for messages, and the path that it means."""

    where: str
    uri: str


class Playlist:
    """Reads its items one after the other. The epoch rises with each, and stays above every epoch of the one before.

    All items are looked for before the first is played; a damaged one is an error when its turn comes.
    """

    def __init__(self, items: list[Item], params: PlaylistParams) -> None:
        self.info = SourceInfo(live=False)
        self._items = items
        self._params = params
        self._captures = self._play()
        self._source: Source | None = None
        self._closed = False

    def read(self, timeout_s: float) -> Capture:
        """The next picture. A file never keeps waiting: ``timeout_s`` is not needed."""
        if self._closed:
            raise SourceError("this playlist is closed")
        capture = next(self._captures, None)
        if capture is None:
            raise EndOfStream
        return capture

    def close(self) -> None:
        self._closed = True
        if self._source is not None:
            self._source.close()

    def _play(self) -> Iterator[Capture]:
        epoch = 0
        while True:
            for item in self._items:
                last = 0
                for capture in self._captures_of(item):
                    last = capture.epoch
                    yield replace(capture, epoch=epoch + last)
                epoch += last + 1
            if not self._params.loop:
                return

    def _captures_of(self, item: Item) -> Iterator[Capture]:
        try:
            self._source = _open(item.uri, self._params)
            while (capture := self._source.read(0)) is not None:
                yield capture
        except EndOfStream:
            pass
        except SourceError as error:
            raise SourceError(f"{item.where}: {error.message}", fix=error.fix) from error
        finally:
            if self._source is not None:
                self._source.close()


def open_playlist(uri: str, params: PlaylistParams) -> Playlist:
    """Open the list that ``uri`` names, or ``params.items``.

    A list is a text file with one path per line, relative to the list's folder; lines that begin with ``#`` are
    comments. Items are what the sources ``video`` and ``images`` read.

    Raises
    ------
    SourceError
        The list cannot be read or is empty, or an item does not exist; the message names the item.
    """
    if params.video.loop or params.images.loop:
        raise SourceError(
            "an item of a playlist cannot loop: the next would never come", fix="set loop of the playlist"
        )
    if (uri == PLAYLIST) != bool(params.items):
        raise SourceError(
            f"playlist {uri!r}: give either a file or items",
            fix=f"write the source as {PLAYLIST!r} together with items, or name a file without items",
        )
    if params.items:
        items = [Item(f"playlist item {number}", item) for number, item in enumerate(params.items, 1)]
    else:
        items = _read(Path(local_path(uri) or uri))
    for item in items:
        _check(item)
    return Playlist(items, params)


def _read(path: Path) -> list[Item]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no playlist {path}", fix="check the path; it is relative to the working folder"
        ) from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} is not a playlist", fix="a playlist is a text file in UTF-8, one path per line"
        ) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    items = [
        Item(f"{path}:{number}", _beside(path, line))
        for number, line in lines
        if line and not line.startswith("#")
    ]
    if not items:
        raise SourceError(f"{path} lists nothing", fix="write one path per line")
    return items


def _beside(playlist: Path, line: str) -> str:
    """A path as the list means it: relative to its folder."""
    path = local_path(line)
    return line if path is None else str(playlist.parent / path)


def _check(item: Item) -> None:
    path = local_path(item.uri)
    if path is None or not (matches_video(item.uri) or matches_images(item.uri)):
        raise SourceError(
            f"{item.where}: {item.uri} is neither a video nor pictures that are there",
            fix="correct or remove this entry",
        )
    try:
        if matches_images(item.uri) > matches_video(item.uri):
            find_images(path)
        elif not Path(path).is_file():
            raise SourceError(f"there is no file {path}")
    except SourceError as error:
        raise SourceError(f"{item.where}: {error.message}", fix="correct or remove this entry") from error


def _open(uri: str, params: PlaylistParams) -> Source:
    if matches_images(uri) > matches_video(uri):
        return open_images(uri, params.images)
    return open_video(uri, params.video)
