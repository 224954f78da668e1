"""An image as a network takes it: at its size, in its order of colours and axes, scaled and normalised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.decode import LOWEST_SCORE_0_1
from teppr.errors import BadInput
from teppr.images import Pixels, letterbox, resize_to_fit, stretch
from teppr.types import ModelCard

Tensor: TypeAlias = npt.NDArray[Any]

KINDS: Mapping[str, type[np.generic]] = MappingProxyType(
    {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
)
"""What an input may be made of, as ONNX Runtime calls it; bytes are fed as they are, neither scaled nor normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """An image at the size in which a network takes it.

    size_wh: of the image itself
    lowest_score_0_1: what scores lower is left out
    content_xyxy_px: where in the pixels the image lies; None = all of them are of it
    """

    pixels: Pixels
    size_wh: tuple[int, int]
    lowest_score_0_1: float
    content_xyxy_px: tuple[int, int, int, int] | None = None


def fit(card: ModelCard, pixels: Pixels, lowest_score_0_1: float = LOWEST_SCORE_0_1) -> Fed:
    """An RGB image [h, w, 3] at the size that the card asks for; raises BadInput for what is none."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BadInput(f"an image must be uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}")
    size_wh = (pixels.shape[1], pixels.shape[0])
    fixed_wh = card.fixed_size_wh
    if fixed_wh is None:
        return Fed(resize_to_fit(pixels, card.image_size_px), size_wh, lowest_score_0_1)
    if not card.letterbox:
        return Fed(stretch(pixels, fixed_wh), size_wh, lowest_score_0_1)
    boxed, content_xyxy_px = letterbox(pixels, fixed_wh)
    return Fed(boxed, size_wh, lowest_score_0_1, content_xyxy_px)


def tensor(card: ModelCard, fed: Pixels, kind: type[np.generic] = np.float32) -> Tensor:
    """The pixels of a fitted image as numbers for the network, without an axis for several images."""
    ordered = fed[:, :, ::-1] if card.color_order == "BGR" else fed
    axes = ordered.transpose(2, 0, 1) if card.layout == "CHW" else ordered
    if kind is np.uint8:
        return np.ascontiguousarray(axes)
    values = np.ascontiguousarray(axes, dtype=np.float32) * np.float32(card.scale)
    if card.mean is not None:
        values -= _a_channel(card, card.mean)
    if card.std is not None:
        values /= _a_channel(card, card.std)
    return values.astype(kind, copy=False)


def _a_channel(card: ModelCard, values: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    shape = (3, 1, 1) if card.layout == "CHW" else (1, 1, 3)
    return np.array(values, np.float32).reshape(shape)
