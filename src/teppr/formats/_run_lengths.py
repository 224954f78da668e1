"""COCO's run-length codes: lists of runs, and pycocotools' compressed text; checked, which pycocotools does not.

Runs go down the columns, of pixels outside and inside by turns; a text holds them by six bits a character.
"""

from __future__ import annotations

from collections.abc import Sequence

from pycocotools import mask as coco_mask

from teppr.errors import BadInput
from teppr.types import Mask

_MOST_PIXELS = 2**27
"""Beyond any image that is annotated whole; a longer code would only fill the memory when it is drawn."""
_MOST_SHIFTED_BITS = 60


def mask_of_runs(runs: Sequence[int], size_wh: tuple[int, int]) -> Mask:
    """The mask of a plain list of runs; raises BadInput where they do not cover the image exactly."""
    _check_cover(runs, size_wh)
    width, height = size_wh
    code = coco_mask.frPyObjects({"counts": list(runs), "size": [height, width]}, height, width)
    return Mask(code["counts"].decode(), size_wh, compressed_in_file=False)


def mask_of_text(counts: str, size_wh: tuple[int, int]) -> Mask:
    """The mask of a compressed text; raises BadInput where it is none, or does not cover the image exactly."""
    _check_cover(runs_of_text(counts), size_wh)
    return Mask(counts, size_wh)


def runs_of_text(counts: str) -> list[int]:
    """The runs that a compressed text holds; raises BadInput for any other text."""
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > _MOST_SHIFTED_BITS:
            raise BadInput(f"a compressed run-length code cannot hold {character!r} as part {len(runs)}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        # From the third on, a run is told as its difference from the one before the last.
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise BadInput("a compressed run-length code ends within a number")
    return runs


def _check_cover(runs: Sequence[int], size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if width * height > _MOST_PIXELS:
        raise BadInput(f"a mask must not cover more than {_MOST_PIXELS} pixels, got {width} x {height}")
    if runs and min(runs) < 0:
        raise BadInput(f"runs of a mask must not be negative, got {min(runs)}")
    if sum(runs) != width * height:
        raise BadInput(f"the runs of a mask must cover {width} x {height} = {width * height} pixels, got {sum(runs)}")
