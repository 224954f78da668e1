"""Charts for pages, worked out as places in a drawing; the templates write them as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

WIDTH_PX = 1000.0
"""Of every drawing; the page scales it to its own."""
NAMES_PX, COUNTS_PX, ROW_PX = 210.0, 90.0, 24.0
"""Room for the names left of bars, for the counts right of them, and for a bar with its gap."""
LONGEST_NAME = 28
MOST_BARS = 40
LEFT_PX, RIGHT_PX, TOP_PX, PLOT_PX, BOTTOM_PX = 70.0, 30.0, 14.0, 220.0, 30.0
"""Around a plot over time, and its height."""
DATE_PX = 90.0
"""What a date takes up under a plot."""
NICE = (1, 2, 5, 10)
HALF_WIDTH_PX = 520.0
"""Of drawings that stand two in a row, so that their letters are as large as elsewhere."""
COLUMN_GAP_0_1 = 0.18
"""Of the room of a bin, between its columns and the next bin's."""
LETTER_PX = 8.0
"""What a letter takes up under a plot."""
SINGLE_BINS = 24
"""So many counts have a column of their own before several share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: `name` in full, `short` as it fits, and where it lies."""

    name: str
    short: str
    count: int
    color: str | None
    y_px: float
    width_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Horizontal bars, the longest first; `left_out` counts those for which there is no room."""

    bars: Sequence[Bar]
    height_px: float
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis; a date that has no room has no text."""

    text: str
    at_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What was released on one day, and all that was released until then."""

    day: date
    count: int
    total: int
    x_px: float
    count_y_px: float
    total_y_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeChart:
    """A dated series: a column for what each day brought, a line for all until then."""

    days: Sequence[Day]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    base_px: float
    height_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Counts of one group, one a bin; `color` is "#rrggbb", None = the page's."""

    name: str
    counts: Sequence[int]
    color: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one series has in one bin; `share_0_1` of all that it has."""

    series: str
    bin: str
    count: int
    share_0_1: float
    color: str | None
    x_px: float
    y_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChart:
    """A histogram: for each bin the columns of all series side by side."""

    columns: Sequence[Column]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    column_px: float
    width_px: float
    base_px: float
    height_px: float


def bar_chart(counts: Sequence[tuple[str, int, str | None]]) -> BarChart:
    """Of names with their counts and colours ("#rrggbb", None = the page's)."""
    ordered = sorted(counts, key=lambda row: (-row[1], row[0]))
    most = max((count for _, count, _ in ordered), default=0)
    room_px = WIDTH_PX - NAMES_PX - COUNTS_PX
    bars = [
        Bar(
            name=name,
            short=name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…",
            count=count,
            color=color,
            y_px=i * ROW_PX,
            width_px=max(room_px * count / most, 1.0) if count else 0.0,
        )
        for i, (name, count, color) in enumerate(ordered[:MOST_BARS])
    ]
    return BarChart(bars=bars, height_px=len(bars) * ROW_PX, left_out=len(ordered) - len(bars))


def time_chart(counts: Sequence[tuple[date, int]]) -> TimeChart:
    """Of days with their counts, in any order."""
    ordered = sorted(counts)
    totals = [sum(count for _, count in ordered[: i + 1]) for i in range(len(ordered))]
    steps = nice_steps(totals[-1] if totals else 0)
    base_px = TOP_PX + PLOT_PX

    def y_px(count: float) -> float:
        return base_px - PLOT_PX * count / steps[-1]

    days = [
        Day(
            day=day,
            count=count,
            total=total,
            x_px=_x_px(day, ordered[0][0], ordered[-1][0]),
            count_y_px=y_px(count),
            total_y_px=y_px(total),
        )
        for (day, count), total in zip(ordered, totals, strict=True)
    ]
    return TimeChart(
        days=days,
        x_ticks=_x_ticks(days),
        y_ticks=[Tick(text=f"{step:,}".replace(",", " "), at_px=y_px(step)) for step in steps],
        base_px=base_px,
        height_px=base_px + BOTTOM_PX,
    )


def column_chart(bins: Sequence[str], series: Sequence[Series], *, width_px: float = WIDTH_PX) -> ColumnChart:
    """Of bins in their order; several series are drawn as shares of their own, so that large and small compare."""
    as_shares = len(series) > 1
    totals = [max(sum(one.counts), 1) for one in series]
    shares = [[count / total for count in one.counts] for one, total in zip(series, totals, strict=True)]
    heights = [[100 * share for share in row] for row in shares] if as_shares else [one.counts for one in series]
    steps = nice_steps(math.ceil(max((height for row in heights for height in row), default=0)))
    base_px, bin_px = TOP_PX + PLOT_PX, (width_px - LEFT_PX - RIGHT_PX) / max(len(bins), 1)
    column_px = bin_px * (1 - COLUMN_GAP_0_1) / max(len(series), 1)

    def y_px(height: float) -> float:
        return base_px - PLOT_PX * height / steps[-1]

    columns = [
        Column(
            series=one.name,
            bin=name,
            count=one.counts[i],
            share_0_1=shares[k][i],
            color=one.color,
            x_px=LEFT_PX + bin_px * (i + COLUMN_GAP_0_1 / 2) + column_px * k,
            y_px=y_px(heights[k][i]),
        )
        for k, one in enumerate(series)
        for i, name in enumerate(bins)
        if one.counts[i]
    ]
    unit = " %" if as_shares else ""
    return ColumnChart(
        columns=columns,
        x_ticks=_bin_ticks(bins, bin_px),
        y_ticks=[Tick(text=f"{step:,}{unit}".replace(",", " "), at_px=y_px(step)) for step in steps],
        column_px=column_px,
        width_px=width_px,
        base_px=base_px,
        height_px=base_px + BOTTOM_PX,
    )


def count_bins(most: int) -> list[tuple[int, int]]:
    """Bins for counts from 0 to `most`, first and last of each: one each while they are few, then ever wider ones."""
    if most <= SINGLE_BINS:
        return [(n, n) for n in range(most + 1)]
    bins = [(n, n) for n in range(5)]
    while bins[-1][1] < most:
        low = bins[-1][1] + 1
        bins.append((low, low + max(low // 2, 1) - 1))
    return bins


def bin_name(low: int, high: int) -> str:
    """What a bin of counts is called."""
    return str(low) if low == high else f"{low}-{high}"


def binned(values: Mapping[int, int], bins: Sequence[tuple[int, int]]) -> list[int]:
    """How often a value of each bin comes, of {value: how often}."""
    return [sum(times for value, times in values.items() if low <= value <= high) for low, high in bins]


def nice_steps(most: int) -> list[int]:
    """0 and three to six round numbers, the last not below `most`."""
    least_step = max(most / 5, 1)
    power = 10 ** math.floor(math.log10(least_step))
    step = next(power * nice for nice in NICE if power * nice >= least_step)
    return [i * step for i in range(max(math.ceil(most / step), 1) + 1)]


def _bin_ticks(bins: Sequence[str], bin_px: float) -> list[Tick]:
    """A mark a bin; names from the first on, each time the same number of bins apart, so that they have room."""
    longest_px = LETTER_PX * max((len(name) for name in bins), default=0) + LETTER_PX
    apart = max(math.ceil(longest_px / bin_px), 1)
    return [Tick(text="" if i % apart else name, at_px=LEFT_PX + bin_px * (i + 0.5)) for i, name in enumerate(bins)]


def _x_px(day: date, first: date, last: date) -> float:
    left, right = LEFT_PX + DATE_PX / 2, WIDTH_PX - RIGHT_PX - DATE_PX / 2
    days = (last - first).days
    return left + (right - left) * (day - first).days / days if days else (left + right) / 2


def _x_ticks(days: Sequence[Day]) -> list[Tick]:
    """A mark a day; dates from the last backwards, where there is room."""
    ticks: list[Tick] = []
    free_px = math.inf
    for day in reversed(days):
        fits = day.x_px + DATE_PX <= free_px
        free_px = day.x_px if fits else free_px
        ticks.append(Tick(text=f"{day.day:%d %b %Y}" if fits else "", at_px=day.x_px))
    return ticks[::-1]
