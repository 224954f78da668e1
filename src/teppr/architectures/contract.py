"""What a network architecture is: how to build, train, predict and export; one file each.

`Architecture` is one of PyTorch, which teppr trains step by step; `SelfTaught` is one of any other framework, which
trains itself and is fed and kept as plain arrays. This module names torch only in annotations, so that listing
architectures needs no training framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.errors import BadInput
from teppr.images import Pixels
from teppr.plugins import Plugins
from teppr.samples import Sample
from teppr.types import Detections

if TYPE_CHECKING:
    import torch

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Arrays",
    "Blueprint",
    "BuildOptions",
    "Epoch",
    "Example",
    "Exported",
    "LearnOptions",
    "Sample",
    "SelfTaught",
    "Trainable",
    "torch_architecture",
]

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""A network as plain arrays by name."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One image with its truth, as arrays, as a network of any framework is fed.

    pixels: uint8 [height, width, 3], RGB, resized (`teppr.images.resize_for_network`)
    boxes_xyxy_px: [n, 4] in these pixels: around each object; the whole image for each label of the image as such
    label_ids: [n], from 0
    """

    pixels: Pixels
    boxes_xyxy_px: npt.NDArray[np.float32]
    label_ids: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnOptions:
    """How a `SelfTaught` architecture learns.

    epochs: in all; epochs_done: of these, after which training was cut off
    weights: those after `epochs_done`, to go on from; empty at the start
    """

    label_count: int
    image_size_px: int
    backbone: str
    task: str
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    epochs_done: int = 0
    weights: Arrays = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Epoch:
    """What came of one more epoch: the network, and the named losses (their sum is what is minimised)."""

    weights: Arrays
    losses: Mapping[str, float]


class Blueprint(ABC):
    """What every architecture says of itself, whatever its framework; stateless: the network is passed in and out.

    One whose framework lives in an environment of its own must be importable without it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    """What it can learn (see `teppr.tasks`), richest first; the first that fits the dataset is learned."""
    framework: ClassVar[str]
    requirements: ClassVar[tuple[str, ...]]
    """Packages as pip wants them."""
    lock: ClassVar[str] = ""
    """Exact versions for an environment of its own, `name==version` a line as `pip freeze` writes them; empty =
    those that are newest when the environment is made."""
    backbones: ClassVar[tuple[str, ...]]
    """The first is the default."""
    image_sizes_px: ClassVar[tuple[int, int]]
    """Smallest and largest longer side that makes sense."""
    square: ClassVar[bool] = False
    """Images are stretched to a square, in training as in prediction, so that any of them form a batch."""
    stages: ClassVar[tuple[str, ...]]
    """Names for the layers that a training stage may train: "heads", "all"."""


class Architecture(Blueprint):
    """A network architecture of PyTorch."""

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

    def calibrate(self, network: torch.nn.Module, samples: Iterable[Sample]) -> bool:  # noqa: ARG002 - for those that do
        """Make scores as high as they are right on samples of val; called once training has ended, on the best weights.

        Must give the same where it was called before. Returns whether the network was changed.
        """
        return False

    @abstractmethod
    def export(self, network: torch.nn.Module, folder: Path, image_size_px: int) -> Exported:
        """Write ONNX into `folder`; the graph takes one image [3, h, w] float32 in 0..1 of any size, or several of
        one size where it says `batch`.
        """

    def label_scores(self, network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
        """How sure the network is of each label wherever it sees it in one image, [labels]: log-odds, with a slope.

        image: float32 [3, h, w] in 0..1; the network is in evaluation mode. An architecture need not have it; then what
        its answers rest on is found by trial (see `teppr.anatomy`), and raises BadInput here.
        """
        del network, image
        raise BadInput(f"architecture {self.name} does not say by a slope how sure it is of labels")

    def feature_layers(self, network: torch.nn.Module) -> tuple[str, ...]:
        """Names of modules of the network whose maps [1, c, h, w] are the features that its heads see, finest first;
        none = whoever looks takes the last map of the body.
        """
        del network
        return ()


class SelfTaught(Blueprint):
    """A network architecture of any other framework: it sees to its own training, and its network is plain arrays.

    It learns in one stage, from scratch, from images that are not changed at random.
    """

    stages: ClassVar[tuple[str, ...]] = ("all",)

    @abstractmethod
    def learn(self, examples: Sequence[Example], options: LearnOptions) -> Iterator[Epoch]:
        """Train, an epoch whenever the next is asked for, from `epochs_done` to `epochs`; examples are decoded at each
        access. Nobody may ask for all.
        """

    @abstractmethod
    def predict(
        self, weights: Arrays, images: Sequence[Pixels], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """Detections of images as the network is fed, in the pixels of the originals `sizes_wh`; all that score at
        least 0.05, at most 100 an image.
        """

    @abstractmethod
    def export(self, weights: Arrays, folder: Path, image_size_px: int) -> Exported:
        """Write ONNX into `folder`, as `Architecture.export`."""


ARCHITECTURES: Plugins[Blueprint] = Plugins("teppr.architectures", Blueprint, "architecture")


def torch_architecture(name: str) -> Architecture:
    """The architecture `name`, which must be one of PyTorch; raises UnknownName, BrokenPlugin, BadInput for others."""
    found = ARCHITECTURES.load(name)
    if not isinstance(found, Architecture):
        raise BadInput(f"architecture {name} is one of {found.framework}; here one of PyTorch is needed")
    return found
