"""A one-stage network: every point of every level of a feature pyramid says how likely it is to be within an object of
each label, and where that object's sides are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Self

import torch
from torch import nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import Conv2dNormActivation

from teppr.architectures._body import IMAGENET_MEAN, IMAGENET_STD, Embodied, pyramid
from teppr.architectures.contract import BuildOptions

STRIDES_PX = (8, 16, 32, 64)
"""How far the points of each level lie apart."""
FIRST_CHANCE_0_1 = 0.01
"""What a network that has learned nothing says of each point, so that the many empty ones do not drown the others."""
FIRST_SIDE_STRIDES = 2.0
"""How far away it says that the sides are."""
FARTHEST_LOG = 6.0
"""No side is farther than a point's stride times e to this, so that nothing overflows."""
CHANNELS_A_GROUP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The measures of one network.

    levels: modules of the body whose output is used, of the strides 8, 16 and 32, and their channels
    channels: of the feature pyramid and the head; tower: blocks of the head before its answers
    """

    levels: Mapping[str, int]
    channels: int
    tower: int


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "mobilenet_v2": Plan(levels={"6": 32, "13": 96, "16": 160}, channels=64, tower=2),
        "mobilenet_v3_large": Plan(levels={"6": 40, "12": 112, "15": 160}, channels=64, tower=2),
        "resnet18": Plan(levels={"layer2": 128, "layer3": 256, "layer4": 512}, channels=96, tower=2),
        "resnet50": Plan(levels={"layer2": 512, "layer3": 1024, "layer4": 2048}, channels=256, tower=3),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """What all points say of n images, the levels' points one after the other; of one image the first axis lacks.

    logits: [n, points, labels]; boxes_xyxy_px: [n, points, 4]
    points_xy_px: [points, 2]; strides_px: [points], how far the points around each lie apart
    """

    logits: torch.Tensor
    boxes_xyxy_px: torch.Tensor
    points_xy_px: torch.Tensor
    strides_px: torch.Tensor

    def of_image(self, index: int) -> Self:
        """What they say of one image."""
        return replace(self, logits=self.logits[index], boxes_xyxy_px=self.boxes_xyxy_px[index])


class OneStage(Embodied):
    """A network with one head for all levels."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, options: BuildOptions) -> None:
        super().__init__(options)
        plan = PLANS[options.backbone]
        self.pyramid = pyramid(options, plan.levels, plan.channels)
        # The tower looks around each place by itself; the pyramid's own convolutions would cost a tenth more.
        self.pyramid.fpn.layer_blocks = nn.ModuleList(nn.Identity() for _ in plan.levels)
        self.tower = _tower(plan)
        self.logits = _answer(plan.channels, options.label_count, -math.log(1 / FIRST_CHANCE_0_1 - 1))
        self.sides = _answer(plan.channels, 4, math.log(FIRST_SIDE_STRIDES))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(3, 1, 1), persistent=False)

    @property
    def backbone(self) -> BackboneWithFPN:
        """See `Embodied`."""
        return self.pyramid

    def forward(self, images: torch.Tensor) -> Dense:
        """From images [n, 3, h, w] in 0..1 of any size."""
        levels = self.pyramid((images - self.mean) / self.std).values()
        said = [self._level(level, stride) for level, stride in zip(levels, STRIDES_PX, strict=True)]
        return Dense(
            logits=torch.cat([level.logits for level in said], dim=1),
            boxes_xyxy_px=torch.cat([level.boxes_xyxy_px for level in said], dim=1),
            points_xy_px=torch.cat([level.points_xy_px for level in said]),
            strides_px=torch.cat([level.strides_px for level in said]),
        )

    def _level(self, level: torch.Tensor, stride_px: int) -> Dense:
        points = _points(level, stride_px)
        seen = self.tower(level)
        far = _by_point(self.sides(seen)).clamp(max=FARTHEST_LOG).exp() * stride_px
        return Dense(
            logits=_by_point(self.logits(seen)),
            boxes_xyxy_px=torch.cat([points - far[..., :2], points + far[..., 2:]], dim=2),
            points_xy_px=points,
            strides_px=torch.full_like(points[:, 0], stride_px),
        )


def _tower(plan: Plan) -> nn.Sequential:
    # Each channel by itself over 5 x 5, then all channels of each place: a tenth of a full convolution's cost.
    channels, norm = plan.channels, partial(nn.GroupNorm, plan.channels // CHANNELS_A_GROUP)
    blocks: list[nn.Module] = []
    for _ in range(plan.tower):
        blocks.append(nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False))
        blocks.append(Conv2dNormActivation(channels, channels, 1, norm_layer=norm))
    return nn.Sequential(*blocks)


def _answer(channels: int, answers: int, at_first: float) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, answers, 3, padding=1)
    nn.init.normal_(convolution.weight, std=0.01)
    nn.init.constant_(convolution.bias, at_first)  # type: ignore[arg-type]
    return convolution


def _by_point(values: torch.Tensor) -> torch.Tensor:
    """From [n, c, h, w] to [n, h * w, c], in 32 bits."""
    return values.flatten(2).transpose(1, 2).float()


def _points(level: torch.Tensor, stride_px: int) -> torch.Tensor:
    """The middles of a level's cells [h * w, 2], row by row, in the image's pixels."""
    height, width = level.shape[-2:]
    x = (torch.arange(width, device=level.device) + 0.5) * stride_px
    y = (torch.arange(height, device=level.device) + 0.5) * stride_px
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=2).reshape(-1, 2)
