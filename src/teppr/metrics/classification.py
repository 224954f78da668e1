"""How right the labels of whole images are, and how right the scores that they come with.

Scores are [images, labels] in 0..1, 0 where a label was not given; labels have ids from 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from teppr.types import Ints

Scores = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NO_LABEL = -1
BINS = 10
"""Of equal width, in which scores are held against how often they were right."""
MOST_GUESSES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How right one label is given, 0..1; None where it neither is in the truth nor was given.

    A label that was given to none has precision 0, one that is in no truth recall 0.
    """

    precision: float | None
    recall: float | None
    f1: float | None

    @classmethod
    def of(cls, right: int, given: int, there: int) -> LabelScore:
        """From counts: given rightly, given at all, and in the truth."""
        if not given and not there:
            return cls(precision=None, recall=None, f1=None)
        return cls(
            precision=right / given if given else 0.0,
            recall=right / there if there else 0.0,
            f1=2 * right / (given + there),
        )

    def as_dict(self) -> dict[str, float | None]:
        """By name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Answers of nearly the same score: its mean, the share of them that is right, and how many they are."""

    score_0_1: float
    right_0_1: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Whether of all answers that score 0.8 four fifths are right.

    bins: those that are not empty, by rising score
    error: the mean distance of score and share (expected calibration error), answers counting alike; None without any
    """

    bins: tuple[Bin, ...]
    error: float | None

    @classmethod
    def of(cls, scores: Scores, right: Flags) -> Calibration:
        """From the score of each answer [n] and whether it is right [n]."""
        places = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        bins = []
        for place in np.unique(places):
            of_bin = places == place
            bins.append(
                Bin(
                    score_0_1=float(scores[of_bin].mean()),
                    right_0_1=float(right[of_bin].mean()),
                    count=int(np.count_nonzero(of_bin)),
                )
            )
        off = sum(one.count * abs(one.score_0_1 - one.right_0_1) for one in bins)
        return cls(bins=tuple(bins), error=off / len(scores) if len(scores) else None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneLabel:
    """Images with exactly one label each.

    truth: [images], its id
    scores: [images, labels]; the highest is the answer, the first of equals
    """

    truth: Ints
    scores: Scores

    @property
    def answers(self) -> Ints:
        """[images], the likeliest label, or `NO_LABEL` where none was given."""
        best = self.scores.argmax(axis=1).astype(np.int64)
        return np.where(self.scores.max(axis=1, initial=0) > 0, best, NO_LABEL)

    @property
    def right(self) -> Flags:
        """[images], whether the answer is the truth."""
        right: Flags = self.answers == self.truth
        return right

    @property
    def guesses(self) -> int | None:
        """How many of the likeliest labels `top_k` looks at: 5, or half of fewer than ten; None where that is one."""
        half = min(MOST_GUESSES, self.scores.shape[1] // 2)
        return half if half > 1 else None

    @property
    def confusion(self) -> Ints:
        """[labels, labels + 1], rows are the truth, columns the answer, the last for no answer."""
        labels = self.scores.shape[1]
        table = np.zeros((labels, labels + 1), np.int64)
        np.add.at(table, (self.truth, self.answers), 1)
        return table

    @property
    def calibration(self) -> Calibration:
        """Of the answers."""
        return Calibration.of(self.scores.max(axis=1, initial=0), self.right)

    def label_scores(self) -> list[LabelScore]:
        """For each label."""
        table = self.confusion
        square = table[:, :-1]
        counts = zip(square.diagonal(), square.sum(axis=0), table.sum(axis=1), strict=True)
        return [LabelScore.of(int(right), int(given), int(there)) for right, given, there in counts]

    def as_dict(self) -> dict[str, Any]:
        """Figures of all labels together; None where undefined."""
        labels = self.label_scores()
        return {
            "accuracy": float(self.right.mean()) if len(self.truth) else None,
            "top_k": self._top_k(),
            "macro_precision": mean([one.precision for one in labels]),
            "macro_recall": mean([one.recall for one in labels]),
            "macro_f1": mean([one.f1 for one in labels]),
            "calibration_error": self.calibration.error,
        }

    def _top_k(self) -> float | None:
        if self.guesses is None or not len(self.truth):
            return None
        likeliest = np.argsort(-self.scores, axis=1, kind="stable")[:, : self.guesses]
        given = np.take_along_axis(self.scores, likeliest, axis=1) > 0
        return float(((likeliest == self.truth[:, None]) & given).any(axis=1).mean())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeveralLabels:
    """Images with any number of labels each.

    truth: [images, labels], whether an image has a label
    scores: [images, labels]; a label is given where its score is `given_from_0_1` or more
    """

    truth: Flags
    scores: Scores
    given_from_0_1: float = 0.5

    @property
    def given(self) -> Flags:
        """[images, labels], whether an image was given a label."""
        given: Flags = self.scores >= self.given_from_0_1
        return given

    @property
    def calibration(self) -> Calibration:
        """Of all labels that have a score: those without are no answers, and would make it look better."""
        told = self.scores > 0
        return Calibration.of(self.scores[told], self.truth[told])

    def label_scores(self) -> list[LabelScore]:
        """For each label."""
        counts = ((self.truth & self.given).sum(axis=0), self.given.sum(axis=0), self.truth.sum(axis=0))
        return [LabelScore.of(int(right), int(given), int(there)) for right, given, there in zip(*counts, strict=True)]

    def average_precisions(self) -> list[float | None]:
        """For each label, see `average_precision`."""
        return [average_precision(self.scores[:, i], self.truth[:, i]) for i in range(self.truth.shape[1])]

    def as_dict(self) -> dict[str, Any]:
        """Figures of all labels together; None where undefined."""
        right, given, there = (int(flags.sum()) for flags in (self.truth & self.given, self.given, self.truth))
        labels = self.label_scores()
        return {
            "map": mean(self.average_precisions()),
            "macro_f1": mean([one.f1 for one in labels]),
            "micro_f1": LabelScore.of(right, given, there).f1,
            "macro_precision": mean([one.precision for one in labels]),
            "macro_recall": mean([one.recall for one in labels]),
            "exact_match": float((self.truth == self.given).all(axis=1).mean()) if len(self.truth) else None,
            "calibration_error": self.calibration.error,
        }


def average_precision(scores: Scores, truth: Flags) -> float | None:
    """The mean, over all that is there, of the precision among what scores as much or more; None where nothing is."""
    precision, recall = precision_recall(scores, truth)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision)) if truth.any() else None


def precision_recall(scores: Scores, truth: Flags) -> tuple[Scores, Scores]:
    """Precision and recall at each different score, the highest first; recall is 0 where nothing is there."""
    order = np.argsort(-scores, kind="stable")
    falling, right = scores[order], np.cumsum(truth[order])
    last = np.flatnonzero(np.append(np.diff(falling) != 0, True))[: len(scores)]
    return right[last] / (last + 1), right[last] / max(int(truth.sum()), 1)


def precision_curve(scores: Scores, truth: Flags, points: int = 101) -> list[float]:
    """The best precision at each of so many recalls from 0 to 1 or above; empty where nothing is there."""
    if not truth.any():
        return []
    precision, recall = precision_recall(scores, truth)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, points) - 1e-12)
    return [float(value) for value in best[np.minimum(places, len(best) - 1)]]


def mean(values: list[float | None]) -> float | None:
    """Of those that are defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
