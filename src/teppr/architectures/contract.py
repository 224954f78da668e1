"""What a network architecture is: how to build, train, predict and export; one file each.

This module names torch only in annotations, so that listing architectures needs no training framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from teppr.plugins import Plugins
from teppr.samples import Sample
from teppr.types import Detections

if TYPE_CHECKING:
    import torch

__all__ = ["ARCHITECTURES", "Architecture", "BuildOptions", "Exported", "Sample", "Trainable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a network is built from.

    weights: "imagenet" (the backbone's), "scratch", the path of a file with the backbone's weights, or "given": the
        caller fills in weights that were trained before
    task: what it is to learn, one of the architecture's tasks
    """

    label_count: int
    image_size_px: int
    backbone: str
    weights: str
    task: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trainable:
    """Parameters to optimise together.

    rate_share: of the stage's learning rate; pretrained layers want less than new ones
    """

    parameters: list[torch.nn.Parameter]
    rate_share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote: names in the graph, in order, and the decoder for them (see `teppr.decode`).

    embedding: name of a further output, [embedding_size] an image, that describes the image as a whole, so that images
        that look alike are near each other; not among `outputs`; "" = none. To have one: return the mean over all
        places of the backbone's last features, `features.mean(dim=(2, 3))`, after what the decoder takes, let
        `export_onnx` name it "embedding", and say here how many channels these features have. Nothing normalises it
        but the runtime, and no layer is added for it
    batch: the graph takes several images of one size, [n, 3, h, w], and n is the first axis of each output
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    decode: str
    files: tuple[Path, ...]
    batch: bool = False
    embedding: str = ""
    embedding_size: int = 0


class Architecture(ABC):
    """A network architecture; stateless: the network is passed in and out."""

    name: ClassVar[str]
    title: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    """What it can learn (see `teppr.tasks`), richest first; the first that fits the dataset is learned."""
    framework: ClassVar[str]
    requirements: ClassVar[tuple[str, ...]]
    """Packages as pip wants them."""
    backbones: ClassVar[tuple[str, ...]]
    """The first is the default."""
    image_sizes_px: ClassVar[tuple[int, int]]
    """Smallest and largest longer side that makes sense."""
    square: ClassVar[bool] = False
    """Images are stretched to a square, in training as in prediction, so that any of them form a batch."""
    stages: ClassVar[tuple[str, ...]]
    """Names for the layers that a training stage may train: "heads", "all"."""

    @abstractmethod
    def build(self, options: BuildOptions) -> torch.nn.Module:
        """A network ready to train; the random state is the caller's."""

    @abstractmethod
    def trainable(self, network: torch.nn.Module, layers: str) -> list[Trainable]:
        """Set what is trained in a stage, freeze the rest, return the parameters to optimise, in groups."""

    @abstractmethod
    def losses(self, network: torch.nn.Module, samples: Sequence[Sample]) -> Mapping[str, torch.Tensor]:
        """The named losses of a batch (their sum is what is minimised); network in training mode."""

    @abstractmethod
    def predict(
        self, network: torch.nn.Module, images: Sequence[torch.Tensor], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """Detections of uint8 images [3, h, w] as the network is fed, in the pixels of the originals `sizes_wh`;
        all that score at least 0.05, at most 100 an image.
        """

    @abstractmethod
    def export(self, network: torch.nn.Module, folder: Path, image_size_px: int) -> Exported:
        """Write ONNX into `folder`; the graph takes one image [3, h, w] float32 in 0..1 of any size, or several of
        one size where it says `batch`.
        """


ARCHITECTURES: Plugins[Architecture] = Plugins("teppr.architectures", Architecture, "architecture")  # type: ignore[type-abstract]
