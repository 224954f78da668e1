"""The layers of a network as rows of a tree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from teppr.errors import UnknownName

MAP_AXES = 4
SMALLEST_MAP = 2
"""Cells along a side, for a map that is worth a picture."""
BODIES = ("body", "backbone", "features", "encoder")
"""What the part before the heads is called; where it is called so, maps are chosen from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One part of a network, with all that is within it.

    name: its path, parts by "." or "/"; depth: from 0, the network itself
    shape: of what it makes of an image the first time that it runs; () = it makes several things, or does not run
    parameters: all within it; trainable: those that its training may change, None = an exported file does not tell
    multiply_adds: of convolutions and matrices, for the image
    silent: channels that are the same at every place of every image given; None = no images, or it makes no map
    """

    name: str
    kind: str
    depth: int
    shape: tuple[int, ...]
    parameters: int
    trainable: int | None
    multiply_adds: int
    is_leaf: bool
    silent: int | None = None

    @property
    def is_map(self) -> bool:
        """Whether it makes a map of one image, [1, c, h, w], that has places."""
        return len(self.shape) == MAP_AXES and self.shape[0] == 1 and min(self.shape[2:]) >= SMALLEST_MAP

    @property
    def short(self) -> str:
        """The last part of its name."""
        return self.name.replace("/", ".").rsplit(".", 1)[-1]


def multiply_adds(kind: str, weight_shape: Sequence[int], given: Sequence[int], made: Sequence[int]) -> int:
    """What one run of a convolution ("Conv...") or of a matrix costs, by the shapes of weight, input and output."""
    size = math.prod(weight_shape)
    if kind.startswith("ConvTranspose"):
        return size * given[0] * math.prod(given[2:])
    if kind.startswith("Conv"):
        return size * made[0] * math.prod(made[2:])
    return size * math.prod(made[:-1])


def choose_maps(layers: Sequence[Layer], count: int) -> tuple[str, ...]:
    """Names of layers whose maps tell most: for each size of map the last within the body, the finest sizes left out
    where there are more than `count`; in the order in which they run.
    """
    maps = [layer for layer in layers if layer.is_map and layer.is_leaf]
    within = [layer for layer in maps if _is_of_body(layer.name)] or maps
    last = {layer.shape[2:]: layer.name for layer in within}
    order = [layer.name for layer in layers if layer.name in last.values()]
    return tuple(order[-count:]) if count else ()


def asked_maps(layers: Sequence[Layer], names: Iterable[str]) -> tuple[str, ...]:
    """The layers of these names; raises UnknownName naming near ones, or those that make maps."""
    maps = [layer.name for layer in layers if layer.is_map]
    for name in names:
        if name not in maps:
            others = {layer.name for layer in layers} - {*maps}
            why = "makes no map [1, c, h, w] of an image" if name in others else "is not there"
            near = get_close_matches(name, maps, n=6) or maps[-6:]
            raise UnknownName(f"layer {name!r} {why}; of {len(maps)} layers that make one, near or last: {near}")
    return tuple(names)


def _is_of_body(name: str) -> bool:
    return any(part in BODIES for part in name.replace("/", ".").split("."))
