"""Curves of precision over recall, for the tasks that have them."""

from __future__ import annotations

from collections.abc import Mapping

from teppr.colors import colors_of
from teppr.line_charts import PALETTE, Chart, Line

MOST_CURVES = 10
"""So many labels get a curve of their own; with more, the ones with the lowest precision."""


def precision_chart(title: str, curves: Mapping[str, list[float]], label_colors: Mapping[str, str]) -> Chart:
    """Of each label the precision at evenly spaced recalls, and their mean; labels without a curve are left out."""
    defined = {label: curve for label, curve in curves.items() if curve}
    shown = sorted(defined, key=lambda label: sum(defined[label]))[:MOST_CURVES]
    colors = colors_of(curves, label_colors)
    lines = [Line(name=label, color=colors[label], points=_recalls(defined[label])) for label in sorted(shown)]
    if len(defined) > 1:
        mean = [sum(values) / len(values) for values in zip(*defined.values(), strict=True)]
        lines.append(Line(name=f"mean of {len(defined)} labels", color=PALETTE[0], points=_recalls(mean), strong=True))
    return Chart(
        title=title,
        x_title="recall",
        y_title="precision",
        lines=tuple(lines),
        x_range=(0, 1),
        y_range=(0, 1),
    )


def _recalls(precision: list[float]) -> tuple[tuple[float, float], ...]:
    return tuple((i / (len(precision) - 1), value) for i, value in enumerate(precision))
