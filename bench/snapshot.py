"""How quick a dataset version is written and loaded, beside Parquet alone with the same columns: the limit.

Written: rows in memory become tables, their content is hashed, counted, and put on disk for good. Loaded: opened by
name, and every image handed out with its regions as training asks for them. Each is measured in a process of its own,
the two sides in turn, so that memory is each one's own; the ratios are of the best of the rounds.

Run it by: python bench/snapshot.py [--regions 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq

from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import find_snapshot
from teppr.datasets.tables import ANNOTATIONS, IMAGES, ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.types import Polygon, Rect, Shape

NAME = "large"
REGIONS_AN_IMAGE = 10
CORNERS = 15
LABELS = tuple(f"label {i}" for i in range(80))
SPLITS = ("train",) * 7 + ("val",) * 2 + ("test",)
SIZE_WH = (1920, 1080)


def content_of(regions: int) -> Content:
    """Outlines and boxes by turns, of 80 labels, ten an image."""
    random = np.random.default_rng(7)
    images = regions // REGIONS_AN_IMAGE
    rows = [_image(i, random) for i in range(images)]
    record = SplitRecord(method="files", files={split: ["generated"] for split in sorted(set(SPLITS))})
    return Content(name=NAME, problem="ods", labels=LABELS, rows=rows, split=record)


def _image(number: int, random: np.random.Generator) -> ImageRow:
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radii = random.uniform(10, 90, (REGIONS_AN_IMAGE, CORNERS))
    centres = random.uniform(100, 900, (REGIONS_AN_IMAGE, 2, 1))
    outlines = np.round(np.stack([np.cos(angles), np.sin(angles)]) * radii[:, None] + centres, 2)
    return ImageRow(
        path=f"/images/street/{number:07d}.jpg",
        filename=f"{number:07d}.jpg",
        sha256=f"{number:064x}",
        size_wh=SIZE_WH,
        split=SPLITS[number % len(SPLITS)],
        regions=tuple(_region(number * 7 + k, outlines[k]) for k in range(REGIONS_AN_IMAGE)),
        annotators=(f"AT{number % 5}",),
        batches=("p1",),
    )


def _region(number: int, outline: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> RegionRow:
    low, high = outline.min(axis=1), outline.max(axis=1)
    box = (*low.tolist(), *(high - low).tolist())
    shape: Shape = Polygon((tuple(map(tuple, outline.T.tolist())),)) if number % 2 else Rect(*box)
    return RegionRow(
        shape=shape,
        label=LABELS[number % len(LABELS)],
        box_xywh_px=box,
        area_px=box[2] * box[3],
        annotator=f"AT{number % 5}",
        file_sha256=f"{number % 50:064x}",
    )


def write(home: Path, regions: int) -> Callable[[], object]:
    """Our writing; the rows are made before the clock runs."""
    content = content_of(regions)
    return lambda: write_snapshot(home, content)


def load(home: Path, _: int) -> Callable[[], object]:
    """Our loading, every image with its regions."""

    def run() -> None:
        snapshot = find_snapshot(home, NAME)
        for split in snapshot.splits:
            for image in snapshot.images(split):
                image.boxes_xywh_px.sum()

    return run


def raw_write(home: Path, _: int) -> Callable[[], object]:
    """Parquet alone: the same tables, ready in memory."""
    folder = find_snapshot(home, NAME).path
    tables = {name: pq.read_table(folder / name) for name in (IMAGES, ANNOTATIONS)}

    def run() -> None:
        for name, table in tables.items():
            pq.write_table(table, home / f"raw-{name}", compression="zstd")

    return run


def raw_read(home: Path, _: int) -> Callable[[], object]:
    """Parquet alone: both files read into tables."""
    folder = find_snapshot(home, NAME).path
    return lambda: [pq.read_table(folder / name) for name in (IMAGES, ANNOTATIONS)]


STEPS = {"write": write, "raw write": raw_write, "load": load, "raw read": raw_read}
"""Ours and Parquet's in turn; what ours writes the others read."""


def measure(step: str, home: Path, regions: int) -> dict[str, float]:
    """Seconds of a step, and how much memory it took on top of what it was given, in MB."""
    run = STEPS[step](home, regions)
    before_kb = getrusage(RUSAGE_SELF).ru_maxrss
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak_kb = getrusage(RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak_kb / 1024, "more_mb": (peak_kb - before_kb) / 1024}


def in_process(step: str, home: Path, regions: int) -> dict[str, float]:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--step", step, "--home", str(home), "--regions", str(regions)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Measure in turn, print side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measure(options.step, options.home, options.regions)))
        return
    rounds = []
    for _ in range(options.rounds):
        with TemporaryDirectory() as folder:
            rounds.append({step: in_process(step, Path(folder), options.regions) for step in STEPS})
    best = {step: {key: min(one[step][key] for one in rounds) for key in rounds[0][step]} for step in STEPS}
    heads = {"seconds": "seconds", "cpu": "of processor", "peak_mb": "peak MB", "more_mb": "of it the step's"}
    print(f"{f'{options.regions:,} regions':20}", *(f"{head:>17}" for head in heads.values()))
    for step, found in best.items():
        print(f"{step:20}", *(f"{found[key]:17.2f}" for key in heads))
    for ours, raw in (("write", "raw write"), ("load", "raw read")):
        print(f"{ours}: {best[ours]['seconds'] / best[raw]['seconds']:.1f} x Parquet alone")


if __name__ == "__main__":
    main()
