"""Charts are drawn to scale."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vedette_torch.metrics.classification import Bin
from vedette_torch.report.charts.axes import axis, ticks
from vedette_torch.report.charts.confusion import confusion_chart, most_mistaken
from vedette_torch.report.charts.interval import interval_chart
from vedette_torch.report.charts.lines import Series, line_chart
from vedette_torch.report.charts.reliability import reliability_chart
from vedette_torch.report.markup import tag

SVG = "{http://www.w3.org/2000/svg}"


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_in_range_and_few(low, extent):
    assume(extent > 1e-6 * abs(low))  # finer than a chart shows, and soon finer than a number can tell
    found = ticks(low, low + extent)
    assert len(found) <= 8
    assert all(low - 1e-6 * extent <= tick <= low + extent * (1 + 1e-6) for tick in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1], rtol=1e-3)


def test_an_axis_is_linear_and_bears_one_value():
    x = axis("", (10, 20), (100, 300))
    assert (x(10), x(15), x(20)) == (100, 200, 300)
    flat = axis("", (5, 5), (0, 100))
    assert 0 < flat(5) < 100


def points(path: str) -> np.ndarray:
    return np.array([pair.split() for pair in path.removeprefix("M").split("L")], float)


def test_a_line_goes_through_its_points():
    chart = line_chart(
        [Series(name="a", points=[(0, 0), (1, 1), (2, 0)])],
        title="t",
        x_label="x",
        y_label="y",
        y_range=(0, 1),
    )
    [line] = [path for path in ET.fromstring(chart).iter(f"{SVG}path") if "line" in path.get("class")]
    drawn = points(line.get("d"))
    assert drawn[0, 1] == drawn[2, 1] > drawn[1, 1], "up is less y"
    assert drawn[1, 0] - drawn[0, 0] == pytest.approx(drawn[2, 0] - drawn[1, 0], abs=0.02)


def test_one_point_and_equal_values_can_be_drawn():
    for values in ([(1, 0.5)], [(1, 0.5), (2, 0.5)]):
        chart = line_chart([Series(name="a", points=values)], title="t", x_label="x", y_label="y")
        assert "nan" not in chart
        ET.fromstring(chart)


def test_every_cell_of_a_confusion_matrix_has_its_count():
    counts = [[5, 1, 0], [0, 7, 2], [0, 0, 9]]
    root = ET.fromstring(confusion_chart(["a", "b", "c"], counts))
    said = {title.text for title in root.iter(f"{SVG}title") if title.text and " of " in title.text}
    assert "a taken for b: 1 of 6" in said
    assert "c, right: 9 of 9" in said
    assert len(said) == 9
    numbers = [text.text for text in root.iter(f"{SVG}text") if "count" in text.get("class", "")]
    assert sorted(numbers) == ["1", "2", "5", "7", "9"], "noughts are left empty"


def test_a_large_matrix_keeps_the_classes_with_most_mistakes():
    counts = np.eye(40, dtype=int) * 10
    counts[3, 30], counts[12, 3] = 5, 1
    assert most_mistaken(counts.tolist(), 3) == [3, 12, 30]
    root = ET.fromstring(confusion_chart([f"class {n}" for n in range(40)], counts.tolist()))
    assert "class 3 taken for class 30: 5 of 15" in {title.text for title in root.iter(f"{SVG}title")}


def test_bars_of_calibration_are_as_high_as_they_are_right():
    bins = [
        Bin(low=0.4, high=0.5, n=10, confidence=0.45, accuracy=0.9),
        Bin(low=0.9, high=1.0, n=100, confidence=0.95, accuracy=0.45),
    ]
    root = ET.fromstring(reliability_chart(bins))
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "bar" and rect.get("y") != "8"]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.01)


def test_an_interval_is_cut_off_at_its_scale():
    root = ET.fromstring(tag("div", interval_chart(0.5, (-3.0, 3.0), (0, 1), limit=0.0)))
    xs = [float(line.get(end)) for line in root.iter("line") for end in ("x1", "x2")]
    assert min(xs) >= 0
    assert max(xs) <= 84


def test_markup_is_escaped_once():
    assert tag("p", "<&>", tag("b", "x"), title='"') == '<p title="&quot;">&lt;&amp;&gt;<b>x</b></p>'
    assert tag("td") == "<td></td>"
    assert tag("br") == "<br/>"
