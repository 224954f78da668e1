"""What labels are called in a dataset, and which of them it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from teppr.errors import UnknownName


class LabelNames:
    """Turns labels of the database into those of the dataset, and keeps in mind which came."""

    def __init__(
        self,
        *,
        rename: Mapping[str, str],
        drop: Collection[str],
        labels: tuple[str, ...] | None,
        other: str | None,
    ) -> None:
        self._rename = rename
        self._drop = drop
        self._labels = labels
        self._other = other
        self._stored: set[str] = set()
        self._renamed: set[str] = set()

    def name_of(self, stored: str) -> tuple[str, str | None]:
        """The label in the dataset, and the option that leaves it out, if any."""
        label = self._rename.get(stored, stored)
        self._stored.add(stored)
        self._renamed.add(label)
        if label in self._drop:
            return label, "--drop"
        if self._labels is None or label in self._labels:
            return label, None
        return (label, "--labels") if self._other is None else (self._other, None)

    @property
    def seen(self) -> Collection[str]:
        """The labels that came, as the dataset would call them."""
        return self._renamed

    def check(self) -> None:
        """Raise UnknownName for labels that are spoken of and did not come."""
        check_known("label", (*(self._labels or ()), *self._drop), self._renamed)
        check_known("label to rename", self._rename, self._stored)

    def in_order(self, found: Collection[str], listed: Iterable[str]) -> tuple[str, ...]:
        """The dataset's labels: as the options list them, or else as the problem does, then by name."""
        if self._labels is not None:
            return (*self._labels, *sorted(set(found).difference(self._labels)))
        first = [label for label in listed if label in found]
        return (*first, *sorted(set(found).difference(first)))


def check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise UnknownName for the first name that is not among those known."""
    for name in names:
        if name not in known:
            raise UnknownName.of(kind, name, known)
