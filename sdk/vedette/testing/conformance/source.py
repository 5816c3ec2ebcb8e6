"""What a source must keep to."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.errors import EndOfStream, SourceError, VedetteError
from vedette.frame import Encoded, Image, Packed, Planar
from vedette.results import type_name
from vedette.specs import Capture, Source, SourceInfo, SourceSpec
from vedette.testing.conformance.base import Conformance, demand, patience_s, refuse, within

READ_S = 0.2
"""What ``read`` is given to wait."""
PATIENCE_S = 30.0
"""How long the first image of a source may take altogether."""
MANY = 10_000
PASSWORD = "password-of-the-conformance-test"

Open = Callable[[], Source]


class SourceConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.SourceSpec`.

    Must give: ``spec``, ``uri``, ``bad_uri``. May give: ``params``, ``ends``.
    """

    spec_type = SourceSpec

    @pytest.fixture
    def uri(self) -> str:
        """Something short that the source reads; at least two images."""
        self.must_give("uri", "returns a path or URL that the source reads: short, with at least 2 images")

    @pytest.fixture
    def bad_uri(self) -> str:
        """Something that the source would read, but that is not there or broken."""
        self.must_give("bad_uri", "returns a path or URL that is the source's to read, but cannot be opened")

    @pytest.fixture
    def ends(self) -> bool:
        """Whether the images come to an end. Default: yes."""
        return True

    @pytest.fixture
    def open_source(self, spec: SourceSpec, uri: str, converted: Any) -> Iterator[Open]:
        """Opens the source, and closes it after the test. Not to be overridden."""
        opened: list[Source] = []

        def open_source() -> Source:
            opened.append(spec.open(uri, converted))
            return opened[-1]

        yield open_source
        for source in opened:
            _close(source)

    def test_it_knows_what_is_its_own(self, spec: SourceSpec, uri: str) -> None:
        """``matches`` is asked about every address that a user writes."""
        demand(
            spec.matches(uri) > 0,
            f"matches({uri!r}) is {spec.matches(uri)!r}",
            "return a number above 0 for what the source reads",
        )
        for foreign in ("", "no-such-scheme://host/path", "\x00"):
            demand(
                spec.matches(foreign) == 0,
                f"matches({foreign!r}) is {spec.matches(foreign)!r}",
                "return 0 for an address that is not of the source's own kind, and raise nothing",
            )

    def test_what_cannot_be_opened_is_refused(self, spec: SourceSpec, bad_uri: str, converted: Any) -> None:
        """When it is opened or at the first read, with a SourceError that has something to go by."""
        try:
            source = spec.open(bad_uri, converted)
            try:
                _read(source)
            finally:
                _close(source)
        except SourceError as error:
            demand(len(error.message) > 10, f"the message is {error.message!r}", "say which address, and why")
        except Exception as error:
            refuse(
                f"{bad_uri!r} raises {type(error).__name__}: {error}",
                "raise a vedette.SourceError that names the address (without its password) and the reason",
            )
        else:
            refuse(
                f"{bad_uri!r} can be opened and read",
                "give a `bad_uri` that is broken, or raise a SourceError",
            )

    def test_a_password_is_not_told(
        self, spec: SourceSpec, bad_uri: str, converted: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Errors and logs are read by anybody; an address with a login must not be quoted in them as it is."""
        if "://" not in bad_uri:
            return
        caplog.set_level(logging.DEBUG)
        told = ""
        try:
            source = spec.open(bad_uri.replace("://", f"://somebody:{PASSWORD}@", 1), converted)
            try:
                _read(source)
            finally:
                _close(source)
        except Exception as error:
            told = "".join(traceback.format_exception(error))
        demand(
            PASSWORD not in told + caplog.text,
            "the password in an address is told to whoever reads the error or the log",
            "show vedette.secrets.redacted(uri), and raise errors of others, which may quote it, `from None`",
        )

    def test_it_describes_itself(self, open_source: Open) -> None:
        """``info`` says whether images are lost if nobody takes them."""
        info = open_source().info
        demand(
            isinstance(info, SourceInfo), f"info is {type_name(info)}", "set self.info = SourceInfo(live=…)"
        )
        demand(
            isinstance(info.live, bool), f"info.live is {info.live!r}", "True for a camera, False for a file"
        )

    def test_read_does_not_block(self, open_source: Open, ends: bool) -> None:
        """``read(timeout_s)`` comes back: with an image, ``None``, or the end. Stopping a pipeline depends on it."""
        source = open_source()
        for _ in range(MANY if ends else 10):
            if _read(source) is _END:
                return
        if ends:
            refuse(
                f"after {MANY} reads the source has not ended",
                "raise vedette.EndOfStream after the last image, or set the fixture `ends` to False",
            )

    def test_images_are_sound(self, open_source: Open) -> None:
        """Pixels, clocks and numbers of each capture."""
        began_ns = time.monotonic_ns()
        captures = _captures(open_source())
        for capture in captures:
            image = capture.image
            demand(
                isinstance(image, Packed | Planar | Encoded),
                f"Capture.image is {type_name(image)}",
                'give vedette.Packed("bgr", array), Planar or Encoded',
            )
            demand(
                min(image.size_wh) > 0,
                f"the size of an image is {image.size_wh}",
                "give the size of the picture: stages place their boxes by it",
            )
            demand(
                capture.orientation in (0, 90, 180, 270),
                f"orientation is {capture.orientation!r}",
                "give 0, 90, 180 or 270: the clockwise turn that makes the picture upright",
            )
            clock = capture.clock
            if clock.origin == "arrival":
                demand(
                    began_ns <= clock.mono_ns <= time.monotonic_ns(),
                    f"an image that arrived now has mono_ns {clock.mono_ns}, which is not on the monotonic clock",
                    "use time.monotonic_ns() for mono_ns and time.time_ns() for wall_ns",
                )
            demand(
                clock.wall_ns > 1_000_000_000 * 10**9 or clock.origin != "arrival",
                f"wall_ns is {clock.wall_ns}",
                "give nanoseconds since 1970: time.time_ns()",
            )

    def test_numbers_rise(self, open_source: Open) -> None:
        """``seq`` within an epoch, ``epoch`` over the stream, ``mono_ns`` and ``media_ns`` within an epoch."""
        last: Capture | None = None
        for capture in _captures(open_source(), 20):
            if last is not None:
                _demand_rising(last, capture)
            last = capture

    def test_images_last(self, open_source: Open) -> None:
        """An image is still looked at while the next ones are read."""
        source = open_source()
        first = _captures(source, 1)[0]
        kept = _memory(first.image)
        rest = _captures(source, 3, at_least=0)
        for before, after in zip(kept, _memory(first.image, copy=False), strict=True):
            demand(
                np.array_equal(before, after),
                f"the pixels of image {first.seq} changed when the next {len(rest)} were read",
                "give each Capture memory of its own: copy the pixels out of the driver's buffer",
            )

    def test_the_end_can_be_met_again(self, open_source: Open, ends: bool) -> None:
        """``EndOfStream`` is raised by every read after the last image."""
        if not ends:
            return
        source = open_source()
        for _ in range(MANY):
            if _read(source) is _END:
                break
        for _ in range(2):
            again = _read(source)
            demand(
                again is _END,
                f"after EndOfStream, read() gives {type_name(again)}",
                "raise EndOfStream at every read after the last image",
            )

    def test_close_can_be_repeated(self, open_source: Open) -> None:
        """Twice, also before the first read; afterwards nothing is read."""
        untouched, used = open_source(), open_source()
        _captures(used, 1)
        for source in (untouched, used):
            _close(source)
            try:
                _close(source)
            except Exception as error:
                refuse(
                    f"the second close() raises {error!r}", "let close() do nothing when the source is closed"
                )
            try:
                given = _read(source)
            except VedetteError:
                continue
            except Exception as error:
                refuse(
                    f"read() on a closed source raises {type(error).__name__}: {error}",
                    "raise a vedette.SourceError that says that the source is closed",
                )
            demand(
                given is _END or given is None,
                "read() on a closed source gives an image",
                "raise a vedette.SourceError that says that the source is closed",
            )

    def test_it_can_be_opened_again(self, spec: SourceSpec, uri: str, converted: Any) -> None:
        """A pipeline reconnects by opening anew."""
        for _ in range(2):
            source = spec.open(uri, converted)
            try:
                first = _captures(source, 1)[0]
            finally:
                _close(source)
            demand(
                first.epoch >= 0 and first.seq >= 0,
                f"the first image has epoch {first.epoch} and seq {first.seq}",
                "count from 0",
            )


_END = object()


def _read(source: Source) -> Capture | object | None:
    """An image, ``None``, or ``_END``."""

    def read() -> Capture | object | None:
        try:
            return source.read(READ_S)
        except EndOfStream:
            return _END

    given = within(
        READ_S + patience_s(),
        f"read({READ_S:g})",
        "give every wait inside read() a time limit of `timeout_s`, and return None when nothing came",
        read,
    )
    demand(
        given is None or given is _END or isinstance(given, Capture),
        f"read() returned {type_name(given)}",
        "return a vedette.Capture, or None if no image came in time; raise EndOfStream after the last",
    )
    return given


def _captures(source: Source, count: int = 5, *, at_least: int = 1) -> list[Capture]:
    """The next images, as many as come."""
    found: list[Capture] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < deadline:
        given = _read(source)
        if given is _END:
            break
        if isinstance(given, Capture):
            found.append(given)
    demand(
        len(found) >= at_least,
        f"no image came within {PATIENCE_S:g} s, or before the end",
        "give a `uri` with at least 2 images",
    )
    return found


def _demand_rising(last: Capture, capture: Capture) -> None:
    demand(
        capture.epoch >= last.epoch,
        f"epoch falls from {last.epoch} to {capture.epoch}",
        "raise `epoch` by one on seek, reconnect and playlist item; never lower it",
    )
    if capture.epoch > last.epoch:
        return
    demand(
        capture.seq > last.seq,
        f"seq {last.seq} is followed by {capture.seq} in epoch {capture.epoch}",
        "count every captured image, those that are lost included; where counting starts again, raise `epoch`",
    )
    for name in ("mono_ns", "media_ns"):
        before, after = getattr(last.clock, name), getattr(capture.clock, name)
        demand(
            before is None or after is None or after >= before,
            f"{name} falls from {before} to {after} within epoch {capture.epoch}",
            "deliver images in the order of their time; where time starts again, raise `epoch`",
        )


def _memory(image: Image, *, copy: bool = True) -> list[NDArray[Any]]:
    if isinstance(image, Encoded):
        arrays: list[NDArray[Any]] = [np.frombuffer(image.data, np.uint8)]
    else:
        arrays = [image.pixels] if isinstance(image, Packed) else list(image.planes)
    return [array.copy() for array in arrays] if copy else arrays


def _close(source: Source) -> None:
    within(patience_s(), "close()", "let close() end what is waiting, and not wait for it", source.close)
