"""TFRecord in the keys of the TF Object Detection API, without TensorFlow: a folder of shards and a label map.

Corners are shares of the image's size in single precision; whatever is no box is a mask beside its box.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from teppr.errors import BadFile, BadInput
from teppr.files import HALF_WRITTEN
from teppr.formats._numbers import plain, whole_number
from teppr.formats._tfrecord_file import Features, Record, Value, features_of, read_records
from teppr.formats._tfrecord_words import (
    CLASS_LABEL,
    CLASS_TEXT,
    CORNERS,
    CROWD,
    FILENAME,
    FLAGS,
    HEIGHT,
    KIND,
    LABEL,
    LABEL_MAP,
    MASK,
    SOURCE_ID,
    TEXT,
    WIDTH,
)
from teppr.formats._tfrecord_write import PNG, bitmap_of_png, write_folder
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.geometry import mask_of_bitmap
from teppr.types import ImageRecord, Rect, Region, Shape, Unread, WholeImage

PRECISION_PX = 2e-3
"""What single precision leaves of coordinates of some thousands of pixels."""
_DIGITS = 3
_NAME = re.compile(r".*\.(tfrecord|tfrecords|record)(-\d{5}-of-\d{5})?")
_ITEM = re.compile(r"item\s*\{([^}]*)\}")
_ID, _ITEM_NAME = re.compile(r"\bid\s*:\s*(\d+)"), re.compile(r"\b(?:display_)?name\s*:\s*(['\"])(.*?)\1")
_MOST_MAP_BYTES = 16 << 20


class TFRecord(Format):
    """TFRecord: boxes and masks; pictures are embedded where their files are known."""

    name = "tfrecord"
    title = "TFRecord in the keys of TF Object Detection"
    suffixes = (".tfrecord", ".tfrecords", ".record")
    layout = "folder"
    precision_px = PRECISION_PX
    shapes = frozenset({"rect", "circle", "ellipse", "polygon", "mask", "image"})

    def sniff(self, path: Path) -> bool:
        """Whether the first record of a file, or of a folder's first shard, is framed as TFRecord has it."""
        shards = _shards(path)
        if not shards:
            return False
        try:
            return next(read_records(shards[0]), None) is not None or path.is_dir()
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadFile where the framing of a shard is broken."""
        shards = _shards(path)
        if not shards:
            raise BadFile(f"a TFRecord document must hold .tfrecord files, {path} holds none")
        if next(read_records(shards[0]), None) is None and path.is_file():
            raise BadFile(f"cannot read as TFRecord: {path} is empty")
        names = _label_map((path if path.is_dir() else path.parent) / LABEL_MAP)
        return Reading(records=_records(shards, names, options))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write shards of at most a quarter of a gigabyte, and the label map."""
        return write_folder(records, path)

    def parts(self, path: Path) -> Sequence[Path]:
        """The shards, and the label map."""
        label_map = path / LABEL_MAP
        return sorted([*_shards(path), *([label_map] if label_map.is_file() else [])])

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`images` in the folder or beside it, and the folder."""
        folder = path if path.is_dir() else path.parent
        return tuple(place for place in (folder / "images", folder.parent / "images", folder) if place.is_dir())


PLUGIN = TFRecord()


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    found = (shard for shard in path.iterdir() if _NAME.fullmatch(shard.name) and shard.is_file())
    return sorted(shard for shard in found if not shard.name.startswith(HALF_WRITTEN))


def _label_map(path: Path) -> dict[int, str]:
    """The names of classes by their numbers; none where there is no map."""
    if not path.is_file() or path.stat().st_size > _MOST_MAP_BYTES:
        return {}
    names = {}
    for item in _ITEM.finditer(path.read_text(encoding="utf-8", errors="replace")):
        number, name = _ID.search(item[1]), _ITEM_NAME.search(item[1])
        if number and name:
            names[int(number[1])] = name[2]
    return names


def _records(shards: Sequence[Path], names: Mapping[int, str], options: ReadOptions) -> Iterator[ImageRecord | Unread]:
    for shard in shards:
        for record in read_records(shard):
            where = f"{shard.name}, record {record.number}" if len(shards) > 1 else f"record {record.number}"
            try:
                yield _record(_features(record), where, names, options)
            except BadInput as error:
                yield Unread(rule="DR01", message=str(error), where=where)


def _features(record: Record) -> Features:
    if record.data is None:
        raise BadInput("the checksum of a record must fit its bytes, and does not")
    return features_of(record.data)


def _record(features: Features, where: str, names: Mapping[int, str], options: ReadOptions) -> ImageRecord:
    filename = _text(features, FILENAME) or _text(features, SOURCE_ID)
    size_wh = tuple(whole_number(_first(features, key), least=1) for key in (WIDTH, HEIGHT))
    if not filename.strip():
        raise BadInput(f"an example must name its image by {FILENAME} or {SOURCE_ID}, and does not")
    width, height = size_wh
    if width is None or height is None:
        raise BadInput(f"an example must have {WIDTH} and {HEIGHT}, got {width} and {height}")
    regions = list(_regions(features, (width, height), names, options))
    return ImageRecord(
        filename=filename.replace("\\", "/"),
        where=where,
        regions=(*regions, *_of_image(features, len(regions), names)),
        size_wh=(width, height),
        source_id=whole_number(_text(features, SOURCE_ID)),
    )


def _regions(
    features: Features, size_wh: tuple[int, int], names: Mapping[int, str], options: ReadOptions
) -> Iterator[Region | Unread]:
    columns = [features.get(corner, []) for corner in CORNERS]
    count = max(map(len, columns))
    for index in range(count):
        where = f"object[{index}]"
        corners = [column[index] for column in columns if index < len(column)]
        if len(corners) < len(CORNERS) or not all(isinstance(value, float) for value in corners):
            message = f"an object must have four corners, got {len(corners)}"
            yield Unread(rule="DR08", message=message, where=where, index=index, shape_kind=Rect.kind)
            continue
        shares = [float(value) for value in corners]
        try:
            shape = _shape(features, index, shares, size_wh)
        except BadInput as error:
            yield Unread(rule="DR08", message=str(error), where=where, index=index, shape_kind="mask")
            continue
        yield Region(
            shape=shape,
            label=_label(features, index, (TEXT, LABEL), names) or options.label,
            attributes={name: value for name in FLAGS if (value := _flag(features, name, index)) is not None},
            index=index,
            where=where,
            is_crowd=_at(features, CROWD, index) == 1,
        )


def _shape(features: Features, index: int, shares: Sequence[float], size_wh: tuple[int, int]) -> Shape:
    png = _at(features, MASK, index)
    if isinstance(png, bytes) and png and _at(features, KIND, index) != Rect.kind.encode():
        if not png.startswith(PNG):
            raise BadInput("the mask of an object must be a PNG picture, and is none")
        return mask_of_bitmap(bitmap_of_png(png, size_wh))
    (left, top, right, bottom), (width, height) = shares, size_wh
    x, y = round(left * width, _DIGITS), round(top * height, _DIGITS)
    return Rect(
        plain(x),
        plain(y),
        plain(round(right * width - left * width, _DIGITS)),
        plain(round(bottom * height - top * height, _DIGITS)),
    )


def _of_image(features: Features, first_index: int, names: Mapping[int, str]) -> Iterator[Region]:
    count = max(len(features.get(CLASS_TEXT, [])), len(features.get(CLASS_LABEL, [])))
    for i in range(count):
        label = _label(features, i, (CLASS_TEXT, CLASS_LABEL), names)
        if label is not None:
            yield Region(shape=WholeImage(), label=label, index=first_index + i, where=f"class[{i}]")


def _label(features: Features, index: int, keys: tuple[str, str], names: Mapping[int, str]) -> str | None:
    text, number = _at(features, keys[0], index), _at(features, keys[1], index)
    if isinstance(text, bytes) and text.strip():
        return text.decode("utf-8", "replace")
    return names.get(number, str(number)) if isinstance(number, int) and number > 0 else None


def _flag(features: Features, name: str, index: int) -> int | None:
    value = _at(features, f"image/object/{name}", index)
    return value if isinstance(value, int) else None


def _at(features: Features, key: str, index: int) -> Value | None:
    values = features.get(key, [])
    return values[index] if index < len(values) else None


def _first(features: Features, key: str) -> Value | None:
    return _at(features, key, 0)


def _text(features: Features, key: str) -> str:
    value = _first(features, key)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
