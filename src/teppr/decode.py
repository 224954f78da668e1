"""What comes out of a network's graph, turned into detections in the pixels of the original image.

Training's own prediction and the ONNX runtime both end here, so that a published model finds what its training run did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from teppr.errors import UnknownName
from teppr.geometry import box_xywh, clip_xyxy, scale_boxes_xyxy, suppress, xyxy_of
from teppr.lanes import find_lanes
from teppr.types import Detections, Floats, Mask, Polyline
from teppr.yolo import candidates

Decoder: TypeAlias = Callable[..., Detections]
"""`decoder(outputs, network_size_wh=..., image_size_wh=..., lowest_score_0_1=...)`: the graph's outputs in order, the
image's size as the network was fed, the original's, and the score below which nothing is of interest. Further options
are those of a model card, and `content_xyxy_px` where the network was fed a letterboxed image: where in it the image
lies."""
Outputs: TypeAlias = Sequence[npt.NDArray[Any]]

LOWEST_SCORE_0_1 = 0.05
MOST_DETECTIONS = 100
MASK_THRESHOLD_0_1 = 0.5
SAME_OBJECT_IOU = 0.6
MOST_CANDIDATES = 1000
"""Of an image's likely boxes, before those of the same object are left out."""
CHANCES_ADD_UP_WITHIN = 1e-3
BOX_ORDERS = ("xyxy", "xywh", "cxcywh", "yxyx")
"""How four numbers say a box: corners, corner and size, centre and size, or corners with y first."""
BOX_UNITS = ("px", "share")
"""Pixels of the image as the network was fed, or shares 0..1 of its width and height."""
MASKS_OVER = ("box", "image")
"""What a mask of the network covers: its box, or all of the image as the network was fed."""


def decode_boxes(
    outputs: Outputs,
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
    content_xyxy_px: tuple[int, int, int, int] | None = None,
    label_offset: int = 0,
    box_order: str = BOX_ORDERS[0],
    box_unit: str = BOX_UNITS[0],
) -> Detections:
    """From boxes [n, 4], label ids [n] and scores [n], or one of each with an axis of a single image; best first.

    label_offset: the network's number of the first label
    box_order, box_unit: of `BOX_ORDERS` and `BOX_UNITS`; raises UnknownName for others
    """
    boxes, label_ids, scores = (np.asarray(values) for values in outputs[:3])
    boxes, label_ids, scores = boxes.reshape(-1, 4), label_ids.reshape(-1), scores.reshape(-1)
    best = _best(scores, lowest_score_0_1)
    corners = _corners(boxes[best], box_order, box_unit, network_size_wh)
    content = content_xyxy_px or (0, 0, *network_size_wh)
    scaled = scale_boxes_xyxy(corners - np.array(content[:2] * 2, np.float32), _size_of(content), image_size_wh)
    return Detections(
        size_wh=image_size_wh,
        boxes_xyxy_px=clip_xyxy(scaled, image_size_wh).astype(np.float32),
        scores_0_1=scores[best].astype(np.float32),
        label_ids=label_ids[best].round().astype(np.int64) - label_offset,
    )


def decode_dense(
    outputs: Sequence[npt.NDArray[Any]],
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
) -> Detections:
    """From boxes [points, 4] (corners in the network's pixels) and scores [points, labels]: of boxes of one label that
    overlap by more than `SAME_OBJECT_IOU`, only the best.
    """
    boxes, scores = np.asarray(outputs[0]), np.asarray(outputs[1])
    points, label_ids = np.nonzero(scores >= max(LOWEST_SCORE_0_1, lowest_score_0_1))
    likely = scores[points, label_ids]
    best = np.argsort(-likely, kind="stable")[:MOST_CANDIDATES]
    points, label_ids, likely = points[best], label_ids[best], likely[best]
    kept = suppress(boxes[points], label_ids, SAME_OBJECT_IOU, MOST_DETECTIONS)
    return decode_boxes(
        (boxes[points[kept]], label_ids[kept], likely[kept]),
        network_size_wh=network_size_wh,
        image_size_wh=image_size_wh,
        lowest_score_0_1=lowest_score_0_1,
    )


def decode_instances(
    outputs: Outputs,
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
    content_xyxy_px: tuple[int, int, int, int] | None = None,
    masks_over: str = MASKS_OVER[0],
    **of_boxes: Any,  # noqa: ANN401 - what `decode_boxes` is told besides
) -> Detections:
    """As `decode_boxes`, and masks [n, h, w] or [n, 1, h, w]: the chance of belonging to the object, over its box, or
    over the image as it was fed (`masks_over`).
    """
    found = decode_boxes(
        outputs,
        network_size_wh=network_size_wh,
        image_size_wh=image_size_wh,
        lowest_score_0_1=lowest_score_0_1,
        content_xyxy_px=content_xyxy_px,
        **of_boxes,
    )
    scores, masks = np.asarray(outputs[2]).reshape(-1), np.asarray(outputs[3])
    masks = masks.reshape(len(scores), *masks.shape[-2:])
    best = _best(scores, lowest_score_0_1)
    content = content_xyxy_px or (0, 0, *network_size_wh)
    match masks_over:
        case "box":
            pasted = [paste(masks[i], box, image_size_wh) for i, box in zip(best, found.boxes_xyxy_px, strict=True)]
        case "image":
            pasted = [
                _cut_and_paste(masks[i], box, content, image_size_wh)
                for i, box in zip(best, found.boxes_xyxy_px, strict=True)
            ]
        case _:
            raise UnknownName.of("extent of masks", masks_over, MASKS_OVER)
    return Detections(
        size_wh=found.size_wh,
        boxes_xyxy_px=found.boxes_xyxy_px,
        scores_0_1=found.scores_0_1,
        label_ids=found.label_ids,
        masks=tuple(pasted),
    )


def decode_yolo(
    outputs: Outputs,
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
    content_xyxy_px: tuple[int, int, int, int] | None = None,
    style: str = "v8",
    overlap_0_1: float = 0.7,
) -> Detections:
    """From the raw answer of a detector of the YOLO family, as `teppr.yolo` knows them; best first."""
    lowest = max(LOWEST_SCORE_0_1, lowest_score_0_1)
    found = candidates(outputs[0], style, lowest_score_0_1=lowest, overlap_0_1=overlap_0_1, most=MOST_DETECTIONS)
    return decode_boxes(
        found,
        network_size_wh=network_size_wh,
        image_size_wh=image_size_wh,
        lowest_score_0_1=lowest,
        content_xyxy_px=content_xyxy_px,
    )


def decode_classes(
    outputs: Outputs,
    *,
    network_size_wh: tuple[int, int],  # noqa: ARG001 - a label of the whole image lies nowhere in the network's
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
    content_xyxy_px: tuple[int, int, int, int] | None = None,  # noqa: ARG001 - for the same reason
    one_label: bool = True,
) -> Detections:
    """From the chance of each label, [labels]: the whole image as the box of each likely label; best first.

    one_label: chances add up to one, and logits are made such; else each holds by itself
    """
    values = np.asarray(outputs[0], dtype=np.float64).reshape(-1)
    chances = _chances(values) if one_label else values
    best = _best(chances, lowest_score_0_1)
    whole = np.array([0, 0, *image_size_wh], np.float32)
    return Detections(
        size_wh=image_size_wh,
        boxes_xyxy_px=np.tile(whole, (len(best), 1)),
        scores_0_1=chances[best].astype(np.float32),
        label_ids=best.astype(np.int64),
    )


def decode_lanes(
    outputs: Sequence[npt.NDArray[Any]],
    *,
    network_size_wh: tuple[int, int],  # noqa: ARG001 - the maps cover the whole image, whatever its size
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
) -> Detections:
    """From the chances of each cell [1 + labels, h, w], the background's first, and its embedding [size, h, w]: a line
    along each lane, best first.
    """
    height, width = outputs[0].shape[-2:]
    cell_wh = image_size_wh[0] / width, image_size_wh[1] / height
    found = [lane for lane in find_lanes(*outputs[:2]) if lane.score_0_1 >= max(LOWEST_SCORE_0_1, lowest_score_0_1)]
    lines = [_line((lane.x + 0.5) * cell_wh[0], (lane.y + 0.5) * cell_wh[1]) for lane in found[:MOST_DETECTIONS]]
    boxes = xyxy_of([box_xywh(line) for line in lines])
    return Detections(
        size_wh=image_size_wh,
        boxes_xyxy_px=clip_xyxy(boxes, image_size_wh).astype(np.float32),
        scores_0_1=np.array([lane.score_0_1 for lane in found[:MOST_DETECTIONS]], np.float32),
        label_ids=np.array([lane.label_id for lane in found[:MOST_DETECTIONS]], np.int64),
        lines=tuple(lines),
    )


def _line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Polyline:
    return Polyline(tuple(zip(x.tolist(), y.tolist(), strict=True)))


def _chances(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Chances are none below zero and add up to one, which logits do not do by accident.
    if values.min() >= 0 and abs(values.sum() - 1) <= CHANCES_ADD_UP_WITHIN:
        return values
    powers = np.exp(values - values.max())
    chances: npt.NDArray[np.float64] = powers / powers.sum()
    return chances


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "boxes": decode_boxes,
        "classes": decode_classes,
        "dense": decode_dense,
        "instances": decode_instances,
        "labels": partial(decode_classes, one_label=False),
        "lanes": decode_lanes,
        "yolo": decode_yolo,
    }
)
"""By the name that a model card gives."""

_OF_BOXES = {"label_offset": (int,), "box_order": (str,), "box_unit": (str,)}
OPTIONS: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "boxes": _OF_BOXES,
        "instances": {**_OF_BOXES, "masks_over": (str,)},
        "yolo": {"style": (str,), "overlap_0_1": (int, float)},
    }
)
"""What a model card may tell a decoder besides, and of what kind it is."""


def _best(scores: npt.NDArray[Any], lowest_score_0_1: float) -> npt.NDArray[np.intp]:
    """Where the best scores are, falling."""
    best = np.argsort(-scores, kind="stable")
    return best[scores[best] >= max(LOWEST_SCORE_0_1, lowest_score_0_1)][:MOST_DETECTIONS]


def _corners(boxes: npt.NDArray[Any], order: str, unit: str, size_wh: tuple[int, int]) -> Floats:
    """Boxes [n, 4] of any order and unit by their corners in pixels of an image of this size."""
    first, second = boxes[:, :2].astype(np.float32), boxes[:, 2:].astype(np.float32)
    match order:
        case "xyxy":
            corners = np.concatenate([first, second], axis=1)
        case "xywh":
            corners = np.concatenate([first, first + second], axis=1)
        case "cxcywh":
            corners = np.concatenate([first - second / 2, first + second / 2], axis=1)
        case "yxyx":
            corners = np.concatenate([first[:, ::-1], second[:, ::-1]], axis=1)
        case _:
            raise UnknownName.of("order of a box's numbers", order, BOX_ORDERS)
    if unit not in BOX_UNITS:
        raise UnknownName.of("unit of boxes", unit, BOX_UNITS)
    return corners * np.array(size_wh * 2, np.float32) if unit == "share" else corners


def _size_of(box_xyxy_px: tuple[int, int, int, int]) -> tuple[int, int]:
    return box_xyxy_px[2] - box_xyxy_px[0], box_xyxy_px[3] - box_xyxy_px[1]


def _cut_and_paste(
    chances: Floats, box_xyxy_px: Floats, content_xyxy_px: tuple[int, int, int, int], size_wh: tuple[int, int]
) -> Mask:
    """The mask of an image: `chances` [h, w] over the image as the network was fed, of which only the box is looked at.

    box: in the image's own pixels; content: where in `chances` the image lies
    """
    left, top = content_xyxy_px[:2]
    inner_wh = _size_of(content_xyxy_px)
    per_x, per_y = size_wh[0] / inner_wh[0], size_wh[1] / inner_wh[1]
    x0, y0, x1, y1 = (float(value) for value in box_xyxy_px)
    # A pixel more on each side, so that what is cut off does not show at the edge of the part.
    part_x0, part_y0 = max(0, int(x0 / per_x) - 1), max(0, int(y0 / per_y) - 1)
    part_x1 = min(inner_wh[0], int(np.ceil(x1 / per_x)) + 1)
    part_y1 = min(inner_wh[1], int(np.ceil(y1 / per_y)) + 1)
    part = chances[top + part_y0 : top + part_y1, left + part_x0 : left + part_x1]
    over = np.array([part_x0 * per_x, part_y0 * per_y, part_x1 * per_x, part_y1 * per_y], np.float64)
    return paste(part, over, size_wh, beyond=cv2.BORDER_REPLICATE)


def paste(
    chances: Floats, box_xyxy_px: npt.NDArray[Any], size_wh: tuple[int, int], *, beyond: int = cv2.BORDER_CONSTANT
) -> Mask:
    """The mask of an image: `chances` [h, w] stretched over the box, bilinear, where they are above a half.

    beyond: what is taken to lie around `chances`: nothing, or (cv2.BORDER_REPLICATE) the same as at their edge
    """
    x0, y0, x1, y1 = (float(value) for value in box_xyxy_px)
    left, top = int(np.floor(x0)), int(np.floor(y0))
    right, bottom = min(int(np.ceil(x1)), size_wh[0]), min(int(np.ceil(y1)), size_wh[1])
    if right <= left or bottom <= top or x1 <= x0 or y1 <= y0:
        return _code(np.zeros((1, 1), dtype=bool), 0, 0, size_wh)
    per_x, per_y = chances.shape[1] / (x1 - x0), chances.shape[0] / (y1 - y0)
    to_chances = np.array(
        [[per_x, 0, (left + 0.5 - x0) * per_x - 0.5], [0, per_y, (top + 0.5 - y0) * per_y - 0.5]], dtype=np.float64
    )
    stretched = cv2.warpAffine(
        np.ascontiguousarray(chances, dtype=np.float32),
        to_chances,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=beyond,
        borderValue=0,
    )
    return _code(stretched > MASK_THRESHOLD_0_1, left, top, size_wh)


def _code(part: npt.NDArray[np.bool_], left: int, top: int, size_wh: tuple[int, int]) -> Mask:
    # Only the object's box is looked at: an image of twelve megapixels with a hundred objects would take seconds
    # otherwise. Its columns get a pixel of background between them, which the image has there too unless they are as
    # high as it is: then a run that goes on at the top of the next column neither ends nor begins again.
    width, height = size_wh
    framed = np.zeros((part.shape[1], part.shape[0] + 1), dtype=bool)
    framed[:, 1:] = part.T
    flat = np.append(framed, False)
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]), framed.shape[1])
    turns = (left + column) * height + top + row
    goes_on = np.flatnonzero(turns[1:] == turns[:-1])
    if len(goes_on):
        turns = np.delete(turns, np.concatenate([goes_on, goes_on + 1]))
    ends = np.append(turns[turns < width * height], width * height)
    counts = np.diff(ends, prepend=0).tolist()
    code = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return Mask(code["counts"].decode(), size_wh)
