"""How quick images are checked at ingest, beside a bare parallel loop that decodes the same files.

Aim: at least 80 % of the bare loop's images a second, with reading the annotations, the rules and the database on top.

Run it by: python bench/images.py [--images 2000] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
from PIL import Image

from teppr.annotations.ingest import IngestOptions, ingest
from teppr.problems import PROBLEMS
from teppr.store import open_store

SIZE_WH = (1280, 960)
ROUNDS = 3


def write_delivery(folder: Path, images: int) -> Path:
    """JPEG files that decode like photographs, and a COCO file with a box on each."""
    random = np.random.default_rng(7)
    width, height = SIZE_WH
    coarse = random.integers(0, 255, (height // 16, width // 16, 3), np.uint8)
    for i in range(images):
        picture = Image.fromarray(np.roll(coarse, i, axis=1)).resize(SIZE_WH, Image.Resampling.BICUBIC)
        picture.save(folder / f"{i:05d}.jpg", quality=90)
    document = {
        "images": [{"id": i, "file_name": f"{i:05d}.jpg", "width": width, "height": height} for i in range(images)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": [], "bbox": [10, 10, 50, 40], "area": 2000}
            for i in range(images)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    path = folder / "instances.json"
    path.write_bytes(orjson.dumps(document))
    return path


def bare(paths: list[Path], workers: int) -> float:
    """Images a second of a loop that reads and decodes, in threads: Pillow lets go of the interpreter's lock."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.load()

    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, paths))
    return len(paths) / (time.perf_counter() - start)


def ours(source: Path, store: Path, images: int, workers: int) -> float:
    """Images a second of the whole ingest."""
    start = time.perf_counter()
    with open_store(f"sqlite:///{store}") as opened:
        report = ingest([source], opened, PROBLEMS.load("ods"), IngestOptions(workers=workers))
    assert report.entries.accepted == images  # noqa: S101 - a wrong figure would be worse than none
    return images / (time.perf_counter() - start)


def main() -> None:
    """Generate, measure in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = write_delivery(folder, options.images)
        paths = sorted(folder.glob("*.jpg"))
        bare(paths, options.workers)  # the files are in the system's cache from here on
        pairs = [
            (bare(paths, options.workers), ours(source, folder / f"{i}.db", options.images, options.workers))
            for i in range(ROUNDS)
        ]
    limit, median = (statistics.median(values) for values in zip(*pairs, strict=True))
    print(f"bare decoding   {limit:7.1f} images/s")
    print(f"teppr's ingest  {median:7.1f} images/s   {100 * median / limit:.0f} % of the limit")


if __name__ == "__main__":
    main()
