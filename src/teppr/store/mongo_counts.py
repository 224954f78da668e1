"""What the store in MongoDB counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId

from teppr.store.chunks import chunks
from teppr.store.contract import Counts, GroupKey
from teppr.store.mongo_connection import Connection
from teppr.store.mongo_schema import FINDINGS, IMAGES, ROLLUPS, Document
from teppr.store.rollups import counts_of, grouping_of

CONTENTS_AT_ONCE = 1000

_FILE_FIELDS: Mapping[GroupKey, str] = {
    "annotator": "annotator",
    "file": "sha256",
    "batch": "batch",
    "released": "released",
}
_SUMMED = ("images", "image_area_px", "regions", "box_area_px", "mask_area_px")


def region_counts(
    connection: Connection, files: Mapping[ObjectId, Document], by: tuple[GroupKey, ...]
) -> list[Mapping[str, object]]:
    """Regions of these files, {content: file}, grouped and ordered by the keys."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in _rollups(connection, by) if grouping_of(by) else _scan(connection, files):
        file = files.get(row["content"])
        if file is not None:
            key = tuple(file[_FILE_FIELDS[name]] if name in _FILE_FIELDS else row[name] for name in by)
            _add(groups.setdefault(key, {}), row)
    ordered = sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return [counts_of({**dict(zip(by, key, strict=True)), **groups[key]}, by) for key in ordered]


def _rollups(connection: Connection, by: Sequence[GroupKey]) -> Iterator[Document]:
    grouping = grouping_of(by)
    for row in connection.database[ROLLUPS].find({"grouping": grouping}):
        yield Document(row, label=row["value"], shape=row["value"])


def _scan(connection: Connection, contents: Iterable[ObjectId]) -> Iterator[Document]:
    """Roll-ups by label and shape at once, of the regions themselves."""
    finest = {"content": "$content", "label": "$regions.label", "shape": "$regions.kind"}
    of_image = {
        "_id": {"n": "$n", **finest},
        "size_px": {"$first": {"$multiply": [{"$toDouble": "$width"}, "$height"]}},
        "regions": {"$sum": 1},
        "box_area_px": {"$sum": "$regions.box_area_px"},
        "mask_area_px": {"$sum": "$regions.mask_area_px"},
    }
    of_file = {
        "_id": {name: f"$_id.{name}" for name in finest},
        "images": {"$sum": 1},
        "image_area_px": {"$sum": "$size_px"},
        "regions": {"$sum": "$regions"},
        "largest": {"$max": "$regions"},
        "box_area_px": {"$sum": "$box_area_px"},
        "mask_area_px": {"$sum": "$mask_area_px"},
    }
    for some in chunks(contents, CONTENTS_AT_ONCE):
        of_these = {"$match": {"content": {"$in": some}}}
        steps: list[Mapping[str, Any]] = [of_these, {"$unwind": "$regions"}, {"$group": of_image}, {"$group": of_file}]
        for row in connection.database[IMAGES].aggregate(steps, allowDiskUse=True):
            yield Document(row, **row["_id"])


def _add(sums: dict[str, Any], row: Document) -> None:
    for name in _SUMMED:
        sums[name] = sums.get(name, 0) + row[name]
    sums["largest_per_image"] = max(sums.get("largest_per_image", 0), row["largest"])


def count(connection: Connection, files: Sequence[Document]) -> Counts:
    """The records of these files."""
    images = regions = findings = 0
    entry = {"$cond": [{"$eq": ["$part", 0]}, 1, 0]}
    sums = {"_id": None, "images": {"$sum": entry}, "regions": {"$sum": {"$size": "$regions"}}}
    for some in chunks((file["content"] for file in files), CONTENTS_AT_ONCE):
        of_these = {"content": {"$in": some}}
        for row in connection.database[IMAGES].aggregate([{"$match": of_these}, {"$group": sums}]):
            images += row["images"]
            regions += row["regions"]
        findings += connection.database[FINDINGS].count_documents(of_these)
    return Counts(files=len(files), images=images, regions=regions, findings=findings)
