"""Classification of whole images: a pretrained body, and one layer that names what it sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from teppr.architectures._body import EMBEDDING, IMAGENET_MEAN, IMAGENET_STD, Bodied, whole_body
from teppr.architectures._export import export_onnx
from teppr.architectures._scores import against_others
from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample, Trainable
from teppr.decode import DECODERS
from teppr.errors import BadInput, UnknownName
from teppr.types import Detections

OUTPUT = "scores"
DROPPED_SHARE = 0.2
"""Of the features, at random, while it learns."""
TEMPERATURES = tuple(10 ** (i / 100) for i in range(-100, 101))
"""From a tenth to ten, each 2 % more than the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """A body's last features: the module that gives them, and how many channels they have."""

    module: str
    channels: int


LASTS: Mapping[str, Last] = MappingProxyType(
    {
        "mobilenet_v2": Last(module="18", channels=1280),
        "mobilenet_v3_large": Last(module="16", channels=960),
        "efficientnet_b0": Last(module="8", channels=1280),
        "resnet18": Last(module="layer4", channels=512),
        "resnet50": Last(module="layer4", channels=2048),
    }
)


class Named(Bodied):
    """A network that names images: by one label each, or by several.

    decode: the decoder of its chances (see `teppr.decode`); embedding_size: how many numbers describe an image
    temperature: what logits are divided by once the network has learned, so that chances are as high as they are right
    """

    mean: torch.Tensor
    std: torch.Tensor
    temperature: torch.Tensor

    def __init__(self, options: BuildOptions) -> None:
        super().__init__(options)
        last = LASTS[options.backbone]
        self.one_label = options.task == "classify"
        self.decode = "classes" if self.one_label else "labels"
        self.features = whole_body(options, last.module)
        self.embedding_size = last.channels
        self.last_layer = f"features.{last.module}"
        self.logits = nn.Sequential(nn.Dropout(DROPPED_SHARE), nn.Linear(last.channels, options.label_count))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(3, 1, 1), persistent=False)

    @property
    def body(self) -> nn.Module:
        """See `Bodied`."""
        return self.features

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From images [n, 3, h, w] in 0..1: logits [n, labels], and what describes each image, [n, size]."""
        (last,) = self.features((images - self.mean) / self.std).values()
        vectors = last.mean(dim=(2, 3))
        return self.logits(vectors).float(), vectors

    def chances(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The same with chances instead of logits: that add up to one, or each by itself."""
        logits, vectors = self(images)
        cooled = logits / self.temperature
        return cooled.softmax(dim=1) if self.one_label else cooled.sigmoid(), vectors


class Exportable(nn.Module):
    """The network as it leaves training."""

    def __init__(self, network: Named) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Chances, and what describes each image."""
        return self.network.chances(images)


class Classifier(Architecture):
    """See `Architecture`."""

    name: ClassVar[str] = "classifier"
    title: ClassVar[str] = "Classifier (names whole images)"
    tasks: ClassVar[tuple[str, ...]] = ("classify", "multilabel")
    framework: ClassVar[str] = "torch"
    requirements: ClassVar[tuple[str, ...]] = ("torch>=2.9", "torchvision>=0.24", "onnx>=1.17")
    backbones: ClassVar[tuple[str, ...]] = tuple(LASTS)
    image_sizes_px: ClassVar[tuple[int, int]] = (64, 1024)
    square: ClassVar[bool] = True
    stages: ClassVar[tuple[str, ...]] = ("heads", "all")

    def build(self, options: BuildOptions) -> nn.Module:
        """See `Architecture`."""
        if options.backbone not in self.backbones:
            raise UnknownName.of("backbone of classifier", options.backbone, self.backbones)
        return Named(options)

    def trainable(self, network: nn.Module, layers: str) -> list[Trainable]:
        """See `Architecture`."""
        if layers not in self.stages:
            raise UnknownName.of("choice of layers of classifier", layers, self.stages)
        return _named(network).set_trainable(with_body=layers == "all")

    def losses(self, network: nn.Module, samples: Sequence[Sample]) -> Mapping[str, torch.Tensor]:
        """See `Architecture`; where images have one label each, those without are passed over."""
        own = _named(network)
        logits, _ = own(_as_fed([sample.image for sample in samples], own.mean.device))
        if not own.one_label:
            wanted = torch.stack([_wanted(sample, logits) for sample in samples])
            return {"labels": binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(samples)}
        labelled = [i for i, sample in enumerate(samples) if len(sample.label_ids)]
        truth = [int(samples[i].label_ids[0]) for i in labelled]
        summed = cross_entropy(logits[labelled], torch.tensor(truth, device=logits.device).long(), reduction="sum")
        return {"label": summed / max(len(labelled), 1)}

    def calibrate(self, network: nn.Module, samples: Iterable[Sample]) -> bool:
        """See `Architecture`: the one temperature by which the mean score of answers is the share that is right.

        By that share rather than by likelihood, which one sure mistake among few images would decide; half an answer
        more on either side (Jeffreys), so that a few right answers do not make it certain.
        """
        own = _named(network).eval()
        labelled = [sample for sample in samples if len(sample.label_ids) or not own.one_label]
        if not labelled:
            return False
        with torch.inference_mode():
            logits = torch.cat([own(_as_fed([sample.image], own.mean.device))[0] for sample in labelled])
            wanted = torch.stack([_wanted(sample, logits) for sample in labelled])
            if own.one_label:
                right = wanted.gather(1, logits.argmax(dim=1, keepdim=True))
                means = [(logits / t).softmax(dim=1).amax(dim=1).mean() for t in TEMPERATURES]
            else:
                right = (logits > 0) == (wanted > 0)
                means = [(logits.abs() / t).sigmoid().mean() for t in TEMPERATURES]
        share = (right.sum() + 0.5) / (right.numel() + 1)
        own.temperature.fill_(TEMPERATURES[int((torch.stack(means) - share).abs().argmin())])
        return True

    def predict(
        self, network: nn.Module, images: Sequence[torch.Tensor], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """See `Architecture`."""
        own = _named(network).eval()
        found = []
        with torch.inference_mode():
            for image, size_wh in zip(images, sizes_wh, strict=True):
                chances, _ = own.chances(_as_fed([image], own.mean.device))
                height, width = image.shape[-2:]
                outputs = [chances[0].cpu().numpy()]
                found.append(DECODERS[own.decode](outputs, network_size_wh=(width, height), image_size_wh=size_wh))
        return found

    def export(self, network: nn.Module, folder: Path, image_size_px: int) -> Exported:
        """See `Architecture`."""
        own, path = _named(network), folder / "model.onnx"
        export_onnx(
            Exportable(own).eval(),
            path,
            image_size_px=image_size_px,
            outputs=(OUTPUT,),
            batch=True,
            embedding=EMBEDDING,
            varying={},
        )
        return Exported(
            inputs=("image",),
            outputs=(OUTPUT,),
            decode=own.decode,
            files=(path,),
            batch=True,
            embedding=EMBEDDING,
            embedding_size=own.embedding_size,
        )

    def label_scores(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """See `Architecture`."""
        own = _named(network)
        logits, _ = own(image[None])
        return against_others(logits)[0] if own.one_label else logits[0]

    def feature_layers(self, network: nn.Module) -> tuple[str, ...]:
        """See `Architecture`."""
        return (_named(network).last_layer,)


def _named(network: nn.Module) -> Named:
    if not isinstance(network, Named):
        raise BadInput(f"classifier needs a network that it built, got {type(network).__name__}")
    return network


def _wanted(sample: Sample, logits: torch.Tensor) -> torch.Tensor:
    wanted = logits.new_zeros(logits.shape[1])
    wanted[sample.label_ids.to(logits.device)] = 1
    return wanted


def _as_fed(images: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    # By the factor that a model card gives, so that the runtime's numbers are the same to the bit.
    return torch.stack(list(images)).to(device).float() * (1 / 255)


PLUGIN = Classifier()
