"""What goldens are right by, and by how much a raw output may differ from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vedette.bundle.manifest import Manifest, Oracle, Tolerance, Variant
from vedette.specs import Candidate

LITERAL_BACKEND = "onnxruntime"
LITERAL_OPTIONS: Mapping[str, Any] = {"graph_optimization": "none"}
"""How the literal arithmetic of a file is had: the operators one by one, none fused, none moved."""

FLOAT = Tolerance(worst=1e-4)
"""Sums in another order."""
QUANTISED = Tolerance(worst=0.10, rms=0.02)
"""With activations rounded to 8 bits, a value at the edge of a step may fall to either side in each layer."""

LEAST_MARGIN, GREATEST_MARGIN = 0.01, 0.10
"""Between these a confidence must be clear of a threshold before it is held against a decoder; raw outputs may be
numbers of any kind, confidences are not."""


def tolerance_of(manifest: Manifest, candidate: Candidate) -> Tolerance:
    """What is allowed: by a grade for this precision (one for this backend first), else by the variant, else by how its
    weights are stored. A precision that no grade allows more has the tolerance of full precision."""
    grades = [
        grade
        for grade in manifest.grades
        if grade.tolerance is not None
        and (grade.variant, grade.precision) == (candidate.variant, candidate.precision)
        and grade.backend in (None, candidate.backend)
    ]
    for grade in sorted(grades, key=lambda grade: grade.backend is None):
        assert grade.tolerance is not None
        return Tolerance(worst=grade.tolerance)
    variant = manifest.variants[candidate.variant]
    return variant.tolerance or (QUANTISED if _is_quantised(variant) else FLOAT)


def margin_of(tolerance: Tolerance) -> float:
    """By how much a confidence has to be clear of a threshold to count, and may differ."""
    return min(max(LEAST_MARGIN, tolerance.worst), GREATEST_MARGIN)


def oracle_text(oracle: Oracle | None) -> str:
    """An oracle in words: ``self (onnxruntime 1.31.1)``."""
    return "not told" if oracle is None else f"{oracle.kind} ({oracle.runtime} {oracle.version})"


def _is_quantised(variant: Variant) -> bool:
    return any(files.storage in ("int8", "mixed") for files in variant.graphs.values())
