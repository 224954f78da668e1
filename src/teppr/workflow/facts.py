"""What a network is and where it comes from, as every kind of checkpoint says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from teppr.architectures.contract import BuildOptions
from teppr.types import LabelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What a network is and where it comes from.

    task: what it learned, by name
    dataset: reference of the version it was trained on; problem: that dataset's
    run: id of the run; epoch: epochs that were finished
    metrics: as validated when the checkpoint was written, {"val/map_50": 0.81, ...}
    """

    architecture: str
    backbone: str
    image_size_px: int
    labels: tuple[LabelInfo, ...]
    task: str
    problem: str
    dataset: str
    run: str
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """From `as_dict`."""
        labels = tuple(LabelInfo(name=name, color=color) for name, color in content["labels"])
        return cls(**{**content, "labels": labels})

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"labels": [(label.name, label.color) for label in self.labels]}

    def build_options(self, weights: str) -> BuildOptions:
        """What the architecture builds such a network from."""
        return BuildOptions(
            label_count=len(self.labels),
            image_size_px=self.image_size_px,
            backbone=self.backbone,
            weights=weights,
            task=self.task,
        )
