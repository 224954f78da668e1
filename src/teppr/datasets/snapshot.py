"""A dataset version on disk: Parquet tables and `dataset.json`; all that training needs, and no database.

    <home>/datasets/<name>/<version>/
        dataset.json          name, version, problem, labels, filters, seed, counts, per-split tables, parent files
        images.parquet        one row an image
        annotations.parquet   one row a region
        images/               the images themselves, where the dataset was packed

The version is the first twelve digits of the content's hash: the same inputs give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from teppr.datasets.document import DatasetDocument, in_order, merged, read_document
from teppr.datasets.tables import (
    ANNOTATION_SCHEMA,
    ANNOTATIONS,
    IMAGE_SCHEMA,
    IMAGES,
    read_table,
    shape_from_numbers,
)
from teppr.datasets.verify import differences
from teppr.errors import BadFile, BadInput, UnknownName
from teppr.files import HALF_WRITTEN
from teppr.progress import QUIET, Progress
from teppr.types import Ints, LabelInfo, Shape, WholeImage

DOCUMENT = "dataset.json"
LATEST = "LATEST"
"""File beside the versions of a dataset that names the one created last."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SnapshotImage:
    """One image of a dataset with its regions, in stored pixels.

    path: where the image lies, absolute
    encoded_shapes: gives the shapes at each iteration
    boxes_xywh_px: float64 [n, 4]
    areas_px: float64 [n]
    label_ids: int64 [n], positions in the dataset's labels
    is_crowd: bool [n]
    """

    image_id: int
    path: Path
    sha256: str
    size_wh: tuple[int, int]
    filename: str
    encoded_shapes: Iterable[Shape]
    boxes_xywh_px: npt.NDArray[np.float64]
    areas_px: npt.NDArray[np.float64]
    label_ids: Ints
    is_crowd: npt.NDArray[np.bool_]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the regions, decoded at each access: a million of them would not all be held as objects."""
        return tuple(self.encoded_shapes)


class Snapshot:
    """An immutable dataset version; tables are read when first needed.

    labels: their ids are their positions, from 0
    splits: in the order train, val, test, others
    has_masks: False where every region is a rectangle
    """

    def __init__(self, path: Path, document: DatasetDocument) -> None:
        self.path = path
        self.document = document
        self.name = document.name
        self.version = document.version
        self.problem = document.problem
        self.labels = tuple(LabelInfo(name=label.name, color=label.color) for label in document.labels)
        self.splits = in_order(document.splits)
        self.has_masks = document.has_masks

    def __repr__(self) -> str:
        return f"<Snapshot {self.reference} in {self.path}>"

    @property
    def reference(self) -> str:
        """What people call it: name@version."""
        return f"{self.name}@{self.version}"

    @property
    def size_bytes(self) -> int:
        """What the folder takes on disk, images only where they are packed."""
        return sum(_size_of_files(folder) for folder in (self.path, self.path / "images") if folder.is_dir())

    @classmethod
    def open(cls, path: Path) -> Snapshot:
        """The dataset version in a folder; raises BadFile where there is none, Corrupt where it was changed."""
        if not (path / DOCUMENT).is_file():
            raise BadFile(f"{path} is no dataset version: it has no {DOCUMENT}")
        return cls(path.absolute(), read_document(path / DOCUMENT))

    @cached_property
    def images_table(self) -> pa.Table:
        """`images.parquet` (see `teppr.datasets.tables`)."""
        return read_table(self.path / IMAGES, IMAGE_SCHEMA)

    @cached_property
    def annotations_table(self) -> pa.Table:
        """`annotations.parquet`, ordered by image."""
        return read_table(self.path / ANNOTATIONS, ANNOTATION_SCHEMA)

    @cached_property
    def shape_kinds(self) -> frozenset[str]:
        """The kinds of shape that its regions have."""
        return frozenset(pc.unique(self.annotations_table["shape"]).to_pylist())

    @cached_property
    def most_image_labels(self) -> int:
        """Labels that an image as a whole has, at most; 0 where no image has any."""
        table = self.annotations_table
        about_images = table.filter(pc.equal(table["shape"], WholeImage.kind))
        return pc.max(pc.value_counts(about_images["image_id"]).field("counts")).as_py() or 0

    def images_of(self, image_ids: Ints) -> list[SnapshotImage]:
        """The images with these ids, in the dataset's order."""
        rows = self.images_table.filter(pc.is_in(self.images_table["image_id"], pa.array(image_ids))).to_pylist()
        mine = self.annotations_table.filter(pc.is_in(self.annotations_table["image_id"], pa.array(image_ids)))
        bounds = _bounds(mine, np.array([row["image_id"] for row in rows], np.int64))
        regions = _Regions(mine)
        return [regions.image(self.path, row, *bound) for row, bound in zip(rows, bounds, strict=True)]

    def images(self, split: str) -> list[SnapshotImage]:
        """The images of a split in the dataset's order; raises UnknownName."""
        self.check_split(split)
        rows = self.images_table.filter(pc.equal(self.images_table["split"], split)).to_pylist()
        if not rows:
            return []
        ids = np.array([row["image_id"] for row in rows], np.int64)
        # A stretch of the rows: nothing is copied, and a split's images were written one after the other.
        start, end = np.searchsorted(self.annotations_table["image_id"].to_numpy(), [ids[0], ids[-1] + 1]).tolist()
        mine = self.annotations_table.slice(start, end - start)
        bounds = _bounds(mine, ids)
        regions = _Regions(mine)
        return [regions.image(self.path, row, *bound) for row, bound in zip(rows, bounds, strict=True)]

    def check_split(self, split: str) -> None:
        """Raise UnknownName for a split that is not there; of a dataset of folds, saying how one is held out."""
        if split in self.splits:
            return
        error = UnknownName.of(f"split of {self.reference}", split, self.splits)
        if split in ("train", "val") and "train" not in self.splits:
            held_out = f"{self.name}#{self.splits[0]}"
            raise UnknownName(f"{error}; {held_out} is {self.splits[0]} as val and all others as train")
        raise error

    def fold(self, held_out: str) -> Snapshot:
        """This dataset with the split `held_out` as val and all others as train: what cross-validation trains on."""
        return _Fold(self, held_out)

    def verify(self, progress: Progress = QUIET) -> list[str]:
        """Everything that is not as it was written, a sentence each: hashes again tables and images."""
        return list(differences(self.path, self.document, progress))


class _Fold(Snapshot):
    """What lies on disk is the whole dataset; only which images are in which split is seen another way."""

    def __init__(self, whole: Snapshot, held_out: str) -> None:
        if held_out not in whole.splits:
            raise UnknownName.of(f"split of {whole.reference}", held_out, whole.splits)
        if len(whole.splits) < 2:
            raise BadInput(f"{whole.reference} has no split but {held_out}: nothing would be left to train on")
        tables = whole.document.splits
        train = merged([tables[split] for split in whole.splits if split != held_out])
        splits = {"train": train, "val": tables[held_out]}
        super().__init__(whole.path, whole.document.model_copy(update={"splits": splits}))
        self._whole = whole
        self._held_out = held_out

    @property
    def reference(self) -> str:
        return f"{self._whole.reference}#{self._held_out}"

    @cached_property
    def images_table(self) -> pa.Table:
        table = self._whole.images_table
        is_val = pc.equal(table["split"], self._held_out)
        place = table.schema.get_field_index("split")
        return table.set_column(place, table.schema.field(place), pc.if_else(is_val, "val", "train"))

    @property
    def annotations_table(self) -> pa.Table:
        return self._whole.annotations_table

    def verify(self, progress: Progress = QUIET) -> list[str]:
        return self._whole.verify(progress)


def find_snapshot(home: Path, reference: str) -> Snapshot:
    """The dataset version of this reference: a name (the version created last), name@version, or a folder.

    A version may be shortened where that is unambiguous. With "#fold2" behind it, all other splits are train and this
    one is val. Raises UnknownName listing those there are.
    """
    if (Path(reference) / DOCUMENT).is_file():
        return Snapshot.open(Path(reference))
    whole, sign, fold = reference.rpartition("#")
    if sign:
        return find_snapshot(home, whole).fold(fold)
    return Snapshot.open(version_folder(home, reference))


def version_folder(home: Path, reference: str) -> Path:
    """Where the version of a name or name@version lies below a home, whether or not it is intact; raises UnknownName
    listing those there are.
    """
    name, _, version = reference.partition("@")
    if name not in dataset_names(home):
        raise UnknownName.of("dataset", name, dataset_names(home))
    versions = dataset_versions(home, name)
    asked = version or latest_version(home, name)
    fitting = [known for known in versions if asked and known.startswith(asked)]
    if len(fitting) != 1:
        raise UnknownName.of("dataset version", reference, [f"{name}@{known}" for known in versions])
    return home / "datasets" / name / fitting[0]


def dataset_names(home: Path) -> list[str]:
    """Names of the datasets below a home, sorted."""
    return sorted({path.parent.parent.name for path in _documents(home, "*")})


def dataset_versions(home: Path, name: str) -> list[str]:
    """Versions of a dataset, sorted."""
    return sorted(path.parent.name for path in _documents(home, name))


def latest_version(home: Path, name: str) -> str | None:
    """The version of a dataset that was created last, or its only one; None where that is not on record."""
    versions = dataset_versions(home, name)
    if len(versions) == 1:
        return versions[0]
    try:
        latest = (home / "datasets" / name / LATEST).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return latest if latest in versions else None


def _size_of_files(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.stat().st_size for entry in entries if entry.is_file())


def created(folder: Path) -> datetime:
    """When a dataset version came to where it is, the date of its document."""
    return datetime.fromtimestamp((folder / DOCUMENT).stat().st_mtime, UTC)


def _documents(home: Path, name: str) -> Iterator[Path]:
    for path in (home / "datasets").glob(f"{name}/*/{DOCUMENT}"):
        if not path.parent.name.startswith(HALF_WRITTEN):
            yield path


def _bounds(annotations: pa.Table, image_ids: Ints) -> list[tuple[int, int]]:
    """First and last row (exclusive) of each image in the table, which is ordered by image."""
    column = annotations["image_id"].to_numpy()
    starts = np.searchsorted(column, image_ids, side="left").tolist()
    ends = np.searchsorted(column, image_ids, side="right").tolist()
    return list(zip(starts, ends, strict=True))


class _Regions:
    """Columns of the annotations of some images."""

    def __init__(self, table: pa.Table) -> None:
        self.encoded = tuple(table[name].combine_chunks() for name in ("shape", "numbers", "counts"))
        boxes = table["box_xywh_px"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        self.boxes = boxes.astype(np.float64).reshape(-1, 4)
        self.areas = table["area_px"].to_numpy().astype(np.float64)
        self.label_ids = table["label_id"].to_numpy().astype(np.int64)
        self.is_crowd = table["is_crowd"].to_numpy().astype(np.bool_)

    def image(self, folder: Path, row: dict[str, Any], start: int, end: int) -> SnapshotImage:
        return SnapshotImage(
            image_id=row["image_id"],
            path=folder / row["path"],
            sha256=row["sha256"],
            size_wh=(row["width"], row["height"]),
            filename=row["filename"],
            encoded_shapes=_Shapes(self.encoded, start, end),
            boxes_xywh_px=self.boxes[start:end],
            areas_px=self.areas[start:end],
            label_ids=self.label_ids[start:end],
            is_crowd=self.is_crowd[start:end],
        )


class _Shapes(Iterable[Shape]):
    """Some rows of the encoded columns as shapes."""

    __slots__ = ("_columns", "_end", "_start")

    def __init__(self, columns: tuple[pa.Array, ...], start: int, end: int) -> None:
        self._columns = columns
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[Shape]:
        parts = (column.slice(self._start, self._end - self._start).to_pylist() for column in self._columns)
        return map(shape_from_numbers, *parts)
