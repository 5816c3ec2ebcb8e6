"""Fuzz the readers of bundles: ``make fuzz``, or ``python tests/fuzz/fuzz.py --inputs 10000``.

Each input follows from the seed and its number, so that ``--only NUMBER`` repeats what was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random

from targets import TARGETS

BLOCK = 2000
"""Inputs that a worker takes at a time."""
PATIENCE_S = 10
"""Longer than this is a hang."""
SHOWN = 10

Failure = tuple[int, str, str]
"""Number of the input, target, what went wrong."""


class HangError(Exception):
    """An input took too long."""


def run_block(seed: int, numbers: range) -> list[Failure]:
    """Run some inputs in this process."""
    signal.signal(signal.SIGALRM, _hang)
    faulthandler.dump_traceback_later(
        PATIENCE_S * len(numbers), exit=True
    )  # should the alarm not get through
    try:
        with tempfile.TemporaryDirectory(prefix="vedette-fuzz-", dir=_fast_folder()) as folder:
            return [failure for number in numbers for failure in _run(seed, number, Path(folder))]
    finally:
        faulthandler.cancel_dump_traceback_later()


def _run(seed: int, number: int, folder: Path) -> Iterator[Failure]:
    rng = Random(f"{seed}:{number}")
    target = rng.choice(TARGETS)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        target(rng, folder)
    except Exception:
        yield number, target.__name__, traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hang(*_: object) -> None:
    raise HangError(f"not done after {PATIENCE_S} s")


def _fast_folder() -> str | None:
    """In memory, where there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run(seed: int, inputs: int, jobs: int) -> list[Failure]:
    """Run ``inputs`` inputs in ``jobs`` processes, and tell of the progress on standard error."""
    blocks = [range(start, min(start + BLOCK, inputs)) for start in range(0, inputs, BLOCK)]
    failures: list[Failure] = []
    begin = time.monotonic()
    done = 0
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending: dict[Future[list[Failure]], range] = {
            pool.submit(run_block, seed, block): block for block in blocks
        }
        for future in as_completed(pending):
            block = pending[future]
            try:
                failures += future.result()
            except BrokenProcessPool:
                return [
                    *failures,
                    (block.start, "?", f"a process died at one of {block.start} to {block.stop - 1}"),
                ]
            done += len(block)
            rate = done / (time.monotonic() - begin)
            print(
                f"\r{done:,} of {inputs:,} inputs, {rate:,.0f} per second",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(file=sys.stderr)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the readers of bundles.")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="run this input alone")
    given = parser.parse_args()
    begin = time.monotonic()
    if given.only is not None:
        failures = run_block(given.seed, range(given.only, given.only + 1))
    else:
        failures = run(given.seed, given.inputs, given.jobs)
    for number, target, what in sorted(failures)[:SHOWN]:
        print(f"--- {target}, repeat with: --seed {given.seed} --only {number}\n{what}")
    count = 1 if given.only is not None else given.inputs
    print(f"{count:,} inputs, {len(failures)} failures, {time.monotonic() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
