"""What comes out of a network's graph, turned into detections in the pixels of the original image.

Training's own prediction and the ONNX runtime both end here, so that a published model finds what its training run did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from teppr.geometry import clip_xyxy, scale_boxes_xyxy, suppress
from teppr.types import Detections, Floats, Mask

Decoder: TypeAlias = Callable[..., Detections]
"""`decoder(outputs, network_size_wh=..., image_size_wh=..., lowest_score_0_1=...)`: the graph's outputs in order, the
image's size as the network was fed, the original's, and the score below which nothing is of interest."""

LOWEST_SCORE_0_1 = 0.05
MOST_DETECTIONS = 100
MASK_THRESHOLD_0_1 = 0.5
SAME_OBJECT_IOU = 0.6
MOST_CANDIDATES = 1000
"""Of an image's likely boxes, before those of the same object are left out."""
CHANCES_ADD_UP_WITHIN = 1e-3


def decode_boxes(
    outputs: Sequence[npt.NDArray[Any]],
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
) -> Detections:
    """From boxes [n, 4] (corners in the network's pixels), label ids [n] and scores [n]; best first."""
    boxes, label_ids, scores = (np.asarray(values) for values in outputs[:3])
    best = np.argsort(-scores, kind="stable")
    best = best[scores[best] >= max(LOWEST_SCORE_0_1, lowest_score_0_1)][:MOST_DETECTIONS]
    scaled = scale_boxes_xyxy(boxes.reshape(-1, 4)[best], network_size_wh, image_size_wh)
    return Detections(
        size_wh=image_size_wh,
        boxes_xyxy_px=clip_xyxy(scaled, image_size_wh).astype(np.float32),
        scores_0_1=scores[best].astype(np.float32),
        label_ids=label_ids[best].astype(np.int64),
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
    outputs: Sequence[npt.NDArray[Any]],
    *,
    network_size_wh: tuple[int, int],
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
) -> Detections:
    """As `decode_boxes`, and masks [n, side, side]: the chance of belonging to the object, over its box."""
    found = decode_boxes(
        outputs,
        network_size_wh=network_size_wh,
        image_size_wh=image_size_wh,
        lowest_score_0_1=lowest_score_0_1,
    )
    scores, masks = np.asarray(outputs[2]), np.asarray(outputs[3])
    best = np.argsort(-scores, kind="stable")[: len(found)]
    pasted = tuple(
        paste(masks[index], box, image_size_wh) for index, box in zip(best, found.boxes_xyxy_px, strict=True)
    )
    return Detections(
        size_wh=found.size_wh,
        boxes_xyxy_px=found.boxes_xyxy_px,
        scores_0_1=found.scores_0_1,
        label_ids=found.label_ids,
        masks=pasted,
    )


def decode_classes(
    outputs: Sequence[npt.NDArray[Any]],
    *,
    network_size_wh: tuple[int, int],  # noqa: ARG001 - as every decoder is called
    image_size_wh: tuple[int, int],
    lowest_score_0_1: float = LOWEST_SCORE_0_1,
) -> Detections:
    """From the chance of each label, or its logit, [labels]: the whole image as the box of each likely label; best
    first.
    """
    chances = _chances(np.asarray(outputs[0], dtype=np.float64).reshape(-1))
    best = np.argsort(-chances, kind="stable")[:MOST_DETECTIONS]
    best = best[chances[best] >= max(LOWEST_SCORE_0_1, lowest_score_0_1)]
    whole = np.array([0, 0, *image_size_wh], np.float32)
    return Detections(
        size_wh=image_size_wh,
        boxes_xyxy_px=np.tile(whole, (len(best), 1)),
        scores_0_1=chances[best].astype(np.float32),
        label_ids=best.astype(np.int64),
    )


def _chances(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Chances are none below zero and add up to one, which logits do not do by accident.
    if values.min() >= 0 and abs(values.sum() - 1) <= CHANCES_ADD_UP_WITHIN:
        return values
    powers = np.exp(values - values.max())
    chances: npt.NDArray[np.float64] = powers / powers.sum()
    return chances


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {"boxes": decode_boxes, "dense": decode_dense, "instances": decode_instances, "classes": decode_classes}
)
"""By the name that a model card gives."""


def paste(chances: Floats, box_xyxy_px: Floats, size_wh: tuple[int, int]) -> Mask:
    """The mask of an image: `chances` [side, side] stretched over the box, bilinear, where they are above a half."""
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
        borderMode=cv2.BORDER_CONSTANT,
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
