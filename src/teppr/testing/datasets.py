"""For tests: a small real dataset of generated pictures with coloured shapes, and annotation files put by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.files import sha256_of, whole_file
from teppr.geometry import area, box_xywh, rings_of
from teppr.images import Pixels, encode_png
from teppr.store.contract import FileSummary, Store, StoredImage
from teppr.types import AnnotationFile, Circle, Polygon, Rect, Region, Shape, Tally

LABELS = ("circle", "square", "triangle")
COLORS = ((220, 60, 50), (60, 170, 70), (50, 90, 220))
SPLITS = ("train", "train", "train", "val", "test")
"""Splits of the first images, then again from the start."""
HALVES: Mapping[str, int] = MappingProxyType({"train": 1, "val": 1})
"""Shares of a splitter's two equal splits."""


def small_snapshot(
    home: Path,
    *,
    images: int = 10,
    image_size_px: int = 128,
    name: str = "shapes",
    seed: int = 0,
    boxes_only: bool = False,
) -> Snapshot:
    """Write a dataset of `images` pictures below `home` (three fifths train, a fifth val, a fifth test).

    Every picture has one to three shapes of the labels circle, square and triangle, each in its own colour; the first
    five have all three, so that every split has every label, and every seventh has none. With `boxes_only` all regions
    are rectangles.
    """
    random = np.random.default_rng(seed)
    folder = home / "pictures" / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(images):
        pixels, regions = _picture(random, image_size_px, _shape_count(i, random), boxes_only)
        path = folder / f"{i:05d}.png"
        with whole_file(path) as file:
            file.write(encode_png(pixels))
        rows.append(
            ImageRow(
                path=str(path.absolute()),
                filename=path.name,
                sha256=sha256_of(path),
                size_wh=(pixels.shape[1], pixels.shape[0]),
                split=SPLITS[i % len(SPLITS)],
                regions=tuple(regions),
            )
        )
    record = SplitRecord(method="files", files={split: ["generated"] for split in sorted({row.split for row in rows})})
    return write_snapshot(home, Content(name=name, problem="ods", labels=LABELS, rows=rows, split=record))


def stored_image(name: str, *regions: tuple[str, Shape], folder: str = "all") -> StoredImage:
    """An accepted entry of 100 x 100 pixels, not on disk; equal names before a "#" are the same image.

    regions: label and shape of each
    """
    content, _, _ = name.partition("#")
    return StoredImage(
        path=f"/images/{folder}/{name}.jpg",
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        size_wh=(100, 100),
        orientation=1,
        filename=f"{name}.jpg",
        file_sha256="",
        regions=tuple(
            Region(shape=shape, label=label, index=i, where=f"regions[{i}]") for i, (label, shape) in enumerate(regions)
        ),
    )


def put_file(
    store: Store,
    name: str,
    images: Sequence[StoredImage],
    *,
    annotator: str | None = None,
    batch: str | None = None,
    problem: str = "ods",
    released: date | None = None,
) -> None:
    """Put entries into a store as if ingested from the annotation file `name`."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    file = AnnotationFile(
        sha256=sha256,
        path=f"/annotations/{name}",
        size_bytes=1,
        format="via",
        problem=problem,
        annotator=annotator,
        batch=batch,
        released=released,
    )
    count = sum(len(image.regions) for image in images)
    summary = FileSummary(
        file=file,
        accepted=True,
        entries=Tally(len(images), len(images), 0),
        regions=Tally(count, count, 0),
        images=len(images),
        labels={},
        shapes={},
        findings={},
        ingested=datetime(2026, 1, 1, tzinfo=UTC),
    )
    with store.writing(file) as writer:
        writer.add_images(replace(image, file_sha256=sha256, annotator=annotator, batch=batch) for image in images)
        writer.finish(summary)


def _shape_count(i: int, random: np.random.Generator) -> int:
    if i < len(SPLITS):
        return len(LABELS)
    return 0 if i % 7 == 6 else int(random.integers(1, len(LABELS) + 1))


def _picture(random: np.random.Generator, size_px: int, count: int, boxes_only: bool) -> tuple[Pixels, list[RegionRow]]:
    width, height = size_px, int(size_px * 0.75)
    pixels = random.integers(90, 130, (height, width, 3), dtype=np.uint8)
    regions = []
    # One column of the picture for each shape, so that none hides another.
    columns = random.permutation(3)[:count].tolist()
    for column, label_id in zip(columns, random.permutation(len(LABELS)).tolist(), strict=False):
        radius = float(random.uniform(0.08, 0.15)) * width
        cx = (column + 0.5) * width / 3
        cy = float(random.uniform(radius + 1, height - radius - 1))
        shape = _shape(label_id, round(cx), round(cy), round(radius))
        for ring in rings_of(shape):
            cv2.fillPoly(pixels, [np.round(np.array(ring)).astype(np.int32)], COLORS[label_id])
        shape = Rect(*box_xywh(shape)) if boxes_only else shape
        regions.append(RegionRow(shape=shape, label=LABELS[label_id], box_xywh_px=box_xywh(shape), area_px=area(shape)))
    return pixels, regions


def _shape(label_id: int, cx: float, cy: float, r: float) -> Shape:
    if label_id == 0:
        return Circle(cx, cy, r)
    if label_id == 1:
        return Rect(cx - r, cy - r, 2 * r, 2 * r)
    return Polygon((((cx, cy - r), (cx + r, cy + r), (cx - r, cy + r)),))
