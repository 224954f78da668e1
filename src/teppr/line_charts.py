"""Line charts as SVG text: sharp on paper and on screens, and nothing to load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from teppr.types import Point

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 12, 40
PALETTE = ("#3366cc", "#d9622b", "#2a9d6f", "#9352c7", "#c7902a", "#c2405f", "#3a9db3", "#6b7785")
"""For lines that have no colour of their own; readable on light and dark ground."""
TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart; points with no value are left out by the caller."""

    name: str
    color: str
    points: tuple[Point, ...]
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over common axes; a range that is None follows from the points.

    whole_x: only whole numbers are written on the x axis, as for epochs
    """

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    whole_x: bool = False

    @property
    def svg(self) -> str:
        """The picture; its text and axes take the colour of the page's text."""
        drawn = [line for line in self.lines if line.points]
        x_range = self.x_range or _range(drawn, 0)
        y_range = self.y_range or _range(drawn, 1)
        parts = [*_x_axis(x_range, self.x_title, whole=self.whole_x), *_y_axis(y_range, self.y_title)]
        parts += [_line(line, x_range, y_range) for line in drawn]
        label = escape(f"{self.title}: {self.y_title} over {self.x_title}", quote=True)
        head = (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}" font-size="11" fill="currentColor">'
        )
        return head + "".join(parts) + "</svg>"


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    rough = (high - low) / TICKS
    if not rough > 0 or not math.isfinite(rough):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _range(lines: Sequence[Line], axis: int) -> tuple[float, float]:
    values = [point[axis] for line in lines for point in line.points]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _x(value: float, span: tuple[float, float]) -> float:
    return LEFT + (value - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, span: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - span[0]) / (span[1] - span[0]) * (HEIGHT - TOP - BOTTOM)


def _x_axis(span: tuple[float, float], title: str, *, whole: bool) -> list[str]:
    parts = []
    for value in (value for value in ticks(*span) if not whole or value.is_integer()):
        at = f"{_x(value, span):.1f}"
        parts.append(f'<text x="{at}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{value:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*parts, f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle" opacity=".7">{escape(title)}</text>']


def _y_axis(span: tuple[float, float], title: str) -> list[str]:
    parts = []
    for value in ticks(*span):
        at = f"{_y(value, span):.1f}"
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" stroke="currentColor" opacity=".14"/>'
            f'<text x="{LEFT - 6}" y="{at}" dy="3.5" text-anchor="end">{value:g}</text>'
        )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 11 {middle})"'
    return [*parts, f'<text x="11" y="{middle}" {turned} text-anchor="middle" opacity=".7">{escape(title)}</text>']


def _line(line: Line, x_span: tuple[float, float], y_span: tuple[float, float]) -> str:
    corners = [f"{_x(x, x_span):.1f},{_y(y, y_span):.1f}" for x, y in line.points]
    width = 2.6 if line.strong else 1.5
    color = escape(line.color, quote=True)
    dots = ""
    if len(line.points) <= 40:
        places = (corner.split(",") for corner in corners)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="{width}" fill="{color}"/>' for x, y in places)
    path = " ".join(corners)
    name = escape(line.name)
    return (
        f'<g><title>{name}</title><polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-linejoin="round"/>{dots}</g>'
    )
