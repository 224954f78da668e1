"""Large annotation files, for measuring how quick teppr is and how much memory it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

REGIONS_PER_IMAGE = 8
CORNERS = 15
LABELS = 20
SIZE_WH = (1920, 1080)


def write_coco(path: Path, images: int) -> None:
    """A COCO file of wobbly outlines, corners to a hundredth of a pixel, none outside its image."""
    random = np.random.default_rng(7)
    width, height = SIZE_WH
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    annotations: list[dict[str, Any]] = []
    for image in range(images):
        for _ in range(REGIONS_PER_IMAGE):
            radii = random.uniform(0.7, 1.0, CORNERS) * random.uniform(10, 90)
            x = random.uniform(100, width - 100) + radii * np.cos(angles)
            y = random.uniform(100, height - 100) + radii * np.sin(angles)
            ring = np.round(np.stack([x, y], axis=1).ravel(), 2)
            left, top, right, bottom = ring[::2].min(), ring[1::2].min(), ring[::2].max(), ring[1::2].max()
            area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image + 1,
                    "category_id": int(random.integers(1, LABELS + 1)),
                    "segmentation": [ring.tolist()],
                    "bbox": np.round([left, top, right - left, bottom - top], 2).tolist(),
                    "area": round(float(area), 2),
                    "iscrowd": 0,
                }
            )
    document = {
        "images": [
            {"id": i + 1, "file_name": f"street/{i:06d}.jpg", "width": width, "height": height} for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": f"label {i}"} for i in range(LABELS)],
    }
    path.write_bytes(orjson.dumps(document))
