"""What a service has to reach, and whether it did."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from teppr.stress.measure import StageFigures, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What is asked for; None = nothing is.

    max_p50_ms, max_p99_ms: of the answers, in every stage, all targets together
    min_answers_per_s: of all targets together, in the best stage
    max_failed: requests that had no answer or one of 5xx but 503, over all
    max_declined: requests that the service found fault with (4xx but 429), over all
    max_refused_share_0_1: of the requests, over all
    """

    max_p50_ms: float | None = None
    max_p99_ms: float | None = None
    min_answers_per_s: float | None = None
    max_failed: int = 0
    max_declined: int = 0
    max_refused_share_0_1: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One threshold against what was measured; `got` is None where there was nothing to measure."""

    threshold: str
    wanted: float
    got: float | None
    is_met: bool
    where: str

    @property
    def sentence(self) -> str:
        """For people."""
        got = "nothing to measure" if self.got is None else number(self.got)
        return f"{self.threshold} {number(self.wanted)}: {got} {self.where}"


def number(value: float) -> str:
    """As people read it: what counts thousands needs no fractions."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def verdicts_on(summary: Summary, thresholds: Thresholds) -> list[Verdict]:
    """One for each threshold that is asked for, and one that there is an answer at all."""
    return list(_verdicts(summary, thresholds))


def _verdicts(summary: Summary, wanted: Thresholds) -> Iterator[Verdict]:
    every = summary.all
    yield _at_least("answers, at least", 1, every.answered, "in all")
    yield _at_most("errors, at most", wanted.max_failed, every.failed, "in all")
    yield _at_most("declined, at most", wanted.max_declined, every.declined, "in all")
    if wanted.max_p50_ms is not None:
        worst = max(summary.stages, key=_p50_ms, default=None)
        yield _at_most("p50 in ms, at most", wanted.max_p50_ms, _got(worst, _p50_ms), _where(worst))
    if wanted.max_p99_ms is not None:
        worst = max(summary.stages, key=_p99_ms, default=None)
        yield _at_most("p99 in ms, at most", wanted.max_p99_ms, _got(worst, _p99_ms), _where(worst))
    if wanted.min_answers_per_s is not None:
        best = summary.best
        got = best.all.answers_per_s if best else None
        yield _at_least("answers/s, at least", wanted.min_answers_per_s, got, _where(best))
    if wanted.max_refused_share_0_1 is not None:
        share = every.refused_share_0_1 if every.requests else None
        yield _at_most("share refused, at most", wanted.max_refused_share_0_1, share, "of all requests")


def _at_most(threshold: str, wanted: float, got: float | None, where: str) -> Verdict:
    is_met = got is not None and got <= wanted
    return Verdict(threshold=threshold, wanted=wanted, got=got, is_met=is_met, where=where)


def _at_least(threshold: str, wanted: float, got: float | None, where: str) -> Verdict:
    is_met = got is not None and got >= wanted
    return Verdict(threshold=threshold, wanted=wanted, got=got, is_met=is_met, where=where)


def _p50_ms(figures: StageFigures) -> float:
    return figures.all.latency.p50_ms if figures.all.latency else math.inf


def _p99_ms(figures: StageFigures) -> float:
    return figures.all.latency.p99_ms if figures.all.latency else math.inf


def _got(figures: StageFigures | None, value: Callable[[StageFigures], float]) -> float | None:
    return value(figures) if figures and figures.all.latency else None


def _where(figures: StageFigures | None) -> str:
    return f"with {figures.stage.name}" if figures else "as no stage was begun"
