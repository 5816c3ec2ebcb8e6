"""What a backend must keep to: the specification and its refusals. The slots are in :mod:`.slots`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from vedette.errors import BackendError
from vedette.inference import infer
from vedette.specs import BackendSpec, Device, Execution, ModelFiles, Precision, Session, TensorInfo
from vedette.testing.conformance.base import demand, patience_s, refuse, within
from vedette.testing.conformance.slots import BackendCase, Open, SlotChecks, run_once

__all__ = ["BackendCase", "BackendConformance"]


class BackendConformance(SlotChecks):
    """Inherit this to check a :class:`~vedette.specs.BackendSpec`.

    Must give: ``spec``, ``case``, ``batch_case``, ``other_case``. May give: ``device``, ``options``.
    """

    spec_type = BackendSpec

    @pytest.fixture
    def case(self) -> BackendCase:
        """A small model with an image-like input, all shapes fixed."""
        self.must_give(
            "case", "returns a BackendCase: the files of a small model, its inputs, and what it answers"
        )

    @pytest.fixture
    def batch_case(self) -> BackendCase:
        """A model whose batch is free, with inputs of three rows or more."""
        self.must_give(
            "batch_case", "returns a BackendCase of a model with a free batch, with inputs of at least 3 rows"
        )

    @pytest.fixture
    def other_case(self) -> BackendCase:
        """A model whose input is no image: a sequence, a vector, tokens."""
        self.must_give(
            "other_case", "returns a BackendCase of a model whose input is no image, such as (1, T, F)"
        )

    @pytest.fixture
    def device(self, spec: BackendSpec) -> str:
        """The device to test on. Default: the first that is here."""
        return spec.devices()[0].name

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The runtime's own options. Default: none."""
        return {}

    @pytest.fixture
    def open_model(self, spec: BackendSpec, device: str, options: Mapping[str, Any]) -> Iterator[Open]:
        """Opens models and closes them after the test. Not to be overridden."""
        opened: list[Session] = []

        def open_model(case: BackendCase, **execution: Any) -> Session:
            opened.append(spec.open(case.files, device, Execution(**execution), options))
            return opened[-1]

        yield open_model
        for session in opened:
            within(6 * patience_s(), "close()", "return every request that is in flight", session.close)

    def test_it_says_what_is_here(self, spec: BackendSpec) -> None:
        """``probe``, ``version`` and ``devices``, which `vedette doctor` prints."""
        reason = spec.probe()
        demand(
            reason is None,
            f"probe() says that it cannot be used here: {reason}",
            "run the conformance tests where the runtime is installed",
        )
        demand(
            isinstance(spec.version(), str) and spec.version(),
            f"version() is {spec.version()!r}",
            "return the version of the runtime: a proof that was made with another version does not count",
        )
        devices: Any = spec.devices()
        demand(
            isinstance(devices, tuple) and devices and all(isinstance(item, Device) for item in devices),
            f"devices() returned {devices!r}",
            "return a tuple of vedette.Device with at least one in it",
        )
        names = [item.name for item in devices]
        demand(
            len(set(names)) == len(names) and all(name == name.lower().strip() != "" for name in names),
            f"the devices are called {names}",
            "use lower-case names, each once: cpu, gpu, gpu:1, npu",
        )
        for item in devices:
            demand(
                item.precisions and set(item.precisions) <= set(get_args(Precision)),
                f"device {item.name!r} has the precisions {item.precisions}",
                f"name at least one of {', '.join(get_args(Precision))}, the fastest first",
            )

    def test_a_session_says_what_it_is(
        self, spec: BackendSpec, case: BackendCase, device: str, open_model: Open
    ) -> None:
        """Real device, precision and placement are reported, never assumed."""
        session = open_model(case)
        demand(
            session.backend == spec.name,
            f"Session.backend is {session.backend!r}",
            f"it is the name of the specification, {spec.name!r}",
        )
        here = [item.name for item in spec.devices()]
        demand(
            session.device in here,
            f"Session.device is {session.device!r}, which is not among the devices {here}",
            "report the device that the runtime really uses, by the name that devices() gives it",
        )
        demand(
            session.execution_precision == "f32",
            f"opened with Execution(precision='f32'), the session computes in {session.execution_precision!r}",
            "set the precision that is asked for and read it back from the runtime; refuse what it cannot do",
        )
        placement: Any = session.placement
        demand(
            isinstance(placement, str) and placement.strip(),
            "Session.placement is empty",
            "say in words where the operators run: it is how a silent fallback becomes visible",
        )
        demand(
            session.max_batch >= 1 and session.slots >= 1,
            f"max_batch is {session.max_batch} and slots {session.slots}",
            "both are at least 1",
        )
        for kind, infos in (("inputs", session.inputs), ("outputs", session.outputs)):
            given: Any = infos
            demand(
                given
                and all(isinstance(info, TensorInfo) and info.name == name for name, info in given.items()),
                f"Session.{kind} is {infos!r}",
                "give a TensorInfo for each tensor of the graph, by its name",
            )
            for info in infos.values():
                try:
                    np.dtype(info.dtype)
                except TypeError:
                    refuse(
                        f"Session.{kind}: {info.name!r} has the dtype {info.dtype!r}",
                        "use numpy's name of the type, such as float32",
                    )

    @pytest.mark.parametrize("which", ["case", "batch_case", "other_case"])
    def test_it_computes(self, which: str, request: pytest.FixtureRequest, open_model: Open) -> None:
        """Right names, types, shapes and numbers, and the caller's arrays as they were."""
        case: BackendCase = request.getfixturevalue(which)
        session = open_model(case, batch=case.rows if which == "batch_case" else 1)
        before = {name: array.copy() for name, array in case.feeds.items()}
        found = run_once(session, case.feeds)
        for name, array in case.feeds.items():
            demand(
                array.tobytes() == before[name].tobytes(),
                f"running the model changed the caller's array for input {name!r}",
                "copy what you keep or change: the caller uses its arrays again",
            )
        demand(
            set(found) == set(session.outputs),
            f"the outputs are {sorted(found)}, but Session.outputs names {sorted(session.outputs)}",
            "give every output that the session names, and no other",
        )
        for name, info in session.outputs.items():
            array = found[name]
            fits = len(array.shape) == len(info.shape) and all(
                want in (None, size) for want, size in zip(info.shape, array.shape, strict=True)
            )
            demand(
                fits and array.dtype == np.dtype(info.dtype),
                f"output {name!r} is {array.dtype} {array.shape}, but Session.outputs says {info.dtype} {info.shape}",
                "declare what the runtime gives; a free dimension is None",
            )
        for name, wanted in case.expected.items():
            demand(
                name in found and found[name].shape == wanted.shape,
                f"output {name!r} is {found[name].shape if name in found else 'missing'}, expected {wanted.shape}",
                "correct the model's outputs, or `expected` of the case",
            )
            worst = float(np.abs(found[name].astype(np.float64) - wanted).max(initial=0))
            demand(
                np.allclose(found[name], wanted, rtol=1e-3, atol=1e-4),
                f"output {name!r} differs from what is expected by up to {worst:.3g}",
                "correct the backend, or `expected` of the case",
            )

    def test_rows_of_a_batch_are_independent(self, batch_case: BackendCase, open_model: Open) -> None:
        """A batch gives what its rows give alone."""
        session = open_model(batch_case, batch=batch_case.rows)
        demand(
            session.max_batch == batch_case.rows >= 3,
            f"opened with Execution(batch={batch_case.rows}), the session has max_batch {session.max_batch}",
            "take Execution.batch where the model's batch is free (vedette.inference.find_max_batch)",
        )
        together = run_once(session, batch_case.feeds)
        for row in range(batch_case.rows):
            feeds = {name: array[row : row + 1] for name, array in batch_case.feeds.items()}
            for name, array in run_once(session, feeds).items():
                demand(
                    np.allclose(array[0], together[name][row], rtol=1e-3, atol=1e-5),
                    f"output {name!r}: row {row} of a batch of {batch_case.rows} is not what it is alone",
                    "compute every row by itself, and give the shapes of this request, not those of the largest",
                )

    def test_shapes_that_do_not_fit_are_refused(
        self, case: BackendCase, batch_case: BackendCase, open_model: Open
    ) -> None:
        """Each refusal names the tensor. ``vedette.inference.resolve_shapes`` does all of it."""
        fixed, free = open_model(case), open_model(batch_case, batch=2)
        name = next(iter(batch_case.feeds))
        shape = batch_case.feeds[name].shape
        wrong: list[tuple[str, str, Callable[[], object]]] = [
            (
                "a shape for an input that there is not",
                "nonsense",
                lambda: fixed.acquire({"nonsense": (1, 2)}),
            ),
            ("no shape for an input with a free dimension", name, lambda: free.acquire()),
            ("a shape of another rank", name, lambda: free.acquire({name: (1, *shape)})),
            ("a batch of 3 after Execution(batch=2)", name, lambda: free.acquire({name: (3, *shape[1:])})),
        ]
        for what, tensor, call in wrong:
            _refused(
                f"acquire with {what}", tensor, call, "use vedette.inference.resolve_shapes in acquire()"
            )

    def test_feeds_that_do_not_fit_are_refused(self, case: BackendCase, open_model: Open) -> None:
        """Missing, unknown, of another type or shape: by the core, from what the session says of its inputs."""
        session = open_model(case)
        name, array = next(iter(case.feeds.items()))
        other = np.float64 if array.dtype != np.float64 else np.float32
        for what, feeds in (
            ("another dtype", {**case.feeds, name: array.astype(other)}),
            ("another shape", {**case.feeds, name: array[None]}),
            ("nothing", {key: value for key, value in case.feeds.items() if key != name}),
        ):
            _refused(
                f"{what} for input {name!r}",
                name,
                lambda feeds=feeds: infer(session, feeds, timeout_s=patience_s()),  # type: ignore[misc]
                "say in Session.inputs exactly what the graph takes",
            )

    def test_what_it_cannot_do_is_refused(
        self, spec: BackendSpec, case: BackendCase, device: str, tmp_path: Path
    ) -> None:
        """A device, option, precision or file that is not there: refused by name, never replaced in silence."""
        missing = tmp_path / f"missing{case.files.model.suffix}"
        damaged = tmp_path / f"damaged{case.files.model.suffix}"
        damaged.write_bytes(b"\x00not a model" * 20)
        plain = Execution()

        def attempt(
            files: ModelFiles = case.files,
            device: str = device,
            execution: Execution = plain,
            options: Mapping[str, Any] | None = None,
        ) -> Callable[[], object]:
            return lambda: spec.open(files, device, execution, options or {}).close()

        rest = case.files.paths[1:]
        refusals = [
            ("the device 'nowhere'", "nowhere", attempt(device="nowhere")),
            ("the option 'no_such_option'", "no_such_option", attempt(options={"no_such_option": 1})),
            ("a file that is not there", missing.name, attempt(replace(case.files, paths=(missing, *rest)))),
            ("a damaged file", damaged.name, attempt(replace(case.files, paths=(damaged, *rest)))),
        ]
        offered = next(item.precisions for item in spec.devices() if item.name == device)
        refusals += [
            (f"the precision {wanted!r}", wanted, attempt(execution=Execution(precision=wanted)))
            for wanted in get_args(Precision)
            if wanted not in offered
        ]
        for what, word, call in refusals:
            _refused(f"open() with {what}", word, call, f"raise a vedette.BackendError that names {word!r}")


def _refused(what: str, word: str, call: Callable[[], object], fix: str) -> None:
    """``call`` must raise a BackendError whose text has ``word`` in it."""
    try:
        call()
    except BackendError as error:
        demand(word in str(error), f"{what}: the refusal does not name {word!r}: {error}", fix)
    except Exception as error:
        refuse(f"{what} raises {type(error).__name__}: {error}", fix)
    else:
        refuse(f"{what} is accepted", fix)
