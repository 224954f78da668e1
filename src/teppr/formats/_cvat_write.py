"""Writing CVAT for images 1.1.

The images grow in a file of their own and are joined to what stands before them at the end, when the labels are known.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import degrees
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from teppr.files import whole_file
from teppr.formats._bitmaps import box_of_mask, rows_of_bitmap, size_with_masks
from teppr.formats._cvat_words import IMAGE_WORDS, REGION_WORDS, text_of_word
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._numbers import plain
from teppr.formats._shape_words import as_in_file
from teppr.formats._turned_box import ROTATION, turned_box
from teppr.formats._xml_file import json_text, speakable
from teppr.formats.contract import WriteReport
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
    Mask,
    Polygon,
    Polyline,
    Rect,
    Region,
    Ring,
    Shape,
    Spot,
    Unread,
)

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class _Element(NamedTuple):
    """A region's element: its name and where it lies."""

    tag: str
    geometry: Mapping[str, object]


def write_images(records: Iterable[ImageRecord], path: Path) -> WriteReport:
    """All images in their order, and before them the labels, by which other tools know the classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=path.parent) as images:
        writing = _Writing()
        for record in records:
            images.write(writing.image(record).encode())
        images.seek(0)
        with whole_file(path) as file:
            file.write(writing.head().encode())
            shutil.copyfileobj(images, file)
            file.write(b"</annotations>\n")
    return writing.report


class _Writing:
    """What is written so far: how much, and the labels in order of appearance."""

    def __init__(self) -> None:
        self.report = WriteReport()
        self._labels: dict[str, None] = {}

    def head(self) -> str:
        """What stands before the images."""
        labels = "".join(
            f"<label><name>{escape(label)}</name><attributes></attributes></label>\n" for label in self._labels
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
            f"<meta><task><size>{self.report.images}</size><mode>annotation</mode>"
            f"<labels>\n{labels}</labels></task></meta>\n"
        )

    def image(self, record: ImageRecord) -> str:
        """One image and its regions."""
        size_wh = size_with_masks(record)
        if size_wh != record.size_wh:
            self.report.leave_out("that the size of an image is known from its masks only")
        said: dict[str, object] = {
            "id": self.report.images if record.source_id is None else record.source_id,
            "name": record.filename,
        }
        if size_wh is not None:
            said |= {"width": size_wh[0], "height": size_wh[1]}
        if record.size_bytes is not None:
            said["size_bytes"] = record.size_bytes
        regions = "".join(
            line
            for region in record.regions
            for line in self._region(region, size_wh, f"{record.where}.{region.where}")
        )
        self.report.images += 1
        opening = self._opening("image", said | _image_attributes(record.attributes, record.where))
        return f"{opening}\n{regions}</image>\n"

    def _region(self, region: Region | Unread, size_wh: tuple[int, int] | None, where: str) -> Iterator[str]:
        if isinstance(region, Unread):
            self.report.leave_out(f"region that could not be read ({region.rule})")
            return
        leave_out_beside_shape(region, self.report)
        said: dict[str, object] = {"label": region.label or ""}
        if region.label is not None:
            self._labels.setdefault(self._speakable(region.label))
        if region.label_attribute is not None:
            said["label_attribute"] = region.label_attribute
        for element in self._elements(region, size_wh):
            words, children = _split(region.attributes)
            if element.tag == "box" and ROTATION in element.geometry:
                del children[ROTATION]
            held = "".join(self._child(name, value, where) for name, value in children.items())
            self.report.regions += 1
            yield f"{self._opening(element.tag, said | words | dict(element.geometry))}{held}</{element.tag}>\n"

    def _elements(self, region: Region, size_wh: tuple[int, int] | None) -> Iterable[_Element]:
        if found := turned_box(region.shape, region.attributes):
            box, turn = found
            return [_Element("box", _corners(box) | {ROTATION: turn})]
        match region.shape:
            case Polygon() as polygon:
                if len(polygon.rings) > 1:
                    self.report.leave_out("that several rings are one polygon: each is a region of its own")
                return self._of_points(polygon.kind, as_in_file(polygon))
            case Polyline(points=points):
                return self._of_points(Polyline.kind, [points])
            case Mask() as mask:
                return self._mask(mask, size_wh)
            case Circle():
                self.report.leave_out("that an ellipse is a circle")
        return [_simple(region.shape)]

    def _of_points(self, kind: str, rings: Sequence[Ring]) -> Iterator[_Element]:
        for ring in rings:
            if ring:
                yield _Element(kind, {"points": ";".join(f"{plain(x)},{plain(y)}" for x, y in ring)})
            else:
                self.report.leave_out(f"{kind} without points")

    def _mask(self, mask: Mask, size_wh: tuple[int, int] | None) -> Iterator[_Element]:
        boxed = box_of_mask(mask)
        if boxed is None or mask.size_wh != size_wh:
            self.report.leave_out("mask without pixels" if boxed is None else "mask of another size than its image")
            return
        if not mask.compressed_in_file:
            self.report.leave_out("that the runs of a mask were a list of numbers")
        height, width = boxed.bitmap.shape
        runs = ", ".join(map(str, rows_of_bitmap(boxed.bitmap)))
        yield _Element(mask.kind, {"rle": runs, "left": boxed.left, "top": boxed.top, "width": width, "height": height})

    def _opening(self, tag: str, attributes: Mapping[str, object]) -> str:
        texts = (f"{name}={quoteattr(self._speakable(str(value)))}" for name, value in attributes.items())
        return f"<{' '.join((tag, *texts))}>"

    def _child(self, name: str, value: object, where: str) -> str:
        if isinstance(value, str):
            said, text = {"name": name}, self._speakable(value)
        else:
            said, text = {"name": name, "type": "json"}, json_text(value, where)
        return f"{self._opening('attribute', said)}{escape(text, {chr(13): '&#13;'})}</attribute>"

    def _speakable(self, text: str) -> str:
        if (spoken := speakable(text)) == text:
            return text
        self.report.leave_out("character that XML cannot hold")
        return spoken


def _image_attributes(attributes: Mapping[str, Any], where: str) -> dict[str, object]:
    """Texts under their own names; a JSON object of all others."""
    plain_texts: dict[str, object] = {
        name: value
        for name, value in attributes.items()
        if isinstance(value, str) and _PLAIN_NAME.fullmatch(name) and name not in IMAGE_WORDS
    }
    others = {name: value for name, value in attributes.items() if name not in plain_texts}
    return plain_texts | ({"attributes": json_text(others, where)} if others else {})


def _split(attributes: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What CVAT says of a region itself, in CVAT's order, and what becomes children."""
    words = {"occluded": "0", "z_order": "0"}
    children = dict(attributes)
    for word in REGION_WORDS:
        # Where both stand, the plain name is the child's.
        name = f"@{word}" if f"@{word}" in children and word in children else word
        text = text_of_word(word, children.get(name))
        if text is not None:
            words[word] = text
            del children[name]
    return words, children


def _simple(shape: Shape) -> _Element:
    match shape:
        case Rect():
            return _Element("box", _corners(shape))
        case Circle(cx=cx, cy=cy, r=r):
            return _Element("ellipse", {"cx": plain(cx), "cy": plain(cy), "rx": plain(r), "ry": plain(r)})
        case Ellipse(cx=cx, cy=cy, rx=rx, ry=ry, theta_rad=theta):
            turn = {ROTATION: degrees(theta)} if theta else {}
            return _Element("ellipse", {"cx": plain(cx), "cy": plain(cy), "rx": plain(rx), "ry": plain(ry)} | turn)
        case Spot(cx=cx, cy=cy):
            return _Element("points", {"points": f"{plain(cx)},{plain(cy)}"})
        case _:
            return _Element("tag", {})


def _corners(box: Rect) -> dict[str, object]:
    return {
        "xtl": plain(box.x),
        "ytl": plain(box.y),
        "xbr": plain(box.x + box.width),
        "ybr": plain(box.y + box.height),
    }
