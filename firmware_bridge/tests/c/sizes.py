"""Flash, RAM and stack of the C library on Cortex-M, unit by unit. As a program it prints the table of the README.

XX
callbacks, and the C library's memcpy, memmove and memset, are not in it; calls through a pointer to a part of this
library are (``THROUGH_POINTERS``).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FIRMWARE = Path(__file__).parents[2] / "firmware"
COMPILER = "arm-none-eabi-gcc"
CORES = ("cortex-m0", "cortex-m4")
FLAGS = ("-mthumb", "-Os", "-std=c99", "-ffunction-sections", "-fdata-sections")
CORE = ("vlp", "vlp_transmit", "vlp_receive")
CORE_CRC = "vlp_crc32_bitwise"
UNITS = {
    "vlp_abort": "giving up images",
    "vlp_stats": "answers STATS",
    "vlp_baud": "other baud rates",
    "vlp_auth": "level 1, without a hash",
    "vlp_sha256": "HMAC-SHA-256 in software",
    "vlp_cbor": "CBOR",
    "vlp_rpc": "commands, parameters, kept replies",
    "vlp_messages": "RESULT, EVENT, TRIGGER",
    "vlp_check": "says what is wrong with a configuration",
}
FROM_LIBC = {"memcpy", "memmove", "memset", "strlen"}
ENTRIES = ("vlp_init", "vlp_rx", "vlp_poll", "vlp_send", "vlp_send_image", "vlp_is_up", "vlp_longest")
THROUGH_POINTERS = {
    "core": {"vlp_crc": (CORE_CRC,)},
    "all": {
        "vlp_crc": ("vlp_crc32_nibble",),
        "vlp_emit": ("vlp_auth.c:sign",),
        "vlp_parse": ("vlp_auth.c:right", "vlp_baud.c:heard"),
        "vlp_on_hello": ("vlp_auth.c:welcome",),
        "vlp_poll": ("vlp_baud.c:poll",),
        "vlp.c:restart": ("vlp_baud.c:closed",),
        "vlp_send_next": ("vlp_stats",),
        "vlp_auth.c:hmac": ("vlp_hmac",),
    },
}
MEASURE_RAM = """
#include "vlp_auth.h"
#include "vlp_baud.h"
#include "vlp_rpc.h"
vlp_t size_of_vlp_t; vlp_slot size_of_vlp_slot; vlp_config size_of_vlp_config; vlp_hal size_of_vlp_hal;
vlp_auth size_of_vlp_auth; vlp_baud size_of_vlp_baud; vlp_rpc size_of_vlp_rpc; vlp_image size_of_vlp_image;
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Measured:
    """The library, compiled for one core into ``folder``."""

    def __init__(self, core: str, folder: Path) -> None:
        self.core, self.folder = core, folder
        for source in sorted(FIRMWARE.glob("vlp*.c")):
            self._compile(source, source.stem, "-fcallgraph-info=su")
        ram = folder / "ram.c"
        ram.write_text(MEASURE_RAM)
        self._compile(ram, "ram")

    def _compile(self, source: Path, stem: str, *flags: str) -> None:
        target = self.folder / f"{stem}.o"
        command = (COMPILER, f"-mcpu={self.core}", *FLAGS, *flags, f"-I{FIRMWARE}", "-c", str(source), "-o")
        run(*command, str(target))

    # --- flash and RAM

    def flash(self, unit: str) -> int:
        """Code and constants of a unit."""
        line = run("arm-none-eabi-size", str(self.folder / f"{unit}.o")).splitlines()[1].split()
        return int(line[0]) + int(line[1])

    def function(self, unit: str, name: str) -> int:
        """Code of one function, and the constants that are its own."""
        sections = run("arm-none-eabi-size", "-A", str(self.folder / f"{unit}.o"))
        return sum(
            int(size)
            for section, size in re.findall(r"^\.(\S+)\s+(\d+)", sections, re.MULTILINE)
            if section.startswith((f"text.{name}", "rodata.table.0" if name.endswith("nibble") else "-"))
        )

    def static_ram(self, unit: str) -> int:
        line = run("arm-none-eabi-size", str(self.folder / f"{unit}.o")).splitlines()[1].split()
        return int(line[1]) + int(line[2])

    def core_flash(self) -> int:
        return sum(self.flash(unit) for unit in CORE) + self.function("vlp_crc32", CORE_CRC)

    def undefined(self, unit: str) -> set[str]:
        """What a unit needs of others."""
        names = run("arm-none-eabi-nm", "-u", str(self.folder / f"{unit}.o")).split()
        return {name for name in names if name != "U" and not name.endswith(":")}

    def sizeof(self, name: str) -> int:
        lines = run("arm-none-eabi-nm", "-S", "-td", str(self.folder / "ram.o")).splitlines()
        return next(int(line.split()[1]) for line in lines if line.endswith(f" size_of_{name}"))

    # --- stack

    def graph(self) -> tuple[dict[str, int], dict[str, set[str]]]:
        """Frame by function, and who is called by whom; functions that are static to a file are ``file.c:name``."""
        frames: dict[str, int] = {}
        calls: dict[str, set[str]] = {}
        for info in sorted(self.folder.glob("vlp*.ci")):
            text = info.read_text()
            for title, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
                if found := re.search(r"(\d+) bytes \((\w+)\)", label):
                    assert found[2] == "static", f"{title}: the stack is {found[2]}"
                    frames[_short(title)] = int(found[1])
            for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
                calls.setdefault(_short(source), set()).add(_short(target))
        return frames, calls

    def deepest(self, entry: str, pointers: dict[str, tuple[str, ...]]) -> tuple[int, list[str]]:
        """The deepest path from ``entry``: bytes, and its functions."""
        frames, calls = self.graph()
        for source, targets in pointers.items():
            for name in (source, *targets):
                assert name in frames, f"{name} is not there any more"
            calls[source] = calls.get(source, set()) | set(targets)

        def follow(name: str, above: tuple[str, ...]) -> tuple[int, list[str]]:
            assert name not in above, f"recursion: {above} {name}"
            best: tuple[int, list[str]] = (0, [])
            for callee in calls.get(name, ()):
                if callee in frames:
                    best = max(best, follow(callee, (*above, name)))
            return frames[name] + best[0], [name, *best[1]]

        return follow(entry, ())

    def stack(self, which: str) -> tuple[int, list[str]]:
        """The deepest path of the core alone, or with all units."""
        return max(self.deepest(entry, THROUGH_POINTERS[which]) for entry in ENTRIES)


def _short(title: str) -> str:
    """``/path/vlp_baud.c:poll`` is ``vlp_baud.c:poll``; what the compiler made of a function has its name."""
    return re.sub(r"\.(isra|part|constprop)\.\d+$", "", title.rsplit("/", 1)[-1])


def table() -> str:
    """The table of the README."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        measured = []
        for core in CORES:
            place = Path(folder) / core
            place.mkdir()
            measured.append(Measured(core, place))
        rows.append(("core, with the CRC that has no table", *(one.core_flash() for one in measured)))
        for name, text in (("nibble", "64-byte table, instead"), ("table", "1 KiB table, instead")):
            if name == "nibble":
                rows.append(
                    (
                        f"`vlp_crc32_{name}` ({text})",
                        *(one.function("vlp_crc32", "vlp_crc32_nibble") for one in measured),
                    )
                )
        rows += [
            (f"`{unit}.c` ({text})", *(one.flash(unit) for one in measured)) for unit, text in UNITS.items()
        ]
        lines = ["| flash, bytes | Cortex-M0 | Cortex-M4 |", "|---|---|---|"]
        lines += [f"| {name} | {first} | {second} |" for name, first, second in rows]
        lines += ["", "| RAM, bytes | |", "|---|---|"]
        for name in (
            "vlp_t",
            "vlp_slot",
            "vlp_config",
            "vlp_hal",
            "vlp_image",
            "vlp_auth",
            "vlp_baud",
            "vlp_rpc",
        ):
            lines.append(f"| `{name}` | {measured[0].sizeof(name)} |")
        lines += ["", "| stack, bytes, deepest path | Cortex-M0 | Cortex-M4 |", "|---|---|---|"]
        for which, text in (("core", "core"), ("all", "with auth, HMAC in software, baud, stats")):
            lines.append(f"| {text} | {measured[0].stack(which)[0]} | {measured[1].stack(which)[0]} |")
        lines += [
            "",
            *(
                f"{one.core}, {which}: {' > '.join(one.stack(which)[1])}"
                for one in measured
                for which in ("core", "all")
            ),
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
