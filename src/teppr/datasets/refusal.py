"""Why there is no split that has every label everywhere, a row a label, and what would help."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from teppr.datasets.coverage import Question
from teppr.datasets.matrix import LabelMatrix
from teppr.errors import SplitRefused


def refusal(matrix: LabelMatrix, question: Question, conflict: Collection[int], splits: Sequence[str]) -> SplitRefused:
    """The error that explains a conflict where all groups are free."""
    fewer = next((n for n in range(len(splits) - 1, 1, -1) if question.with_splits(n).is_settled()), 0)
    instead = [f"ask for {fewer} splits only"] if fewer else []
    rows = [_row(matrix, question, label, conflict, len(splits), instead) for label in conflict]
    names = _names(matrix, conflict)
    if len(rows) == 1:
        reason = f"label {names} is in {rows[0]['groups']} group(s) of images, fewer than the {len(splits)} splits"
    else:
        reason = f"labels {names} share so few groups of images that they cannot all be in {len(splits)} splits"
    also = _also(matrix, question, conflict)
    return SplitRefused(f"no split has every label in {', '.join(splits)}: {reason}{also}", conflicts=rows)


def refusal_of_extension(
    matrix: LabelMatrix, question: Question, conflict: Collection[int], splits: Sequence[str]
) -> SplitRefused:
    """The error that explains a conflict which is there only because groups keep the split that they have."""
    instead = ["split all images anew: leave out --extend"]
    rows = [_row(matrix, question, label, conflict, len(splits), instead) for label in conflict]
    names = _names(matrix, conflict)
    if len(rows) == 1:
        (label,) = conflict
        lacking = " and ".join(splits[place] for place in question.lacking[label])
        reason = f"label {names} is not in {lacking} so far, and {question.free_groups[label]} new group(s) have it"
    else:
        reason = f"labels {names} share so few new groups of images that these cannot be brought to all splits"
    also = _also(matrix, question, conflict)
    return SplitRefused(
        f"no split has every label in {', '.join(splits)} and keeps what was assigned: {reason}; the kept assignment "
        f"is the reason, without it there is such a split{also}",
        conflicts=rows,
    )


def _names(matrix: LabelMatrix, conflict: Collection[int]) -> str:
    return ", ".join(matrix.labels[label] for label in conflict)


def _also(matrix: LabelMatrix, question: Question, conflict: Collection[int]) -> str:
    others = sorted(matrix.labels[label] for label in question.too_rare if label not in conflict)
    return f"; once that is settled, also too rare: {', '.join(others)}" if others else ""


def _row(
    matrix: LabelMatrix,
    question: Question,
    label: int,
    conflict: Collection[int],
    split_count: int,
    instead: Sequence[str],
) -> dict[str, object]:
    name = matrix.labels[label]
    if len(conflict) == 1:
        more = f"annotate {name} in at least {len(question.lacking[label]) - question.free_groups[label]} more image(s)"
    else:
        more = f"annotate {name} in images that have none of the other {len(conflict) - 1}"
    remedies = [
        more,
        f"merge it into another label: --rename {name}=OTHER",
        "drop it: leave it out of --labels",
        *instead,
        f"let it be missing: --allow-missing {name}",
    ]
    return {"label": name, "groups": int(matrix.degrees[label]), "splits": split_count, "remedies": remedies}
