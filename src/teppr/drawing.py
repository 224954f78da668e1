"""Regions drawn on images, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from teppr.colors import color_of, rgb_of
from teppr.geometry import box_xywh, rings_of
from teppr.images import Pixels
from teppr.types import Detections, LabelInfo, Polyline, Rect, Region, Shape, Spot

FILL_OPACITY = 0.3
LEAST_TEXT_PX, SIDE_PER_TEXT = 11, 60
"""Height of letters: a share of the picture's longer side, but so much that they can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One shape to draw: `caption` may be empty, `color` is "#rrggbb"."""

    shape: Shape
    caption: str
    color: str


def drawn_regions(regions: Iterable[Region], colors: Mapping[str, str] = MappingProxyType({})) -> list[Drawn]:
    """Annotated regions in their labels' colours: as given ({label: "#rrggbb"}), others as `color_of` says."""
    labels = [(region, region.label or "?") for region in regions]
    return [
        Drawn(shape=region.shape, caption=label, color=colors.get(label) or color_of(label)) for region, label in labels
    ]


def drawn_detections(detections: Detections, labels: Sequence[LabelInfo]) -> list[Drawn]:
    """Detections with label and score: their lines or masks, or their boxes where there are none."""
    drawn = []
    for i, label_id in enumerate(detections.label_ids.tolist()):
        label = labels[label_id]
        caption = f"{label.name} {detections.scores_0_1[i]:.2f}"
        drawn.append(Drawn(shape=shape_of(detections, i), caption=caption, color=label.color))
    return drawn


def shape_of(detections: Detections, index: int) -> Shape:
    """A detection's line or mask, or its box where there is neither."""
    for shapes in (detections.lines, detections.masks):
        if shapes is not None:
            return shapes[index]
    x0, y0, x1, y1 = detections.boxes_xyxy_px[index].tolist()
    return Rect(x0, y0, x1 - x0, y1 - y0)


def draw(pixels: Pixels, shapes: Iterable[Drawn]) -> Pixels:
    """A copy of the image [height, width, 3] in RGB, shapes outlined and captioned; all but boxes lightly filled.

    Captions never lie over each other; one for which there is no room at its shape is left out.
    """
    shapes = list(shapes)
    picture = _filled(pixels, shapes)
    line_px = max(1, round(max(picture.shape[:2]) / 300))
    for item in shapes:
        _outline(picture, item, line_px)
    return _captioned(picture, shapes)


def caption_places(
    boxes_xywh_px: npt.ArrayLike, captions_wh: Sequence[tuple[int, int]], picture_wh: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Left and top of each box's caption, so that none lies over another or beyond the picture; None = no room.

    Above the box where that is free, else within its corners, below it, or beside it; large boxes choose first.
    """
    boxes = np.asarray(boxes_xywh_px, np.float64).reshape(-1, 4)
    taken = np.zeros((0, 4), np.int64)
    places: list[tuple[int, int] | None] = [None] * len(boxes)
    for i in np.argsort(-boxes[:, 2] * boxes[:, 3], kind="stable").tolist():
        spots = _spots_xyxy(boxes[i], captions_wh[i], picture_wh)
        apart = (spots[:, None, :2] >= taken[:, 2:]) | (taken[:, :2] >= spots[:, None, 2:])
        free = spots[np.all(np.any(apart, axis=2), axis=1)]
        if len(free):
            places[i] = int(free[0, 0]), int(free[0, 1])
            taken = np.concatenate([taken, free[:1]])
    return places


def _spots_xyxy(
    box_xywh: npt.NDArray[np.float64], caption_wh: tuple[int, int], picture_wh: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Where the caption of a box may stand, best first; moved into the picture."""
    (x0, y0), (x1, y1), (w, h) = box_xywh[:2], box_xywh[:2] + box_xywh[2:], caption_wh
    corners = [(x0, y0 - h), (x0, y0), (x0, y1), (x1 - w, y0 - h), (x1 - w, y0), (x0, y1 - h), (x1 - w, y1 - h)]
    beside = [(x1 - w, y1), (x1, y0), (x0 - w, y0), ((x0 + x1 - w) / 2, (y0 + y1 - h) / 2)]
    room = np.maximum(np.asarray(picture_wh) - caption_wh, 0)
    lefts_tops = np.clip(np.round([*corners, *beside]), 0, room).astype(np.int64)
    return np.concatenate([lefts_tops, lefts_tops + caption_wh], axis=1)


def font_of(height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The built-in font, the same everywhere; it knows ASCII only (see `plain_text`)."""
    return ImageFont.load_default(height_px)


def plain_text(text: str) -> str:
    """The text in the letters that the built-in font knows."""
    return text.encode("ascii", "replace").decode()


def _corners(points: Sequence[tuple[float, float]]) -> npt.NDArray[np.int32]:
    return np.round(np.asarray(points, dtype=np.float64)).astype(np.int32).reshape(-1, 1, 2)


def _filled(pixels: Pixels, shapes: Sequence[Drawn]) -> Pixels:
    tinted = pixels.copy()
    for item in shapes:
        if isinstance(item.shape, Rect):
            continue  # most of a box is not the object
        for ring in rings_of(item.shape):
            cv2.fillPoly(tinted, [_corners(ring)], rgb_of(item.color))
    blended = cv2.addWeighted(tinted, FILL_OPACITY, pixels, 1 - FILL_OPACITY, 0)
    return np.ascontiguousarray(blended, dtype=np.uint8)


def _outline(picture: Pixels, item: Drawn, line_px: int) -> None:
    color = rgb_of(item.color)
    for ring in rings_of(item.shape):
        cv2.polylines(picture, [_corners(ring)], isClosed=True, color=color, thickness=line_px, lineType=cv2.LINE_AA)
    match item.shape:
        case Polyline(points=points) if points:
            corners = [_corners(points)]
            cv2.polylines(picture, corners, isClosed=False, color=color, thickness=2 * line_px, lineType=cv2.LINE_AA)
        case Spot(cx=cx, cy=cy):
            cv2.circle(picture, (round(cx), round(cy)), 3 * line_px, color, -1, cv2.LINE_AA)


def _captioned(picture: Pixels, shapes: Sequence[Drawn]) -> Pixels:
    captioned = [item for item in shapes if item.caption]
    if not captioned:
        return picture
    height, width = picture.shape[:2]
    font = font_of(max(LEAST_TEXT_PX, max(height, width) // SIDE_PER_TEXT))
    texts = [plain_text(item.caption) for item in captioned]
    bounds = [font.getbbox(text) for text in texts]
    low = int(max(bottom for _, _, _, bottom in bounds)) + 3  # one height for all, whatever their letters
    sizes = [(int(right) + 5, low) for _, _, right, _ in bounds]
    places = caption_places([_anchor_xywh(item.shape) for item in captioned], sizes, (width, height))
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for item, text, size, place in zip(captioned, texts, sizes, places, strict=True):
        if place is not None:
            left, top = place
            pen.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), fill=item.color)
            pen.text((left + 2, top + 1), text, fill=_ink_on(item.color), font=font)
    return np.array(image)


def _anchor_xywh(shape: Shape) -> tuple[float, float, float, float]:
    """The box to caption: the shape's own, from its highest point on, since the corner left of it may be far away.

    Of a line its middle, since lines often meet at their ends.
    """
    if isinstance(shape, Polyline) and shape.points:
        return (*shape.points[len(shape.points) // 2], 0, 0)
    x, y, width, height = box_xywh(shape)
    points = [] if isinstance(shape, Rect) else [point for ring in rings_of(shape) for point in ring]
    highest_x = min(points, key=lambda point: point[1], default=(x, y))[0]
    return highest_x, y, x + width - highest_x, height


def _ink_on(color: str) -> str:
    red, green, blue = rgb_of(color)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"
