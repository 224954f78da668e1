"""How images are fed to a foreign network: what its file says, what was said of it, and what is usual otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from teppr.errors import BadInput
from teppr.types import ModelCard
from teppr.workflow.onnx_file import OnnxFile, Taken

IN_RATIO = frozenset({"boxes", "mask"})
"""Kinds of answer whose networks take images in their ratio, where they take any size."""
LETTERBOXED = frozenset({"yolo"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What was said of how images are fed.

    size_px: width and height, or one number: the longer side, or both where images are not fed in their ratio; empty =
        as the file says
    layout: "CHW", "HWC"; "" = as the file says
    scale: None = 1/255; where a network takes bytes nothing is scaled
    letterbox: True: the ratio kept amid grey; False: stretched; None = letterboxed for YOLO, in their ratio for a
        network of objects that takes any size, and otherwise stretched
    """

    size_px: tuple[int, ...] = ()
    layout: str = ""
    color_order: str = "RGB"
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    letterbox: bool | None = None


def fed_as(feed: Feed, file: OnnxFile, taken: Taken, kind: str) -> dict[str, Any]:
    """The fields of a model card about its input; raises BadInput for what contradicts the file, or is lacking."""
    return {
        **_size(feed, file, taken, kind),
        "layout": taken.layout,
        "color_order": feed.color_order,
        "scale": _scale(feed, file),
        "mean": feed.mean,
        "std": feed.std,
        "inputs": (file.inputs[0].name,),
    }


def said(card: ModelCard, file: OnnxFile) -> str:
    """How images are fed, in words."""
    size = card.fixed_size_wh
    how = f"the longer side at {card.image_size_px} px, the ratio kept"
    if size:
        how = f"{'letterboxed' if card.letterbox else 'stretched'} to {size[0]} x {size[1]}"
    values = "bytes" if file.kind is np.uint8 else f"pixels times {card.scale:.6g}"
    less = "" if card.mean is None else f", less {list(card.mean)}"
    by = "" if card.std is None else f", divided by {list(card.std)}"
    return f"{file.inputs[0]}: {how}; {card.color_order} {card.layout}, {values}{less}{by}"


def _size(feed: Feed, file: OnnxFile, taken: Taken, kind: str) -> dict[str, Any]:
    width, height = taken.size_wh
    asked = feed.size_px * 2 if len(feed.size_px) == 1 else feed.size_px
    if any(mine not in {None, theirs} for mine, theirs in zip((width, height), asked, strict=False)):
        raise BadInput(
            f"{file.path} takes images of one size, {file.inputs[0]}; --size says {asked[0]} x {asked[1]}: leave it out"
        )
    if None in {width, height} and not asked:
        raise BadInput(
            f"{file.path} takes images of any size, {file.inputs[0]}: give the one that it was trained at, --size 640 "
            f"or --size 640x480 (width x height)"
        )
    if (width, height) == (None, None) and kind in IN_RATIO and feed.letterbox is None and len(feed.size_px) == 1:
        return {"image_size_px": feed.size_px[0]}
    size_wh = width or asked[0], height or asked[1]
    square = size_wh[0] == size_wh[1]
    return {
        "image_size_px": max(size_wh),
        "square": square,
        "size_wh": None if square else size_wh,
        "letterbox": kind in LETTERBOXED if feed.letterbox is None else feed.letterbox,
    }


def _scale(feed: Feed, file: OnnxFile) -> float:
    if file.kind is np.uint8:
        if (feed.scale, feed.mean, feed.std) != (None, None, None):
            raise BadInput(f"{file.path} takes bytes, {file.inputs[0]}: leave out --scale, --mean and --std")
        return 1.0
    scale = 1 / 255 if feed.scale is None else feed.scale
    if scale <= 0:
        raise BadInput(f"a scale is above 0, got {scale:g}")
    if feed.mean is not None and not all(0 <= value <= 255 * scale for value in feed.mean):
        raise BadInput(
            f"a mean lies within what pixels become by --scale, 0 to {255 * scale:g}, got {list(feed.mean)}: means of "
            f"pixels 0..255 want --scale 1"
        )
    return scale
