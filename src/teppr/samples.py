"""What a network is fed: the hand-over from datasets to architectures.

This module names torch only in annotations, so that neither side needs a training framework to be listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image with its truth, as the network is fed.

    image: uint8 tensor [3, height, width], RGB, resized (`teppr.images.resize_for_network`) and augmented
    boxes_xyxy_px: float32 tensor [n, 4] in the pixels of `image`: around each object or line; the whole image for each
        label of the image as such
    label_ids: int64 tensor [n], from 0
    masks: bool tensor [n, height, width], or None where the dataset has boxes only
    image_id: the image's id in its dataset
    lines_px: float32 tensors [points, 2] of x and y, one for each of n lines, parts of which may lie outside the
        image; None where it is not lines that are learned
    """

    image: torch.Tensor
    boxes_xyxy_px: torch.Tensor
    label_ids: torch.Tensor
    masks: torch.Tensor | None
    image_id: int
    lines_px: tuple[torch.Tensor, ...] | None = None
