"""The other side of a worker: start it, tell it what to do, in which environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.options import ROOT
from vedette.benchmark.meter import Sample

VENVS = ROOT / ".bench-venvs"
STOP_S = 10


class Worker:
    """A program in ``bench/workers`` that was given its task as JSON. Fails loudly if the program does."""

    def __init__(self, python: Path, program: str, task: dict[str, Any]) -> None:
        self._title = f"{program} {json.dumps(task)}"
        script = ROOT / "bench" / "workers" / program
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            [python, script, json.dumps(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "sdk"), str(ROOT)])},
        )
        self.peak_rss_mb = 0.0
        try:
            self.about: dict[str, Any] = self._answer()
        except BaseException:
            self.close()
            raise

    def run(self, amount: float) -> Sample:
        """Have it work for so many seconds, or frames of a video."""
        answer = self._ask({"run": amount})
        self.peak_rss_mb = answer.pop("peak_rss_mb")
        return Sample(**answer)

    def results(self, count: int) -> list[Any]:
        """What it says of the first frames."""
        found: list[Any] = self._ask({"results": count})
        return found

    def close(self) -> None:
        """Let it end; make it end if it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise RuntimeError(f"{self._title} ended:\n{self._log.read()[-4000:]}")
        return json.loads(line)


def environment(name: str, requirements: list[str], say: Callable[[str], None]) -> Path:
    """The Python of an environment with those packages, made by pip if it is not there yet."""
    folder = VENVS / name
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not made.exists() or made.read_text() != wanted:
        say(f"installing {', '.join(requirements)} in {folder.relative_to(ROOT)}, once")
        venv.create(folder, with_pip=True, clear=True)
        command = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *requirements,
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
        made.write_text(wanted)
    return python
