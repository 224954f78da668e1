"""Random changes to training images, by name; boxes and masks follow, what vanishes is dropped.

All randomness is torch's global state at the time of the call, so that whoever seeds it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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
        from torchvision import tv_tensors

        height, width = sample.image.shape[-2:]
        boxes = tv_tensors.BoundingBoxes(sample.boxes_xyxy_px, format="XYXY", canvas_size=(height, width))
        masks = None if sample.masks is None else tv_tensors.Mask(sample.masks)
        image, boxes, masks = self._transform(tv_tensors.Image(sample.image), boxes, masks)
        return self._without_the_vanished(sample, image, boxes, masks)

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


def _tensor() -> type[torch.Tensor]:
    import torch

    return torch.Tensor
