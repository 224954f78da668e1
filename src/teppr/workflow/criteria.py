"""The figures that may be named before they are measured: by criteria of a release, and as what training goes by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from teppr.errors import UnknownName
from teppr.registry.acceptance import figures_of, short
from teppr.tasks.contract import Task

MEASURED = ("latency_ms_p50", "latency_ms_p95", "versus_production")
"""Figures that are measured when a run is published."""
LOSS = "loss"
"""The figure of training itself, the smaller the better."""


def figures_to_come(splits: Iterable[str], ious: Sequence[float], tasks: Iterable[Task]) -> frozenset[str]:
    """All figures that there will be of these splits and tasks, as far as can be known before.

    ious: overlaps for which figures are given beside the usual ones
    """
    parts = {kind: part for task in tasks for kind, part in task.parts_of_figures(ious).items()}
    return frozenset(figures_of(dict.fromkeys(splits, parts))) | {*MEASURED}


def check_figure(figure: str, splits: Iterable[str], ious: Sequence[float], tasks: Iterable[Task]) -> None:
    """Raise UnknownName with the nearest one where there can be no such figure."""
    known = figures_to_come(splits, ious, tasks)
    if short(figure) not in known:
        raise UnknownName.of("figure", figure, known)


def followed_figures(tasks: Iterable[Task]) -> tuple[str, ...]:
    """What training may go by: figures of val after each epoch, "val/map_50" or "val/mask/map_50", and the loss."""
    names = [f"val/{kind}/{name}" for task in tasks for kind in task.kinds for name in task.followed]
    return (*dict.fromkeys(short(name) for name in names), LOSS)


def check_followed(figure: str, tasks: Iterable[Task]) -> None:
    """Raise UnknownName with the nearest one where there is no such figure after an epoch."""
    known = followed_figures(tasks)
    if short(figure) not in known:
        raise UnknownName.of("figure of an epoch", figure, known)
