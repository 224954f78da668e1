"""The parts that region-based networks are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from teppr.architectures._body import IMAGENET_MEAN, IMAGENET_STD, Embodied, pyramid
from teppr.architectures.contract import BuildOptions
from teppr.decode import LOWEST_SCORE_0_1, MOST_DETECTIONS

SMALLEST_ANCHOR_PX = 24
LARGEST_ANCHOR_SHARE = 0.7
"""Of the image's longer side."""
SIZES_PER_LEVEL = 2
ASPECT_RATIOS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The measures of one network.

    levels: modules of the body whose output is used, and their channels; the first has a stride of 8 or 4
    channels: of the feature pyramid
    proposals_train, proposals_test: regions looked at per image
    """

    levels: Mapping[str, int]
    channels: int
    box_head: int
    mask_head: tuple[int, ...]
    proposals_train: int
    proposals_test: int
    rpn_batch: int
    roi_batch: int


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        # For processors without a GPU: a tenth of the stock heads' cost, and as exact on a few labels.
        "mobilenet_v2": Plan(
            levels={"6": 32, "13": 96, "17": 320},
            channels=64,
            box_head=256,
            mask_head=(64, 64),
            proposals_train=150,
            proposals_test=60,
            rpn_batch=128,
            roi_batch=64,
        ),
        # torchvision's own measures, for GPUs.
        "resnet50": Plan(
            levels={"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048},
            channels=256,
            box_head=1024,
            mask_head=(256, 256, 256, 256),
            proposals_train=2000,
            proposals_test=1000,
            rpn_batch=256,
            roi_batch=512,
        ),
    }
)


class Normalise(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Normalises and stacks; images come in at their final size, and what is found stays in its pixels.

    Masks stay as the network makes them, over their boxes: `teppr.decode` stretches them.
    """

    def __init__(self) -> None:
        super().__init__(1, 1, list(IMAGENET_MEAN), list(IMAGENET_STD))

    def resize(
        self, image: torch.Tensor, target: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
        """The same."""
        return image, target

    def postprocess(
        self,
        result: list[dict[str, torch.Tensor]],
        image_shapes: list[tuple[int, int]],  # noqa: ARG002 - torchvision's signature
        original_image_sizes: list[tuple[int, int]],  # noqa: ARG002
    ) -> list[dict[str, torch.Tensor]]:
        """The same."""
        return result


class Rcnn(Embodied):
    """A region-based network."""

    def __init__(self, options: BuildOptions, detector: FasterRCNN) -> None:
        super().__init__(options)
        self.detector = detector

    @property
    def backbone(self) -> BackboneWithFPN:
        """See `Embodied`."""
        return self.detector.backbone

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]] | None = None) -> Any:  # noqa: ANN401 - losses or detections, as torchvision's
        """Losses in training mode, detections otherwise."""
        return self.detector(images, targets)


def build_rcnn(options: BuildOptions) -> Rcnn:
    """The network that `options` asks for, with its backbone's weights."""
    plan = PLANS[options.backbone]
    backbone = pyramid(options, plan.levels, plan.channels)
    names = ["0", "1", "2", "3"][: len(plan.levels)]
    settings: dict[str, Any] = {
        "rpn_anchor_generator": _anchors(options.image_size_px, len(plan.levels) + 1),
        "rpn_pre_nms_top_n_train": 2 * plan.proposals_train,
        "rpn_pre_nms_top_n_test": 2 * plan.proposals_test,
        "rpn_post_nms_top_n_train": plan.proposals_train,
        "rpn_post_nms_top_n_test": plan.proposals_test,
        "rpn_batch_size_per_image": plan.rpn_batch,
        "box_batch_size_per_image": plan.roi_batch,
        "box_roi_pool": MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2),
        "box_head": TwoMLPHead(plan.channels * 7**2, plan.box_head),
        "box_predictor": FastRCNNPredictor(plan.box_head, options.label_count + 1),
        "box_score_thresh": LOWEST_SCORE_0_1,
        "box_detections_per_img": MOST_DETECTIONS,
    }
    with_masks = options.task == "segment"
    if with_masks:
        inner = plan.mask_head[-1]
        settings["mask_roi_pool"] = MultiScaleRoIAlign(names, output_size=14, sampling_ratio=2)
        settings["mask_head"] = MaskRCNNHeads(plan.channels, plan.mask_head, 1)
        settings["mask_predictor"] = MaskRCNNPredictor(inner, inner, options.label_count + 1)
    detector = (MaskRCNN if with_masks else FasterRCNN)(backbone, num_classes=None, **settings)
    detector.transform = Normalise()
    return Rcnn(options, detector)


def _anchors(image_size_px: int, levels: int) -> AnchorGenerator:
    # From small to nearly the whole image in even steps, whatever the image's size.
    largest = LARGEST_ANCHOR_SHARE * image_size_px
    sizes = np.geomspace(SMALLEST_ANCHOR_PX, largest, levels * SIZES_PER_LEVEL).round().astype(int).tolist()
    per_level = tuple(tuple(sizes[i : i + SIZES_PER_LEVEL]) for i in range(0, len(sizes), SIZES_PER_LEVEL))
    return AnchorGenerator(per_level, (ASPECT_RATIOS,) * levels)
