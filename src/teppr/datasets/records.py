"""The images of a dataset version as formats write them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import shape_from_numbers
from teppr.geometry import area, box_xywh
from teppr.images import SUFFIXES
from teppr.types import ImageRecord, Region

Row: TypeAlias = Mapping[str, Any]

BATCH = 1_000
"""Images that are made into records at a time."""
DIGITS = 8
"""Of an image's checksum, which tell images of one name apart."""


class Names:
    """What images are called where they lie in one folder: as in the dataset, unless that could be another's name.

    flat: names are told apart without the folders in them, for these will not be there
    Two names that differ in their suffix only are taken for the same, for their annotation files would be.
    """

    def __init__(self, filenames: Iterable[str], *, flat: bool) -> None:
        self._flat = flat
        keys, counts = np.unique(np.fromiter(map(self._key, filenames), np.int64), return_counts=True)
        self._shared = set(keys[counts > 1].tolist())

    def of(self, row: Row) -> str:
        """The name of an image, with a suffix of images."""
        own = self._within(row["filename"])
        suffix = own.suffix if own.suffix.lower() in SUFFIXES else PurePosixPath(row["path"]).suffix
        stem = own.stem if own.suffix.lower() in SUFFIXES else own.name
        if self._key(row["filename"]) in self._shared:
            stem = f"{stem}-{row['sha256'][:DIGITS]}"
        return (own.parent / f"{stem}{suffix}").as_posix()

    def _key(self, filename: str) -> int:
        # Eight bytes a name, for there may be a million.
        own = self._within(filename)
        name = (own.stem if self._flat else (own.parent / own.stem).as_posix()).casefold()
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    @staticmethod
    def _within(filename: str) -> PurePosixPath:
        path = PurePosixPath(filename)
        leads_out = path.is_absolute() or ".." in path.parts
        return PurePosixPath(path.name) if leads_out else path


def image_rows(snapshot: Snapshot, split: str) -> pa.Table:
    """The rows of a split's images."""
    return snapshot.images_table.filter(pc.equal(snapshot.images_table["split"], split))


def records(snapshot: Snapshot, split: str, names: Names) -> Iterator[ImageRecord]:
    """The images of a split with their regions, in the dataset's order; a batch of them is held at a time."""
    images, annotations = image_rows(snapshot, split), snapshot.annotations_table
    owners = annotations["image_id"].to_numpy()
    for start in range(0, images.num_rows, BATCH):
        rows = images.slice(start, BATCH).to_pylist()
        first = int(np.searchsorted(owners, rows[0]["image_id"], side="left"))
        end = int(np.searchsorted(owners, rows[-1]["image_id"], side="right"))
        regions: dict[int, list[Row]] = defaultdict(list)
        for region in annotations.slice(first, end - first).to_pylist():
            regions[region["image_id"]].append(region)
        for row in rows:
            yield _record(row, names.of(row), snapshot.path, regions[row["image_id"]])


def _record(row: Row, filename: str, folder: Path, regions: Sequence[Row]) -> ImageRecord:
    path = folder / row["path"]
    return ImageRecord(
        filename=filename,
        where=f"image {row['image_id']}",
        regions=tuple(_region(region, index) for index, region in enumerate(regions)),
        size_wh=(row["width"], row["height"]),
        size_bytes=path.stat().st_size if path.is_file() else None,
        path=str(path),
    )


def _region(row: Row, index: int) -> Region:
    """A region; box and area are stated where they are others than the shape's own."""
    shape = shape_from_numbers(row["shape"], row["numbers"], row["counts"])
    x, y, width, height = row["box_xywh_px"]
    box = (x, y, width, height)
    return Region(
        shape=shape,
        label=row["label"],
        index=index,
        where=f"annotation {row['annotation_id']}",
        attributes=orjson.loads(row["attributes"]),
        is_crowd=row["is_crowd"],
        box_xywh_px=None if box == box_xywh(shape) else box,
        area_px=None if row["area_px"] == area(shape) else row["area_px"],
    )
