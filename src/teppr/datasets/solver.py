"""The exact part of splitting: an assignment of a small core of rare labels, or the proof that there is none.

OR-tools' CP-SAT with one worker and a fixed seed: the same question gives the same answer. It is imported when asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Placement: TypeAlias = list[set[int]]
"""For each kind the splits that one of its groups goes to."""

Lacking: TypeAlias = Mapping[int, Collection[int]]
"""For each label the splits that it has to be brought to."""

EFFORT = 4.0
"""How long a conflict is made smaller, and a smallest one searched, in CP-SAT's deterministic time each: about seconds,
equal on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Groups that have the same labels; `count` of them."""

    labels: frozenset[int]
    count: int


def place(kinds: Sequence[Kind], lacking: Lacking, split_count: int) -> Placement | None:
    """An assignment that brings each label to the splits that lack it, or None where there is none."""
    question = _Question(kinds, lacking, split_count, optional=())
    return question.placement() if question.solve() else None


def smallest_conflict(kinds: Sequence[Kind], lacking: Lacking, split_count: int) -> list[int]:
    """A smallest set of labels that cannot all be brought; to be asked only where `place` found nothing.

    Labels whose absence makes the rest possible include one of every conflict. So a smallest set that meets all such
    sets found so far is either a conflict, and then a smallest one, or leads to another such set. Where that takes too
    long (a case made to be hard), the answer is a conflict of which nothing can be left out as far as is known.
    """
    minimal = _minimal_conflict(kinds, lacking, split_count)
    corrections: list[set[int]] = []
    effort = EFFORT
    while effort > 0:
        candidate = _smallest_meeting(corrections)
        if len(candidate) >= len(minimal):
            break
        question = _Question(kinds, lacking, split_count, optional=set(lacking) - candidate)
        possible = question.solve(effort)
        if possible is None:
            break
        if not possible:
            return sorted(candidate)
        corrections.append(set(lacking) - question.served())
        effort -= question.spent
    return minimal


def _minimal_conflict(kinds: Sequence[Kind], lacking: Lacking, split_count: int) -> list[int]:
    """A conflict; whatever is left out of it, the rest is possible, or cannot be proven impossible with that effort."""
    needed = dict(lacking)
    effort = EFFORT
    for label in reversed(list(lacking)):
        if effort <= 0:
            break
        others = {other: splits for other, splits in needed.items() if other != label}
        question = _Question(kinds, others, split_count, optional=())
        if question.solve(min(effort, EFFORT / 8)) is False:
            needed = others
        effort -= question.spent
    return sorted(needed)


def _smallest_meeting(sets: Sequence[set[int]]) -> set[int]:
    """A smallest set that shares an element with each of `sets`."""
    if not sets:
        return set()
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    taken = {element: model.new_bool_var("") for element in sorted(set().union(*sets))}
    for elements in sets:
        model.add_bool_or([taken[element] for element in sorted(elements)])
    model.minimize(sum(taken.values()))
    solver = _solver()
    solver.solve(model)
    return {element for element, variable in taken.items() if solver.boolean_value(variable)}


class _Question:
    """The question whether all labels but the `optional` ones, and as many of these as possible, can be brought."""

    def __init__(self, kinds: Sequence[Kind], lacking: Lacking, split_count: int, *, optional: Collection[int]) -> None:
        from ortools.sat.python import cp_model

        self._verdicts = {cp_model.OPTIMAL: True, cp_model.FEASIBLE: True, cp_model.INFEASIBLE: False}
        self._model = model = cp_model.CpModel()
        self._kinds = kinds
        self._in = [[model.new_bool_var("") for _ in range(split_count)] for _ in kinds]
        self._served = {label: model.new_bool_var("") for label in sorted(optional)}
        for kind, row in zip(kinds, self._in, strict=True):
            if kind.count == 1:
                model.add_at_most_one(row)
            elif kind.count < split_count:
                model.add(sum(row) <= kind.count)
        for label, splits in sorted(lacking.items()):
            self._require(label, splits)
        if lacking and all(len(splits) == split_count for splits in lacking.values()):
            self._name_splits(min(sorted(lacking), key=lambda label: sum(kinds[i].count for i in self._with(label))))
        if self._served:
            model.maximize(sum(self._served.values()))
        self._needed = frozenset(lacking).difference(optional)
        self._answer: Any = _solver()

    def _with(self, label: int) -> list[int]:
        return [i for i, kind in enumerate(self._kinds) if label in kind.labels]

    def _require(self, label: int, splits: Collection[int]) -> None:
        carriers = self._with(label)
        # Where no group can be spared, one of them is in each split: said so, it is proven in no time.
        is_tight = sum(self._kinds[i].count for i in carriers) == len(splits)
        for split in splits:
            there = [self._in[i][split] for i in carriers]
            somewhere = self._model.add(sum(there) == 1) if is_tight else self._model.add_bool_or(there)
            if label in self._served:
                somewhere.only_enforce_if(self._served[label])

    def _name_splits(self, label: int) -> None:
        """Of assignments that differ only in which split is which, look at one: groups of a label come in order."""
        groups = 0
        for i in self._with(label):
            groups += self._kinds[i].count
            for later in self._in[i][groups:]:
                self._model.add(later == 0)

    def solve(self, effort: float | None = None) -> bool | None:
        """Whether there is a way; None where `effort` was not enough to find out."""
        if effort is not None:
            self._answer.parameters.max_deterministic_time = effort
        return self._verdicts.get(self._answer.solve(self._model))

    @property
    def spent(self) -> float:
        """Effort that `solve` took; never nothing, so that asking comes to an end."""
        return max(float(self._answer.response_proto.deterministic_time), EFFORT / 1000)

    def served(self) -> set[int]:
        return {*self._needed, *(label for label, it in self._served.items() if self._answer.boolean_value(it))}

    def placement(self) -> Placement:
        return [{i for i, there in enumerate(row) if self._answer.boolean_value(there)} for row in self._in]


def _solver() -> Any:  # noqa: ANN401 - the library is imported when asked and has no types
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    return solver
