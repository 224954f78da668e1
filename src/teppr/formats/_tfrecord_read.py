"""Examples of TensorFlow's Object Detection API as records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

from teppr.errors import BadImage, BadInput
from teppr.formats import _tfrecord_words as words
from teppr.formats._numbers import plain, whole_number
from teppr.formats._shape_words import BadShape
from teppr.formats._tfrecord_file import records_of
from teppr.formats._tfrecord_mask import fills_box, mask_of_picture
from teppr.formats._tfrecord_messages import messages
from teppr.images import decode
from teppr.types import ImageRecord, Mask, Rect, Region, Unread, WholeImage

Labels = Mapping[int, str] | None
"""{number: label} of the label map; None where there is none."""
_LONGEST_TEXT = 10_000
_AREA_DIGITS = 7


def records_of_files(
    files: Sequence[Path], labels: Labels, otherwise: str | None = None
) -> Iterator[ImageRecord | Unread]:
    """All records of all files; raises BadFile where one ends too early or a length in it is damaged.

    otherwise: the label of objects that have none
    """
    for path in files:
        for number, record in enumerate(records_of(path), 1):
            where = f"record {number}" if len(files) == 1 else f"{path.name}, record {number}"
            features = None if record is None else _features(record)
            if features is None:
                why = "its checksum is wrong" if record is None else "it is no tf.train.Example"
                yield Unread(rule="DR01", message=f"a record must be whole, and {why}", where=where)
            else:
                yield from _entry(_Example(features, labels, otherwise), where)


def _features(record: bytes) -> dict[str, list[Any]] | None:
    """{key: its values}; None for what is no Example."""
    from google.protobuf.message import DecodeError

    example = messages().example()
    try:
        example.ParseFromString(record)
    except DecodeError:
        return None
    found = {}
    for entry in example.features.feature:
        kinds = entry.value.ListFields()
        found[entry.key] = list(kinds[0][1].value) if kinds else []
    return found


def _entry(example: _Example, where: str) -> Iterator[ImageRecord | Unread]:
    filename = next((name for key in (words.FILENAME, words.SOURCE_ID) if (name := example.text(key, 0).strip())), "")
    regions = example.regions()
    if filename:
        yield ImageRecord(
            filename=filename.replace("\\", "/"),
            where=where,
            regions=regions,
            size_wh=example.size_wh,
            attributes=example.attributes(),
            source_id=whole_number(example.text(words.SOURCE_ID, 0)),
        )
        return
    message = f"a record must name its image, got blanks in {words.FILENAME} and {words.SOURCE_ID}"
    yield Unread(rule="DR01", message=message, where=where)
    for region in regions:
        yield Unread(rule="DR01", message=message, where=f"{where}, {region.where}", index=region.index)


class _Example:
    """What one record says, by key; lists may be missing, too short, or of another kind than they should."""

    def __init__(self, features: Mapping[str, list[Any]], labels: Labels, otherwise: str | None) -> None:
        self._features = features
        self._labels = labels
        self._otherwise = otherwise
        self.size_wh = self._size_wh()

    def text(self, key: str, i: int) -> str:
        """A value as text, "" where there is none."""
        value = self._value(key, i)
        return _text(value) if isinstance(value, bytes) else "" if value is None else str(value)

    def attributes(self) -> dict[str, Any]:
        """What has no place in a record, as far as it is not blank."""
        known, count = words.IMAGE_KEYS | words.OBJECT_KEYS, self._objects()
        further = {
            key: [_plain(value) for value in values]
            for key, values in self._features.items()
            if key not in known and not (key.startswith(words.OBJECT) and len(values) == count)
        }
        filled = {key: values for key, values in further.items() if any(value not in ("", None) for value in values)}
        return {key: values[0] if len(values) == 1 else values for key, values in filled.items()}

    def regions(self) -> tuple[Region | Unread, ...]:
        """The objects, and then the labels of the whole image."""
        count = self._objects()
        objects = [self._object(i) for i in range(count)]
        keys = (words.IMAGE_TEXT, words.IMAGE_NUMBER)
        whole = [
            self._whole_image(i, count)
            for i in range(max(len(self._values(key)) for key in keys))
            if self.text(keys[0], i).strip() or not (self._value(keys[1], i) == 0 and self._values(keys[0]))
        ]
        return (*objects, *whole)

    def _values(self, key: str) -> list[Any]:
        return self._features.get(key, [])

    def _value(self, key: str, i: int) -> Any:  # noqa: ANN401
        values = self._values(key)
        return values[i] if i < len(values) else None

    def _size_wh(self) -> tuple[int, int] | None:
        width, height = (whole_number(self._value(key, 0), least=1) for key in (words.WIDTH, words.HEIGHT))
        if width is not None and height is not None:
            return width, height
        picture = self._value(words.ENCODED, 0)
        try:
            return decode(picture, name="the picture")[1].size_wh if isinstance(picture, bytes) else None
        except BadImage:
            return None

    def _objects(self) -> int:
        """How many objects there are by the longest of the lists, so that none is passed over."""
        return max(len(self._values(key)) for key in (*words.CORNERS, words.TEXT, words.NUMBER))

    def _object(self, i: int) -> Region | Unread:
        where = f"objects[{i}]"
        try:
            box = self._box(i)
            shape = self._shape(i, box)
        except BadShape as error:
            return Unread(
                rule="DR08",
                message=str(error),
                where=where + error.where,
                values={"value": short(error.value)},
                index=i,
                shape_kind=error.kind,
            )
        try:
            label = self._label(words.TEXT, words.NUMBER, i)
        except BadInput as error:
            return Unread(rule="DR17", message=str(error), where=f"{where}.class", index=i, shape_kind=shape.kind)
        area = self._value(words.AREA, i)
        return Region(
            shape=shape,
            label=label,
            index=i,
            where=where,
            attributes=self._attributes_of(i),
            is_crowd=self._value(words.CROWD, i) == 1,
            box_xywh_px=(box.x, box.y, box.width, box.height) if isinstance(shape, Mask) else None,
            area_px=plain(float(f"{area:.{_AREA_DIGITS}g}")) if _is_number(area) else None,
        )

    def _whole_image(self, i: int, before: int) -> Region | Unread:
        where, index = f"class[{i}]", before + i
        try:
            label = self._label(words.IMAGE_TEXT, words.IMAGE_NUMBER, i)
        except BadInput as error:
            return Unread(rule="DR17", message=str(error), where=where, index=index, shape_kind=WholeImage.kind)
        return Region(shape=WholeImage(), label=label, index=index, where=where)

    def _box(self, i: int) -> Rect:
        shares = [self._value(key, i) for key in words.CORNERS]
        if not all(map(_is_number, shares)):
            raise BadShape(
                f"a box needs four numbers, got {short(shares)}", where=".bbox", value=shares, kind=Rect.kind
            )
        if self.size_wh is None:
            raise BadShape("coordinates are shares of the image's width and height, which are not said", where=".bbox")
        left, top, right, bottom = (
            share * size for share, size in zip(shares, (*self.size_wh, *self.size_wh), strict=True)
        )
        return Rect(*(plain(round(value, words.PIXEL_DIGITS)) for value in (left, top, right - left, bottom - top)))

    def _shape(self, i: int, box: Rect) -> Rect | Mask:
        picture = self._value(words.MASK, i)
        if picture is None or picture == b"":
            return box
        if not isinstance(picture, bytes):
            raise BadShape("a mask must be a picture, got numbers", where=".mask", value=picture, kind=Mask.kind)
        mask = mask_of_picture(picture, self.size_wh)
        return box if fills_box(mask, box) else mask

    def _label(self, text_key: str, number_key: str, i: int) -> str | None:
        """The text or, where there is none, what the label map says; raises BadInput where it says nothing."""
        if (text := self.text(text_key, i)).strip():
            return text
        number = self._value(number_key, i)
        if number is None or (number == 0 and self._values(text_key)):
            return self._otherwise
        label = self._labels.get(number) if self._labels and isinstance(number, int) else None
        if not label:
            why = "which is none of the label map" if self._labels else f"and there is no {words.LABEL_MAP} beside"
            raise BadInput(f"a label must be said by {text_key} or the label map, got number {number}, {why}")
        return label

    def _attributes_of(self, i: int) -> dict[str, Any]:
        count = self._objects()
        found = {
            key.removeprefix(words.OBJECT): _plain(values[i])
            for key, values in self._features.items()
            if key.startswith(words.OBJECT) and key not in words.OBJECT_KEYS and len(values) == count
        }
        return {name: value for name, value in found.items() if value != ""}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _plain(value: object) -> object:
    """A value that JSON can hold; of what is no text, how long it is."""
    if isinstance(value, bytes):
        text = _text(value) if len(value) <= _LONGEST_TEXT else None
        return f"({len(value)} bytes)" if text is None or "\\x" in text else text
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
