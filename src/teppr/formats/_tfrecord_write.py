"""Writing TFRecord shards from a stream of records."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from teppr.errors import BadImage, BadInput
from teppr.files import whole_folder
from teppr.formats._left_out import leave_out_beside_shape, leave_out_of_image
from teppr.formats._tfrecord_file import Value, example_of, write_record
from teppr.formats._tfrecord_words import (
    CLASS_LABEL,
    CLASS_TEXT,
    CORNERS,
    CROWD,
    ENCODED,
    FILENAME,
    FLAGS,
    FORMAT,
    HEIGHT,
    KIND,
    LABEL,
    LABEL_MAP,
    MASK,
    SOURCE_ID,
    TEXT,
    WIDTH,
)
from teppr.formats.contract import WriteReport
from teppr.geometry import Bitmap, bitmap_of_mask, box_xywh, mask_of_shape, rings_of
from teppr.images import encode_png, read, read_bytes
from teppr.types import ImageRecord, Mask, Rect, Region, Shape, Unread, WholeImage

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
SHARD_BYTES = 256 << 20
"""A shard is closed with the record that passes this."""
MOST_MASK_PIXELS = 16_000_000
"""Beyond it outlines are not drawn as masks, each of which would take as many bytes in memory."""


def write_folder(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """Shards and the label map; an image whose size is not known is left out and told."""
    report = WriteReport()
    classes: dict[str, int] = {}
    with whole_folder(path) as folder:
        with _Shards(folder) as shards:
            for record in records:
                if record.size_wh is None:
                    report.leave_out("image whose size is not known")
                    continue
                shards.write(example_of(_features(record, record.size_wh, classes, report)))
                report.images += 1
        shards.name()
        (folder / LABEL_MAP).write_text("".join(_item(number, name) for name, number in classes.items()), "utf-8")
    return report


class _Shards:
    """The files of one document, named by their number and how many there are in the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._begin()

    def write(self, data: bytes) -> None:
        if self._bytes > SHARD_BYTES:
            self._file.close()
            self._begin()
        self._bytes += write_record(self._file, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def name(self) -> None:
        """Give the shards their names, now that their number is known."""
        for i in range(self._count):
            self._path(i).rename(self._folder / f"data.tfrecord-{i:05d}-of-{self._count:05d}")

    def _begin(self) -> None:
        self._bytes = 0
        self._file = self._path(self._count).open("wb")
        self._count += 1

    def _path(self, number: int) -> Path:
        return self._folder / f"shard-{number}"


def _item(number: int, name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"item {{\n  id: {number}\n  name: '{quoted}'\n}}\n"


def _features(
    record: ImageRecord, size_wh: tuple[int, int], classes: dict[str, int], report: WriteReport
) -> dict[str, Sequence[Value]]:
    leave_out_of_image(record, report, with_id=True)
    objects: list[Region] = []
    wholes: list[str] = []
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
        elif not isinstance(region.shape, WholeImage):
            if wholes:
                report.leave_out("place of the label of a whole image among the regions: it is read last")
            objects += [region] if _is_sayable(region.shape, report) else []
        elif region.label is None:
            report.leave_out("that the whole image has no label")
        else:
            _tell(region, report)
            wholes.append(region.label)
    report.regions += len(objects) + len(wholes)
    encoded, kind = _picture(record, report)
    numbers = {label: _number(label, classes) for label in wholes}
    return {
        ENCODED: [encoded],
        FORMAT: [kind],
        FILENAME: [record.filename.encode()],
        SOURCE_ID: [str("" if record.source_id is None else record.source_id).encode()],
        WIDTH: [size_wh[0]],
        HEIGHT: [size_wh[1]],
        CLASS_TEXT: [label.encode() for label in wholes],
        CLASS_LABEL: [numbers[label] for label in wholes],
        **_of_objects(objects, size_wh, classes, report),
    }


def _number(label: str, classes: dict[str, int]) -> int:
    return classes.setdefault(label, len(classes) + 1)


def _is_sayable(shape: Shape, report: WriteReport) -> bool:
    if isinstance(shape, Rect | Mask) or any(len(ring) >= 3 for ring in rings_of(shape)):
        return True
    report.leave_out(f"{shape.kind} that is neither a box nor encloses anything")
    return False


def _tell(region: Region, report: WriteReport) -> None:
    leave_out_beside_shape(region, report, with_crowd=not isinstance(region.shape, WholeImage))
    if region.label_attribute is not None:
        report.leave_out("name of the attribute that a label was the value of")
    for name, value in region.attributes.items():
        if name not in FLAGS or type(value) is not int:
            report.leave_out("attribute of a region")


def _of_objects(
    objects: Sequence[Region], size_wh: tuple[int, int], classes: dict[str, int], report: WriteReport
) -> dict[str, Sequence[Value]]:
    (width, height), columns = size_wh, list[tuple[float, float, float, float]]()
    for region in objects:
        _tell(region, report)
        x, y, w, h = box_xywh(region.shape)
        columns.append((x / width, y / height, (x + w) / width, (y + h) / height))
    said: dict[str, Sequence[Value]] = {key: [float(row[i]) for row in columns] for i, key in enumerate(CORNERS)}
    said[TEXT] = [(region.label or "").encode() for region in objects]
    said[LABEL] = [0 if region.label is None else _number(region.label, classes) for region in objects]
    said[CROWD] = [int(region.is_crowd) for region in objects]
    for name in FLAGS:
        values = [region.attributes.get(name) for region in objects]
        if objects and all(type(value) is int for value in values):
            said[f"image/object/{name}"] = [int(value) for value in values if value is not None]
        elif any(type(value) is int for value in values):
            report.leave_out(f"attribute {name!r}, which only some regions of an image have")
    if any(not isinstance(region.shape, Rect) for region in objects):
        said |= _masks(objects, size_wh, report)
    return said


def _masks(objects: Sequence[Region], size_wh: tuple[int, int], report: WriteReport) -> dict[str, Sequence[Value]]:
    masks = []
    for region in objects:
        shape = region.shape
        if isinstance(shape, Mask) and shape.size_wh == size_wh and shape.compressed_in_file:
            masks.append(png_of_bitmap(bitmap_of_mask(shape)))
        elif isinstance(shape, Rect) or size_wh[0] * size_wh[1] > MOST_MASK_PIXELS or isinstance(shape, Mask):
            drawable = size_wh[0] * size_wh[1] <= MOST_MASK_PIXELS and isinstance(shape, Rect)
            masks.append(png_of_bitmap(bitmap_of_mask(mask_of_shape(shape, size_wh))) if drawable else b"")
            if not isinstance(shape, Rect):
                report.leave_out(f"{shape.kind}, as the box around it")
        else:
            report.leave_out(f"{shape.kind}, as the mask of its pixels")
            masks.append(png_of_bitmap(bitmap_of_mask(mask_of_shape(shape, size_wh))))
    return {MASK: masks, KIND: [region.shape.kind.encode() for region in objects]}


def _picture(record: ImageRecord, report: WriteReport) -> tuple[bytes, bytes]:
    """The picture's bytes and the name of their format: as they are where TensorFlow reads them, else as PNG."""
    if record.path is None:
        report.leave_out("picture of an image whose file is not known; say where images are")
        return b"", b""
    try:
        data = read_bytes(Path(record.path))
        if data.startswith(JPEG):
            return data, b"jpeg"
        return (data if data.startswith(PNG) else encode_png(read(Path(record.path))[0])), b"png"
    except BadImage as error:
        report.leave_out(f"picture of an image that cannot be read ({error.reason})")
        return b"", b""


def png_of_bitmap(bitmap: Bitmap) -> bytes:
    """A bitmap [height, width] of 0 and 1 as a grey PNG of 0 and 1."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(bitmap, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def bitmap_of_png(png: bytes, size_wh: tuple[int, int]) -> Bitmap:
    """The bitmap [height, width] of a PNG of that size; raises BadInput for another, and for what is none."""
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            if image.size != size_wh:
                raise BadInput(f"a mask must be of its image's size {size_wh}, got {image.size}")
            return np.asarray(np.asarray(image.convert("L")) > 0, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"the mask of an object cannot be decoded: {error}") from error
