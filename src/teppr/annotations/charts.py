"""Charts for pages, worked out as places in a drawing; the templates write them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def nice_steps(most: int) -> list[int]:
    """0 and three to six round numbers, the last not below `most`."""
    least_step = max(most / 5, 1)
    power = 10 ** math.floor(math.log10(least_step))
    step = next(power * nice for nice in NICE if power * nice >= least_step)
    return [i * step for i in range(max(math.ceil(most / step), 1) + 1)]


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
