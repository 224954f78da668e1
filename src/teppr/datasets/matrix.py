"""Which group has which label, as a sparse matrix on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from teppr.errors import BadInput
from teppr.types import Ints


@dataclass(frozen=True, kw_only=True)
class LabelMatrix:
    """Images with each label in each group, row by row.

    labels: names of the columns
    starts: int64 [groups + 1], where each group's entries begin
    label_ids: int64 [entries], columns; each at most once in a group
    counts: int64 [entries], images of the group that have the label, at least 1
    """

    labels: tuple[str, ...]
    starts: Ints
    label_ids: Ints
    counts: Ints

    def __post_init__(self) -> None:
        entries = len(self.label_ids)
        if len(self.counts) != entries or not len(self.starts) or self.starts[-1] != entries:
            raise BadInput(f"a label matrix needs a count for each of its {entries} labels, got {len(self.counts)}")
        if entries and not (int(self.label_ids.min()) >= 0 and int(self.label_ids.max()) < len(self.labels)):
            raise BadInput(f"label ids must be in 0..{len(self.labels) - 1}, got up to {self.label_ids.max()}")

    @classmethod
    def of(cls, groups: Sequence[Mapping[str, int]], labels: Sequence[str]) -> LabelMatrix:
        """From {label: images} of each group."""
        columns = {label: i for i, label in enumerate(labels)}
        entries = [(columns[label], count) for group in groups for label, count in sorted(group.items())]
        flat = np.array(entries, np.int64).reshape(-1, 2)
        starts = np.concatenate([[0], np.cumsum([len(group) for group in groups], dtype=np.int64)])
        return cls(labels=tuple(labels), starts=starts, label_ids=flat[:, 0], counts=flat[:, 1])

    @property
    def group_count(self) -> int:
        """Rows."""
        return len(self.starts) - 1

    @cached_property
    def rows(self) -> Ints:
        """The group of each entry."""
        return np.repeat(np.arange(self.group_count), np.diff(self.starts))

    @cached_property
    def degrees(self) -> Ints:
        """Groups that have each label."""
        return np.bincount(self.label_ids, minlength=len(self.labels))

    @cached_property
    def totals(self) -> Ints:
        """Images that have each label."""
        return np.bincount(self.label_ids, weights=self.counts, minlength=len(self.labels)).astype(np.int64)

    @cached_property
    def _by_label(self) -> tuple[Ints, Ints]:
        narrow = self.label_ids.astype(np.uint16) if len(self.labels) < 2**16 else self.label_ids
        order = np.argsort(narrow, kind="stable")  # of 16 bits it is a radix sort: linear
        return order, np.concatenate([[0], np.cumsum(self.degrees)])

    def entries_of(self, label: int) -> Ints:
        """Positions of a label's entries, by group."""
        order, bounds = self._by_label
        return order[bounds[label] : bounds[label + 1]]

    def groups_of(self, label: int) -> Ints:
        """Groups that have a label, in order."""
        return self.rows[self.entries_of(label)]

    def entries_in(self, groups: Ints) -> Ints:
        """Positions of all entries of some groups."""
        lengths = self.starts[groups + 1] - self.starts[groups]
        ends = np.cumsum(lengths)
        offsets = np.repeat(self.starts[groups] - (ends - lengths), lengths)
        entries: Ints = np.arange(len(offsets)) + offsets
        return entries

    def spread(self, groups: Ints, at: Ints, split_count: int) -> Ints:
        """Images with each label that `groups` bring to the splits that they are `at`, int64 [splits, labels]."""
        entries = self.entries_in(groups)
        places = at[self.rows[entries]] * len(self.labels) + self.label_ids[entries]
        counts = np.bincount(places, weights=self.counts[entries], minlength=split_count * len(self.labels))
        return counts.astype(np.int64).reshape(split_count, -1)

    def take(self, groups: Ints) -> LabelMatrix:
        """Only these rows, in this order."""
        entries = self.entries_in(groups)
        lengths = self.starts[groups + 1] - self.starts[groups]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return LabelMatrix(
            labels=self.labels, starts=starts, label_ids=self.label_ids[entries], counts=self.counts[entries]
        )
