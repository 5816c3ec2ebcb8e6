"""What all conformance classes share: fixtures, checks that cannot be dropped in silence, and how a check fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette.errors import PluginError
from vedette.spec_checks import check_spec
from vedette.specs import Spec

T = TypeVar("T")


def patience_s() -> float:
    """How long a call that must not wait may take before it counts as one that blocks.

    10 s; on a machine where that is not enough, set ``VEDETTE_TEST_PATIENCE_S``.
    """
    return float(os.environ.get("VEDETTE_TEST_PATIENCE_S", "10"))


class Conformance:
    """Base of the conformance classes.

    Raises
    ------
    TypeError
        When a subclass removes a check, or overrides it without a written reason.
    """

    spec_type: ClassVar[type[Spec]] = Spec

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        ours = {base for base in cls.__mro__ if base.__module__.startswith(__package__)}
        for check in {name for base in ours for name in vars(base) if name.startswith("test_")}:
            definer = next(base for base in cls.__mro__ if check in vars(base))
            if definer not in ours and not _has_reason(vars(definer)[check]):
                raise TypeError(
                    f"{cls.__name__} overrides the conformance check {check} without a written reason\n"
                    f'  -> mark it with @pytest.mark.xfail(reason="why it cannot hold for this plugin"), '
                    "or delete the override"
                )

    @pytest.fixture
    def spec(self) -> Any:
        """The specification that the plugin registers."""
        self.must_give("spec", f"returns the {self.spec_type.__name__} that your plugin registers")

    @pytest.fixture
    def params(self) -> Mapping[str, Any]:
        """The parameters as a user would write them. You may give others; default: none."""
        return {}

    @pytest.fixture
    def converted(self, spec: Any, params: Mapping[str, Any]) -> Any:
        """The parameters as the host hands them over. Not to be overridden."""
        try:
            return msgspec.convert(params, spec.params)
        except msgspec.ValidationError as error:
            refuse(
                f"the parameters {dict(params)!r} do not fit {spec.params.__name__}: {error}",
                "give the fixture `params`: a dict with what a user has to write",
            )

    def must_give(self, fixture: str, what: str) -> NoReturn:
        """End the test: the author has not given a fixture that only the author can give."""
        refuse(
            f"{type(self).__name__} does not define the fixture `{fixture}`",
            f"define a pytest fixture `{fixture}` in the class; it {what}",
        )

    def test_the_specification_is_sound(self, spec: Any) -> None:
        """What the registry checks when the plugin is loaded."""
        try:
            check_spec(spec, self.spec_type)
        except PluginError as error:
            refuse(f"the registry would refuse it: {error.message}", "correct the specification")


def _has_reason(override: object) -> bool:
    marks: Iterable[pytest.Mark] = getattr(override, "pytestmark", ())
    return any(mark.name in ("xfail", "skip") and mark.kwargs.get("reason", "").strip() for mark in marks)


def refuse(problem: str, fix: str) -> NoReturn:
    """End the test with what is wrong and what to do, without a traceback of the conformance class."""
    __tracebackhide__ = True
    pytest.fail(f"{problem}\n  -> {fix}", pytrace=False)


def demand(holds: object, problem: str, fix: str) -> None:
    """:func:`refuse` unless it ``holds``."""
    __tracebackhide__ = True
    if not holds:
        refuse(problem, fix)


def within(seconds: float, what: str, fix: str, function: Callable[[], T]) -> T:
    """What ``function`` returns or raises; a failed test, while it goes on in its thread, if it takes too long."""
    __tracebackhide__ = True
    outcome: list[tuple[bool, Any]] = []

    def call() -> None:
        try:
            outcome.append((True, function()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=call, name="conformance-watchdog", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        refuse(f"{what} has not returned after {seconds:g} s", fix)
    returned, value = outcome[0]
    if not returned:
        raise value
    result: T = value
    return result


def in_threads(function: Callable[[int], T], count: int = 4) -> list[T]:
    """``function(index)`` for each of ``count`` threads that start together; raises what one of them raised."""
    barrier = threading.Barrier(count)
    answers: dict[int, T] = {}
    errors: list[BaseException] = []

    def call(index: int) -> None:
        try:
            barrier.wait(patience_s())
            answers[index] = function(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * patience_s())
    if errors:
        raise errors[0]
    demand(
        len(answers) == count,
        f"{count} threads at once: some never came back",
        "look for a lock that is taken twice, or in two orders",
    )
    return [answers[index] for index in range(count)]


def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Equal in dtype, shape and every bit that counts; NaN equals NaN."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
