"""Images and regions of a dataset as rows, and rows as Parquet tables.

A shape is a kind and lists of numbers: a polygon's rings as x0, y0, x1, y1 ..., a rect's x, y, width, height, and so
on; a mask also has its run-length code. Tables hold no time and no library's name beyond what Parquet itself writes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from teppr.errors import Corrupt
from teppr.files import whole_file
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Ring, Shape, Spot, WholeImage

Numbers: TypeAlias = list[list[float]]

IMAGES, ANNOTATIONS = "images.parquet", "annotations.parquet"
HASHED_ROWS = 1_000_000
"""Rows that are hashed at a time: part of what the hash means, so never to be changed."""

IMAGE_SCHEMA = pa.schema(
    [
        ("image_id", pa.int64()),
        ("split", pa.string()),
        ("path", pa.string()),
        ("filename", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("annotators", pa.list_(pa.string())),
        ("batches", pa.list_(pa.string())),
    ]
)
ANNOTATION_SCHEMA = pa.schema(
    [
        ("annotation_id", pa.int64()),
        ("image_id", pa.int64()),
        ("label_id", pa.int32()),
        ("label", pa.string()),
        ("shape", pa.string()),
        ("numbers", pa.list_(pa.list_(pa.float64()))),
        ("counts", pa.string()),
        ("box_xywh_px", pa.list_(pa.float64(), 4)),
        ("area_px", pa.float64()),
        ("is_crowd", pa.bool_()),
        ("attributes", pa.string()),
        ("annotator", pa.string()),
        ("file_sha256", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """One region of a dataset, with where it comes from."""

    shape: Shape
    label: str
    box_xywh_px: tuple[float, float, float, float]
    area_px: float
    is_crowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    annotator: str | None = None
    file_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image of a dataset: `path` absolute, or relative to the dataset's folder where it is packed."""

    path: str
    filename: str
    sha256: str
    size_wh: tuple[int, int]
    split: str
    regions: tuple[RegionRow, ...]
    annotators: tuple[str, ...] = ()
    batches: tuple[str, ...] = ()


def images_table(rows: Sequence[ImageRow]) -> pa.Table:
    """One row an image, with ids from 1 in the order given."""
    columns = {
        "image_id": range(1, len(rows) + 1),
        "split": [row.split for row in rows],
        "path": [row.path for row in rows],
        "filename": [row.filename for row in rows],
        "sha256": [row.sha256 for row in rows],
        "width": [row.size_wh[0] for row in rows],
        "height": [row.size_wh[1] for row in rows],
        "annotators": [row.annotators for row in rows],
        "batches": [row.batches for row in rows],
    }
    return pa.table(columns, schema=IMAGE_SCHEMA)


def annotations_table(rows: Sequence[ImageRow], labels: Sequence[str]) -> pa.Table:
    """One row a region, with ids from 1; label ids are positions in `labels`."""
    regions = [region for row in rows for region in row.regions]
    ids = {label: i for i, label in enumerate(labels)}
    label_ids = np.fromiter((ids[region.label] for region in regions), np.int32, len(regions))
    boxes = chain.from_iterable(region.box_xywh_px for region in regions)
    columns = {
        "annotation_id": np.arange(1, len(regions) + 1),
        "image_id": np.repeat(np.arange(1, len(rows) + 1), [len(row.regions) for row in rows]),
        "label_id": label_ids,
        "label": pa.DictionaryArray.from_arrays(label_ids, pa.array(labels, pa.string())).cast(pa.string()),
        "shape": [region.shape.kind for region in regions],
        "numbers": _numbers(region.shape for region in regions),
        "counts": [region.shape.counts if isinstance(region.shape, Mask) else None for region in regions],
        "box_xywh_px": pa.FixedSizeListArray.from_arrays(np.fromiter(boxes, np.float64, 4 * len(regions)), 4),
        "area_px": np.fromiter((region.area_px for region in regions), np.float64, len(regions)),
        "is_crowd": [region.is_crowd for region in regions],
        "attributes": [_json(region.attributes) if region.attributes else "{}" for region in regions],
        "annotator": [region.annotator for region in regions],
        "file_sha256": [region.file_sha256 for region in regions],
    }
    return pa.table(columns, schema=ANNOTATION_SCHEMA)


def _numbers(shapes: Iterable[Shape]) -> pa.ListArray:
    """The lists of numbers of all shapes; as one array from the start, for there are tens of millions of them."""
    values, ring_ends, shape_ends = array("d"), array("i", [0]), array("i", [0])
    for shape in shapes:
        for ring in shape_to_numbers(shape):
            values.fromlist(ring)
            ring_ends.append(len(values))
        shape_ends.append(len(ring_ends) - 1)
    rings = pa.ListArray.from_arrays(np.frombuffer(ring_ends, np.int32), np.frombuffer(values, np.float64))
    return pa.ListArray.from_arrays(np.frombuffer(shape_ends, np.int32), rings)


def write_table(path: Path, table: pa.Table) -> None:
    """Parquet, whole or absent; the same rows give the same bytes with the same Parquet library."""
    with whole_file(path) as file:
        put_table(table, file)


def put_table(table: pa.Table, file: BinaryIO) -> None:
    """The same into an open file."""
    pq.write_table(table.combine_chunks(), file, compression="zstd", write_page_checksum=True)


def read_table(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one of our tables, or only some of its columns, which is many times quicker.

    Raises Corrupt naming the file and what is wrong with it.
    """
    if not path.is_file():
        raise Corrupt(f"{path} is gone: a dataset version cannot be without")
    try:
        table = pq.read_table(path, columns=columns, page_checksum_verification=True, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise Corrupt(f"{path} cannot be read as the table that was written: {error}") from error
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    if not table.schema.equals(schema):
        raise Corrupt(f"{path} has other columns than were written: expected {schema.names}, got {table.schema.names}")
    # Parquet has names of its own for what lists hold; written again, the bytes must be the same.
    return table.cast(schema)


def content_hash(table: pa.Table) -> str:
    """Hex digest of the rows themselves, whatever the file's compression and the library's version.

    Where images lie is not part of it: the same dataset has the same version on another machine.
    """
    digest = hashlib.sha256()
    for name in table.schema.names:
        if name != "path":
            digest.update(f"{name}:".encode())
            for start in range(0, table.num_rows, HASHED_ROWS):
                _feed(digest, table[name].slice(start, HASHED_ROWS).combine_chunks())
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, values: pa.Array) -> None:
    """Lengths before what they measure, so that no two columns give the same bytes."""
    digest.update(f"{len(values)},{values.null_count};".encode())
    if values.null_count:
        digest.update(values.is_null().to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        digest.update(pc.list_value_length(values).fill_null(0).to_numpy().astype("<i8").tobytes())
        _feed(digest, values.flatten())
    elif pa.types.is_string(values.type):
        text = values.fill_null("")
        digest.update(pc.binary_length(text).to_numpy().astype("<i8").tobytes())
        digest.update(_letters(text))
    elif pa.types.is_boolean(values.type):
        digest.update(values.fill_null(False).to_numpy(zero_copy_only=False).astype("u1").tobytes())
    else:
        numbers = values.fill_null(0).to_numpy()
        digest.update(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes())


def _letters(text: pa.StringArray) -> memoryview:
    """The bytes of all strings one after the other, as they lie in memory."""
    _, ends, letters = text.buffers()
    if letters is None:
        return memoryview(b"")
    bounds = np.frombuffer(ends, np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(letters)[bounds[0] : bounds[-1]]


def shape_to_numbers(shape: Shape) -> Numbers:
    """A shape's numbers; kind and a mask's code stand in columns of their own."""
    return _NUMBERS[type(shape)](shape)


# By type, for a million shapes: to try one class after the other takes longer than all the rest.
_NUMBERS: Mapping[type[Shape], Callable[[Any], Numbers]] = {
    Rect: lambda rect: [[rect.x, rect.y, rect.width, rect.height]],
    Circle: lambda circle: [[circle.cx, circle.cy, circle.r]],
    Ellipse: lambda ellipse: [[ellipse.cx, ellipse.cy, ellipse.rx, ellipse.ry, ellipse.theta_rad]],
    Polygon: lambda polygon: [_flat(ring) for ring in polygon.rings],
    Polyline: lambda polyline: [_flat(polyline.points)],
    Spot: lambda spot: [[spot.cx, spot.cy]],
    Mask: lambda mask: [[float(side) for side in mask.size_wh]],
    WholeImage: lambda _: [[]],
}
_SHAPES: Mapping[str, Callable[[Numbers, str], Shape]] = {
    "rect": lambda numbers, _: Rect(*numbers[0]),
    "circle": lambda numbers, _: Circle(*numbers[0]),
    "ellipse": lambda numbers, _: Ellipse(*numbers[0]),
    "polygon": lambda numbers, _: Polygon(tuple(map(_ring, numbers))),
    "polyline": lambda numbers, _: Polyline(_ring(numbers[0])),
    "point": lambda numbers, _: Spot(*numbers[0]),
    "image": lambda *_: WholeImage(),
    "mask": lambda numbers, counts: Mask(counts, (int(numbers[0][0]), int(numbers[0][1]))),
}


def shape_from_numbers(kind: str, numbers: Numbers, counts: str | None) -> Shape:
    """The shape that was written; raises Corrupt for a kind that there is not."""
    if kind not in _SHAPES:
        raise Corrupt(f"a dataset's shapes are {', '.join(_SHAPES)}, got {kind!r}")
    return _SHAPES[kind](numbers, counts or "")


def _flat(ring: Ring) -> list[float]:
    return list(chain.from_iterable(ring))


def _ring(numbers: Iterable[float]) -> Ring:
    values = iter(numbers)
    return tuple(zip(values, values, strict=True))


def _json(attributes: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
