"""Checkpoints: a file that holds a trained network with all that is needed to use it, or to go on training it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from teppr.architectures.contract import Architecture, Exported, torch_architecture
from teppr.errors import BadFile, Corrupt
from teppr.files import whole_file
from teppr.images import Pixels, resize_for_network
from teppr.types import Detections
from teppr.workflow.facts import NetworkFacts

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a file holds.

    weights: the network's tensors by name
    training: what going on needs (optimiser, position ...); empty in a checkpoint that is only for use
    """

    facts: NetworkFacts
    weights: Mapping[str, torch.Tensor]
    training: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Whole or absent."""
        content = {
            "format": FORMAT,
            "facts": self.facts.as_dict(),
            "weights": dict(self.weights),
            "training": dict(self.training),
        }
        with whole_file(path) as file:
            torch.save(content, file)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Nothing in the file is run; raises BadFile where it is no checkpoint of ours, Corrupt where it is damaged."""
        if not path.is_file():
            raise BadFile(f"there is no checkpoint {path}")
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise Corrupt(f"checkpoint {path} cannot be read: {error}") from error
        if not isinstance(content, dict) or content.get("format") not in {1, FORMAT}:
            raise BadFile(f"{path} is no checkpoint of teppr's format {FORMAT}")
        facts = content["facts"]
        if content["format"] == 1:  # of boxes, and of masks where it said so
            facts["task"] = "segment" if facts.pop("with_masks") else "detect"
        return cls(
            facts=NetworkFacts.from_dict(facts),
            weights=content["weights"],
            training=content["training"],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A trained network, ready to use."""

    facts: NetworkFacts
    architecture: Architecture
    network: torch.nn.Module

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an RGB image [h, w, 3] of any size, in its pixels; scoring 0.05 or more, at most 100."""
        height, width = pixels.shape[:2]
        fed = resize_for_network(pixels, self.facts.image_size_px, square=self.architecture.square)
        image = torch.from_numpy(fed.transpose(2, 0, 1).copy())
        return self.architecture.predict(self.network, [image], [(width, height)])[0]

    def export(self, folder: Path) -> Exported:
        """Write ONNX into the folder."""
        return self.architecture.export(self.network, folder, self.facts.image_size_px)


def open_checkpoint(path: Path, device: torch.device | None = None) -> Trained:
    """The network in a checkpoint file, on the CPU unless a device is given; raises BadFile or Corrupt."""
    checkpoint = Checkpoint.read(path)
    architecture = torch_architecture(checkpoint.facts.architecture)
    network = architecture.build(checkpoint.facts.build_options("given"))
    try:
        network.load_state_dict(cast("dict[str, Any]", checkpoint.weights))
    except RuntimeError as error:
        raise Corrupt(f"the weights in {path} do not fit its {checkpoint.facts.architecture}: {error}") from error
    network.to(device or torch.device("cpu")).eval()
    return Trained(facts=checkpoint.facts, architecture=architecture, network=network)
