"""What a layer makes of an image, channel by channel, as small pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from teppr.images import Pixels
from teppr.types import Floats

TILE_PX = 96
"""Longer side of a map's picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelMap:
    """One channel's answer to an image.

    response: how far its highest place stands above the map's middle, in the layer's own numbers
    """

    channel: int
    response: float
    picture: Pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerMaps:
    """The channels of a layer that answer to an image most, those first.

    places_wh: of its maps; channels: that it has
    """

    layer: str
    channels: int
    places_wh: tuple[int, int]
    strongest: tuple[ChannelMap, ...]


def layer_maps(layer: str, made: Floats, size_wh: tuple[int, int], count: int) -> LayerMaps:
    """Of maps [c, h, w] that a layer made of an image of this size, whose ratio the pictures have."""
    flat = made.reshape(len(made), -1)
    responses = np.nan_to_num(flat.max(axis=1) - np.median(flat, axis=1), nan=0, posinf=0, neginf=0)
    best = np.argsort(-responses, kind="stable")[:count].tolist()
    scale = TILE_PX / max(size_wh)
    tile_wh = (max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale)))
    strongest = tuple(
        ChannelMap(channel=i, response=float(responses[i]), picture=picture_of_map(made[i], tile_wh)) for i in best
    )
    height, width = made.shape[1:]
    return LayerMaps(layer=layer, channels=len(made), places_wh=(width, height), strongest=strongest)


def picture_of_map(values: Floats, size_wh: tuple[int, int]) -> Pixels:
    """A map [h, w] from dark (its lowest) to yellow (its highest), its cells as they are."""
    finite = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    grey = np.round((finite - low) / max(high - low, 1e-12) * 255).astype(np.uint8)
    shrunk = size_wh[0] < grey.shape[1]
    large = cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_NEAREST)
    return np.ascontiguousarray(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS)[:, :, ::-1])


def overlaid(pixels: Pixels, heat_0_1: Floats) -> Pixels:
    """The image in grey, with heat [h, w] laid over the whole of it; by its root, so that the weaker is seen too."""
    height, width = pixels.shape[:2]
    heat = np.clip(cv2.resize(heat_0_1, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1) ** 0.5
    colors = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    share = (0.15 + 0.65 * heat)[:, :, None]
    return np.round(grey * (1 - share) + colors * share).astype(np.uint8)
