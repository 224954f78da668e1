"""LaneNet: the cells of each label's lanes, and an embedding of each cell that tells the lanes apart.

After "Towards End-to-End Lane Detection: an Instance Segmentation Approach" (Neven, De Brabandere, Georgoulis,
Proesmans, Van Gool, 2018). Curves are laid outside the network, by `teppr.lanes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.detection.backbone_utils import BackboneWithFPN

from teppr.architectures._body import EMBEDDING, IMAGENET_MEAN, IMAGENET_STD, Embodied, pyramid
from teppr.architectures._export import export_onnx
from teppr.architectures._scores import against_others, over_places
from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample, Trainable
from teppr.decode import DECODERS
from teppr.errors import BadInput, UnknownName
from teppr.lanes import CENTRE_APART, CENTRE_NEAR
from teppr.types import Detections

LEVELS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "mobilenet_v2": {"3": 24, "6": 32, "13": 96, "17": 320},
        "resnet18": {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512},
    }
)
"""Modules of each body whose output is used, and their channels; the first has a stride of 4."""
CHANNELS, GROUPS = 64, 8
EMBEDDING_SIZE = 4
LINE_SHARE, THINNEST_PX = 1 / 128, 3
"""How thick lines are drawn to be learned: a share of the image's longer side."""
PARTS_BITS = 4
IGNORED = -1
MAP_AXES: Mapping[int, str] = MappingProxyType({2: "rows", 3: "columns"})
WEIGHT_BOUND = 1.02
"""Bounds the weight of rare classes, 1 / ln(bound + share): 50 at most."""
SMALLEST_LENGTH = 1e-6


class LaneNet(Embodied):
    """Chances [n, 1 + labels, h / 4, w / 4], the background's first, and embeddings [n, 4, h / 4, w / 4] of images
    [n, 3, h, w] in 0..1.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, options: BuildOptions) -> None:
        super().__init__(options)
        levels = LEVELS[options.backbone]
        self.pyramid = pyramid(options, levels, CHANNELS)
        self.merge = nn.ModuleList(_block(CHANNELS) for _ in levels)
        self.labels = nn.Sequential(_block(CHANNELS), nn.Conv2d(CHANNELS, 1 + options.label_count, 1))
        # Where a cell lies tells lanes apart as nothing else does.
        self.embedding = nn.Sequential(_block(CHANNELS + 2), nn.Conv2d(CHANNELS, EMBEDDING_SIZE, 1))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    @property
    def backbone(self) -> BackboneWithFPN:
        """See `Embodied`."""
        return self.pyramid

    def logits(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The labels' logits and the embeddings."""
        levels = list(self.pyramid((images - self.mean) / self.std).values())[: len(self.merge)]
        size = levels[0].shape[-2:]
        merged = torch.stack(
            [
                functional.interpolate(merge(level), size=size, mode="bilinear", align_corners=False)
                for merge, level in zip(self.merge, levels, strict=True)
            ]
        ).sum(dim=0)
        return self.labels(merged), self.embedding(torch.cat([merged, _places(merged)], dim=1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Chances and embeddings."""
        logits, embeddings = self.logits(images)
        return logits.softmax(dim=1), embeddings


class Exportable(nn.Module):
    """The network's outputs and, at last, the mean over all places of the body's last features."""

    def __init__(self, network: LaneNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The outputs in the order in which `teppr.decode` takes them, and the embedding."""
        with self.network.embedded() as embeddings:
            chances, cells = self.network(images)
        return chances, cells, embeddings[0]


class LaneNetPlugin(Architecture):
    """See `Architecture`."""

    name: ClassVar[str] = "lanenet"
    title: ClassVar[str] = "LaneNet (segmentation and embedding of lanes)"
    tasks: ClassVar[tuple[str, ...]] = ("lanes",)
    framework: ClassVar[str] = "torch"
    requirements: ClassVar[tuple[str, ...]] = ("torch>=2.9", "torchvision>=0.24", "onnx>=1.17")
    backbones: ClassVar[tuple[str, ...]] = tuple(LEVELS)
    image_sizes_px: ClassVar[tuple[int, int]] = (64, 2048)
    stages: ClassVar[tuple[str, ...]] = ("heads", "all")

    def build(self, options: BuildOptions) -> nn.Module:
        """See `Architecture`."""
        if options.backbone not in self.backbones:
            raise UnknownName.of("backbone of lanenet", options.backbone, self.backbones)
        return LaneNet(options)

    def trainable(self, network: nn.Module, layers: str) -> list[Trainable]:
        """See `Architecture`."""
        if layers not in self.stages:
            raise UnknownName.of("choice of layers of lanenet", layers, self.stages)
        return _lanenet(network).set_trainable(with_body=layers == "all")

    def losses(self, network: nn.Module, samples: Sequence[Sample]) -> Mapping[str, torch.Tensor]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        images, masks = _padded(samples, device)
        logits, embeddings = _lanenet(network).logits(images)
        truth = [_cells(sample, mask, logits.shape[-2:]) for sample, mask in zip(samples, masks, strict=True)]
        label_ids = torch.stack([labels for labels, _ in truth])
        pull, push = discriminative_loss(embeddings, [lanes for _, lanes in truth])
        return {"labels": segmentation_loss(logits, label_ids), "pull": pull, "push": push}

    def predict(
        self, network: nn.Module, images: Sequence[torch.Tensor], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        network.eval()
        found = []
        with torch.inference_mode():
            for image, size_wh in zip(images, sizes_wh, strict=True):
                outputs = [output[0].float().cpu().numpy() for output in network(_as_fed(image, device)[None])]
                height, width = image.shape[-2:]
                found.append(DECODERS["lanes"](outputs, network_size_wh=(width, height), image_size_wh=size_wh))
        return found

    def export(self, network: nn.Module, folder: Path, image_size_px: int) -> Exported:
        """See `Architecture`."""
        path, outputs = folder / "model.onnx", ("chances", "embeddings")
        export_onnx(
            Exportable(_lanenet(network)),
            path,
            image_size_px=image_size_px,
            outputs=outputs,
            batch=True,
            embedding=EMBEDDING,
            varying=MAP_AXES,
        )
        return Exported(
            inputs=("image",),
            outputs=outputs,
            decode="lanes",
            files=(path,),
            batch=True,
            embedding=EMBEDDING,
            embedding_size=_lanenet(network).last_channels,
        )

    def label_scores(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """See `Architecture`."""
        logits, _ = _lanenet(network).logits(image[None])
        return over_places(against_others(logits[0].flatten(1).T)[:, 1:])

    def feature_layers(self, network: nn.Module) -> tuple[str, ...]:
        """See `Architecture`."""
        return _lanenet(network).feature_layers


def segmentation_loss(logits: torch.Tensor, label_ids: torch.Tensor) -> torch.Tensor:
    """Cross entropy of [n, classes, h, w] with [n, h, w], rare classes weighted up: 1 / ln(1.02 + their share)."""
    counts = torch.bincount(label_ids[label_ids != IGNORED], minlength=logits.shape[1]).to(logits.dtype)
    weights = 1 / torch.log(WEIGHT_BOUND + counts / counts.sum().clamp(min=1))
    return functional.cross_entropy(logits, label_ids, weights, ignore_index=IGNORED)


def discriminative_loss(embeddings: torch.Tensor, lanes: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells pulled to within 0.5 of the mean of their lane, and the means of one image's lanes pushed 3 apart.

    embeddings: [n, size, h, w]; lanes: for each image the number of each cell's lane [h, w], from 0; -1 is none
    Each is the mean over images that have lanes; 0 where none has.
    """
    pulls, pushes = [], []
    for embedding, of_cells in zip(embeddings, lanes, strict=True):
        inside = of_cells >= 0
        if inside.any():
            pull, push = _pull_and_push(embedding[:, inside].T, of_cells[inside])
            pulls.append(pull)
            pushes.append(push)
    if not pulls:
        nothing = embeddings.sum() * 0
        return nothing, nothing
    return torch.stack(pulls).mean(), torch.stack(pushes).mean()


def _pull_and_push(cells: torch.Tensor, of_cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one image's cells [m, size]; lanes that have no cell, hidden by others, do not count."""
    _, of_cells, counts = torch.unique(of_cells, return_inverse=True, return_counts=True)
    sums = cells.new_zeros(len(counts), cells.shape[1]).index_add(0, of_cells, cells)
    means = sums / counts[:, None]
    far = (_length(cells - means[of_cells]) - CENTRE_NEAR).clamp(min=0) ** 2
    pull = (far.new_zeros(len(counts)).index_add(0, of_cells, far) / counts).mean()
    if len(counts) < 2:
        return pull, pull * 0
    one, other = torch.triu_indices(len(counts), len(counts), 1, device=cells.device)
    push = ((CENTRE_APART - _length(means[one] - means[other])).clamp(min=0) ** 2).mean()
    return pull, push


def _length(vectors: torch.Tensor) -> torch.Tensor:
    # The root has no slope at 0.
    return (vectors**2).sum(dim=1).clamp(min=SMALLEST_LENGTH).sqrt()


def _block(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, CHANNELS, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, CHANNELS), nn.ReLU()
    )


def _places(maps: torch.Tensor) -> torch.Tensor:
    """The x and y of each cell in -1..1, [n, 2, h, w]; by sums, which stay open to any size in an exported graph."""
    ones = torch.ones_like(maps[:, :1])
    return torch.cat([ones.cumsum(dim) / ones.sum(dim, keepdim=True) * 2 - 1 for dim in (3, 2)], dim=1)


def _padded(samples: Sequence[Sample], device: torch.device) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Images in one tensor, as large as the largest, and for each which of its cells are its own."""
    height, width = (max(sample.image.shape[axis] for sample in samples) for axis in (1, 2))
    images = torch.zeros(len(samples), 3, height, width, device=device)
    own = []
    for i, sample in enumerate(samples):
        _, h, w = sample.image.shape
        images[i, :, :h, :w] = _as_fed(sample.image, device)
        own.append(functional.pad(torch.ones(1, h, w, device=device), (0, width - w, 0, height - h)))
    return images, own


def _cells(sample: Sample, own: torch.Tensor, size_hw: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The class and the lane of each cell of a map, [h, w] each: 0 is the background, -1 is no cell and no lane."""
    if sample.lines_px is None:
        raise BadInput("lanenet learns from lines, and its samples must have some or an empty list; got none")
    _, height, width = own.shape
    line_px = max(THINNEST_PX, round(max(sample.image.shape[1:]) * LINE_SHARE))
    drawn = [_drawn(line, (height, width), line_px) for line in sample.lines_px]
    covered = functional.adaptive_max_pool2d(torch.cat([own, *(line.to(own) for line in drawn)]), tuple(size_hw)) > 0
    lanes = torch.full(tuple(size_hw), IGNORED, device=own.device)
    label_ids = torch.where(covered[0], 0, IGNORED)
    for i, label_id in enumerate(sample.label_ids.tolist()):
        lanes[covered[1 + i]] = i
        label_ids[covered[1 + i]] = 1 + label_id
    return label_ids, lanes


def _drawn(line_px: torch.Tensor, size_hw: tuple[int, int], thickness_px: int) -> torch.Tensor:
    """A line as pixels of 0 and 1, [1, h, w]."""
    pixels = np.zeros(size_hw, np.uint8)
    # The centre of the first pixel is at a half in our frame, at zero in OpenCV's, which counts in parts of a pixel.
    points = np.round((line_px.cpu().numpy() - 0.5) * (1 << PARTS_BITS)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(pixels, [points], isClosed=False, color=1, thickness=thickness_px, shift=PARTS_BITS)
    return torch.from_numpy(pixels)[None]


def _lanenet(network: nn.Module) -> LaneNet:
    if not isinstance(network, LaneNet):
        raise BadInput(f"lanenet needs a network that it built, got {type(network).__name__}")
    return network


def _as_fed(image: torch.Tensor, device: torch.device) -> torch.Tensor:
    # By the factor that a model card gives, so that the runtime's numbers are the same to the bit.
    return image.to(device).float() * (1 / 255)


PLUGIN = LaneNetPlugin()
