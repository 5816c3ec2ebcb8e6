"""Exact search of a face among many people, by the bare float32 matrix product that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter

import numpy as np

from bench.figures import Figure, Outcome
from bench.options import Options
from vedette.benchmark.meter import timed
from vedette.benchmark.rounds import interleave

PEOPLE, DIMENSION = 100_000, 128
FACES = (1, 8)
"""Faces that are looked for at once: in a pipeline those of one frame."""
TARGET = 1.3
NOTE = (
    "'search' says who each of n faces is among 10^5 people of one template each: nearest person, margin to the second,"
    " decision; 'product' is faces @ templates.T alone. 10^6 templates of 128 numbers are 512 MB in memory"
)


def run(options: Options) -> Outcome:
    """The product and the search in turn, on the same arrays."""
    try:
        from vedette_face.gallery.search import People
    except ImportError:
        return Outcome(skipped="vedette-face is not installed")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(PEOPLE, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = People.of({f"{at:06}": rows[at : at + 1] for at in range(PEOPLE)})
    figures = []
    for n in FACES:
        faces = np.ascontiguousarray(people.templates[:n])
        contestants: dict[str, Callable[[], object]] = {
            "product": lambda faces=faces: faces @ people.templates.T,
            "top 5": partial(people.top, faces, 5),
            "search": partial(people.search, faces, 0.5),
        }
        series = interleave(
            {
                name: partial(timed, partial(_repeat, call, options.seconds))
                for name, call in contestants.items()
            },
            options.rounds,
            options.say,
            options.attempts,
        )
        figures += [
            Figure(
                subject=f"{n} of 10^5 x {DIMENSION}",
                name=f"{name}: time by that of the product",
                value=series["product"].per_round(series[name]),
                unit="",
                target=TARGET,
                better="lower",
                contended=max(series["product"].contended, series[name].contended),
            )
            for name in ("search", "top 5")
        ]
        figures.append(
            Figure(
                subject=f"{n} of 10^5 x {DIMENSION}",
                name="search",
                value=1e3 / series["search"].rate_hz,
                unit="ms",
            )
        )
    return Outcome(figures=figures, notes=[NOTE])


def _repeat(call: Callable[[], object], seconds: float) -> int:
    """As often as fits; how often that was."""
    until, count = perf_counter() + seconds, 0
    while perf_counter() < until:
        call()
        count += 1
    return count
