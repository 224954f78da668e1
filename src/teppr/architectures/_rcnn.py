"""The parts that region-based networks are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from torchvision.models import mobilenet_v2, resnet50
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign

from teppr.architectures._weights import imagenet_state, load_backbone, state_of_file
from teppr.architectures.contract import BuildOptions
from teppr.decode import LOWEST_SCORE_0_1, MOST_DETECTIONS

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SMALLEST_ANCHOR_PX = 24
LARGEST_ANCHOR_SHARE = 0.7
"""Of the image's longer side."""
SIZES_PER_LEVEL = 2
ASPECT_RATIOS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The measures of one network.

    levels: modules of the body whose output is used, and their channels; the first has a stride of 8 or 4
    stem: the body's first modules, kept as ImageNet made them: edges and colours need no learning, and cost most
    channels: of the feature pyramid
    proposals_train, proposals_test: regions looked at per image
    """

    body: Callable[[], nn.Module]
    levels: Mapping[str, int]
    stem: tuple[str, ...]
    channels: int
    box_head: int
    mask_head: tuple[int, ...]
    proposals_train: int
    proposals_test: int
    rpn_batch: int
    roi_batch: int


def _mobilenet() -> nn.Module:
    return mobilenet_v2(weights=None).features  # type: ignore[no-any-return]


def _resnet() -> nn.Module:
    return resnet50(weights=None)  # type: ignore[no-any-return]


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        # For processors without a GPU: a tenth of the stock heads' cost, and as exact on a few labels.
        "mobilenet_v2": Plan(
            body=_mobilenet,
            levels={"6": 32, "13": 96, "17": 320},
            stem=("0", "1", "2", "3"),
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
            body=_resnet,
            levels={"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048},
            stem=("conv1", "bn1", "layer1"),
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


class Rcnn(nn.Module):
    """A region-based network.

    pretrained: its stem, and the statistics of its body's batch normalisation, stay as they are, batches being small
    """

    def __init__(self, detector: FasterRCNN, stem: tuple[str, ...], *, pretrained: bool) -> None:
        super().__init__()
        self.detector = detector
        self.stem = stem
        self.pretrained = pretrained

    @property
    def body(self) -> nn.Module:
        """The backbone's own layers."""
        body: nn.Module = self.detector.backbone.body
        return body

    @property
    def last_channels(self) -> int:
        """Features at each place of the body's last level."""
        channels: int = self.detector.backbone.fpn.inner_blocks[-1][0].in_channels
        return channels

    def set_trainable(self, *, with_body: bool) -> None:
        """Everything, or all but the body; the stem of a pretrained body never is."""
        self.requires_grad_(requires_grad=True)
        self.body.requires_grad_(requires_grad=with_body)
        if self.pretrained:
            for name in self.stem:
                self.body.get_submodule(name).requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> Self:
        """As for any module, but for the pretrained statistics."""
        super().train(mode)
        if self.pretrained:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]] | None = None) -> Any:  # noqa: ANN401 - losses or detections, as torchvision's
        """Losses in training mode, detections otherwise."""
        return self.detector(images, targets)


def build_rcnn(options: BuildOptions) -> Rcnn:
    """The network that `options` asks for, with its backbone's weights."""
    plan = PLANS[options.backbone]
    pyramid = _pyramid(plan, options)
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
    detector = (MaskRCNN if with_masks else FasterRCNN)(pyramid, num_classes=None, **settings)
    detector.transform = Normalise()
    return Rcnn(detector, plan.stem, pretrained=options.weights != "scratch")


def _pyramid(plan: Plan, options: BuildOptions) -> BackboneWithFPN:
    returned = {name: str(i) for i, name in enumerate(plan.levels)}
    pyramid = BackboneWithFPN(plan.body(), returned, list(plan.levels.values()), plan.channels)
    if options.weights == "imagenet":
        load_backbone(pyramid.body, _body_state(plan, imagenet_state(options.backbone)), "ImageNet")
    elif options.weights not in {"scratch", "given"}:
        load_backbone(pyramid.body, _body_state(plan, state_of_file(Path(options.weights))), options.weights)
    return pyramid


def _body_state(plan: Plan, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # MobileNetV2's file names its layers "features.0 ...", the body here begins inside them.
    prefix = "" if plan.body is _resnet else "features."
    return {name.removeprefix(prefix): value for name, value in state.items()}


def _anchors(image_size_px: int, levels: int) -> AnchorGenerator:
    # From small to nearly the whole image in even steps, whatever the image's size.
    largest = LARGEST_ANCHOR_SHARE * image_size_px
    sizes = np.geomspace(SMALLEST_ANCHOR_PX, largest, levels * SIZES_PER_LEVEL).round().astype(int).tolist()
    per_level = tuple(tuple(sizes[i : i + SIZES_PER_LEVEL]) for i in range(0, len(sizes), SIZES_PER_LEVEL))
    return AnchorGenerator(per_level, (ASPECT_RATIOS,) * levels)
