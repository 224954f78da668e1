"""Why there is no split that has every label everywhere, a row a label, and what would help."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from teppr.datasets.coverage import Question
from teppr.datasets.matrix import LabelMatrix
from teppr.errors import SplitRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is to be explained.

    conflict: labels that cannot all be in every split
    unit: what a group is called, "image(s)" where each is one
    """

    matrix: LabelMatrix
    question: Question
    conflict: Sequence[int]
    splits: Sequence[str]
    unit: str

    def refusal(self) -> SplitRefused:
        """Where all groups are free."""
        fewer = (n for n in range(len(self.splits) - 1, 1, -1) if self.question.with_splits(n).is_settled())
        rows = self._rows([f"ask for {n} splits only" for n in [*fewer][:1]])
        if len(rows) == 1:
            reason = f"label {self._names} is in {rows[0]['groups']} group(s) of images, fewer than the "
        else:
            reason = f"labels {self._names} share so few groups of images that they cannot all be in "
        return SplitRefused(f"{self._nowhere}: {reason}{len(self.splits)} splits{self._also}", conflicts=rows)

    def refusal_of_extension(self) -> SplitRefused:
        """Where there is a conflict only because groups keep the split that they have."""
        rows = self._rows(["split all images anew: leave out --extend"])
        if len(rows) == 1:
            (label,) = self.conflict
            lacking = " and ".join(self.splits[place] for place in self.question.lacking[label])
            reason = f"label {self._names} is not in {lacking} so far, and {self.question.free_groups[label]} new "
            reason += f"{self.unit} have it"
        else:
            reason = f"labels {self._names} share so few new {self.unit} that these cannot be brought to all splits"
        return SplitRefused(
            f"{self._nowhere} and keeps what was assigned: {reason}; the kept assignment is the reason, without it "
            f"there is such a split{self._also}",
            conflicts=rows,
        )

    @property
    def _nowhere(self) -> str:
        return f"there is no way to have every label in {', '.join(self.splits)}"

    @property
    def _names(self) -> str:
        return ", ".join(self.matrix.labels[label] for label in self.conflict)

    @property
    def _also(self) -> str:
        return f"; once that is settled, also too rare: {', '.join(self._others)}" if self._others else ""

    @property
    def _others(self) -> list[str]:
        return sorted(self.matrix.labels[label] for label in self.question.too_rare if label not in self.conflict)

    def _rows(self, instead: Sequence[str]) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for label in self.conflict:
            name = self.matrix.labels[label]
            remedies = [
                self._more(label),
                f"merge it into another label: --rename {shlex.quote(f'{name}=OTHER')}",
                f"drop it: --drop {shlex.quote(name)}",
                *instead,
                f"let it be missing: --allow-missing {shlex.quote(name)}",
            ]
            if self._others:
                every = shlex.quote(",".join([name, *self._others]))
                count = 1 + len(self._others)
                remedies.append(f"let all {count} that are too rare be missing: --allow-missing {every}")
            groups = int(self.matrix.degrees[label])
            rows.append({"label": name, "groups": groups, "splits": len(self.splits), "remedies": remedies})
        return rows

    def _more(self, label: int) -> str:
        name = self.matrix.labels[label]
        if len(self.conflict) > 1:
            return f"annotate {name} in {self.unit} that have none of the other {len(self.conflict) - 1}"
        lacking = len(self.question.lacking[label]) - self.question.free_groups[label]
        return f"annotate {name} in at least {lacking} more {self.unit}"
