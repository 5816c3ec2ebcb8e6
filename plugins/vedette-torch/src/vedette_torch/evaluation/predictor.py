"""What is judged: anything that looks at pictures and says what it sees, and states what it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from vedette.frame import Decode, Frame
from vedette.results import Result
from vedette_torch.data.pictures import Progress, read_frame
from vedette_torch.data.samples import BoxesSample, Sample

_AHEAD = 8


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was judged, in full: ``how`` it ran (backend, device, precision ...), the decoder's ``params``, and for a
    bundle what came of its ``proof``."""

    kind: str
    name: str
    path: str
    digest: str = ""
    how: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    proof: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In one line, for people."""
        return f"{self.name} ({', '.join([self.kind, *self.how.values()])})"


class Predictor(Protocol):
    """Looks at pictures. ``threshold``: the confidence that boxes are reported from where it is used; results may go
    lower, for the curve of precision and recall."""

    subject: Subject
    labels: tuple[str, ...]
    result: type[Result]
    threshold: float | None

    def __call__(self, frame: Frame, reference: Frame | None = None) -> Result:
        """What is in a picture, in pixels of its upright frame; owns its arrays.

        ``reference``: for models that compare, the flawless picture in place of the bundle's.
        """
        ...


def predict(
    predictor: Predictor, samples: Sequence[Sample], decode: Decode, progress: Progress | None = None
) -> list[Result]:
    """The result for each sample. Pictures are read and decoded ahead, in a thread of their own.

    Raises
    ------
    VedetteError
        A picture cannot be read, or the model fails; the message names the picture.
    """
    results = []
    for frame, reference in _frames(samples, decode):
        results.append(predictor(frame, reference))
        if progress:
            progress(len(results), len(samples))
    return results


def _frames(samples: Sequence[Sample], decode: Decode) -> Iterator[tuple[Frame, Frame | None]]:
    """Each picture, with the flawless one beside it if there is one."""

    def load(path: Path) -> Frame:
        frame = read_frame(path, decode)
        frame.pixels()
        return frame

    def both(sample: Sample) -> tuple[Frame, Frame | None]:
        template = sample.template if isinstance(sample, BoxesSample) else None
        return load(sample.path), None if template is None else load(template)

    left = iter(samples)
    with ThreadPoolExecutor(1) as pool:
        ready: deque[Future[tuple[Frame, Frame | None]]] = deque(
            pool.submit(both, sample) for sample in islice(left, _AHEAD)
        )
        while ready:
            yield ready.popleft().result()
            ready.extend(pool.submit(both, sample) for sample in islice(left, 1))
