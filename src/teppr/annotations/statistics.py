"""What the annotation database holds, counted: per label, annotator, release, batch, day and shape."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from teppr.annotations.report import tally_row
from teppr.charts import ColumnChart, Series, bin_name, binned, column_chart, count_bins
from teppr.files import whole_file
from teppr.store.contract import FileSummary, GroupKey, Store
from teppr.types import Tally

GROUPS: tuple[GroupKey, ...] = ("label", "annotator", "file", "batch", "released", "shape")
"""By what regions are counted; "released" is over time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    """Accepted regions that have something in common.

    value: what they have in common (a label, an annotator ...); None = unknown
    images: entries that hold such a region
    coverage_0_1: share of those images' area that the regions cover, overlaps counted twice
    """

    value: str | None
    images: int
    regions: int
    mean_per_image: float
    largest_per_image: int
    mean_box_area_px: float
    mean_mask_area_px: float
    coverage_0_1: float

    def as_dict(self) -> dict[str, object]:
        """Under the names of the fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """How often a rule was broken in one file."""

    file: str
    annotator: str | None
    released: date | None
    rule: str
    count: int

    def as_dict(self) -> dict[str, object]:
        """Under the names of the fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """All counts of current files, of one problem or of all (None).

    groups: {by what: rows}; findings: by file and rule
    """

    problem: str | None
    files: Tally
    entries: Tally
    regions: Tally
    groups: Mapping[GroupKey, Sequence[GroupRow]]
    findings: Sequence[FindingRow]

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations stats --json` prints."""
        return {
            "problem": self.problem,
            "files": tally_row(self.files),
            "entries": tally_row(self.entries),
            "regions": tally_row(self.regions),
            **{f"by_{key}": [row.as_dict() for row in rows] for key, rows in self.groups.items()},
            "findings": [row.as_dict() for row in self.findings],
        }

    def findings_by(self, name: str) -> dict[str | None, Counter[str]]:
        """{value of a field of the rows: {rule: count}}."""
        found: dict[str | None, Counter[str]] = {}
        for row in self.findings:
            found.setdefault(getattr(row, name), Counter())[row.rule] += row.count
        return found


def statistics_of(store: Store, problem: str | None = None) -> Statistics:
    """Count what is current in the store."""
    summaries = list(store.files(problem, with_past=False))
    names = {summary.file.sha256: summary.file.path for summary in summaries}
    accepted = sum(summary.accepted for summary in summaries)
    return Statistics(
        problem=problem,
        files=Tally(len(summaries), accepted, len(summaries) - accepted),
        entries=sum((summary.entries for summary in summaries), Tally()),
        regions=sum((summary.regions for summary in summaries), Tally()),
        groups={key: _groups(key, store.region_counts((key,), problem), names) for key in GROUPS},
        findings=[row for summary in summaries for row in _findings(summary)],
    )


def regions_per_image(counts: Iterable[int]) -> ColumnChart | None:
    """How many entries have how many regions, as a histogram; None where there is no entry."""
    times = Counter(counts)
    if not times:
        return None
    bins = count_bins(max(times))
    return column_chart([bin_name(*one) for one in bins], [Series(name="regions", counts=binned(times, bins))])


def write_csv(statistics: Statistics, path: Path) -> None:
    """All groups in one table: the first column says by what, the second which."""
    columns = [name for name in GroupRow.__slots__ if name != "value"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["by", "value", *columns])
    for key, rows in statistics.groups.items():
        writer.writerows([key, row.value, *(getattr(row, name) for name in columns)] for row in rows)
    for found in statistics.findings:
        writer.writerow(["finding", f"{found.rule} in {found.file}", "", found.count, *([""] * (len(columns) - 2))])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _findings(summary: FileSummary) -> list[FindingRow]:
    file = summary.file
    return [
        FindingRow(file=file.path, annotator=file.annotator, released=file.released, rule=rule, count=count)
        for rule, count in sorted(summary.findings.items())
    ]


def _groups(key: GroupKey, rows: list[Mapping[str, object]], paths: Mapping[str, str]) -> list[GroupRow]:
    return sorted((_group(key, row, paths) for row in rows), key=lambda row: row.value or "")


def _group(key: GroupKey, row: Mapping[str, object], paths: Mapping[str, str]) -> GroupRow:
    counts = cast("Mapping[str, Any]", row)
    value = counts[key]
    images, regions = int(counts["images"]), int(counts["regions"])
    return GroupRow(
        value=paths.get(value, value) if key == "file" else None if value is None else str(value),
        images=images,
        regions=regions,
        mean_per_image=regions / images,
        largest_per_image=int(counts["largest_per_image"]),
        mean_box_area_px=float(counts["box_area_px"]) / regions,
        mean_mask_area_px=float(counts["mask_area_px"]) / regions,
        coverage_0_1=float(counts["mask_area_px"]) / float(counts["image_area_px"]),
    )
