"""Masks as pictures of the whole image, one for each object; a box has one that is filled."""

from __future__ import annotations

import math

import cv2
import numpy as np

from teppr.errors import BadImage
from teppr.formats._shape_words import BadShape
from teppr.geometry import bitmap_of_mask, mask_of_bitmap
from teppr.images import DEFAULT_MAX_PIXELS, decode
from teppr.types import Mask, Rect

_BOX_TOLERANCE_PX = 1
"""By how much the drawing of a box may differ from it, since pixels are whole."""


def picture_of_mask(mask: Mask) -> bytes:
    """The mask as a PNG of one bit a pixel."""
    _, picture = cv2.imencode(".png", bitmap_of_mask(mask) * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])
    return picture.tobytes()


def mask_of_picture(picture: bytes, size_wh: tuple[int, int] | None) -> Mask:
    """The mask that a picture shows, all but black inside; raises BadShape where it is none of the image's size."""
    most = DEFAULT_MAX_PIXELS if size_wh is None else math.prod(size_wh)
    try:
        pixels, facts = decode(picture, name="the mask", max_pixels=min(most, DEFAULT_MAX_PIXELS))
    except BadImage as error:
        raise BadShape(f"a mask must be a picture: {error}", where=".mask", kind=Mask.kind) from error
    if size_wh is not None and facts.size_wh != size_wh:
        message = f"a mask must have its image's size, got {facts.size_wh} for an image of {size_wh}"
        raise BadShape(message, where=".mask", value=facts.size_wh, kind=Mask.kind)
    return mask_of_bitmap(np.asarray(pixels.max(axis=2) > 0, dtype=np.uint8))


def fills_box(mask: Mask, box: Rect) -> bool:
    """Whether the mask is but the drawing of the box, as far as it lies inside the image."""
    bitmap = bitmap_of_mask(mask)
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    if not len(rows):
        return True
    drawn = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    if int(bitmap.sum()) != (drawn[2] - drawn[0]) * (drawn[3] - drawn[1]):
        return False
    width, height = mask.size_wh
    xs = np.clip(sorted((box.x, box.x + box.width)), 0, width)
    ys = np.clip(sorted((box.y, box.y + box.height)), 0, height)
    return bool(np.abs(np.subtract(drawn, (xs[0], ys[0], xs[1], ys[1]))).max() <= _BOX_TOLERANCE_PX)
