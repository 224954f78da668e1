"""Masks as formats have them that draw in a box: a bitmap and where its top left corner lies in the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from teppr.errors import BadInput
from teppr.geometry import Bitmap, bitmap_of_mask, mask_of_bitmap
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.types import ImageRecord, Ints, Mask, Region


class BoxedBitmap(NamedTuple):
    """A bitmap [height, width] of 0 and 1, and the pixel of the image that its first is."""

    bitmap: Bitmap
    left: int
    top: int


def mask_of_box(boxed: BoxedBitmap, size_wh: tuple[int, int]) -> Mask:
    """The mask of an image; raises BadInput where the bitmap leaves it, or where it has more pixels than any may."""
    check_pixels(size_wh)
    height, width = boxed.bitmap.shape
    right, bottom = boxed.left + width, boxed.top + height
    if boxed.left < 0 or boxed.top < 0 or right > size_wh[0] or bottom > size_wh[1]:
        raise BadInput(
            f"a mask must lie inside its image of {size_wh[0]} x {size_wh[1]} pixels, "
            f"got {width} x {height} at ({boxed.left}, {boxed.top})"
        )
    whole = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    whole[boxed.top : bottom, boxed.left : right] = boxed.bitmap
    return mask_of_bitmap(whole)


def box_of_mask(mask: Mask) -> BoxedBitmap | None:
    """The smallest bitmap that holds the mask; None for a mask without pixels."""
    whole = bitmap_of_mask(mask)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not len(rows):
        return None
    left, top = int(columns[0]), int(rows[0])
    return BoxedBitmap(whole[top : rows[-1] + 1, left : columns[-1] + 1], left, top)


def bitmap_of_rows(runs: Sequence[int], size_wh: tuple[int, int]) -> Bitmap:
    """The bitmap of runs along the rows, of pixels outside and inside by turns; raises BadInput for other runs."""
    check_pixels(size_wh)
    width, height = size_wh
    if sum(runs) != width * height:
        raise BadInput(f"the runs of a mask must cover {width} x {height} = {width * height} pixels, got {sum(runs)}")
    values = np.arange(len(runs), dtype=np.uint8) & 1
    return np.repeat(values, runs).reshape(height, width)


def rows_of_bitmap(bitmap: Bitmap) -> list[int]:
    """Runs along the rows, of pixels outside and inside by turns; the first may be 0."""
    lengths: list[int] = run_lengths(bitmap.ravel()).tolist()
    return [0, *lengths] if bitmap.flat[0] else lengths


def run_lengths(values: Bitmap) -> Ints:
    """How often each value stands in a row."""
    ends: Ints = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(values))
    return np.diff(ends, prepend=0)


def check_pixels(size_wh: tuple[int, int]) -> None:
    """Raise BadInput for a size that no bitmap can have, before it is made."""
    width, height = size_wh
    if min(size_wh) < 1 or width * height > DEFAULT_MAX_PIXELS:
        raise BadInput(f"a mask must cover from 1 to {DEFAULT_MAX_PIXELS} pixels, got {width} x {height}")


def size_with_masks(record: ImageRecord) -> tuple[int, int] | None:
    """The image's size or, where it is not said, that of its masks, which cannot be placed without one."""
    if record.size_wh is not None:
        return record.size_wh
    masks = (region.shape for region in record.regions if isinstance(region, Region))
    return next((mask.size_wh for mask in masks if isinstance(mask, Mask)), None)
