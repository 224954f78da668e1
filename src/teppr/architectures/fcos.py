"""FCOS: boxes in one stage, without anchors; any number of images at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss

from teppr.architectures._assign import assign
from teppr.architectures._body import EMBEDDING
from teppr.architectures._dense import PLANS, OneStage
from teppr.architectures._export import export_onnx
from teppr.architectures._scores import over_places
from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample, Trainable
from teppr.decode import DECODERS
from teppr.errors import BadInput, UnknownName
from teppr.types import Detections

OUTPUTS = ("boxes", "scores")
DECODE = "dense"
BOX_WEIGHT = 2.0
LEAST_WEIGHT = 0.1
"""Of a point in the losses, which else is the IoU of its box: one that is far off must still learn."""


class Exportable(torch.nn.Module):
    """The network for images [n, 3, h, w] in 0..1: boxes [n, points, 4], scores [n, points, labels], and the mean over
    all places of the body's last features.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The outputs in the order in which `teppr.decode` takes them, and the embedding."""
        with _one_stage(self.network).embedded() as embeddings:
            said = self.network(images)
        return said.boxes_xyxy_px, said.logits.sigmoid(), embeddings[0]


class Fcos(Architecture):
    """See `Architecture`."""

    name: ClassVar[str] = "fcos"
    title: ClassVar[str] = "FCOS (boxes in one stage, for speed)"
    tasks: ClassVar[tuple[str, ...]] = ("detect",)
    framework: ClassVar[str] = "torch"
    requirements: ClassVar[tuple[str, ...]] = ("torch>=2.9", "torchvision>=0.24", "onnx>=1.17")
    backbones: ClassVar[tuple[str, ...]] = tuple(PLANS)
    image_sizes_px: ClassVar[tuple[int, int]] = (64, 2048)
    square: ClassVar[bool] = True
    stages: ClassVar[tuple[str, ...]] = ("heads", "all")

    def build(self, options: BuildOptions) -> torch.nn.Module:
        """See `Architecture`."""
        if options.backbone not in self.backbones:
            raise UnknownName.of("backbone of fcos", options.backbone, self.backbones)
        return OneStage(options)

    def trainable(self, network: torch.nn.Module, layers: str) -> list[Trainable]:
        """See `Architecture`."""
        if layers not in self.stages:
            raise UnknownName.of("choice of layers of fcos", layers, self.stages)
        return _one_stage(network).set_trainable(with_body=layers == "all")

    def losses(self, network: torch.nn.Module, samples: Sequence[Sample]) -> Mapping[str, torch.Tensor]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        said = network(_as_fed([sample.image for sample in samples], device))
        wanted = torch.zeros_like(said.logits)
        distances, weights = [said.boxes_xyxy_px.new_zeros(0)], [said.boxes_xyxy_px.new_zeros(0)]
        for i, sample in enumerate(samples):
            boxes, label_ids = sample.boxes_xyxy_px.to(device), sample.label_ids.to(device)
            found = assign(said.of_image(i), boxes, label_ids)
            wanted[i, found.points, label_ids[found.objects]] = found.quality_0_1
            distances.append(generalized_box_iou_loss(said.boxes_xyxy_px[i, found.points], boxes[found.objects]))
            weights.append(found.quality_0_1.clamp(min=LEAST_WEIGHT))
        weight = torch.cat(weights)
        total = weight.sum().clamp(min=1)
        return {
            "quality": binary_cross_entropy_with_logits(said.logits, wanted, reduction="sum") / total,
            "boxes": BOX_WEIGHT * (torch.cat(distances) * weight).sum() / total,
        }

    def predict(
        self, network: torch.nn.Module, images: Sequence[torch.Tensor], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        graph = Exportable(network.eval())
        found = []
        with torch.inference_mode():
            for image, size_wh in zip(images, sizes_wh, strict=True):
                outputs = [
                    output[0].float().cpu().numpy() for output in graph(_as_fed([image], device))[: len(OUTPUTS)]
                ]
                height, width = image.shape[-2:]
                found.append(DECODERS[DECODE](outputs, network_size_wh=(width, height), image_size_wh=size_wh))
        return found

    def export(self, network: torch.nn.Module, folder: Path, image_size_px: int) -> Exported:
        """See `Architecture`."""
        path, graph = folder / "model.onnx", Exportable(_one_stage(network)).eval()
        export_onnx(graph, path, image_size_px=image_size_px, outputs=OUTPUTS, batch=True, embedding=EMBEDDING)
        return Exported(
            inputs=("image",),
            outputs=OUTPUTS,
            decode=DECODE,
            files=(path,),
            batch=True,
            embedding=EMBEDDING,
            embedding_size=_one_stage(network).last_channels,
        )

    def label_scores(self, network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
        """See `Architecture`."""
        return over_places(_one_stage(network)(image[None]).logits[0])

    def feature_layers(self, network: torch.nn.Module) -> tuple[str, ...]:
        """See `Architecture`."""
        return _one_stage(network).feature_layers


def _one_stage(network: torch.nn.Module) -> OneStage:
    if not isinstance(network, OneStage):
        raise BadInput(f"fcos needs a network that it built, got {type(network).__name__}")
    return network


def _as_fed(images: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    # By the factor that a model card gives, so that the runtime's numbers are the same to the bit.
    return torch.stack(list(images)).to(device).float() * (1 / 255)


PLUGIN = Fcos()
