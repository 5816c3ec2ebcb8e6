"""From a float bundle to one that holds int8 beside it, measured and within the budget; or nothing."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import vedette
from vedette.bundle.bundle import Bundle, open_bundle
from vedette.bundle.manifest import Grade
from vedette.bundle.trial import Trial
from vedette.bundle.write import check_target
from vedette.machine import describe_machine
from vedette.registry import Registry, load_plugins
from vedette.specs import Execution
from vedette_torch.data.samples import Dataset
from vedette_torch.quantise.bench import Bench
from vedette_torch.quantise.calibration import CalibrationSet
from vedette_torch.quantise.errors import QuantiseError
from vedette_torch.quantise.gate import Passed, Proof, pass_gate, value_of
from vedette_torch.quantise.measure import Say, Speed, backends_for, check_data, speed_of
from vedette_torch.quantise.method import Method, prepare_qdq
from vedette_torch.quantise.qdq import Ranges
from vedette_torch.quantise.seal import LISTING, seal
from vedette_torch.quantise.sensitivity import Sensitivity

MethodName = Literal["qdq", "nncf"]
VARIANTS = {"qdq": "int8", "nncf": "int8-openvino"}
"""What the new variant is called."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder or ``.vedette`` file with a float ONNX variant, which is what accuracy is held against.

    ``learned``: a bundle of the same model that was trained on to bear rounding, whose float files are then what is
    quantised; ``how`` that was, in words, for the provenance.
    """

    bundle: Path
    learned: Path | None = None
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to quantise, and how.

    Attributes
    ----------
    source
        What to quantise.
    calibration
        Pictures by which ranges are chosen; ``calibration_origin`` says in words where they are from.
    data
        Labelled samples that neither training nor calibration has seen; ``data_origin`` likewise.
    output
        A folder, or a file that ends in ``.vedette``.
    references
        For models that compare: the flawless picture for each of ``calibration``.
    max_drop
        In points of the metric (0.5 of top-1 is 0.005), on the worst backend.
    proof
        Whether int8 files have to pass the proof by goldens of their own on every backend (``require``) or not.
    variant
        The float variant; ``None``: the first whose weights are f32.
    speed_batch, speed_rounds, speed_seconds
        How speed is measured; no rounds, no speed.
    """

    source: Source
    calibration: Sequence[Path]
    calibration_origin: str
    data: Dataset[Any]
    data_origin: str
    output: Path
    references: Mapping[Path, Path] = field(default_factory=dict)
    max_drop: float = 0.5
    method: MethodName = "qdq"
    ranges: Ranges = "minmax"
    variant: str | None = None
    proof: Proof = "require"
    overwrite: bool = False
    speed_batch: int = 1
    speed_rounds: int = 3
    speed_seconds: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of it. By backend: ``passed.best.drops`` and ``speeds``; ``sizes``: bytes of the f32 and int8 files.

    ``parity``: the largest difference of the metric between two backends on the int8 files, in parts of 1. ``ranking``
    is empty where no layer had to stay in float.
    """

    metric: str
    variants: tuple[str, str]
    method: str
    layers: int
    passed: Passed
    parity: float
    speeds: dict[str, Speed]
    sizes: tuple[int, int]
    ranking: tuple[Sensitivity, ...]
    output: Path

    @property
    def slower(self) -> tuple[str, ...]:
        """Backends on which int8 is slower than float on this machine."""
        return tuple(backend for backend, speed in self.speeds.items() if speed.ratio < 1)


def quantise(request: Request, *, registry: Registry | None = None, say: Say = lambda text: None) -> Report:
    """Quantise a bundle, measure it through every backend here that reads it, and write the result if it is within the
    budget.

    Raises
    ------
    QuantiseError
        The calibration set is empty or does not fit, the model cannot be quantised (the operator is named), the classes
        of the data do not fit, or the budget cannot be met. Nothing is written.
    BundleError
        The bundle cannot be read, or the output is taken or cannot be written.
    """
    registry = registry or load_plugins()
    check_target(request.output, request.overwrite)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vedette-quantise-")))
        bundle = stack.enter_context(open_bundle(request.source.bundle))
        variant = float_variant(bundle, request.variant)
        _refuse_repetition(bundle, VARIANTS[request.method])
        check_data(request.data, bundle, registry)
        start, start_variant = bundle, variant
        if request.source.learned is not None:
            start = stack.enter_context(open_bundle(request.source.learned))
            start_variant = float_variant(start, None)
        trial = stack.enter_context(open_float(start, start_variant, registry))
        calibration = CalibrationSet(
            trial,
            request.calibration,
            request.calibration_origin,
            request.references,
        )
        method = _prepare(request, start, start_variant, calibration, say)
        bench = Bench(
            bundle=bundle,
            variant=variant,
            data=request.data,
            method=method,
            registry=registry,
            say=say,
            folder=folder,
        )
        stack.callback(bench.close)
        passed = pass_gate(
            method.layers, lambda: method.rank(say), bench.attempt, request.max_drop / 100, request.proof
        )
        return _finish(request, bench, passed, calibration)


def float_variant(bundle: Bundle, wanted: str | None) -> str:
    """The variant to start from.

    Raises
    ------
    QuantiseError
        There is none whose weights are f32, or not the one that is wanted.
    """
    variants = bundle.manifest.variants
    if wanted is not None and wanted not in variants:
        raise QuantiseError(
            f"{bundle.path}: there is no variant {wanted!r}", fix=f"take {', '.join(variants)}"
        )
    for name, variant in variants.items():
        if name == wanted or (
            wanted is None and all(files.storage == "f32" for files in variant.graphs.values())
        ):
            return name
    raise QuantiseError(
        f"{bundle.path}: no variant has f32 weights ({', '.join(variants)})",
        fix="give the bundle of the float model",
    )


def _refuse_repetition(bundle: Bundle, made: str) -> None:
    if made in bundle.manifest.variants:
        raise QuantiseError(
            f"{bundle.path}: it has a variant {made!r} already", fix="give the bundle of the float model"
        )


@contextmanager
def open_float(bundle: Bundle, variant: str, registry: Registry) -> Iterator[Trial]:
    """The float variant with a session for each graph."""
    formats = [files.format for files in bundle.manifest.variants[variant].graphs.values()]
    backend = backends_for(formats[0], registry)[0]
    with ExitStack() as stack:
        sessions = {
            graph: stack.enter_context(
                closing(backend.open(bundle.graph_files(variant, graph), "cpu", Execution(), {}))
            )
            for graph in bundle.manifest.graphs
        }
        yield Trial(bundle=bundle, registry=registry, backend=backend, sessions=sessions)


def _prepare(request: Request, bundle: Bundle, variant: str, calibration: CalibrationSet, say: Say) -> Method:
    if request.method == "nncf":
        from vedette_torch.quantise.nncf_ptq import prepare_nncf

        return prepare_nncf(bundle, variant, calibration, say)
    return prepare_qdq(bundle, variant, calibration, request.ranges, say)


def _finish(request: Request, bench: Bench, passed: Passed, calibration: CalibrationSet) -> Report:
    """Measure speed, and write the bundle."""
    method, bundle = bench.method, bench.bundle
    made = bench.made(passed.best)
    speeds = {
        backend: speed_of(
            bundle,
            made.draft,
            (bench.variant, method.variant),
            backend,
            bench.registry,
            bench.say,
            rounds=request.speed_rounds,
            seconds=request.speed_seconds,
            batch=request.speed_batch,
        )
        for backend in (bench.backends if request.speed_rounds else ())
    }
    values = [value_of(drop.int8) for drop in passed.best.drops.values()]
    report = Report(
        metric=next(iter(passed.best.drops.values())).metric,
        variants=(bench.variant, method.variant),
        method=", ".join(filter(None, (method.describe(), request.source.how))),
        layers=len(method.layers),
        passed=passed,
        parity=max(values) - min(values),
        speeds=speeds,
        sizes=(_size(bundle, bench.variant), _size(made.draft, method.variant)),
        ranking=tuple(method.rank(bench.say)) if passed.best.keep else (),
        output=request.output,
    )
    listing = calibration.listing()
    seal(
        request.output,
        bundle,
        method.variant,
        made.graphs,
        made.recorded,
        int8_first=bool(speeds) and not report.slower and not passed.best.refused,
        grades=grades_of(report),
        data=(
            f"{method.variant} calibrated on {len(calibration)} pictures of {calibration.origin} "
            f"({LISTING}, sha256 {hashlib.sha256(listing.encode()).hexdigest()})",
            f"{report.metric} measured on {len(bench.data.samples)} pictures of {request.data_origin}",
        ),
        recipe=recipe_of(report),
        listing=listing,
        overwrite=request.overwrite,
    )
    return report


def grades_of(report: Report) -> list[Grade]:
    """What was measured of both variants, at f32, for each backend."""
    return [
        Grade(
            variant=variant,
            precision="f32",
            metric=report.metric,
            value=value_of(found),
            n=found.n,
            interval=found.interval,
            backend=backend,
        )
        for backend, drop in report.passed.best.drops.items()
        for variant, found in zip(report.variants, (drop.f32, drop.int8), strict=True)
    ]


def recipe_of(report: Report) -> str:
    """How the variant was made and how fast it is, for the provenance."""
    best = report.passed.best
    parts = [f"vedette {vedette.__version__} quantize: {report.variants[1]} by {report.method}"]
    if best.keep:
        parts.append(f"{len(best.keep)} of {report.layers} layers in float: {', '.join(best.keep)}")
    for backend, speed in report.speeds.items():
        slower = ", SLOWER THAN FLOAT" if speed.ratio < 1 else ""
        parts.append(f"{backend}: int8 at {speed.ratio:.2f} times the rate of f32{slower}")
    if report.speeds:
        parts.append(f"measured on {describe_machine().get('processor', 'this machine')}")
    return ", ".join(parts)


def _size(bundle: Bundle, variant: str) -> int:
    names = {name for files in bundle.manifest.variants[variant].graphs.values() for name in files.files}
    return sum(bundle.manifest.files[name].size for name in names)
