"""A look inside a trained network: its layers and weights, and what they make of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from teppr import images as doors
from teppr.anatomy.layers import Layer, asked_maps, choose_maps
from teppr.anatomy.maps import LayerMaps, layer_maps, overlaid
from teppr.anatomy.occlusion import METHOD as OCCLUSION
from teppr.anatomy.occlusion import RUNS, occlusion
from teppr.anatomy.opened import open_subject
from teppr.anatomy.subject import About, Heat, Subject
from teppr.anatomy.weights import WeightFigures
from teppr.drawing import drawn_detections
from teppr.errors import UnknownName
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.pictures import thumbnail
from teppr.progress import QUIET, Progress
from teppr.types import Detections, Floats
from teppr.workflow.compute import Compute

PICTURE_PX = 400
"""Longer side of images and overlays."""
LAYERS, LABELS = 4, 4
"""Shown where nobody asks for particular ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """What is looked at.

    layers: names of those whose maps are shown; none = the last of each size of map in the body
    labels: names of those that are shown over images; none = those found in the image, or else the likeliest
    channels: of each layer
    with_overlays: show where labels are seen; preferred: channels of each layer whose preferred picture is found
    seed: of the noise that preferred pictures begin with
    """

    layers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    channels: int = 12
    with_overlays: bool = True
    preferred: int = 4
    seed: int = 7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """Where in an image a label is seen.

    score: of the label, in the measure of the method
    heat: [h, w] in 0..1 over the whole image; inside_0_1: share of it within what is found of the label, None = nothing
    """

    label: str
    color: str
    score: float
    heat: Floats
    inside_0_1: float | None
    picture: Pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the network makes of an image; picture: with what it finds."""

    name: str
    size_wh: tuple[int, int]
    objects: int
    picture: Pixels
    maps: tuple[LayerMaps, ...]
    overlays: tuple[Overlay, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preferred:
    """A picture that excites a channel of a layer as far as it goes."""

    layer: str
    channel: int
    picture: Pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """What is inside a network.

    method: how overlays were found, in words; notes: what could not be shown, and why
    """

    about: About
    layers: tuple[Layer, ...]
    weights: tuple[WeightFigures, ...]
    seen: tuple[Seen, ...]
    preferred: tuple[Preferred, ...]
    method: str
    notes: tuple[str, ...]

    @property
    def whole(self) -> Layer:
        """The network itself."""
        return self.layers[0]

    @property
    def flawed(self) -> tuple[WeightFigures, ...]:
        """Tensors with something wrong."""
        return tuple(figures for figures in self.weights if figures.flaws)

    def as_dict(self) -> dict[str, Any]:
        """All but the pictures, as plain values."""
        about = asdict(self.about) | {"labels": [label.name for label in self.about.labels]}
        return about | {
            "parameters": self.whole.parameters,
            "trainable": self.whole.trainable,
            "multiply_adds": self.whole.multiply_adds,
            "layers": [asdict(layer) for layer in self.layers],
            "weights": [asdict(figures) | {"flaws": list(figures.flaws)} for figures in self.weights],
            "images": [_plain(seen) for seen in self.seen],
            "preferred": [{"layer": item.layer, "channel": item.channel} for item in self.preferred],
            "method": self.method,
            "notes": list(self.notes),
        }


def look_inside(
    home: Path,
    model: str,
    images: Sequence[Path] = (),
    *,
    options: LookOptions | None = None,
    compute: Compute | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> Anatomy:
    """Layers and weights of a model, by any name that it has, and what it makes of images.

    Raises as `open_model` does, UnknownName for a layer or label that there is not, BadImage naming the image.
    """
    options, compute = options or LookOptions(), compute or Compute()
    with compute.ready():
        subject = open_subject(home, model, compute)
        for name in options.labels:
            if name not in (known := [label.name for label in subject.about.labels]):
                raise UnknownName.of("label", name, known)
        pictures = [(path.name, doors.read(path, max_pixels=max_pixels)[0]) for path in images]
        return _Look(subject, options, progress).whole(pictures)


class _Look:
    """One look on its way."""

    def __init__(self, subject: Subject, options: LookOptions, progress: Progress) -> None:
        self.subject = subject
        self.options = options
        self.progress = progress
        self.notes: list[str] = []

    def whole(self, images: Sequence[tuple[str, Pixels]]) -> Anatomy:
        self.progress.expect(self._steps(len(images), LAYERS))
        layers = self.subject.layers([pixels for _, pixels in images])
        weights = self.subject.weights()
        names = asked_maps(layers, self.options.layers) or choose_maps(layers, LAYERS)
        self.progress.expect(self._steps(len(images), len(names)))
        self.progress.advance(news="layers and weights")
        if not names:
            self.notes.append("No layer makes a map of an image, so that there are none to draw.")
        seen = tuple(self._seen(name, pixels, names) for name, pixels in images)
        return Anatomy(
            about=self.subject.about,
            layers=layers,
            weights=weights,
            seen=seen,
            preferred=self._preferred(names, layers, seen),
            method=self._method if images and self.options.with_overlays else "",
            notes=tuple(self.notes),
        )

    def _steps(self, images: int, layers: int) -> int:
        by_trial = self.options.with_overlays and not self.subject.has_gradients
        preferred = layers * self.options.preferred if self.subject.has_gradients else 0
        return 1 + images * (1 + RUNS * by_trial) + preferred

    @property
    def _method(self) -> str:
        return self.subject.method if self.subject.has_gradients else OCCLUSION

    def _seen(self, name: str, pixels: Pixels, layers: Sequence[str]) -> Seen:
        size_wh = (pixels.shape[1], pixels.shape[0])
        about = self.subject.about
        found = self.subject.find(pixels)
        shown = found.at_least(about.score_threshold_0_1)
        made = self.subject.maps(pixels, layers)
        maps = tuple(layer_maps(layer, made[layer], size_wh, self.options.channels) for layer in layers)
        self.progress.advance(news=name)
        overlays = self._overlays(name, pixels, found) if self.options.with_overlays else ()
        picture = thumbnail(pixels, drawn_detections(shown, about.labels), PICTURE_PX)
        return Seen(name=name, size_wh=size_wh, objects=len(shown), picture=picture, maps=maps, overlays=overlays)

    def _overlays(self, name: str, pixels: Pixels, found: Detections) -> tuple[Overlay, ...]:
        labels = self.subject.about.labels
        if self.subject.has_gradients:
            heats = self.subject.gradients(pixels)
        else:
            heats = occlusion(self.subject.find, pixels, len(labels), progress=self.progress)
        chosen = self._chosen(heats, found)
        if not chosen:
            self.notes.append(f"In {name} nothing is found, so that there is nothing to lay over it.")
        return tuple(self._overlay(pixels, heats[i], found) for i in chosen)

    def _chosen(self, heats: Sequence[Heat], found: Detections) -> list[int]:
        if self.options.labels:
            return [i for i, label in enumerate(self.subject.about.labels) if label.name in self.options.labels]
        seen = found.at_least(self.subject.about.score_threshold_0_1)
        ranked = list(dict.fromkeys(seen.label_ids.tolist()))[:LABELS]
        likeliest = max(heats, key=lambda heat: heat.score)
        return ranked or ([likeliest.label_id] if likeliest.heat.any() else [])

    def _overlay(self, pixels: Pixels, heat: Heat, found: Detections) -> Overlay:
        label = self.subject.about.labels[heat.label_id]
        small = thumbnail(pixels, (), PICTURE_PX)
        return Overlay(
            label=label.name,
            color=label.color,
            score=heat.score,
            heat=heat.heat,
            inside_0_1=_inside(heat, found.at_least(self.subject.about.score_threshold_0_1)),
            picture=overlaid(small, heat.heat),
        )

    def _preferred(self, names: Sequence[str], layers: Sequence[Layer], seen: Sequence[Seen]) -> tuple[Preferred, ...]:
        if not self.options.preferred or not names:
            return ()
        if not self.subject.has_gradients:
            self.notes.append(
                "What channels prefer is found by gradients, and there are none here: look into a run's checkpoint."
            )
            return ()
        pictures = []
        for name in names:
            for channel in self._liked(name, layers, seen):
                picture = self.subject.preferred(name, channel, self.options.seed)
                pictures.append(Preferred(layer=name, channel=channel, picture=picture))
                self.progress.advance(news=f"{name} {channel}")
        return tuple(pictures)

    def _liked(self, name: str, layers: Sequence[Layer], seen: Sequence[Seen]) -> list[int]:
        """Channels that the images excite most, or the first ones."""
        excited = [item.channel for one in seen for maps in one.maps if maps.layer == name for item in maps.strongest]
        channels = next(layer.shape[1] for layer in layers if layer.name == name)
        return list(dict.fromkeys([*excited, *range(channels)]))[: self.options.preferred]


def _inside(heat: Heat, found: Detections) -> float | None:
    """The share of the heat within the boxes of what is found of the label."""
    boxes = found.boxes_xyxy_px[found.label_ids == heat.label_id]
    total = float(heat.heat.sum())
    if not len(boxes) or not total:
        return None
    (height, width), (image_width, image_height) = heat.heat.shape, found.size_wh
    x = (np.arange(width) + 0.5) / width * image_width
    y = (np.arange(height) + 0.5)[:, None] / height * image_height
    inside = np.zeros(heat.heat.shape, bool)
    for x0, y0, x1, y1 in boxes.tolist():
        inside |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return float(heat.heat[inside].sum()) / total


def _plain(seen: Seen) -> dict[str, Any]:
    return {
        "image": seen.name,
        "size_wh": seen.size_wh,
        "objects": seen.objects,
        "maps": [
            {
                "layer": maps.layer,
                "channels": maps.channels,
                "places_wh": maps.places_wh,
                "strongest": [{"channel": item.channel, "response": item.response} for item in maps.strongest],
            }
            for maps in seen.maps
        ],
        "overlays": [
            {"label": item.label, "score": item.score, "inside_0_1": item.inside_0_1} for item in seen.overlays
        ],
    }
