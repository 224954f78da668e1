"""For tests: a small dataset of images that are labelled as a whole, quickly made and learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.files import sha256_of, whole_file
from teppr.images import encode_png
from teppr.testing.datasets import SPLITS
from teppr.types import WholeImage

LABELS = ("green", "red", "yellow")
COLORS = ((60, 200, 80), (230, 60, 50), (240, 240, 60))


def class_snapshot(home: Path, *, images: int = 15, several: bool = False, side_px: int = 64) -> Snapshot:
    """Write a dataset of grey noise with a patch in a label's colour; three fifths train, a fifth val, a fifth test.

    several: images have none to all of the labels, a patch each
    """
    random = np.random.default_rng(0)
    folder = home / "pictures" / ("several" if several else "one")
    folder.mkdir(parents=True, exist_ok=True)
    rows, share = [], side_px // len(LABELS)
    for i in range(images):
        turn = i // len(SPLITS) + i % len(SPLITS)  # so that every split has every label
        shown = [n for n in range(len(LABELS)) if turn % 8 >> n & 1] if several else [turn % len(LABELS)]
        pixels = random.integers(90, 120, (side_px, side_px, 3), dtype=np.uint8)
        for place, label_id in enumerate(shown):
            top = int(random.integers(0, side_px - share))
            pixels[top : top + share, place * share : (place + 1) * share] = COLORS[label_id]
        path = folder / f"{i:05d}.png"
        with whole_file(path) as file:
            file.write(encode_png(pixels))
        rows.append(
            ImageRow(
                path=str(path.absolute()),
                filename=path.name,
                sha256=sha256_of(path),
                size_wh=(side_px, side_px),
                split=SPLITS[i % len(SPLITS)],
                regions=tuple(_about_all(LABELS[n], side_px) for n in shown),
            )
        )
    record = SplitRecord(method="files", files={split: ["generated"] for split in sorted({row.split for row in rows})})
    name, problem = ("several", "tags") if several else ("colors", "cls")
    return write_snapshot(home, Content(name=name, problem=problem, labels=LABELS, rows=rows, split=record))


def _about_all(label: str, side_px: int) -> RegionRow:
    return RegionRow(shape=WholeImage(), label=label, box_xywh_px=(0, 0, side_px, side_px), area_px=0.0)
