"""Random changes to training images, by name; boxes, masks and lines follow, what vanishes is dropped.

All randomness is torch's global state at the time of the call, so that whoever seeds it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    from teppr.architectures.contract import Sample

GREY = 114
"""What fills the places that a moved image leaves free."""
SMALLEST_SIDE_PX = 2
"""Below it an object counts as vanished."""


def _flip_horizontal() -> Any:  # noqa: ANN401 - torchvision has no types
    from torchvision.transforms import v2

    return v2.RandomHorizontalFlip(0.5)


def _flip_vertical() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    return v2.RandomVerticalFlip(0.5)


def _color_jitter() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    return v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03)


def _scale_jitter() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    # Within a frame of constant size, so that each step costs the same.
    move = v2.RandomAffine(degrees=0, translate=(0.1, 0.1), scale=(0.7, 1.4), fill=_fill())
    return v2.RandomApply([move], p=0.7)


def _fill() -> dict[Any, int]:
    from torchvision import tv_tensors

    return {tv_tensors.Image: GREY, "others": 0}


def _rotate() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    return v2.RandomApply([v2.RandomRotation(10, fill=_fill())], p=0.5)


def _grayscale() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    return v2.RandomGrayscale(0.1)


def _blur() -> Any:  # noqa: ANN401
    from torchvision.transforms import v2

    return v2.RandomApply([v2.GaussianBlur(5, sigma=(0.1, 1.5))], p=0.3)


AUGMENTATIONS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "blur": _blur,
        "color_jitter": _color_jitter,
        "flip_horizontal": _flip_horizontal,
        "flip_vertical": _flip_vertical,
        "grayscale": _grayscale,
        "rotate": _rotate,
        "scale_jitter": _scale_jitter,
    }
)
"""What an experiment's `train.augment` may list."""


class Augmenter:
    """The changes of one experiment, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        from torchvision.transforms import v2

        self._transform = v2.Compose([AUGMENTATIONS[name]() for name in names]) if names else None
        # A turned box is larger than its object; where there is a mask, it says how large.
        self._boxes_from_masks = "rotate" in names

    def __call__(self, sample: Sample) -> Sample:
        """A changed copy, of the same size."""
        if self._transform is None:
            return sample
        import torch
        from torchvision import tv_tensors

        height, width = sample.image.shape[-2:]
        boxes = tv_tensors.BoundingBoxes(sample.boxes_xyxy_px, format="XYXY", canvas_size=(height, width))
        masks = None if sample.masks is None else tv_tensors.Mask(sample.masks)
        if sample.lines_px is None:
            image, boxes, masks = self._transform(tv_tensors.Image(sample.image), boxes, masks)
            return self._without_the_vanished(sample, image, boxes, masks)
        points = torch.cat([torch.zeros(0, 2), *sample.lines_px])
        points = tv_tensors.KeyPoints(points, canvas_size=(height, width))
        image, points, masks = self._transform(tv_tensors.Image(sample.image), points, masks)
        return _without_vanished_lines(sample, image, points.as_subclass(torch.Tensor), masks)

    def _without_the_vanished(
        self, sample: Sample, image: torch.Tensor, boxes: torch.Tensor, masks: torch.Tensor | None
    ) -> Sample:
        from torchvision.ops import clip_boxes_to_image, masks_to_boxes

        plain = clip_boxes_to_image(boxes.as_subclass(_tensor()), image.shape[-2:])
        kept = (plain[:, 2:] - plain[:, :2]).min(dim=1).values >= SMALLEST_SIDE_PX
        bitmaps = None
        if masks is not None:
            bitmaps = masks.as_subclass(_tensor())
            kept &= bitmaps.flatten(1).any(dim=1)
            bitmaps = bitmaps[kept]
        plain = plain[kept]
        if self._boxes_from_masks and bitmaps is not None and len(bitmaps):
            ends = plain.new_tensor([0, 0, 1, 1])
            plain = masks_to_boxes(bitmaps).to(plain.dtype) + ends
        return replace(
            sample,
            image=image.as_subclass(_tensor()),
            boxes_xyxy_px=plain,
            label_ids=sample.label_ids[kept],
            masks=bitmaps,
        )


def _without_vanished_lines(
    sample: Sample, image: torch.Tensor, points: torch.Tensor, masks: torch.Tensor | None
) -> Sample:
    """A line has vanished when none of its points is left in the image."""
    height, width = image.shape[-2:]
    ends_at = np.cumsum([0, *map(len, sample.lines_px or ())]).tolist()
    lines = [points[start:end] for start, end in pairwise(ends_at)]
    ends = points.new_tensor([width, height])
    kept = [i for i, line in enumerate(lines) if ((line >= 0) & (line <= ends)).all(dim=1).any()]
    boxes = [_box_around(lines[i].clamp(min=points.new_zeros(2), max=ends)) for i in kept]
    return replace(
        sample,
        image=image.as_subclass(_tensor()),
        boxes_xyxy_px=points.new_tensor(boxes).reshape(-1, 4),
        label_ids=sample.label_ids[kept],
        masks=None if masks is None else masks.as_subclass(_tensor())[kept],
        lines_px=tuple(lines[i] for i in kept),
    )


def _box_around(points: torch.Tensor) -> list[float]:
    return [*points.amin(dim=0).tolist(), *points.amax(dim=0).tolist()]


def _tensor() -> type[torch.Tensor]:
    import torch

    return torch.Tensor
