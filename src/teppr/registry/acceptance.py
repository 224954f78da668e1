"""Acceptance criteria: what a release must reach, as a table of criterion, wanted, got and verdict.

A criterion names a figure and compares it: `test/map_50: ">= 0.60"`. Figures of an evaluation are
`<split>/<metric>` for boxes, lanes and classes (also `<split>/box/<metric>`), and `<split>/mask/<metric>` for masks,
with `/per_label` behind for the worst label; measured ones (`latency_ms_p95`, `versus_production`) stand by themselves.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from teppr.errors import BadInput, UnknownName

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
PER_LABEL = "per_label"
MAIN_KINDS = frozenset({"box", "lane", "class"})
"""Kinds of figures whose name may be left out: "test/map_50" is the boxes'."""
_WANTED = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A figure and the bound it must keep."""

    figure: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, figure: str, wanted: str) -> Criterion:
        """From "test/map_50" and ">= 0.60"; raises BadInput for anything else."""
        match = _WANTED.fullmatch(wanted)
        if not match:
            raise BadInput(f"a criterion is a comparison and a number, like '>= 0.60', got {figure}: {wanted!r}")
        return cls(figure=figure, comparison=match[1], bound=float(match[2]))

    @property
    def wanted(self) -> str:
        """The bound as people write it."""
        return f"{self.comparison} {self.bound:g}"

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return COMPARISONS[self.comparison](value, self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row of the table; `got` is None where the figure is undefined, which never meets a criterion."""

    criterion: str
    wanted: str
    got: float | None
    met: bool
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row for files and machines."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure that is measured when publishing, and what there is to say about it.

    value: None where it does not apply (the first release has no production to be compared with): the criterion is met
    """

    value: float | None
    detail: str = ""


def split_criterion(text: str) -> tuple[str, str]:
    """Figure and comparison of "test/map_50 >= 0.6"; raises BadInput for anything else."""
    at = next((i for i, letter in enumerate(text) if letter in "<>"), None)
    figure = text[:at].strip().rstrip(":").strip()
    if at is None or not figure:
        raise BadInput(f"a criterion is a figure, a comparison and a number, like 'test/map_50 >= 0.6', got {text!r}")
    return figure, Criterion.parse(figure, text[at:]).wanted


def judge(
    accept: Mapping[str, str], evaluation: Mapping[str, Any], measured: Mapping[str, Measured]
) -> tuple[Verdict, ...]:
    """The table for criteria {figure: wanted}, in their order.

    evaluation: {split: {"box": figures, "mask": figures}}, figures as tasks measure them
    Raises UnknownName for a figure that there is not, BadInput for a comparison that cannot be read.
    """
    criteria = [Criterion.parse(figure, wanted) for figure, wanted in accept.items()]
    known = figures_of(evaluation)
    rows = []
    for criterion in criteria:
        if criterion.figure in measured:
            rows.append(_judge_measured(criterion, measured[criterion.figure]))
        elif (figure := short(criterion.figure)) in known:
            rows.append(_judge_evaluated(criterion, known[figure]))
        else:
            raise UnknownName.of("figure", criterion.figure, [*known, *measured])
    return tuple(rows)


def short(figure: str) -> str:
    """The figure without the name of a main kind: "test/map_50" of "test/box/map_50"."""
    split, *path = figure.split("/")
    return "/".join((split, *path[path[0] in MAIN_KINDS :])) if path else figure


def figures_of(evaluation: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """All figures by path: {"test/map_50": {"": 0.7}, "test/map_50/per_label": {"sign": 0.6, ...}}."""
    known: dict[str, dict[str, float | None]] = {}
    for split, kinds in evaluation.items():
        for kind, figures in kinds.items():
            stem = split if kind in MAIN_KINDS else f"{split}/{kind}"
            for name, value in figures.items():
                if isinstance(value, Mapping) and name != PER_LABEL:  # "at_iou": {"0.5": ...}
                    known |= {f"{stem}/{name}/{inner}": {"": each} for inner, each in value.items()}
                elif name != PER_LABEL:
                    known[f"{stem}/{name}"] = {"": value}
            for label, values in figures.get(PER_LABEL, {}).items():
                for name, value in values.items():
                    known.setdefault(f"{stem}/{name}/{PER_LABEL}", {})[label] = value
    return known


def _judge_measured(criterion: Criterion, figure: Measured) -> Verdict:
    met = figure.value is None or criterion.holds(figure.value)
    return Verdict(criterion=criterion.figure, wanted=criterion.wanted, got=figure.value, met=met, detail=figure.detail)


def _judge_evaluated(criterion: Criterion, values: Mapping[str, float | None]) -> Verdict:
    undefined = sorted(label for label, value in values.items() if value is None)
    if undefined:
        named = f" of {', '.join(undefined)}" if any(undefined) else ""
        return _row(criterion, None, f"undefined: the split has no objects{named}")
    worst = max if criterion.comparison.startswith("<") else min
    label, value = worst(((name, float(value or 0)) for name, value in values.items()), key=lambda item: item[1])
    return _row(criterion, value, f"worst label: {label}" if label else "")


def _row(criterion: Criterion, got: float | None, detail: str) -> Verdict:
    met = got is not None and criterion.holds(got)
    return Verdict(criterion=criterion.figure, wanted=criterion.wanted, got=got, met=met, detail=detail)
