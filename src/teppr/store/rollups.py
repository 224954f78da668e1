"""Counts of one file's regions, kept when it is put, so that statistics need not go through all regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from teppr.store.contract import GroupKey
from teppr.store.rows import REGION_COLUMNS, Named, Row, date_of

Grouping: TypeAlias = Literal["nothing", "label", "shape"]

ROLLUP_COLUMNS = ("grouping", "value", "images", "image_area_px", "regions", "largest", "box_area_px", "mask_area_px")
"""`value`: the label or the shape's kind, None for regions without a label and where nothing is grouped by."""

SUMS = ("images", "image_area_px", "regions", "largest_per_image", "box_area_px", "mask_area_px")
"""What `region_counts` gives beside its keys."""

FILE_KEYS: frozenset[GroupKey] = frozenset({"annotator", "file", "batch", "released"})
"""What all regions of a file have in common."""

_NOTHING: tuple[Grouping, None] = ("nothing", None)
_LABEL, _KIND, _BOX, _MASK = map(REGION_COLUMNS.index, ("label", "kind", "box_area_px", "mask_area_px"))


class Rollups:
    """The counts of one file in the making: of all its regions, by label and by shape."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Grouping, str | None], list[float]] = {}

    def add(self, image_area_px: float, regions: Iterable[Row]) -> None:
        """Count an image with its regions, as rows of REGION_COLUMNS."""
        of_image: dict[tuple[Grouping, str | None], list[float]] = {}
        for region in regions:
            box_px, mask_px = region[_BOX], region[_MASK]
            for key in _NOTHING, ("label", region[_LABEL]), ("shape", region[_KIND]):
                sums = of_image.setdefault(key, [0, 0.0, 0.0])
                sums[0] += 1
                sums[1] += box_px
                sums[2] += mask_px
        for key, (count, box_px, mask_px) in of_image.items():
            total = self._sums.setdefault(key, [0, 0.0, 0, 0, 0.0, 0.0])
            total[0] += 1
            total[1] += image_area_px
            total[2] += count
            total[3] = max(total[3], count)
            total[4] += box_px
            total[5] += mask_px

    def rows(self) -> Iterator[Row]:
        """The counts as rows of ROLLUP_COLUMNS; none for a file without regions."""
        for (grouping, value), sums in self._sums.items():
            yield (grouping, value, *sums)


def grouping_of(by: Sequence[GroupKey]) -> Grouping | None:
    """The roll-ups whose sums are the counts by these keys; None where only the regions themselves can say."""
    finer = [key for key in by if key not in FILE_KEYS]
    if len(finer) > 1:
        return None
    return "label" if finer == ["label"] else "shape" if finer == ["shape"] else "nothing"


def counts_of(row: Named, by: Sequence[GroupKey]) -> Mapping[str, object]:
    """A row of `region_counts`: its keys, dates as dates, and its sums."""
    keys: dict[str, Any] = {key: date_of(row[key]) if key == "released" else row[key] for key in by}
    return {**keys, **{name: row[name] for name in SUMS}}
