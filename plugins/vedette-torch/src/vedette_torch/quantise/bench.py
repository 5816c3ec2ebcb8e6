"""Quantise, put the files into a bundle, and measure it against the float one: one attempt of the gate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.manifest import Tolerance
from vedette.proof.oracle import QUANTISED
from vedette.proof.run import Proof
from vedette.registry import Registry
from vedette_torch.data.samples import Dataset
from vedette_torch.evaluation.headline import Headline, difference
from vedette_torch.quantise.gate import Attempt, Drop
from vedette_torch.quantise.measure import Say, backends_for, headline_of, proof_of
from vedette_torch.quantise.method import GraphContent, Method
from vedette_torch.quantise.seal import Recorded, record, write_draft

WIDEST = Tolerance(worst=0.6, rms=QUANTISED.rms)
"""By how much raw outputs may at most differ between backends whose accuracy was measured. Single values of a map of
thousands fall to either side of a rounding; the square mean does not, and is held to what is usual."""
MARGIN = 1.5
"""Of the tolerance over what was seen here: other processors round in other places."""


def tolerance_for(worst: float) -> Tolerance | None:
    """The tolerance that goes with the largest difference seen; ``None`` if the usual one covers it."""
    if MARGIN * worst <= QUANTISED.worst:
        return None
    return Tolerance(worst=math.ceil(100 * MARGIN * worst) / 100, rms=QUANTISED.rms)


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """One attempt: the new variant alone as an open bundle with goldens, and what it was made of."""

    draft: Bundle
    graphs: Mapping[str, GraphContent]
    recorded: Recorded


@dataclass(kw_only=True, eq=False)
class Bench:
    """A float bundle on held-out samples; drafts are written into ``folder``, and open until :meth:`close`."""

    bundle: Bundle
    variant: str
    data: Dataset[Any]
    method: Method
    registry: Registry
    say: Say
    folder: Path
    _float: dict[str, Headline] = field(default_factory=dict)
    _made: dict[tuple[str, ...], Made] = field(default_factory=dict)

    @property
    def backends(self) -> list[str]:
        """Those here that read what is made."""
        return [spec.name for spec in backends_for(self.method.format, self.registry)]

    def attempt(self, keep: tuple[str, ...]) -> Attempt:
        """Quantise with the layers ``keep`` in float, and measure.

        Raises
        ------
        VedetteError
            It cannot be quantised, opened or run, or a picture cannot be read.
        """
        self.say(f"quantising, {len(keep)} layers in float")
        number = len(self._made)
        work = self.folder / f"work-{number}"
        work.mkdir()
        graphs = self.method.quantise(keep, work)
        name, method = self.method.variant, self.method
        bare = write_draft(self.folder / f"bare-{number}", self.bundle, name, graphs)
        with open_bundle(bare) as opened:
            recorded = record(self.bundle, opened, self.variant, method.literal, self.registry)
        wide = replace(recorded, tolerance=WIDEST)
        draft = open_bundle(write_draft(self.folder / f"draft-{number}", self.bundle, name, graphs, wide))
        self._made[keep] = Made(draft=draft, graphs=graphs, recorded=recorded)
        drops = {backend: self._drop(keep, backend) for backend in self.backends}
        proofs = {backend: self._prove(draft, backend) for backend in self.backends}
        tolerance = tolerance_for(max(proof.worst.worst for proof in proofs.values()))
        self._made[keep] = replace(self._made[keep], recorded=replace(recorded, tolerance=tolerance))
        refused = {backend: proof.problem for backend, proof in proofs.items() if proof.problem}
        return Attempt(keep=keep, drops=drops, refused=refused)

    def made(self, attempt: Attempt) -> Made:
        """What was measured."""
        return self._made[attempt.keep]

    def close(self) -> None:
        for made in self._made.values():
            made.draft.close()

    def _prove(self, draft: Bundle, backend: str) -> Proof:
        self.say(f"proving on {backend}")
        return proof_of(draft, self.method.variant, backend, self.registry)

    def _drop(self, keep: tuple[str, ...], backend: str) -> Drop:
        if backend not in self._float:
            self._float[backend] = self._headline(self.bundle, self.variant, backend)
        before = self._float[backend]
        after = self._headline(self._made[keep].draft, self.method.variant, backend)
        interval = difference(before, after).interval
        assert interval is not None  # there is a value
        return Drop(metric=before.metric, f32=before.figure, int8=after.figure, interval=interval)

    def _headline(self, bundle: Bundle, variant: str, backend: str) -> Headline:
        return headline_of(bundle, variant, backend, self.data, self.registry, self.say)
