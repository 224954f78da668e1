"""What is looked into: a network with its labels, whatever it is kept as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from teppr.anatomy.layers import Layer
from teppr.anatomy.weights import WeightFigures
from teppr.errors import BadInput
from teppr.images import Pixels
from teppr.types import Detections, Floats, LabelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a subject is.

    source: where its weights were read from, in words
    """

    name: str
    architecture: str
    task: str
    labels: tuple[LabelInfo, ...]
    image_size_px: int
    score_threshold_0_1: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heat:
    """Where in an image a label is seen.

    score: of the label, in the measure of the method
    heat: [h, w] in 0..1, over the whole image at a coarser grain
    """

    label_id: int
    score: float
    heat: Floats


class Subject(ABC):
    """A network that can be looked into."""

    method: ClassVar[str] = ""
    """How gradients are made heat, in words, with the source."""

    def __init__(self, about: About) -> None:
        self.about = about

    @abstractmethod
    def layers(self, images: Sequence[Pixels]) -> tuple[Layer, ...]:
        """All layers, as they run on these RGB images; shapes are of the first. Without images: of a grey one."""

    @abstractmethod
    def weights(self) -> tuple[WeightFigures, ...]:
        """Figures of every tensor of weights."""

    @abstractmethod
    def maps(self, pixels: Pixels, names: Sequence[str]) -> Mapping[str, Floats]:
        """What layers make of an image, {name: [c, h, w]}."""

    @abstractmethod
    def find(self, pixels: Pixels) -> Detections:
        """What the network finds in an image, in its pixels; scoring 0.05 or more."""

    @property
    def has_gradients(self) -> bool:
        """Whether `gradients` and `preferred` can be asked for."""
        return False

    def gradients(self, pixels: Pixels) -> Sequence[Heat]:
        """The heat of every label by gradients, in the order of labels; raises BadInput where it has none."""
        del pixels
        raise BadInput(f"{self.about.name} has no gradients: it is {self.about.source}")

    def preferred(self, layer: str, channel: int, seed: int) -> Pixels:
        """A picture that excites a channel of a layer as far as it goes; raises BadInput without gradients."""
        del layer, channel, seed
        raise BadInput(f"{self.about.name} has no gradients: it is {self.about.source}")
