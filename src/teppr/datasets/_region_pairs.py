"""Which region of one table is which of another: as arrays, for there may be a million on each side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from teppr.types import Ints

SAME_OBJECT_IOU = 0.5
"""Boxes of one label that overlap so far are the same object, drawn anew."""
MARGIN_PX = 1.0
"""Boxes are widened by this before they are compared, so that points and straight lines have an overlap too."""
PAIRS_AT_ONCE = 4_000_000

Floats64 = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Rows of one table and, at the same place, those of the other that they belong to."""

    one: Ints
    other: Ints


def codes_of(*columns: pa.Array) -> Ints:
    """A number for each row, from 0 without gaps; equal where all columns have equal values."""
    together = _encoded(columns[0])
    for column in columns[1:]:
        more = _encoded(column)
        together = _dense(together * (more.max(initial=0) + 1) + more)
    return together


def _dense(codes: Ints) -> Ints:
    indices: Ints = pc.dictionary_encode(pa.array(codes)).indices.to_numpy().astype(np.int64)
    return indices


def _encoded(column: pa.Array) -> Ints:
    if pa.types.is_list(column.type):
        return codes_of(*_as_bytes(column))
    if pa.types.is_fixed_size_list(column.type):
        values = column.flatten().to_numpy().astype("<f8")
        width = 8 * column.type.list_size
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(column), [None, pa.py_buffer(values)])
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)


def _as_bytes(nested: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Lists of lists of numbers as two columns of bytes, which Arrow can compare: the numbers, and how many a list."""
    outer, lists = nested.offsets.to_numpy().astype(np.int64), nested.values
    inner = lists.offsets.to_numpy().astype(np.int64)
    numbers = lists.values.to_numpy().astype("<f8")
    return _binary(inner[outer] * 8, numbers), _binary((outer - outer[0]) * 8, np.diff(inner[outer[0] :]))


def _binary(ends_bytes: Ints, values: npt.NDArray[np.float64] | Ints) -> pa.Array:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(ends_bytes)), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ends_bytes) - 1, buffers)


def paired(one: Ints, other: Ints) -> Pairs:
    """Rows with equal codes, one to one: the first with the first, the second with the second."""
    lowest = max(one.max(initial=0), other.max(initial=0)) + 1
    keys, others = (codes + lowest * _occurrence(codes) for codes in (one, other))
    _, first, second = np.intersect1d(keys, others, assume_unique=True, return_indices=True)
    return Pairs(first, second)


def _occurrence(codes: Ints) -> Ints:
    """How many equal ones stand before each."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    places = np.arange(len(codes))
    first = np.maximum.accumulate(np.where(np.diff(ordered, prepend=-1) > 0, places, 0))
    found = np.empty(len(codes), np.int64)
    found[order] = places - first
    return found


def paired_by_place(one: Ints, other: Ints, one_boxes_xywh: Floats64, other_boxes_xywh: Floats64) -> Pairs:
    """Rows with equal codes whose boxes overlap by at least `SAME_OBJECT_IOU`, one to one, the best overlap first."""
    found = list(_overlapping(one, other, one_boxes_xywh, other_boxes_xywh))
    first, second, overlap = (np.concatenate([block[k] for block in found] or [np.zeros(0)]) for k in range(3))
    order = np.lexsort((second, first, -overlap))
    first, second = first[order].astype(np.int64), second[order].astype(np.int64)
    taken: list[Pairs] = []
    while len(first):
        best = np.intersect1d(np.unique(first, return_index=True)[1], np.unique(second, return_index=True)[1])
        taken.append(Pairs(first[best], second[best]))
        left = ~(np.isin(first, first[best]) | np.isin(second, second[best]))
        first, second = first[left], second[left]
    none: Sequence[Ints] = [np.zeros(0, np.int64)]
    return Pairs(*(np.concatenate([pairs[k] for pairs in taken] or none) for k in range(2)))


def _overlapping(
    one: Ints, other: Ints, one_boxes: Floats64, other_boxes: Floats64
) -> Iterator[tuple[Ints, Ints, Floats64]]:
    """Pairs with equal codes that overlap enough, and how far, a block at a time."""
    order = np.argsort(other, kind="stable")
    start, end = (np.searchsorted(other[order], one, side=side) for side in ("left", "right"))
    counts = end - start
    total = np.cumsum(counts)
    starts = np.arange(0, counts.sum(), PAIRS_AT_ONCE)
    blocks = np.searchsorted(total, starts, side="right").tolist()
    for begin, stop in zip(blocks, [*blocks[1:], len(one)], strict=False):
        own = counts[begin:stop]
        rows = np.repeat(np.arange(begin, stop), own)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(own) - own, own)
        partners = order[np.repeat(start[begin:stop], own) + within]
        overlap = _iou(one_boxes[rows], other_boxes[partners])
        enough = overlap >= SAME_OBJECT_IOU
        yield rows[enough], partners[enough], overlap[enough]


def _iou(one_xywh: Floats64, other_xywh: Floats64) -> Floats64:
    """Of each box with the one at the same place, both widened."""
    low = np.maximum(one_xywh[:, :2], other_xywh[:, :2]) - MARGIN_PX
    high = np.minimum(one_xywh[:, :2] + one_xywh[:, 2:], other_xywh[:, :2] + other_xywh[:, 2:]) + MARGIN_PX
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = [np.prod(boxes[:, 2:] + 2 * MARGIN_PX, axis=1) for boxes in (one_xywh, other_xywh)]
    overlap: Floats64 = shared / (areas[0] + areas[1] - shared)
    return overlap
