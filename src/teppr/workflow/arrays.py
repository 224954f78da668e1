"""Checkpoints of architectures that see to their own training: a NumPy file of plain arrays, whatever the framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import orjson

from teppr.architectures.contract import ARCHITECTURES, Arrays, Exported, SelfTaught
from teppr.errors import BadFile, BadInput, Corrupt
from teppr.files import whole_file
from teppr.images import Pixels, resize_for_network
from teppr.types import Detections
from teppr.workflow.facts import NetworkFacts

FORMAT = 1
ABOUT, WEIGHT = "about", "weight/"
"""Names in the file: a JSON document as bytes, and what begins the name of each array of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCheckpoint:
    """What a file holds.

    training: plain values that going on needs; empty in a checkpoint that is only for use
    """

    facts: NetworkFacts
    weights: Arrays
    training: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Whole or absent."""
        about = {"format": FORMAT, "facts": self.facts.as_dict(), "training": dict(self.training)}
        arrays = {WEIGHT + name: array for name, array in self.weights.items()}
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **{ABOUT: np.frombuffer(orjson.dumps(about), np.uint8)}, **arrays)

    @classmethod
    def read(cls, path: Path) -> ArrayCheckpoint:
        """Nothing in the file is run; raises BadFile where it is no checkpoint of ours, Corrupt where it is damaged."""
        if not path.is_file():
            raise BadFile(f"there is no checkpoint {path}")
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise Corrupt(f"checkpoint {path} cannot be read: {error}") from error
        about = orjson.loads(content.pop(ABOUT).tobytes()) if ABOUT in content else {}
        if about.get("format") != FORMAT:
            raise BadFile(f"{path} is no checkpoint of arrays of teppr's format {FORMAT}")
        return cls(
            facts=NetworkFacts.from_dict(about["facts"]),
            weights={name.removeprefix(WEIGHT): array for name, array in content.items()},
            training=about["training"],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedArrays:
    """A trained network, ready to use."""

    facts: NetworkFacts
    architecture: SelfTaught
    weights: Arrays

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an RGB image [h, w, 3] of any size, in its pixels; scoring 0.05 or more, at most 100."""
        height, width = pixels.shape[:2]
        fed = resize_for_network(pixels, self.facts.image_size_px, square=self.architecture.square)
        return self.architecture.predict(self.weights, [fed], [(width, height)])[0]

    def export(self, folder: Path) -> Exported:
        """Write ONNX into the folder."""
        return self.architecture.export(self.weights, folder, self.facts.image_size_px)


def self_taught(name: str) -> SelfTaught:
    """The architecture `name`, which must see to its own training; raises UnknownName, BrokenPlugin, BadInput."""
    found = ARCHITECTURES.load(name)
    if not isinstance(found, SelfTaught):
        raise BadInput(f"architecture {name} is trained by teppr, not by itself: its checkpoints end with .pt")
    return found


def open_arrays(path: Path) -> TrainedArrays:
    """The network in a checkpoint file; raises BadFile or Corrupt."""
    checkpoint = ArrayCheckpoint.read(path)
    architecture = self_taught(checkpoint.facts.architecture)
    return TrainedArrays(facts=checkpoint.facts, architecture=architecture, weights=checkpoint.weights)
