"""A dataset version that goes on from an older one: what the older one has stays in its split."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import lcm
from pathlib import Path

import numpy as np

from teppr.datasets.snapshot import Snapshot, dataset_names, dataset_versions, find_snapshot
from teppr.datasets.unite import SelectedImage
from teppr.errors import BadInput, Refused
from teppr.types import Ints

FINEST_SHARE = 1_000
"""Shares are whole thousandths, or those of at most 99 folds; see `teppr.datasets.split`."""


class Older:
    """The version that is extended."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.reference = snapshot.reference
        self.split = snapshot.document.split

    @classmethod
    def find(cls, home: Path, name: str, reference: str) -> Older:
        """By what `find_snapshot` knows, or by a version of the dataset `name` alone."""
        versions = dataset_versions(home, name) if reference not in dataset_names(home) else ()
        own = any(version.startswith(reference) for version in versions)
        return cls(find_snapshot(home, f"{name}@{reference}" if own else reference))

    def shares(self) -> dict[str, int]:
        """Those that it was split by, as whole numbers; raises BadInput where it was split by files."""
        if not self.split.shares:
            raise BadInput(f"{self.reference} was not split by shares: say the shares of all its images with --split")
        shares = {name: Fraction(share).limit_denominator(FINEST_SHARE) for name, share in self.split.shares.items()}
        scale = lcm(*(share.denominator for share in shares.values()))
        return {name: int(share * scale) for name, share in shares.items()}

    def left_out(self, images: Sequence[SelectedImage]) -> dict[str, int]:
        """How many of its images are not among these, for what a dataset says it left out."""
        gone = len(self._split_of.keys() - {image.sha256 for image in images})
        return {f"images of {self.reference} that are not taken any more": gone} if gone else {}

    def kept(self, images: Sequence[SelectedImage], group_of_image: Ints, splits: Sequence[str]) -> Ints:
        """The split (position in `splits`) of each group that has an image of the older version, -1 for new ones.

        Raises BadInput where a split of the older version is not among `splits`, Refused where a group has images of
        several of its splits.
        """
        if strange := [name for name in self._snapshot.splits if name not in splits]:
            raise BadInput(
                f"the splits of {self.reference} stay, so that --split has to name them all: "
                f"{', '.join(self._snapshot.splits)}; {', '.join(strange)} is not among {', '.join(splits)}"
            )
        place = {name: i for i, name in enumerate(splits)}
        had = np.array([place.get(self._split_of.get(image.sha256, ""), -1) for image in images], np.int64)
        old = np.flatnonzero(had >= 0)
        kept = np.full(int(group_of_image.max()) + 1, -1, np.int64)
        kept[group_of_image[old]] = had[old]
        apart = old[kept[group_of_image[old]] != had[old]]
        if len(apart):
            raise self._refusal(images, group_of_image, had, apart, splits)
        return kept

    def _refusal(
        self, images: Sequence[SelectedImage], group_of_image: Ints, had: Ints, apart: Ints, splits: Sequence[str]
    ) -> Refused:
        first = int(apart[0])
        group = np.flatnonzero(group_of_image == group_of_image[first])
        other = int(next(i for i in group if had[i] >= 0 and had[i] != had[first]))
        one, two = (f"{images[i].filename!r} in {splits[had[i]]}" for i in (first, other))
        count = len(np.unique(group_of_image[apart]))
        return Refused(
            f"a group goes to one split whole, but {count} group(s) of {self.reference} "
            f"would be in several: {one} and {two} belong together now; leave out what joins them with --where "
            "filename!=NAME, group as before with --by, or split all images anew without --extend"
        )

    @cached_property
    def _split_of(self) -> dict[str, str]:
        table = self._snapshot.images_table
        return dict(zip(table["sha256"].to_pylist(), table["split"].to_pylist(), strict=True))
