"""The figures that criteria of a release may name: those of its evaluation, and those that publishing measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from teppr.errors import UnknownName
from teppr.metrics.detection import LABEL_STATS, STATS
from teppr.registry.acceptance import figures_of

MEASURED = ("latency_ms_p50", "latency_ms_p95", "versus_production")
"""Figures that are measured when a run is published."""


def figures_to_come(splits: Iterable[str], ious: Sequence[float]) -> frozenset[str]:
    """All figures that there will be of these splits and overlaps, of boxes and masks, as far as can be known before.

    ious: overlaps for which figures are given beside COCO's
    """
    figures = {
        **dict.fromkeys(STATS),
        "at_iou": {f"{iou:g}": None for iou in ious},
        "per_label": {"any": dict.fromkeys((*LABEL_STATS, "regions"))},
    }
    return frozenset(figures_of({split: {"box": figures, "mask": figures} for split in splits})) | {*MEASURED}


def check_figure(figure: str, splits: Iterable[str], ious: Sequence[float]) -> None:
    """Raise UnknownName with the nearest one where there can be no such figure."""
    known = figures_to_come(splits, ious)
    if figure.replace("/box/", "/") not in known:
        raise UnknownName.of("figure", figure, known)
