"""A worker's side of the talk: one JSON request per line on stdin, one JSON answer per line on stdout.

Works in any environment: only the standard library, and Vedette's ruler, which needs no more.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from vedette.benchmark.meter import timed


def serve(about: dict[str, Any], run: Callable[[float], int], results: Callable[[int], list[Any]]) -> None:
    """Answer until stdin ends.

    Parameters
    ----------
    about
        Told first: versions, and the execution precision as read back.
    run
        Work for so many seconds (or frames, if it reads a video); returns the number of frames.
    results
        What the model says of the first ``n`` frames.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    _tell(answers, about)
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            sample = timed(partial(run, request["run"]))
            _tell(answers, {**dataclasses.asdict(sample), "peak_rss_mb": _peak_rss_mb()})
        else:
            _tell(answers, results(request["results"]))


def _tell(out: Any, answer: Any) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


def _peak_rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
