"""What is different between two dataset versions: images, regions, labels, how they were made and of which files.

An image is known by its bytes. A region is the same where all of it is; of those left over, one of the same shape has
another label, and one of the same label on nearly the same place has another shape. Both sides are compared as arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from teppr.datasets._region_pairs import Pairs, codes_of, paired, paired_by_place
from teppr.datasets.document import DatasetDocument, Parent
from teppr.datasets.snapshot import Snapshot
from teppr.progress import QUIET, Progress
from teppr.types import Ints

STEPS = 7
REGION_COLUMNS = {"id": "annotation_id", "label": "label", "shape": "shape"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageChanges:
    """Images, by their bytes; tables of a row an image.

    added, removed: "sha256", "filename", "split"
    moved: to another split; "sha256", "filename", "before", "after"
    renamed: "sha256", "before", "after"
    """

    before: int
    after: int
    added: pa.Table
    removed: pa.Table
    moved: pa.Table
    renamed: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionChanges:
    """Regions; tables of a row a region, each with its image's "sha256" and "filename".

    unchanged: how many are the same, but for their ids
    added, removed: "id", "label", "shape"; those of images that were added or removed as well
    changed: "what", and "id_before", "id_after" and so on; "what" is "label", "shape", "details" (attributes, crowd,
        stated box or area), or "source" (nothing but the annotation file or the annotator that it is taken from)
    """

    before: int
    after: int
    unchanged: int
    added: pa.Table
    removed: pa.Table
    changed: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatasetDiff:
    """All that is different, from `one` to `other` (name@version).

    labels_added, labels_removed: names
    settings: {"filters.where": (before, after)}: how it was asked for, and the order and colours of the labels
        that both have
    parents_added, parents_removed: annotation files
    """

    one: str
    other: str
    images: ImageChanges
    regions: RegionChanges
    labels_added: tuple[str, ...]
    labels_removed: tuple[str, ...]
    settings: Mapping[str, tuple[Any, Any]]
    parents_added: tuple[Parent, ...]
    parents_removed: tuple[Parent, ...]

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        listed = (self.labels_added, self.labels_removed, self.settings, self.parents_added, self.parents_removed)
        return not any(listed) and not any(any(counts.values()) for counts in self.counts.values())

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many images and regions were added, removed, changed."""
        kinds = ("label", "shape", "details", "source")
        by_kind = _counted(self.regions.changed["what"])
        return {
            "images": {name: getattr(self.images, name).num_rows for name in ("added", "removed", "moved", "renamed")},
            "regions": {
                "added": self.regions.added.num_rows,
                "removed": self.regions.removed.num_rows,
                **{f"{kind}_changed": by_kind.get(kind, 0) for kind in kinds},
            },
        }

    @property
    def moves(self) -> dict[tuple[str, str], int]:
        """How many images went from which split to which."""
        moved = self.images.moved.group_by(["before", "after"]).aggregate([([], "count_all")]).to_pylist()
        return {(row["before"], row["after"]): row["count_all"] for row in moved}

    @property
    def per_label(self) -> dict[str, dict[str, int]]:
        """Regions added, removed, changed by label, only of labels with any; of changed ones by the label before."""
        changed = self.regions.changed
        kinds = {"added": self.regions.added["label"], "removed": self.regions.removed["label"]}
        for what in ("label", "shape"):
            kinds[f"{what}_changed"] = changed.filter(pc.equal(changed["what"], what))["label_before"]
        counted = {kind: _counted(labels) for kind, labels in kinds.items()}
        names = sorted({label for counts in counted.values() for label in counts})
        return {name: {kind: counts.get(name, 0) for kind, counts in counted.items()} for name in names}

    def as_dict(self) -> dict[str, Any]:
        """All of it, every image and region; for machines."""
        counts = self.counts
        parents = {"added": self.parents_added, "removed": self.parents_removed}
        return {
            "one": self.one,
            "other": self.other,
            "same": self.same,
            "counts": counts,
            "images": _plain(self.images, tuple(counts["images"])),
            "regions": {"unchanged": self.regions.unchanged, **_plain(self.regions, ("added", "removed", "changed"))},
            "per_label": self.per_label,
            "labels": {"added": self.labels_added, "removed": self.labels_removed},
            "settings": {name: {"before": pair[0], "after": pair[1]} for name, pair in self.settings.items()},
            "parents": {kind: [one.model_dump(mode="json") for one in found] for kind, found in parents.items()},
        }


def _plain(changes: ImageChanges | RegionChanges, names: tuple[str, ...]) -> dict[str, Any]:
    tables = {name: getattr(changes, name).to_pylist() for name in names}
    return {"before": changes.before, "after": changes.after, **tables}


def diff(one: Snapshot, other: Snapshot, progress: Progress = QUIET) -> DatasetDiff:
    """Compare two dataset versions; raises Corrupt where a table is not what was written."""
    progress.expect(STEPS)
    labels = [[label.name for label in snapshot.labels] for snapshot in (one, other)]
    parents = [{parent.sha256: parent for parent in snapshot.document.parents} for snapshot in (one, other)]
    return DatasetDiff(
        one=one.reference,
        other=other.reference,
        images=_images(one.images_table, other.images_table),
        regions=_regions(one, other, progress),
        labels_added=tuple(label for label in labels[1] if label not in labels[0]),
        labels_removed=tuple(label for label in labels[0] if label not in labels[1]),
        settings=dict(_settings(one.document, other.document)),
        parents_added=tuple(parent for key, parent in parents[1].items() if key not in parents[0]),
        parents_removed=tuple(parent for key, parent in parents[0].items() if key not in parents[1]),
    )


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}


def _images(one: pa.Table, other: pa.Table) -> ImageChanges:
    columns = ["sha256", "filename", "split"]
    pairs = paired(*_both(one, other, "sha256"))
    before, after = one.select(columns).take(pairs.one), other.select(columns).take(pairs.other)
    changed = {name: _rows(pc.not_equal(before[name], after[name])) for name in ("split", "filename")}
    moved, renamed = changed["split"], changed["filename"]
    return ImageChanges(
        before=one.num_rows,
        after=other.num_rows,
        added=other.select(columns).take(_left(other.num_rows, pairs.other)),
        removed=one.select(columns).take(_left(one.num_rows, pairs.one)),
        moved=_from_to(before.take(moved), after.take(moved), "split", ["sha256", "filename"]),
        renamed=_from_to(before.take(renamed), after.take(renamed), "filename", ["sha256"]),
    )


def _from_to(before: pa.Table, after: pa.Table, name: str, keys: list[str]) -> pa.Table:
    return pa.table({**{key: after[key] for key in keys}, "before": before[name], "after": after[name]})


def _rows(condition: pa.ChunkedArray) -> Ints:
    return np.flatnonzero(condition.to_numpy())


def _left(count: int, taken: Ints) -> Ints:
    """Rows that are not among those taken, in order."""
    return np.flatnonzero(np.bincount(taken, minlength=count) == 0)


def _both(one: pa.Table, other: pa.Table, *names: str) -> tuple[Ints, Ints]:
    """Codes of some columns, the same for equal values on either side."""
    codes = codes_of(*(pa.concat_arrays([*one[name].chunks, *other[name].chunks]) for name in names))
    return codes[: one.num_rows], codes[one.num_rows :]


def _regions(one: Snapshot, other: Snapshot, progress: Progress) -> RegionChanges:
    sides = tuple(snapshot.annotations_table for snapshot in (one, other))
    images = tuple(
        snapshot.images_table.select(["sha256", "filename"]).take(_image_rows(snapshot)) for snapshot in (one, other)
    )
    progress.advance(news="tables read")
    found = _match(sides, images, progress)
    taken = Pairs(*(np.concatenate([pairs[k] for pairs in found.values()]) for k in range(2)))
    left = [_left(side.num_rows, rows) for side, rows in zip(sides, taken, strict=True)]
    changed = [_changed(what, pairs, sides, images) for what, pairs in found.items() if what]
    removed, added = (_listed(side, image, rows) for side, image, rows in zip(sides, images, left, strict=True))
    return RegionChanges(
        before=sides[0].num_rows,
        after=sides[1].num_rows,
        unchanged=len(found[""].one),
        added=added,
        removed=removed,
        changed=pa.concat_tables(changed),
    )


def _image_rows(snapshot: Snapshot) -> Ints:
    """The row in the images' table of each region's image."""
    ids = snapshot.images_table["image_id"].to_numpy()
    rows: Ints = np.searchsorted(ids, snapshot.annotations_table["image_id"].to_numpy())
    return rows


def _match(sides: tuple[pa.Table, ...], images: tuple[pa.Table, ...], progress: Progress) -> dict[str, Pairs]:
    """Which regions belong together, by what has changed; "" where nothing has."""
    image, label = _both(*images, "sha256"), _both(*sides, "label")
    shape = _both(*sides, "shape", "numbers", "counts")
    details = _both(*sides, "is_crowd", "attributes", "box_xywh_px", "area_px")
    source = _both(*sides, "annotator", "file_sha256")
    progress.advance(news="columns compared")
    boxes = [side["box_xywh_px"].combine_chunks().flatten().to_numpy().reshape(-1, 4) for side in sides]
    left = [np.arange(side.num_rows) for side in sides]
    found: dict[str, Pairs] = {}
    for what, keys in {
        "": (image, label, shape, details, source),
        "source": (image, label, shape, details),
        "details": (image, label, shape),
        "label": (image, shape),
        "shape": (image, label),
    }.items():
        codes = _joined(keys, left)
        near = paired_by_place(*codes, boxes[0][left[0]], boxes[1][left[1]]) if what == "shape" else paired(*codes)
        found[what] = Pairs(left[0][near.one], left[1][near.other])
        left = [np.delete(rows, taken) for rows, taken in zip(left, near, strict=True)]
        progress.advance()
    return found


def _joined(keys: tuple[tuple[Ints, Ints], ...], rows: list[Ints]) -> tuple[Ints, Ints]:
    """Codes of several keys together, for some rows on each side."""
    columns = [pa.array(np.concatenate([key[k][rows[k]] for k in range(2)])) for key in keys]
    codes = codes_of(*columns)
    return codes[: len(rows[0])], codes[len(rows[0]) :]


def _listed(side: pa.Table, images: pa.Table, rows: Ints) -> pa.Table:
    image, regions = images.take(rows), side.select(list(REGION_COLUMNS.values())).take(rows)
    return pa.table(
        {
            **{name: image[name] for name in image.schema.names},
            **{name: regions[column] for name, column in REGION_COLUMNS.items()},
        }
    )


def _changed(what: str, pairs: Pairs, sides: tuple[pa.Table, ...], images: tuple[pa.Table, ...]) -> pa.Table:
    before, after = (_listed(*parts) for parts in zip(sides, images, pairs, strict=True))
    columns: dict[str, Any] = {"what": pa.array([what] * len(pairs.one), pa.string())}
    columns |= {name: after[name] for name in ("sha256", "filename")}
    for name in REGION_COLUMNS:
        columns |= {f"{name}_before": before[name], f"{name}_after": after[name]}
    return pa.table(columns)


def _settings(one: DatasetDocument, other: DatasetDocument) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """What they were asked for differently, a name a value that differs."""
    labels = {label.name for label in one.labels} & {label.name for label in other.labels}
    values = [dict(_asked(document, labels)) for document in (one, other)]
    for name in values[0] | values[1]:
        pair = values[0].get(name), values[1].get(name)
        if pair[0] != pair[1]:
            yield name, pair


def _asked(document: DatasetDocument, labels: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Names and values; of the labels those that both have."""
    yield "problem", document.problem
    for part, values in (("filters", document.filters), ("split", document.split.model_dump(mode="json"))):
        for name, value in values.items():
            yield f"{part}.{name}", value
    yield "label order", [label.name for label in document.labels if label.name in labels]
    for label in document.labels:
        if label.name in labels:
            yield f"color of {label.name}", label.color
