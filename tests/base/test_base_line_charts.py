"""Charts as SVG."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.line_charts import HEIGHT, WIDTH, Chart, Line, ticks


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own text


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(low=numbers, span=st.floats(1e-6, 1e6))
def test_ticks_are_a_few_round_numbers_within_the_range(low: float, span: float) -> None:
    high = low + span
    found = ticks(low, high)
    slack = span * 1e-6 + 1e-9 * max(abs(low), abs(high), 1)
    assert len(found) <= 8
    assert all(low - slack <= value <= high + slack for value in found)
    assert found == sorted(found)


def test_ticks_of_shares_are_fifths() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(1, 6) == [1, 2, 3, 4, 5, 6]
    assert ticks(3, 3) == [3]


def chart(*points: tuple[float, float], name: str = "a") -> Chart:
    line = Line(name=name, color="#336699", points=points)
    return Chart(title="t", x_title="epoch", y_title="loss", lines=(line,))


@given(st.lists(st.tuples(numbers, numbers), max_size=50))
def test_every_point_lies_inside_the_picture(points: list[tuple[float, float]]) -> None:
    root = parsed(chart(*points).svg)
    corners = [corner.split(",") for line in root.iter("polyline") for corner in line.attrib["points"].split()]
    assert len(corners) == len(points)
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in corners)


@pytest.mark.parametrize("points", [(), ((1.0, 2.0),), ((1.0, 2.0), (2.0, 2.0))], ids=["none", "one", "flat"])
def test_few_points_make_a_chart_too(points: tuple[tuple[float, float], ...]) -> None:
    assert parsed(chart(*points).svg).tag == "svg"


def test_names_are_written_as_text() -> None:
    root = parsed(chart((0, 0), (1, 1), name="<b>&").svg)
    assert [title.text for title in root.iter("title")] == ["<b>&"]


def test_epochs_are_whole_numbers() -> None:
    line = Line(name="a", color="#336699", points=((1, 0), (2, 1)))
    drawn = Chart(title="t", x_title="epoch", y_title="loss", lines=(line,), y_range=(0.5, 0.7), whole_x=True)
    texts = [text.text for text in parsed(drawn.svg).iter("text")]
    assert texts[:3] == ["1", "2", "epoch"]
