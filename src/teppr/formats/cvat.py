"""CVAT for images 1.1: one XML document, an `<image>` an entry, and in it an element a region.

Where an element is told by its place (`image[3].box[1]@xtl`), places count from 0 among the elements of that name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any
from xml.etree.ElementTree import Element

import orjson

from teppr.errors import BadFile
from teppr.formats._cvat_region import region_of_element
from teppr.formats._cvat_words import GEOMETRY, IMAGE_WORDS, size_of_texts
from teppr.formats._cvat_write import write_images
from teppr.formats._numbers import whole_number
from teppr.formats._xml_file import beginning, children
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Region, Unread

_ROOT = "annotations"
_ABOUT = ("version", "meta")


class Cvat(Format):
    """CVAT for images, XML 1.1: a tag is the label of a whole image, a turned box a polygon with `rotation`."""

    name = "cvat"
    title = "CVAT for images 1.1, XML"
    suffixes = (".xml",)
    precision_px = 1e-8

    def sniff(self, path: Path) -> bool:
        """Whether the root is CVAT's and begins like CVAT's; tracks of a video too, which `read` refuses."""
        try:
            root, first = beginning(path)
        except BadFile:
            return False
        return root == _ROOT and first in (*_ABOUT, "image", "track")

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; only the option `label` matters."""
        root, _ = beginning(path)
        if root != _ROOT:
            raise BadFile(f"a CVAT file must hold <{_ROOT}>, got <{short(root)}> in {path}")
        return Reading(records=_records(path, options.label))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write all; a circle becomes an ellipse, a polygon of several rings a polygon for each."""
        return write_images(records, path)


PLUGIN = Cvat()


def _records(path: Path, otherwise: str | None) -> Iterator[ImageRecord | Unread]:
    seen: Counter[str] = Counter()
    for element in children(path):
        where = f"{element.tag}[{seen[element.tag]}]"
        seen[element.tag] += 1
        if element.tag == "image":
            yield from _entry(element, where, otherwise)
        elif element.tag == "track":
            raise BadFile(
                "a CVAT file must hold images, got the tracks of a video; "
                f'export the task as "CVAT for images 1.1" - at {where} of {path}'
            )
        elif element.tag not in _ABOUT:
            message = f"a CVAT file must hold images, got <{short(element.tag)}>"
            yield Unread(rule="DR01", message=message, where=where, values={"element": element.tag})


def _entry(image: Element, where: str, otherwise: str | None) -> Iterator[ImageRecord | Unread]:
    """The record or, of an image without a name, what could not be read of it."""
    if image.get("name", "").strip():
        yield _record(image, where, otherwise)
        return
    problem = f"an image must have a name, got {short(image.get('name'))}"
    yield Unread(rule="DR01", message=problem, where=f"{where}@name", values=dict(image.attrib))
    for i, (place, _) in enumerate(_placed(image)):
        message = f"the entry of this region cannot be read: {problem}"
        yield Unread(rule="DR01", message=message, where=f"{where}.{place}", index=i)


def _placed(image: Element) -> Iterator[tuple[str, Element]]:
    """An image's elements with their places."""
    seen: Counter[str] = Counter()
    for element in image:
        yield f"{element.tag}[{seen[element.tag]}]", element
        seen[element.tag] += 1


def _record(image: Element, where: str, otherwise: str | None) -> ImageRecord:
    size_wh = size_of_texts(image.get("width"), image.get("height"))
    nested = _object(image.get("attributes"))
    taken: dict[str, Any] = {
        "id": whole_number(image.get("id")),
        "name": image.attrib["name"].replace("\\", "/"),
        "width": size_wh,
        "height": size_wh,
        "size_bytes": whole_number(image.get("size_bytes"), least=0),
        "attributes": nested,
    }
    # What has no place in a record, or is not what it should be, stays as an attribute.
    further = {name: text for name, text in image.attrib.items() if name not in IMAGE_WORDS or taken[name] is None}
    return ImageRecord(
        filename=taken["name"],
        where=where,
        regions=tuple(
            _region(element, i, place, size_wh, otherwise) for i, (place, element) in enumerate(_placed(image))
        ),
        size_bytes=taken["size_bytes"],
        size_wh=size_wh,
        attributes=further | (nested or {}),
        source_id=taken["id"],
    )


def _region(
    element: Element, index: int, where: str, size_wh: tuple[int, int] | None, otherwise: str | None
) -> Region | Unread:
    if element.tag in GEOMETRY:
        return region_of_element(element, index, where, size_wh, otherwise)
    return Unread(
        rule="DR08",
        message=f"a region must be one of {', '.join(GEOMETRY)}, got {short(element.tag)}",
        where=where,
        values=dict(element.attrib),
        index=index,
        shape_kind=element.tag,
    )


def _object(text: str | None) -> dict[str, Any] | None:
    """The JSON object that a text is, None for any other."""
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
