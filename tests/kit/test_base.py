"""The checks of a conformance class cannot be dropped without a word."""

import threading
import time

import numpy as np
import pytest

from vedette.testing.conformance import StageConformance, base

REASON = "a toy that looks at the clock on the wall"


def test_a_check_cannot_be_removed():
    with pytest.raises(
        TypeError, match=r"Mine overrides the conformance check test_it_starts_afresh without a"
    ):
        type("Mine", (StageConformance,), {"test_it_starts_afresh": None})


def test_a_mixin_does_not_hide_it():
    class Mixin:
        def test_it_starts_afresh(self):
            pass

    with pytest.raises(TypeError, match="Mine overrides the conformance check test_it_starts_afresh"):
        type("Mine", (Mixin, StageConformance), {})


@pytest.mark.parametrize("mark", [pytest.mark.xfail, pytest.mark.xfail(reason="  "), pytest.mark.slow])
def test_a_check_cannot_be_replaced_without_a_reason(mark):
    with pytest.raises(TypeError, match=r"pytest\.mark\.xfail\(reason="):

        class Mine(StageConformance):
            @mark
            def test_it_starts_afresh(self):
                pass


@pytest.mark.parametrize("mark", [pytest.mark.xfail(reason=REASON), pytest.mark.skip(reason=REASON)])
def test_a_check_can_be_replaced_with_a_reason(mark):
    class Mine(StageConformance):
        @mark
        def test_it_starts_afresh(self):
            pass

        def test_of_my_own(self):
            pass

    class Further(Mine):
        pass

    with pytest.raises(TypeError, match="test_it_starts_afresh"):
        type("Worse", (Further,), {"test_it_starts_afresh": lambda self: None})


def test_what_only_the_author_can_give(run_pytest, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from vedette.testing.conformance import StageConformance\n\n\nclass TestMine(StageConformance):\n    pass\n"
    )
    told = run_pytest(tmp_path)
    for text in told.failed["TestMine"].values():
        assert text == (
            "TestMine does not define the fixture `spec`\n"
            "  -> define a pytest fixture `spec` in the class; it returns the StageSpec that your plugin registers"
        )
    assert len(told.failed["TestMine"]) >= 6


def test_an_override_without_a_reason_is_seen_at_once(run_pytest, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from vedette.testing.conformance import StageConformance\n\n\n"
        "class TestMine(StageConformance):\n    test_it_starts_afresh = None\n"
    )
    (text,) = run_pytest(tmp_path).failed["collection"].values()
    assert "TestMine overrides the conformance check test_it_starts_afresh without a written reason" in text


def test_within_passes_results_and_errors_on():
    assert base.within(5, "it", "wait", lambda: 7) == 7
    with pytest.raises(KeyError):
        base.within(5, "it", "wait", lambda: {}["x"])


def test_within_ends_the_wait():
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(
        pytest.fail.Exception, match=r"it has not returned after 0\.1 s\n  -> give it a time limit"
    ):
        base.within(0.1, "it", "give it a time limit", release.wait)
    release.set()
    assert time.monotonic() - began < 60


def test_same_knows_nan_and_types():
    a = np.array([1, np.nan])
    assert base.same(a, a.copy())
    assert not base.same(a, a.astype(np.float32))
    assert not base.same(a, np.array([1, 2.0]))


def test_errors_of_a_thread_come_out():
    with pytest.raises(ZeroDivisionError):
        base.in_threads(lambda index: 1 // (index - 2))
