"""Label Studio's code of brush strokes: runs of the four bytes a pixel (red, green, blue, alpha), packed bit by bit.

A head says how many values follow (32 bits), how many bits one has less one (5), and four sizes of runs less one (4
each). Then run after run: whether one value is repeated (1 bit), which of the four sizes its length has (2), the
length less one, and the value, or as many values as the length says. A pixel is inside where its alpha is not 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from teppr.errors import BadInput
from teppr.formats._bitmaps import check_pixels, run_lengths
from teppr.geometry import bitmap_of_mask, mask_of_bitmap
from teppr.types import Mask

_CHANNELS = 4
_ALPHA = 3
_VALUE_BITS = 8
_RUN_BITS = (3, 4, 8, 16)
"""Sizes of runs that are written."""
_LONGEST = 1 << _RUN_BITS[-1]


def mask_of_brush(code: Sequence[object], size_wh: tuple[int, int]) -> Mask:
    """The mask of a code, a list of bytes; raises BadInput where it is none, or not of that size."""
    check_pixels(size_wh)
    width, height = size_wh
    try:
        bits = _Bits(bytes(code))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise BadInput("a brush must be a list of bytes from 0 to 255") from error
    count = bits.take(32)
    if count != width * height * _CHANNELS:
        raise BadInput(
            f"a brush must hold {_CHANNELS} values for each of {width} x {height} pixels, got {count} values"
        )
    values, lengths = _runs(bits, count)
    pixels = np.repeat(np.array(values, bool), lengths).reshape(height, width, _CHANNELS)
    return mask_of_bitmap(pixels[:, :, _ALPHA].astype(np.uint8))


def brush_of_mask(mask: Mask) -> list[int]:
    """The code of a mask, all four channels 255 where it is."""
    bitmap = bitmap_of_mask(mask).ravel()
    head = f"{len(bitmap) * _CHANNELS:032b}{_VALUE_BITS - 1:05b}" + "".join(f"{size - 1:04b}" for size in _RUN_BITS)
    runs = []
    inside = bool(bitmap[0])
    for length in run_lengths(bitmap).tolist():
        left = length * _CHANNELS
        while left:
            part = min(left, _LONGEST)
            runs.append(_run(part, inside=inside))
            left -= part
        inside = not inside
    text = head + "".join(runs)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8))


def _run(length: int, *, inside: bool) -> str:
    index = next(i for i, size in enumerate(_RUN_BITS) if length <= 1 << size)
    return f"1{index:02b}{length - 1:0{_RUN_BITS[index]}b}{255 * inside:0{_VALUE_BITS}b}"


def _runs(bits: _Bits, count: int) -> tuple[list[int], list[int]]:
    """Values and how often each stands there."""
    value_bits = bits.take(5) + 1
    sizes = [bits.take(4) + 1 for _ in range(4)]
    values: list[int] = []
    lengths: list[int] = []
    left = count
    while left:
        repeated = bits.take(1)
        length = bits.take(sizes[bits.take(2)]) + 1
        left -= length
        if left < 0:
            raise BadInput(f"a brush must hold {count} values, got {count - left} or more")
        values += [bits.take(value_bits) for _ in range(1 if repeated else length)]
        lengths += [length] if repeated else [1] * length
    return values, lengths


class _Bits:
    """Bytes that are read bit by bit, the highest first."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = 0

    def take(self, count: int) -> int:
        """The next bits as a number; raises BadInput behind the end."""
        end = self._at + count
        if end > 8 * len(self._code):
            raise BadInput(f"a brush must not end within a number, got {len(self._code)} bytes")
        around = int.from_bytes(self._code[self._at // 8 : -(-end // 8)])
        self._at = end
        return around >> (-end % 8) & ((1 << count) - 1)
