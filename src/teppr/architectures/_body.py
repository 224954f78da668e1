"""The pretrained bodies that networks begin with, and how they are trained further."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import torch
from torch import nn
from torchvision.models import efficientnet_b0, mobilenet_v2, mobilenet_v3_large, resnet18, resnet50
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import BackboneWithFPN

from teppr.architectures._weights import State, imagenet_state, load_backbone, state_of_file
from teppr.architectures.contract import BuildOptions, Trainable

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EMBEDDING = "embedding"
"""Name of the output of that kind in exported graphs."""
PRETRAINED_RATE_SHARE = 0.15
"""At the heads' rate a pretrained body forgets what it knows before the heads have learned to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A backbone's layers.

    stem: the first modules, kept as ImageNet made them: edges and colours need no learning, and cost most
    prefix: what a file of the whole classifier's weights puts before their names
    """

    make: Callable[[], nn.Module]
    stem: tuple[str, ...]
    prefix: str = ""


def _features(make: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: make(weights=None).get_submodule("features")


def _whole(make: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return lambda: make(weights=None)


BODIES: Mapping[str, Body] = MappingProxyType(
    {
        "mobilenet_v2": Body(make=_features(mobilenet_v2), stem=("0", "1", "2", "3"), prefix="features."),
        "mobilenet_v3_large": Body(make=_features(mobilenet_v3_large), stem=("0", "1", "2", "3"), prefix="features."),
        "efficientnet_b0": Body(make=_features(efficientnet_b0), stem=("0", "1", "2"), prefix="features."),
        "resnet18": Body(make=_whole(resnet18), stem=("conv1", "bn1", "layer1")),
        "resnet50": Body(make=_whole(resnet50), stem=("conv1", "bn1", "layer1")),
    }
)


def pyramid(options: BuildOptions, levels: Mapping[str, int], channels: int) -> BackboneWithFPN:
    """The backbone of `options` with its weights, under a feature pyramid that adds one coarser level.

    levels: modules of the body whose output is used, and their channels; channels: of the pyramid
    """
    body = BODIES[options.backbone]
    returned = {name: str(i) for i, name in enumerate(levels)}
    network = BackboneWithFPN(body.make(), returned, list(levels.values()), channels)
    _fill(network.body, options)
    return network


def whole_body(options: BuildOptions, last: str) -> nn.Module:
    """The backbone of `options` with its weights, up to its module `last`, whose features [n, channels, h, w] it gives
    as the only value of a mapping.
    """
    body: nn.Module = IntermediateLayerGetter(BODIES[options.backbone].make(), {last: "last"})
    _fill(body, options)
    return body


def _fill(body: nn.Module, options: BuildOptions) -> None:
    prefix = BODIES[options.backbone].prefix
    if options.weights == "imagenet":
        load_backbone(body, _without(prefix, imagenet_state(options.backbone)), "ImageNet")
    elif options.weights not in {"scratch", "given"}:
        load_backbone(body, _without(prefix, state_of_file(Path(options.weights))), options.weights)


def _without(prefix: str, state: State) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items()}


class Bodied(nn.Module):
    """A network with a body.

    A pretrained body keeps its stem, and the statistics of its batch normalisation, as they are, batches being small.
    """

    def __init__(self, options: BuildOptions) -> None:
        super().__init__()
        self.stem = BODIES[options.backbone].stem
        self.pretrained = options.weights != "scratch"

    @property
    @abstractmethod
    def body(self) -> nn.Module:
        """The backbone's own layers."""

    def set_trainable(self, *, with_body: bool) -> list[Trainable]:
        """Everything, or all but the body, is trained from now on; a pretrained body's stem never is."""
        self.requires_grad_(requires_grad=True)
        self.body.requires_grad_(requires_grad=with_body)
        if self.pretrained:
            for name in self.stem:
                self.body.get_submodule(name).requires_grad_(requires_grad=False)
        body = {id(parameter) for parameter in self.body.parameters()}
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups = [
            Trainable(
                parameters=[parameter for parameter in learning if id(parameter) in body],
                rate_share=PRETRAINED_RATE_SHARE if self.pretrained else 1.0,
            ),
            Trainable(parameters=[parameter for parameter in learning if id(parameter) not in body]),
        ]
        return [group for group in groups if group.parameters]

    def train(self, mode: bool = True) -> Self:
        """As for any module, but for the pretrained statistics."""
        super().train(mode)
        if self.pretrained:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class Embodied(Bodied):
    """A network with a body under a feature pyramid."""

    @property
    @abstractmethod
    def backbone(self) -> BackboneWithFPN:
        """The body and the pyramid on it, as `pyramid` makes them."""

    @property
    def body(self) -> nn.Module:
        """The backbone's own layers."""
        body: nn.Module = self.backbone.body
        return body

    @property
    def last_channels(self) -> int:
        """Features at each place of the body's last level."""
        channels: int = self.backbone.fpn.inner_blocks[-1][0].in_channels
        return channels

    @property
    def feature_layers(self) -> tuple[str, ...]:
        """Names of the modules whose maps the pyramid takes, finest first."""
        (prefix,) = (name for name, module in self.named_modules() if module is self.body)
        levels: Mapping[str, str] = self.backbone.body.return_layers
        return tuple(f"{prefix}.{level}" for level in levels)

    @contextmanager
    def embedded(self) -> Iterator[list[torch.Tensor]]:
        """While it lasts, each run adds the means over all places of the body's last features, [n, last_channels]."""
        means: list[torch.Tensor] = []

        def keep(_module: nn.Module, _given: object, levels: Mapping[str, torch.Tensor]) -> None:
            *_, last = levels.values()
            means.append(last.mean(dim=(2, 3)))

        with self.body.register_forward_hook(keep):
            yield means
