"""Mask R-CNN: boxes and masks of instances; boxes only (Faster R-CNN) where the dataset has no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch

from teppr.architectures._body import EMBEDDING
from teppr.architectures._export import export_onnx
from teppr.architectures._rcnn import PLANS, Rcnn, build_rcnn
from teppr.architectures._scores import against_others, over_places
from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample, Trainable
from teppr.decode import DECODERS
from teppr.errors import BadInput, UnknownName
from teppr.types import Detections


class OneImage(torch.nn.Module):
    """The network for one image [3, h, w] in 0..1: boxes, label ids from 0, scores and, where it has them, masks.

    with_embedding: at last the body's last features, their means over all places
    """

    def __init__(self, network: torch.nn.Module, *, with_embedding: bool = False) -> None:
        super().__init__()
        self.network = network
        self.with_embedding = with_embedding

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs in the order in which `teppr.decode` takes them."""
        with _rcnn(self.network).embedded() as embeddings:
            found = self.network([image])[0]
        outputs: tuple[torch.Tensor, ...] = (found["boxes"], found["labels"] - 1, found["scores"])
        if "masks" in found:
            outputs = (*outputs, found["masks"][:, 0])
        if self.with_embedding:
            outputs = (*outputs, embeddings[0][0])
        return outputs


class MaskRcnn(Architecture):
    """See `Architecture`."""

    name: ClassVar[str] = "mask_rcnn"
    title: ClassVar[str] = "Mask R-CNN (Faster R-CNN for boxes only)"
    tasks: ClassVar[tuple[str, ...]] = ("segment", "detect")
    framework: ClassVar[str] = "torch"
    requirements: ClassVar[tuple[str, ...]] = ("torch>=2.9", "torchvision>=0.24", "onnx>=1.17")
    backbones: ClassVar[tuple[str, ...]] = tuple(PLANS)
    image_sizes_px: ClassVar[tuple[int, int]] = (64, 2048)
    stages: ClassVar[tuple[str, ...]] = ("heads", "all")

    def build(self, options: BuildOptions) -> torch.nn.Module:
        """See `Architecture`."""
        if options.backbone not in self.backbones:
            raise UnknownName.of("backbone of mask_rcnn", options.backbone, self.backbones)
        return build_rcnn(options)

    def trainable(self, network: torch.nn.Module, layers: str) -> list[Trainable]:
        """See `Architecture`."""
        if layers not in self.stages:
            raise UnknownName.of("choice of layers of mask_rcnn", layers, self.stages)
        return _rcnn(network).set_trainable(with_body=layers == "all")

    def losses(self, network: torch.nn.Module, samples: Sequence[Sample]) -> Mapping[str, torch.Tensor]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        images = [_as_fed(sample.image, device) for sample in samples]
        losses: Mapping[str, torch.Tensor] = network(images, [_target(sample, device) for sample in samples])
        return {name.removeprefix("loss_"): value for name, value in losses.items()}

    def predict(
        self, network: torch.nn.Module, images: Sequence[torch.Tensor], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """See `Architecture`."""
        device = next(network.parameters()).device
        # One by one, as in the exported graph: neighbours in a batch would change what lies around an image's edge.
        one = OneImage(network.eval())
        found = []
        with torch.inference_mode():
            for image, size_wh in zip(images, sizes_wh, strict=True):
                outputs = [output.float().cpu().numpy() for output in one(_as_fed(image, device))]
                decoder = DECODERS["instances" if len(outputs) > 3 else "boxes"]
                height, width = image.shape[-2:]
                found.append(decoder(outputs, network_size_wh=(width, height), image_size_wh=size_wh))
        return found

    def export(self, network: torch.nn.Module, folder: Path, image_size_px: int) -> Exported:
        """See `Architecture`."""
        with_masks = _rcnn(network).detector.roi_heads.has_mask()
        outputs = ("boxes", "labels", "scores", "masks") if with_masks else ("boxes", "labels", "scores")
        path = folder / "model.onnx"
        one = OneImage(network, with_embedding=True).eval()
        export_onnx(one, path, image_size_px=image_size_px, outputs=outputs, embedding=EMBEDDING)
        return Exported(
            inputs=("image",),
            outputs=outputs,
            decode="instances" if with_masks else "boxes",
            files=(path,),
            embedding=EMBEDDING,
            embedding_size=_rcnn(network).last_channels,
        )

    def label_scores(self, network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
        """See `Architecture`."""
        said: list[tuple[torch.Tensor, torch.Tensor]] = []
        predictor = _rcnn(network).detector.roi_heads.box_predictor
        with predictor.register_forward_hook(lambda _module, _given, made: said.append(made)):
            network([image])
        return over_places(against_others(said[0][0])[:, 1:])

    def feature_layers(self, network: torch.nn.Module) -> tuple[str, ...]:
        """See `Architecture`."""
        return _rcnn(network).feature_layers


def _rcnn(network: torch.nn.Module) -> Rcnn:
    if not isinstance(network, Rcnn):
        raise BadInput(f"mask_rcnn needs a network that it built, got {type(network).__name__}")
    return network


def _as_fed(image: torch.Tensor, device: torch.device) -> torch.Tensor:
    # By the factor that a model card gives, so that the runtime's numbers are the same to the bit.
    return image.to(device).float() * (1 / 255)


def _target(sample: Sample, device: torch.device) -> dict[str, torch.Tensor]:
    target = {"boxes": sample.boxes_xyxy_px.to(device), "labels": sample.label_ids.to(device) + 1}
    if sample.masks is not None:
        target["masks"] = sample.masks.to(device=device, dtype=torch.uint8)
    return target


PLUGIN = MaskRcnn()
