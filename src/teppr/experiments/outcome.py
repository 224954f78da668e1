"""What became of the experiments of a batch: rows of a table, of a CSV file, of a JSON document."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from teppr.errors import TepprError
from teppr.files import whole_file
from teppr.registry.acceptance import figures_of
from teppr.tasks.contract import TASKS
from teppr.workflow.run import Run
from teppr.workflow.variation import Settings

HEADLINES = 2
"""Figures of each split that stand in the table."""


class Verdict(StrEnum):
    """How an experiment of a batch ended."""

    DONE = "done"
    BEFORE = "done before"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"
    WRONG = "wrong"
    LEFT = "not begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One experiment.

    verdict: done; done before (by an earlier start of the batch); refused (a prediction or a publication failed, the
        network is trained and measured); failed; stopped (it goes on when started again); wrong (never begun, for
        what it asks for cannot be done); not begun
    figures: the first ones of each split, {"test/map_50": 0.41}
    seconds: of this start of the batch, all attempts together
    """

    name: str
    verdict: Verdict
    settings: Settings = field(default_factory=dict)
    run: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 0
    reason: str = ""

    @property
    def is_well(self) -> bool:
        """Whether all of it is done."""
        return self.verdict in {Verdict.DONE, Verdict.BEFORE}

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"verdict": str(self.verdict), "seconds": round(self.seconds, 1)}


def headline_figures(run: Run) -> dict[str, float | None]:
    """Of each measured split the figures by which its task is judged first; empty where nothing is measured."""
    try:
        evaluation = run.evaluation
        names = TASKS.load(evaluation["task"]).followed[:HEADLINES]
    except (TepprError, KeyError):
        return {}
    known = figures_of(evaluation["split"])
    wanted = [f"{split}/{name}" for split in evaluation["split"] for name in names]
    return {name: known[name][""] for name in wanted if name in known}


def exit_code_of(outcomes: Sequence[Outcome]) -> int:
    """0 all went well, 1 at least one did not, 2 where none could even be begun."""
    if all(outcome.is_well for outcome in outcomes):
        return 0
    return 2 if all(outcome.verdict is Verdict.WRONG for outcome in outcomes) else 1


def table_of(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: every setting and every figure has a column of its own."""
    paths = list(dict.fromkeys(path for outcome in outcomes for path in outcome.settings))
    figures = list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))
    columns = ["experiment", *paths, "verdict", *figures, "seconds", "run", "attempts", "reason"]
    rows = [
        [
            outcome.name,
            *(said(outcome.settings[path]) if path in outcome.settings else None for path in paths),
            str(outcome.verdict),
            *(outcome.figures.get(name) for name in figures),
            round(outcome.seconds),
            outcome.run,
            outcome.attempts,
            outcome.reason,
        ]
        for outcome in outcomes
    ]
    return columns, rows


def write_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """The table as a file."""
    columns, rows = table_of(outcomes)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def said(value: JsonValue) -> str:
    """A setting's value in a cell; what was searched has more digits than matter."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
