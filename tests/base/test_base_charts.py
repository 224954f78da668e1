"""Histograms as places in a drawing."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.charts import HALF_WIDTH_PX, LETTER_PX, Series, bin_name, binned, column_chart, count_bins


@given(most=st.integers(0, 10**6))
def test_bins_of_counts_follow_each_other_and_are_few(most: int) -> None:
    bins = count_bins(most)
    assert bins[0] == (0, 0)
    assert all(low == before + 1 <= high for (_, before), (low, high) in pairwise(bins))
    assert bins[-1][0] <= most <= bins[-1][1]
    assert len(bins) <= 40


@given(values=st.lists(st.integers(0, 300), max_size=50))
def test_every_count_is_in_one_bin(values: list[int]) -> None:
    bins = count_bins(max(values, default=0))
    assert sum(binned(Counter(values), bins)) == len(values)


def test_one_series_is_drawn_by_its_counts_and_several_by_their_shares() -> None:
    one = column_chart(["0", "1"], [Series(name="all", counts=[30, 10])])
    few, many = Series(name="few", counts=[3, 1]), Series(name="many", counts=[300, 100])
    two = column_chart(["0", "1"], [few, many], width_px=HALF_WIDTH_PX)
    high = [one.base_px - column.y_px for column in one.columns]
    assert high[0] == pytest.approx(3 * high[1])
    assert [tick.text for tick in one.y_ticks] == ["0", "10", "20", "30"]
    assert [tick.text for tick in two.y_ticks][-1] == "80 %"
    assert [column.y_px for column in two.columns[:2]] == [column.y_px for column in two.columns[2:]]
    assert [(column.series, column.count) for column in two.columns][1:3] == [("few", 1), ("many", 300)]


def test_columns_of_a_bin_stand_side_by_side_within_it() -> None:
    chart = column_chart([str(i) for i in range(5)], [Series(name=name, counts=[1] * 5) for name in "abc"])
    ends = sorted((column.x_px, column.x_px + chart.column_px) for column in chart.columns)
    assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(ends))
    assert ends[-1][1] < chart.width_px


@given(names=st.lists(st.text("0123456789-", min_size=1, max_size=9), min_size=1, max_size=60))
def test_names_of_bins_never_overlap(names: list[str]) -> None:
    chart = column_chart(names, [Series(name="all", counts=[1] * len(names))], width_px=HALF_WIDTH_PX)
    named = [tick for tick in chart.x_ticks if tick.text]
    assert len(chart.x_ticks) == len(names)
    assert all(b.at_px - a.at_px >= LETTER_PX * (len(a.text) + len(b.text)) / 2 for a, b in pairwise(named))


def test_a_histogram_of_nothing_is_empty() -> None:
    assert not column_chart([], []).columns
    assert not column_chart(["0"], [Series(name="all", counts=[0])]).columns


def test_a_bin_of_one_count_is_called_by_it() -> None:
    assert [bin_name(3, 3), bin_name(5, 8)] == ["3", "5-8"]
