"""What a sink must keep to."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vedette.packet import Packet, Ran
from vedette.specs import Sink, SinkSpec
from vedette.testing.conformance import samples
from vedette.testing.conformance.base import Conformance, demand, patience_s, refuse, within

Open = Callable[[], Sink]


class SinkConformance(Conformance):
    """Inherit this to check a :class:`~vedette.specs.SinkSpec`.

    Must give: ``spec``, and ``params`` if the sink takes any; ``check_file`` if it writes files. May give: ``packets``.
    """

    spec_type = SinkSpec

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder that the sink's files go to: let ``params`` name paths in it."""
        return tmp_path / "written"

    @pytest.fixture
    def check_file(self) -> Callable[[Path], object]:
        """Reads a file that the sink has finished, and raises if it is not whole."""

        def unknown(path: Path) -> None:
            self.must_give(
                "check_file",
                f"returns a function that reads a finished file such as {path.name} and raises if it is not whole",
            )

        return unknown

    @pytest.fixture
    def packets(self) -> list[Packet]:
        """Packets of two streams with all that a stage may have said, pictures included."""
        pairs = zip(samples.packets("gate"), samples.packets("yard"), strict=True)
        return [packet for pair in pairs for packet in pair]

    @pytest.fixture
    def open_sink(self, spec: SinkSpec, converted: Any, folder: Path) -> Iterator[Open]:
        """Opens the sink, and closes it after the test. Not to be overridden."""
        folder.mkdir()
        opened: list[Sink] = []

        def open_sink() -> Sink:
            opened.append(spec.open(converted))
            return opened[-1]

        yield open_sink
        for sink in opened:
            sink.abort()

    def test_it_takes_every_packet(self, open_sink: Open, packets: list[Packet]) -> None:
        """Stages that found nothing, did not run, failed or are quarantined; streams in turn."""
        _write(open_sink(), packets)

    def test_what_is_closed_is_complete(
        self, open_sink: Open, packets: list[Packet], folder: Path, check_file: Callable[[Path], object]
    ) -> None:
        """Every file can be read, and none is left open."""
        sink = open_sink()
        _write(sink, packets)
        _finish(sink, "close")
        _demand_whole(folder, check_file, "close()", "write what is held back and finish the file in close()")

    @pytest.mark.parametrize("count", [0, 1, 3], ids="after {} packets".format)
    def test_what_is_aborted_is_not_half_written(
        self,
        open_sink: Open,
        packets: list[Packet],
        folder: Path,
        check_file: Callable[[Path], object],
        count: int,
    ) -> None:
        """After a failure or Ctrl-C: what is complete is kept, nothing is left half-written."""
        sink = open_sink()
        _write(sink, packets[:count])
        _finish(sink, "abort")
        _demand_whole(
            folder,
            check_file,
            f"abort() after {count} packets",
            "write to another name (.partial) and rename when complete; finish or remove the file in abort()",
        )

    def test_closing_can_be_repeated(self, open_sink: Open, packets: list[Packet]) -> None:
        """And followed by ``abort``."""
        sink = open_sink()
        _write(sink, packets[:2])
        for name in ("close", "close", "abort"):
            _finish(sink, name)

    def test_aborting_can_be_repeated(self, open_sink: Open) -> None:
        """Also before the first packet, and followed by ``close``."""
        sink = open_sink()
        for name in ("abort", "abort", "close"):
            _finish(sink, name)

    def test_packets_are_not_changed(self, open_sink: Open, packets: list[Packet]) -> None:
        """The next sink gets the same packet."""
        before = [_described(packet) for packet in packets]
        _write(open_sink(), packets)
        for packet, was in zip(packets, before, strict=True):
            demand(
                _described(packet) == was,
                f"packet {packet.frame.ticket} of stream {packet.frame.stream!r} was changed",
                "copy what you change: other sinks and observers see the same packet",
            )

    def test_files_are_not_left_open(self, open_sink: Open, packets: list[Packet], folder: Path) -> None:
        """A pipeline that runs for months is reloaded often."""
        sink = open_sink()
        _write(sink, packets)
        _finish(sink, "close")
        left = _open_files(folder)
        demand(
            not left,
            f"after close() these files are open: {left}",
            "close what you open, in close() and abort()",
        )


def _write(sink: Sink, packets: list[Packet]) -> None:
    """As the pipeline does: a packet, then its events."""
    for packet in packets:
        try:
            sink.write(packet)
            for event in packet.events:
                sink.write_event(event)
        except Exception as error:
            said = ", ".join(f"{name}: {type(outcome).__name__}" for name, outcome in packet.outcome.items())
            refuse(
                f"a packet with the outcomes {said} raises {type(error).__name__}: {error}",
                "look at packet.outcome with `match`: Ran(result), Ran(None), NotRun, Failed, Quarantined",
            )


def _finish(sink: Sink, how: str) -> None:
    try:
        within(
            6 * patience_s(), f"{how}()", "do not wait for anything that may never come", getattr(sink, how)
        )
    except Exception as error:
        refuse(
            f"{how}() raises {type(error).__name__}: {error}",
            "let close() and abort() do nothing where nothing is open, in whichever order they come",
        )


def _demand_whole(folder: Path, check_file: Callable[[Path], object], when: str, fix: str) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            check_file(path)
        except Exception as error:
            refuse(f"{path.name} is not whole after {when}: {type(error).__name__}: {error}", fix)


def _open_files(folder: Path) -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = link.readlink()
        except OSError:  # the descriptor that lists the folder itself
            continue
        if target.is_relative_to(folder.resolve()):
            found.append(target.name)
    return found


def _described(packet: Packet) -> Mapping[str, Any]:
    return {
        "outcome": {
            name: (
                outcome.result.to_builtins() if isinstance(outcome, Ran) and outcome.result else repr(outcome)
            )
            for name, outcome in packet.outcome.items()
        },
        "events": copy.deepcopy(packet.events),
        "pixels": packet.frame.view("bgr").tobytes(),
    }
