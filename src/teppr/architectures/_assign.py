"""Which points of a one-stage network answer for which object: those that already do so best, few or many as needed.

The rule is RTMDet's (https://arxiv.org/abs/2212.07784): what a point would cost as an object's is what it says of the
label and of the box, and how far it lies from the middle; the better the boxes around an object, the more points.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import box_iou

from teppr.architectures._dense import Dense

MOST_POINTS = 13
"""That an object's number of points is reckoned by."""
BOX_WEIGHT = 3.0
MIDDLE_STRIDES = 3
"""Distance from an object's middle, in strides, from which on a point's place weighs more than what it says."""
NEVER = 1e8
"""The cost of a point outside of an object."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assigned:
    """Of one image: the points that answer [k], for which object each [k], and the IoU of what each says [k]."""

    points: torch.Tensor
    objects: torch.Tensor
    quality_0_1: torch.Tensor


@torch.no_grad()
def assign(said: Dense, boxes_xyxy_px: torch.Tensor, label_ids: torch.Tensor) -> Assigned:
    """From what the points say of one image and its objects' boxes [n, 4] and labels [n]; a point has one object."""
    if not len(boxes_xyxy_px):
        nothing = label_ids.new_zeros(0)
        return Assigned(points=nothing, objects=nothing, quality_0_1=boxes_xyxy_px.new_zeros(0))
    overlap = box_iou(boxes_xyxy_px, said.boxes_xyxy_px)
    cost = _cost(said, boxes_xyxy_px, label_ids, overlap)
    possible = cost < NEVER
    wanted = (overlap * possible).topk(min(MOST_POINTS, overlap.shape[1])).values.sum(dim=1).int().clamp(min=1)
    chosen = possible & (cost.argsort(dim=1).argsort(dim=1) < wanted[:, None])
    points = chosen.any(dim=0).nonzero().squeeze(1)
    objects = cost.where(chosen, torch.inf).argmin(dim=0)[points]
    return Assigned(points=points, objects=objects, quality_0_1=overlap[objects, points])


def _cost(said: Dense, boxes_xyxy_px: torch.Tensor, label_ids: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
    """What each point would cost as each object's, [objects, points]."""
    low = said.points_xy_px[None] - boxes_xyxy_px[:, None, :2]
    high = boxes_xyxy_px[:, None, 2:] - said.points_xy_px[None]
    inside = torch.minimum(low, high).amin(dim=2) > 0
    away = (low - high).norm(dim=2) / 2 / said.strides_px
    # An object that is smaller than the points lie apart may have none inside: then the nearest is its own.
    inside |= away == away.amin(dim=1, keepdim=True)
    logits = said.logits[:, label_ids].T
    of_label = binary_cross_entropy_with_logits(logits, overlap, reduction="none") * (overlap - logits.sigmoid()) ** 2
    of_box = -BOX_WEIGHT * overlap.clamp(min=1e-7).log()
    cost: torch.Tensor = of_label + of_box + 10 ** (away - MIDDLE_STRIDES)
    return cost.where(inside, NEVER).clamp(max=NEVER)
