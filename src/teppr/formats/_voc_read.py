"""One VOC file as a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from xml.etree.ElementTree import Element

from teppr.errors import BadFile
from teppr.formats._numbers import number_of_text, whole_number
from teppr.formats._shape_words import BadShape, opened
from teppr.formats._voc_words import attributes_of, value_of
from teppr.formats._xml_tree import line_of, parse_xml, text_of
from teppr.formats.contract import ReadOptions
from teppr.types import ImageRecord, Rect, Region, Ring, Shape, Unread

ROOT = "annotation"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_TAKEN_OF_IMAGE = ("filename", "size", "object")
_TAKEN_OF_OBJECT = ("name", "bndbox", "polygon", "label_attribute")


class _BadElement(BadShape):
    """What an element should hold it does not; `line` is where."""

    def __init__(self, message: str, element: Element, *, where: str, value: object = None) -> None:
        super().__init__(message, where=where, value=value)
        self.line = line_of(element)


@dataclass(frozen=True, slots=True, kw_only=True)
class VocReader:
    """Reads the files of one document.

    find_image: an image's name as the record has it, from what `<filename>` says and the file's own path; None where
        the file says none and there is no such image
    """

    options: ReadOptions
    find_image: Callable[[str, str], tuple[str, str | None] | None]

    def read(self, root: Element, part: str) -> Iterator[ImageRecord | Unread]:
        """The record of a file, or why there is none, and then its regions.

        part: the file's path in its document
        """
        objects = root.findall("object")
        given = text_of(root.find("filename")).replace("\\", "/")
        found = self.find_image(given, part)
        if found is None:
            message = "a file must name its image, got no <filename>, and no image has the file's own name"
            yield Unread(rule="DR01", message=message, where=f"{part}:{line_of(root)} filename")
            for i, element in enumerate(objects):
                yield Unread(rule="DR01", message=message, where=_where(part, element, i), index=i)
            return
        filename, path = found
        size_wh, beside = _size(root)
        yield ImageRecord(
            filename=filename,
            where=part,
            regions=tuple(self._region(element, i, part) for i, element in enumerate(objects)),
            size_wh=size_wh,
            attributes=dict(root.attrib) | beside | attributes_of(root, _TAKEN_OF_IMAGE),
            path=path,
        )

    def _region(self, element: Element, index: int, part: str) -> Region | Unread:
        try:
            shape, box = _shape(element)
        except _BadElement as error:
            return Unread(
                rule="DR08",
                message=str(error),
                where=f"{part}:{error.line} object[{index}]{error.where}",
                values={} if error.value is None else {"value": error.value},
                index=index,
            )
        label = text_of(element.find("name"))
        return Region(
            shape=shape,
            label=label if label.strip() else self.options.label,
            label_attribute=text_of(element.find("label_attribute")) or None,
            attributes=attributes_of(element, _TAKEN_OF_OBJECT),
            index=index,
            where=_where(part, element, index),
            box_xywh_px=box,
        )


def parsed(path: Path) -> Element:
    """The root of a VOC file; raises BadFile for what is none."""
    root = parse_xml(path)
    if root.tag != ROOT:
        raise BadFile(f"a VOC file must hold an <{ROOT}>, got <{short(root.tag)}> in {path}")
    return root


def _where(part: str, element: Element, index: int) -> str:
    return f"{part}:{line_of(element)} object[{index}]"


def _size(root: Element) -> tuple[tuple[int, int] | None, dict[str, object]]:
    """Width and height, where both are whole numbers from 1, and what else the element says, as attributes."""
    size = root.find("size")
    if size is None:
        return None, {}
    numbers = (number_of_text(text_of(size.find(side))) for side in ("width", "height"))
    width, height = (whole_number(number, least=1) for number in numbers)
    if width is None or height is None:
        return None, {"size": value_of(size)}
    further = attributes_of(size, ("width", "height"))
    return (width, height), {name: value for name, value in further.items() if value != ""}


def _shape(element: Element) -> tuple[Shape, tuple[float, float, float, float] | None]:
    """The shape of an object, and the box that it states beside a polygon; raises _BadElement."""
    box = element.find("bndbox")
    sides = None if box is None else _sides(box)
    rings = [_ring(polygon) for polygon in element.findall("polygon") if len(polygon)]
    if rings:
        return opened(rings), sides
    if sides is None:
        raise _BadElement("an object must have a <bndbox> or a <polygon>, got neither", element, where="")
    return Rect(*sides), None


def _sides(box: Element) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (_number(box, side, "bndbox") for side in _SIDES)
    return x0, y0, x1 - x0, y1 - y0


def _ring(polygon: Element) -> Ring:
    """Corners as Roboflow writes them: <x1>, <y1>, <x2>, <y2> ..."""
    if len(polygon) % 2:
        message = f"a polygon must have as many x as y, got {len(polygon)} elements"
        raise _BadElement(message, polygon, where=".polygon", value=len(polygon))
    corners = range(1, len(polygon) // 2 + 1)
    inside = {child.tag: child for child in polygon}
    return tuple(
        (_number(polygon, f"x{i}", "polygon", inside), _number(polygon, f"y{i}", "polygon", inside)) for i in corners
    )


def _number(element: Element, tag: str, name: str, inside: dict[str, Element] | None = None) -> float:
    child = element.find(tag) if inside is None else inside.get(tag)
    number = None if child is None else number_of_text(child.text)
    if number is None:
        given = "none" if child is None else short(child.text or "")
        message = f"a {name} needs a number as <{tag}>, got {given}"
        raise _BadElement(message, element if child is None else child, where=f".{name}.{tag}", value=given)
    return number
