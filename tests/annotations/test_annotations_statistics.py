"""Charts of what the database holds."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.annotations.pages import write_statistics
from teppr.annotations.report import IngestReport
from teppr.annotations.statistics import regions_per_image, statistics_of
from teppr.charts import DATE_PX, MOST_BARS, WIDTH_PX, bar_chart, nice_steps, time_chart
from teppr.store import Store
from teppr.testing.deliveries import Delivery, rect
from teppr.types import Provenance

Take = Callable[..., IngestReport]

days = st.dates(date(2015, 1, 1), date(2035, 1, 1))


@given(most=st.integers(0, 10**9))
@settings(deadline=None)
def test_an_axis_has_few_round_steps_and_room_for_the_most(most: int) -> None:
    steps = nice_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert 2 <= len(steps) <= 6
    assert str(steps[1]).rstrip("0") in {"1", "2", "5"}


def test_bars_are_as_long_as_their_counts_and_the_longest_comes_first() -> None:
    chart = bar_chart([("sign", 10, None), ("car", 40, "#ff0000"), ("light", 0, None)])
    assert [bar.name for bar in chart.bars] == ["car", "sign", "light"]
    car, sign, light = chart.bars
    assert car.width_px == 4 * sign.width_px
    assert light.width_px == 0
    assert car.color == "#ff0000"


def test_bars_without_room_are_counted_and_long_names_cut() -> None:
    chart = bar_chart([(f"{'very ' * 9}long label {i}", i, None) for i in range(MOST_BARS + 3)])
    assert (len(chart.bars), chart.left_out) == (MOST_BARS, 3)
    assert chart.bars[0].short.endswith("…")


def test_a_series_adds_up_and_lies_in_proportion_to_time() -> None:
    first = date(2026, 1, 1)
    chart = time_chart([(first + timedelta(days=30), 5), (first, 10), (first + timedelta(days=10), 15)])
    assert [(day.count, day.total) for day in chart.days] == [(10, 10), (15, 25), (5, 30)]
    a, b, c = (day.x_px for day in chart.days)
    assert (c - a) == pytest.approx(3 * (b - a))
    assert chart.days[2].total_y_px == pytest.approx(chart.y_ticks[-1].at_px)
    assert [tick.text for tick in chart.y_ticks] == ["0", "10", "20", "30"]


@given(counts=st.dictionaries(days, st.integers(1, 1000), max_size=40))
@settings(deadline=None)
def test_dates_under_a_series_never_overlap(counts: dict[date, int]) -> None:
    chart = time_chart(list(counts.items()))
    written = [tick.at_px for tick in chart.x_ticks if tick.text]
    assert all(b - a >= DATE_PX - 1e-6 for a, b in pairwise(written))
    assert bool(written) == bool(counts)
    assert all(0 <= day.x_px <= WIDTH_PX for day in chart.days)


@pytest.fixture
def releases(delivery: Delivery, take: Take) -> None:
    delivery.image("a.png")
    for who, day, regions in (
        ("AT1", date(2026, 1, 15), [rect(), rect(x=95)]),
        ("AT2", date(2026, 2, 15), [rect(label="sign")]),
        (None, None, [rect(x=40)]),
    ):
        path = delivery.via({"a.png": regions}, name=f"{who}.json")
        take(path, given=Provenance(annotator=who, released=day))


@pytest.mark.usefixtures("releases")
def test_the_page_has_its_charts_within_itself(store: Store, tmp_path: Path) -> None:
    page = write_statistics(statistics_of(store), store, tmp_path / "stats.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "<title>car: 2</title>" in page
    assert "<title>until 2026-02-15: 2 regions</title>" in page
    assert "without 1 regions whose day of release is not known" in page
    assert not re.search(r"<script|https?:", page)


def test_the_page_shows_how_many_regions_images_have(
    delivery: Delivery, take: Take, store: Store, tmp_path: Path
) -> None:
    counts = {"a.png": 2, "b.png": 1, "c.png": 2, "d.png": 0}
    for i, name in enumerate(counts):
        delivery.image(name, seed=i)
    take(delivery.via({name: [rect(x=10 + 5 * i) for i in range(count)] for name, count in counts.items()}))
    page = write_statistics(statistics_of(store), store, tmp_path / "stats.html").read_text(encoding="utf-8")
    told = re.findall(r"<title>regions, (\d+): (\d+) entries", page)
    assert told == [("0", "1"), ("1", "1"), ("2", "2")]


@pytest.mark.usefixtures("releases")
def test_labels_have_the_colours_that_their_problem_gives(store: Store, tmp_path: Path) -> None:
    page = write_statistics(statistics_of(store), store, tmp_path / "a.html", {"car": "#123456"}).read_text()
    assert 'style="background: #123456"' in page
    assert 'style="fill: #123456"' in page
    assert "#123456" not in write_statistics(statistics_of(store), store, tmp_path / "b.html").read_text()


def test_no_images_make_no_chart_of_regions() -> None:
    assert regions_per_image([]) is None


@pytest.mark.usefixtures("releases")
def test_the_page_has_a_matrix_of_findings(store: Store, tmp_path: Path) -> None:
    page = write_statistics(statistics_of(store), store, tmp_path / "stats.html").read_text(encoding="utf-8")
    assert '<th class="number" title="the shape lies inside the image">DR12</th>' in page
    by_annotator = page[page.index("Findings by annotator and rule") : page.index("Findings by annotation file")]
    assert re.search(r"<td>AT1</td>.*?--tone: var\(--error\); --share: 60%", by_annotator, re.DOTALL)


def test_the_page_says_where_nobody_says_when(delivery: Delivery, take: Take, store: Store, tmp_path: Path) -> None:
    delivery.image("a.png")
    take(delivery.via({"a.png": [rect()]}))
    page = write_statistics(statistics_of(store), store, tmp_path / "stats.html").read_text(encoding="utf-8")
    assert "No annotation file says when it was released." in page
