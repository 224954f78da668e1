"""Writing Examples of TensorFlow's Object Detection API."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from teppr.errors import BadImage
from teppr.files import whole_folder
from teppr.formats import _tfrecord_words as words
from teppr.formats._tfrecord_file import framed
from teppr.formats._tfrecord_mask import fills_box, picture_of_mask
from teppr.formats._tfrecord_messages import messages
from teppr.formats._tfrecord_shards import Shards, filled_by_size, filled_in_turn
from teppr.formats.contract import SplitRecords, WriteReport
from teppr.geometry import area, box_xywh, mask_of_shape
from teppr.images import decode, encode_png, read_bytes
from teppr.types import ImageRecord, Mask, Rect, Region, Shape, Unread, WholeImage

MOST_BYTES = 256 << 20
"""Of a file, before another is begun: readers take files side by side, and shuffle them."""
_KINDS = {b"\xff\xd8\xff": b"jpeg", b"\x89PNG\r\n\x1a\n": b"png"}
"""How pictures begin that are embedded as they are, and what they are called."""
_FIRST_LABEL = 1
"""0 stands for the background, or for no label."""

Values = Sequence[bytes] | Sequence[int] | Sequence[float]


def write_folder(records: Iterable[ImageRecord], path: Path, most_bytes: int = MOST_BYTES) -> WriteReport:
    """Files of about so many bytes and the label map; labels are numbered as they appear."""
    numbers: dict[str, int] = {}
    with whole_folder(path) as folder:
        with filled_by_size(folder, "data", most_bytes) as shards:
            report = _write(records, shards, numbers)
        (folder / words.LABEL_MAP).write_bytes(words.label_map_text(numbers))
    return report


def write_splits(
    splits: Iterable[SplitRecords], folder: Path, labels: Iterable[str], count: int | None
) -> dict[str, WriteReport]:
    """`train-00000-of-00004.tfrecord` and the like: `count` files a split, and one label map for all.

    count: None = as many as it takes for files of the usual size
    """
    numbers = {label: number for number, label in enumerate(labels, _FIRST_LABEL)}
    reports: dict[str, WriteReport] = {}
    for split in splits:
        files = (
            filled_by_size(folder, split.name, MOST_BYTES)
            if count is None
            else filled_in_turn(folder, split.name, count)
        )
        with files as shards:
            reports[split.name] = _write(split.records, shards, numbers)
    (folder / words.LABEL_MAP).write_bytes(words.label_map_text(numbers))
    return reports


def _write(records: Iterable[ImageRecord], shards: Shards, numbers: dict[str, int]) -> WriteReport:
    report = WriteReport()
    for record in records:
        if (example := _example(record, numbers, report)) is not None:
            shards.add(framed(example))
            report.images += 1
    return report


def _example(record: ImageRecord, numbers: dict[str, int], report: WriteReport) -> bytes | None:
    """The record's Example; None where its coordinates cannot be said, since its size is not known."""
    regions = list(_readable(record, report))
    objects = [region for region in regions if not isinstance(region.shape, WholeImage)]
    if objects and record.size_wh is None:
        report.leave_out("image whose width and height are not known, with its regions")
        return None
    whole = [region for region in regions if isinstance(region.shape, WholeImage) and region.label is not None]
    if regions[: len(objects)] != objects:
        report.leave_out("order of regions: labels of the whole image come last")
    report.regions += len(objects) + len(whole)
    features: dict[str, Values] = {words.FILENAME: [_bytes(record.filename)], **_image(record, report)}
    if whole:
        features[words.IMAGE_TEXT] = [_bytes(region.label or "") for region in whole]
        features[words.IMAGE_NUMBER] = [_number(region, numbers) for region in whole]
    if record.size_wh is not None:
        features |= _objects(objects, record.size_wh, numbers, report)
    return _serialized(features)


def _readable(record: ImageRecord, report: WriteReport) -> Iterator[Region]:
    """The regions that can be written; what they bring that the format has no word for is counted."""
    for region in record.regions:
        if isinstance(region, Unread):
            report.leave_out(f"region that could not be read ({region.rule})")
            continue
        if region.source_id is not None:
            report.leave_out("id of a region")
        if region.box_xywh_px is not None or region.area_px is not None:
            report.leave_out("box and area of a region as stated, beyond seven digits")
        if region.label_attribute is not None:
            report.leave_out("name of the attribute that a label was the value of")
        if isinstance(region.shape, WholeImage):
            if region.label is None:
                report.leave_out("whole image without a label")
            if region.attributes or region.is_crowd:
                report.leave_out("attributes of a whole image")
        yield region


def _image(record: ImageRecord, report: WriteReport) -> dict[str, Values]:
    if record.size_bytes is not None:
        report.leave_out("size of an image in bytes")
    for _ in record.attributes:
        report.leave_out("attribute of an image")
    source = record.filename if record.source_id is None else str(record.source_id)
    said: dict[str, Values] = {words.SOURCE_ID: [_bytes(source)]}
    if record.size_wh is not None:
        said |= {words.WIDTH: [record.size_wh[0]], words.HEIGHT: [record.size_wh[1]]}
    if (picture := _picture(record, report)) is not None:
        kind = next(kind for beginning, kind in _KINDS.items() if picture.startswith(beginning))
        digest = hashlib.sha256(picture).hexdigest().encode()
        said |= {words.ENCODED: [picture], words.FORMAT: [kind], words.SHA256: [digest]}
    return said


def _picture(record: ImageRecord, report: WriteReport) -> bytes | None:
    """The picture's bytes as they are, those of a PNG where they are neither JPEG nor PNG."""
    if record.path is None:
        report.leave_out("picture of an image whose file is not known")
        return None
    try:
        picture = read_bytes(Path(record.path))
        if picture.startswith(tuple(_KINDS)):
            return picture
        pixels, _ = decode(picture, name=record.path)
    except BadImage:
        report.leave_out("picture of an image that cannot be read")
        return None
    report.leave_out("kind of a picture that is neither JPEG nor PNG: it is a PNG now")
    return encode_png(pixels)


def _objects(
    objects: Sequence[Region], size_wh: tuple[int, int], numbers: dict[str, int], report: WriteReport
) -> dict[str, Values]:
    boxes = [_box(region) for region in objects]
    width, height = size_wh
    corners = (
        [x / width for x, _, _, _ in boxes],
        [y / height for _, y, _, _ in boxes],
        [(x + w) / width for x, _, w, _ in boxes],
        [(y + h) / height for _, y, _, h in boxes],
    )
    said: dict[str, Values] = dict(zip(words.CORNERS, corners, strict=True))
    said[words.TEXT] = [_bytes(region.label or "") for region in objects]
    said[words.NUMBER] = [_number(region, numbers) for region in objects]
    said[words.CROWD] = [int(region.is_crowd) for region in objects]
    said[words.AREA] = [float(area(each.shape) if each.area_px is None else each.area_px) for each in objects]
    return said | _flags(objects, report) | _masks(objects, size_wh, report)


def _box(region: Region) -> tuple[float, float, float, float]:
    if isinstance(region.shape, Rect) or region.box_xywh_px is None:
        return box_xywh(region.shape)
    return region.box_xywh_px


def _flags(objects: Sequence[Region], report: WriteReport) -> dict[str, Values]:
    """Attributes that are 0 or 1 of every object; all others are counted."""
    flags = {
        name: [region.attributes.get(name, "") for region in objects]
        for name in words.FLAGS
        if any(name in region.attributes for region in objects)
    }
    said = {name: values for name, values in flags.items() if all(value in (0, 1) for value in values)}
    for region in objects:
        for _ in region.attributes.keys() - said.keys():
            report.leave_out("attribute of a region")
    return {f"{words.OBJECT}{name}": list(map(int, values)) for name, values in said.items()}


def _masks(objects: Sequence[Region], size_wh: tuple[int, int], report: WriteReport) -> dict[str, Values]:
    """A picture for each object, if any of them is more than its box."""
    shapes = [_drawable(region, size_wh, report) for region in objects]
    if all(isinstance(shape, Rect) for shape in shapes):
        return {}
    return {words.MASK: [picture_of_mask(mask_of_shape(shape, size_wh)) for shape in shapes]}


def _drawable(region: Region, size_wh: tuple[int, int], report: WriteReport) -> Shape:
    """A mask where a shape is more than its box and can be drawn, else the box."""
    shape, box = region.shape, Rect(*_box(region))
    if isinstance(shape, Rect):
        return shape
    fits = shape.size_wh == size_wh if isinstance(shape, Mask) else True
    mask = mask_of_shape(shape, size_wh) if fits and math.prod(size_wh) <= words.MOST_MASK_PIXELS else None
    if mask is None or fills_box(mask, box):
        report.leave_out(f"{shape.kind}, as its box")
        return box
    if not isinstance(shape, Mask):
        report.leave_out(f"{shape.kind}, as a mask")
    elif not shape.compressed_in_file:
        report.leave_out("that the code of a mask was a list of runs")
    return mask


def _number(region: Region, numbers: dict[str, int]) -> int:
    if region.label is None or not region.label.strip():
        return 0
    return numbers.setdefault(region.label, len(numbers) + _FIRST_LABEL)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _serialized(features: Mapping[str, Values]) -> bytes:
    example = messages().example()
    for key, values in features.items():
        feature = example.features.feature.add(key=key).value
        target = getattr(feature, _list_of(key, values))
        target.SetInParent()
        target.value.extend(values)
    serialized: bytes = example.SerializeToString()
    return serialized


def _list_of(key: str, values: Values) -> str:
    """The kind of list that a feature is; readers look for it in those that are empty as well."""
    if key in (*words.CORNERS, words.AREA):
        return "float_list"
    return "bytes_list" if key == words.TEXT or isinstance(next(iter(values), None), bytes) else "int64_list"
