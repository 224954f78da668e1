"""For tests: a small dataset of lines that is quickly made and learned."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.files import sha256_of, whole_file
from teppr.geometry import box_xywh
from teppr.images import Pixels, encode_png
from teppr.testing.datasets import SPLITS
from teppr.types import Polyline

LABELS = ("dashed", "solid")
COLORS = ((60, 200, 80), (240, 240, 60))


def line_snapshot(home: Path, *, images: int = 10, size_wh: tuple[int, int] = (128, 96), seed: int = 0) -> Snapshot:
    """Write a dataset of pictures with two or three lines that run down from a point at the top, each label in its own
    colour; three fifths train, a fifth val, a fifth test; every seventh picture has no line.
    """
    random = np.random.default_rng(seed)
    folder = home / "pictures" / f"lines-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(images):
        pixels, regions = _picture(random, 0 if i % 7 == 6 else int(random.integers(2, 4)), size_wh)
        path = folder / f"{i:05d}.png"
        with whole_file(path) as file:
            file.write(encode_png(pixels))
        rows.append(
            ImageRow(
                path=str(path.absolute()),
                filename=path.name,
                sha256=sha256_of(path),
                size_wh=size_wh,
                split=SPLITS[i % len(SPLITS)],
                regions=tuple(regions),
            )
        )
    record = SplitRecord(method="files", files={split: ["generated"] for split in sorted({row.split for row in rows})})
    return write_snapshot(home, Content(name="lines", problem="rld", labels=LABELS, rows=rows, split=record))


def _picture(random: np.random.Generator, count: int, size_wh: tuple[int, int]) -> tuple[Pixels, list[RegionRow]]:
    width, height = size_wh
    pixels = random.integers(90, 120, (height, width, 3), dtype=np.uint8)
    top_x, top_y = width * random.uniform(0.4, 0.6), height * random.uniform(0.15, 0.3)
    regions = []
    for i in range(count):
        label_id = i % len(LABELS)
        low_x = width * (i + random.uniform(0.25, 0.75)) / count
        line = Polyline(((low_x, height - 1.0), ((low_x + top_x) / 2, (height + top_y) / 2), (top_x, top_y)))
        cv2.polylines(pixels, [np.round(line.points).astype(np.int32)], False, COLORS[label_id], 3)
        regions.append(RegionRow(shape=line, label=LABELS[label_id], box_xywh_px=box_xywh(line), area_px=0.0))
    return pixels, regions
