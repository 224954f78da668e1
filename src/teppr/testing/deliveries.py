"""Deliveries made for a test: a folder with images and VIA files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ViaRegion = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A folder that images and annotation files are put into; made with the first of them."""

    folder: Path

    def image(self, name: str, size_wh: tuple[int, int] = (100, 80), seed: int = 0) -> Path:
        """A PNG of noise; the same name and seed give the same bytes."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, *name.encode()]).integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
        return path

    def via(self, images: dict[str, list[ViaRegion]], name: str = "via.json", **entry: object) -> Path:
        """A VIA export: regions by image, and what else each entry says."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            f"{image}-1": {"filename": image, "size": -1, "regions": regions, "file_attributes": {}, **entry}
            for image, regions in images.items()
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return path


def rect(x: float = 10, y: float = 10, width: float = 20, height: float = 20, **attributes: object) -> ViaRegion:
    """A rectangle as VIA writes it, labelled "car" unless the attributes say otherwise."""
    return {
        "shape_attributes": {"name": "rect", "x": x, "y": y, "width": width, "height": height},
        "region_attributes": {"label": "car"} | attributes,
    }
