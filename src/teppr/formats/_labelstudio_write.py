"""Writing tasks of Label Studio from a stream of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import degrees
from pathlib import Path
from typing import Any, NamedTuple

from teppr.errors import BadInput
from teppr.files import whole_file
from teppr.formats._bitmaps import size_with_masks
from teppr.formats._json_lines import dumps
from teppr.formats._labelstudio_brush import brush_of_mask
from teppr.formats._labelstudio_names import IMAGE, address_of
from teppr.formats._labelstudio_region import CHOICES, in_pixels
from teppr.formats._left_out import leave_out_beside_shape
from teppr.formats._shape_words import as_in_file
from teppr.formats._turned_box import ROTATION, turned_box
from teppr.formats.contract import WriteReport
from teppr.geometry import points_of
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
    WholeImage,
)

_SPOT_PERCENT = 0.5
"""How large Label Studio draws a point."""


class _Placed(NamedTuple):
    """Where a region lies, in Label Studio's words: "rectangle" and its value."""

    kind: str
    value: Mapping[str, Any]


def write_tasks(records: Iterable[ImageRecord], path: Path, key: str) -> WriteReport:
    """A task a record, its regions under `key`: "annotations", or "predictions" that annotators begin with."""
    writing = _Writing()
    with whole_file(path) as file:
        file.write(b"[")
        for record in records:
            size_wh = size_with_masks(record)
            if size_wh is None and not all(_is_of_whole_image(region) for region in record.regions):
                writing.report.leave_out("image with regions whose width and height are not known")
                continue
            task = writing.task(record, size_wh, key)
            file.write((b",\n" if writing.report.images else b"\n") + dumps(task, record.where))
            writing.report.images += 1
        file.write(b"\n]\n")
    return writing.report


def _is_of_whole_image(region: Region | Unread) -> bool:
    return isinstance(region, Unread) or isinstance(region.shape, WholeImage)


class _Writing:
    """What is written so far: how much, and which control has which kind of results."""

    def __init__(self) -> None:
        self.report = WriteReport()
        self._kinds: dict[str, str] = {}

    def task(self, record: ImageRecord, size_wh: tuple[int, int] | None, key: str) -> dict[str, Any]:
        """One image and its regions."""
        if size_wh != record.size_wh:
            self.report.leave_out("that the size of an image is known from its masks only")
        ids: set[str] = set()
        results = [result for region in record.regions for result in self._results(region, size_wh, ids)]
        self.report.regions += len(results)
        said: dict[str, Any] = {} if record.source_id is None else {"id": record.source_id}
        meta: dict[str, Any] = {} if size_wh is None else {"width": size_wh[0], "height": size_wh[1]}
        if record.size_bytes is not None:
            meta["size_bytes"] = record.size_bytes
        data = {IMAGE: address_of(record.filename)}
        if IMAGE in record.attributes:
            meta["attributes"] = record.attributes
        else:
            data |= record.attributes
        return said | {"data": data, "meta": meta, key: [{"result": results}]}

    def _results(
        self, region: Region | Unread, size_wh: tuple[int, int] | None, ids: set[str]
    ) -> Iterator[dict[str, Any]]:
        if isinstance(region, Unread):
            self.report.leave_out(f"region that could not be read ({region.rule})")
            return
        leave_out_beside_shape(region, self.report, with_id=True)
        attributes = dict(region.attributes)
        if turned_box(region.shape, attributes):
            del attributes[ROTATION]
        for i, (kind, value) in enumerate(self._placed(region, size_wh)):
            word = kind if kind == CHOICES else f"{kind}labels"
            said: dict[str, Any] = {
                "id": self._free_id(None if i else region.source_id, ids),
                "type": kind if region.label is None else word,
                "from_name": self._control(region, kind),
                "to_name": IMAGE,
                "value": value if region.label is None else {**value, word: [region.label]},
            }
            if size_wh is not None and kind != CHOICES:
                said |= {"original_width": size_wh[0], "original_height": size_wh[1], "image_rotation": 0}
            yield said | _beside(attributes)

    def _free_id(self, source_id: int | None, ids: set[str]) -> str:
        """The id that a region brings, or one that is no number, so that it is not taken for one that was brought."""
        wanted = None if source_id is None else str(source_id)
        if wanted is not None and wanted in ids:
            self.report.leave_out("id of a region that an earlier one of the image has")
        if wanted is None or wanted in ids:
            wanted = f"region{len(ids)}"
        ids.add(wanted)
        return wanted

    def _control(self, region: Region, kind: str) -> str:
        """The control that a result comes from: one has results of one kind, so further kinds have others beside it."""
        if region.label is None:
            return kind
        name = region.label_attribute or "label"
        first = self._kinds.setdefault(name, kind)
        return name if first == kind and not name.endswith(f"_{kind}") else f"{name}_{kind}"

    def _placed(self, region: Region, size_wh: tuple[int, int] | None) -> Iterable[_Placed]:
        # An image of unknown size comes here with labels of the whole image only.
        if size_wh is None or isinstance(region.shape, WholeImage):
            return [_Placed(CHOICES, {CHOICES: []})]
        if found := turned_box(region.shape, region.attributes):
            box, turn = found
            corner = points_of(region.shape)[0]
            return [_simple(Rect(*corner, box.width, box.height), size_wh, turn)]
        match region.shape:
            case Polygon() as polygon:
                if len(polygon.rings) > 1:
                    self.report.leave_out("that several rings are one polygon: each is a region of its own")
                return self._polygons(polygon, size_wh)
            case Polyline(points=points):
                return self._of_points(points, size_wh, is_closed=False)
            case Mask() as mask:
                return self._brush(mask, size_wh)
            case Circle():
                self.report.leave_out("that an ellipse is a circle")
        return [_simple(region.shape, size_wh)]

    def _polygons(self, polygon: Polygon, size_wh: tuple[int, int]) -> Iterator[_Placed]:
        for ring in as_in_file(polygon):
            for placed in self._of_points(ring, size_wh, is_closed=True):
                # A reader takes ends that meet for one corner, said twice.
                if not polygon.closed_in_file and len(ring) > 1 and _meet(placed.value["points"], size_wh):
                    self.report.leave_out("that the first and the last corner of a polygon are not the same")
                yield placed

    def _of_points(self, points: Ring, size_wh: tuple[int, int], *, is_closed: bool) -> Iterator[_Placed]:
        if not points:
            self.report.leave_out(f"{'polygon' if is_closed else 'polyline'} without points")
            return
        width, height = size_wh
        shares = [[_percent(x, width), _percent(y, height)] for x, y in points]
        yield _Placed(Polygon.kind, {"points": shares, "closed": is_closed})

    def _brush(self, mask: Mask, size_wh: tuple[int, int]) -> Iterator[_Placed]:
        if mask.size_wh != size_wh:
            self.report.leave_out("mask of another size than its image")
            return
        if not mask.compressed_in_file:
            self.report.leave_out("that the runs of a mask were a list of numbers")
        yield _Placed("brush", {"format": "rle", "rle": brush_of_mask(mask)})


def _beside(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What a region has further: its score where Label Studio looks for one, all else as notes."""
    score = attributes.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return {"meta": dict(attributes)} if attributes else {}
    notes = {name: value for name, value in attributes.items() if name != "score"}
    return {"score": score} | ({"meta": notes} if notes else {})


def _meet(shares: Sequence[Sequence[float]], size_wh: tuple[int, int]) -> bool:
    first, last = (tuple(map(in_pixels, shares[end], size_wh)) for end in (0, -1))
    return first == last


def _percent(value_px: float, size_px: int) -> float:
    return value_px / size_px * 100


def _simple(shape: Shape, size_wh: tuple[int, int], turn_degrees: float = 0) -> _Placed:
    width, height = size_wh
    match shape:
        case Rect(x=x, y=y):
            value = {"x": _percent(x, width), "y": _percent(y, height)}
            value |= {"width": _percent(shape.width, width), "height": _percent(shape.height, height)}
            return _Placed("rectangle", value | {ROTATION: turn_degrees})
        case Circle(cx=cx, cy=cy, r=r):
            return _simple(Ellipse(cx, cy, r, r), size_wh)
        case Ellipse(cx=cx, cy=cy, rx=rx, ry=ry, theta_rad=theta):
            value = {"x": _percent(cx, width), "y": _percent(cy, height)}
            value |= {"radiusX": _percent(rx, width), "radiusY": _percent(ry, height), ROTATION: degrees(theta)}
            return _Placed("ellipse", value)
        case Spot(cx=cx, cy=cy):
            value = {"x": _percent(cx, width), "y": _percent(cy, height), "width": _SPOT_PERCENT}
            return _Placed("keypoint", value)
        case _:
            raise BadInput(f"Label Studio has no word for a {shape.kind}")
