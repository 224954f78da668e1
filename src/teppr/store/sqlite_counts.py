"""Queries of the embedded store that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teppr.store.contract import GroupKey
from teppr.store.rollups import Grouping, grouping_of
from teppr.store.sqlite_conditions import CURRENT, Conditions

_FILE_COLUMNS: Mapping[GroupKey, str] = {
    "annotator": "files.annotator",
    "file": "files.sha256",
    "batch": "files.batch",
    "released": "files.released",
}
_REGION_COLUMNS = {**_FILE_COLUMNS, "label": "regions.label", "shape": "regions.kind"}
_ROLLUP_COLUMNS = {**_FILE_COLUMNS, "label": "rollups.value", "shape": "rollups.value"}

_IMAGES = "files JOIN images ON images.file_id = files.id"
_REGIONS = f"{_IMAGES} JOIN regions ON regions.image_id = images.id"
_FINDINGS = "files JOIN findings ON findings.file_id = files.id"

Query = tuple[str, Sequence[object]]


def region_counts_query(by: tuple[GroupKey, ...], problem: str | None) -> Query:
    """Regions of current files by these keys: the keys and the SUMS, ordered by the keys."""
    conditions = Conditions(CURRENT)
    conditions.equal("files.problem", problem)
    grouping = grouping_of(by)
    return _scan(by, conditions) if grouping is None else _summed(by, grouping, conditions)


def _summed(by: tuple[GroupKey, ...], grouping: Grouping, conditions: Conditions) -> Query:
    conditions.equal("rollups.grouping", grouping)
    columns = [_ROLLUP_COLUMNS[key] for key in by]
    query = (
        f"SELECT {_named(by, columns)}sum(rollups.images) AS images, sum(rollups.image_area_px) AS image_area_px, "  # noqa: S608
        "sum(rollups.regions) AS regions, max(rollups.largest) AS largest_per_image, "
        "sum(rollups.box_area_px) AS box_area_px, sum(rollups.mask_area_px) AS mask_area_px "
        f"FROM files JOIN rollups ON rollups.file_id = files.id{conditions} {_grouped(columns)}"
    )
    return query, conditions.values


def _scan(by: tuple[GroupKey, ...], conditions: Conditions) -> Query:
    # Columns by their full names: SQLite takes a name for a column of a table before it takes it for an alias.
    columns = [_REGION_COLUMNS[key] for key in by]
    query = (
        f"WITH of_image AS (SELECT {_named(by, columns)}CAST(images.width AS REAL) * images.height AS size_px, "  # noqa: S608
        "count(*) AS n, sum(regions.box_area_px) AS box_px, sum(regions.mask_area_px) AS mask_px "
        f"FROM {_REGIONS}{conditions} GROUP BY {', '.join([*columns, 'images.id'])}) "
        f"SELECT {_named(by, by)}count(*) AS images, sum(size_px) AS image_area_px, sum(n) AS regions, "
        "max(n) AS largest_per_image, sum(box_px) AS box_area_px, sum(mask_px) AS mask_area_px "
        f"FROM of_image {_grouped(by)}"
    )
    return query, conditions.values


def _named(by: Sequence[str], columns: Sequence[str]) -> str:
    return "".join(f"{column} AS {key}, " for key, column in zip(by, columns, strict=True))


def _grouped(columns: Sequence[str]) -> str:
    names = ", ".join(columns)
    return f"GROUP BY {names} ORDER BY {names}" if columns else ""


def count_query(sha256: str | None, problem: str | None) -> Query:
    """How many records there are, as one row."""
    conditions = Conditions()
    conditions.equal("files.sha256", sha256)
    conditions.equal("files.problem", problem)
    tables = {"files": "files", "images": _IMAGES, "regions": _REGIONS, "findings": _FINDINGS}
    counts = [f"(SELECT count(*) FROM {table}{conditions}) AS {name}" for name, table in tables.items()]  # noqa: S608
    return f"SELECT {', '.join(counts)}", conditions.values * len(tables)
