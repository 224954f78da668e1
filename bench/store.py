"""How quick the annotation databases are, beside the plain driver that writes the same rows: the limit.

Writing: aim under 4 x the driver, which neither turns values into rows nor checks or counts anything.
Statistics of a million regions, all six keys of `teppr annotations stats`: aim under 3 s.

Run it by: python bench/store.py
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo import MongoClient

from teppr.annotations.statistics import statistics_of
from teppr.store import Store, StoredImage, open_store
from teppr.store.mongo_schema import IMAGES
from teppr.testing.mongod import binary, mongod
from teppr.testing.store_records import annotation_file, put, region, stored_image
from teppr.types import Polygon, Rect

REGIONS_AN_IMAGE = 10
WRITTEN = 10_000
"""Images in the file that is written."""
COUNTED_FILES, COUNTED_IMAGES = 100, 1000
LABELS = [f"label {i}" for i in range(80)]
OUTLINE = Polygon((tuple((10.0 + i, 20.5 + i * i / 7) for i in range(12)),))


@contextmanager
def seconds() -> Iterator[list[float]]:
    """How long the block takes: the list's one item afterwards."""
    taken: list[float] = []
    start = time.perf_counter()
    yield taken
    taken.append(time.perf_counter() - start)


def images_of(number: int, count: int) -> Iterator[StoredImage]:
    """Images of a file, each with polygons and boxes of many labels."""
    file = annotation_file(number, annotator=f"AT{number % 5}")
    for i in range(count):
        shapes = [OUTLINE if k % 2 else Rect(k, k, 20, 30) for k in range(REGIONS_AN_IMAGE)]
        regions = [region(k, LABELS[(i * 7 + k) % len(LABELS)], shape) for k, shape in enumerate(shapes)]
        yield stored_image(file, f"{i}.jpg", regions, content=number * count + i)


def write(store: Store, number: int, images: Iterable[StoredImage]) -> float:
    """Put a file; the seconds it takes."""
    with seconds() as taken:
        put(store, annotation_file(number, annotator=f"AT{number % 5}"), images)
    return taken[0]


def raw_sqlite(of: Path, path: Path) -> float:
    """Seconds of `executemany` for the rows of the database `of`, into the same tables with the same indexes."""
    open_store(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(of)) as source, closing(sqlite3.connect(path, isolation_level=None)) as target:
        tables = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in ("files", "images", "regions")}  # noqa: S608 - ours
        with seconds() as taken:
            target.execute("BEGIN IMMEDIATE")
            for name, rows in tables.items():
                target.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608 - ours
            target.commit()
    return taken[0]


def raw_mongo(of: str, url: str) -> float:
    """Seconds of `insert_many` for the documents of the database `of`, into one with the same indexes."""
    open_store(url).close()
    with MongoClient[dict[str, Any]](of) as source, MongoClient[dict[str, Any]](url) as target:
        documents = list(source.get_default_database()[IMAGES].find())
        with seconds() as taken:
            target.get_default_database()[IMAGES].insert_many(documents)
    return taken[0]


def compare(name: str, ours: float, raw: float) -> None:
    """One line: our seconds beside the driver's."""
    print(f"{name:40} {ours:6.2f} s   {raw:6.2f} s by the driver alone   {ours / raw:4.1f} x")


def statistics_seconds(url: str) -> float:
    """Fill a database with a million regions and count them; the seconds of counting."""
    with open_store(url) as store:
        for number in range(COUNTED_FILES):
            write(store, number, images_of(number, COUNTED_IMAGES))
        with seconds() as taken:
            counted = statistics_of(store)
    if sum(row.regions for row in counted.groups["label"]) != COUNTED_FILES * COUNTED_IMAGES * REGIONS_AN_IMAGE:
        sys.exit("not all regions were counted")
    return taken[0]


def main() -> None:
    """Measure SQLite, and MongoDB where there is a server to start."""
    images = list(images_of(0, WRITTEN))
    what = f"{WRITTEN * REGIONS_AN_IMAGE:,} regions"
    counted = "statistics of 1,000,000 regions"
    with TemporaryDirectory() as folder:
        ours, raw, large = (Path(folder) / f"{name}.db" for name in ("ours", "raw", "large"))
        with open_store(f"sqlite:///{ours}") as store:
            took = write(store, 0, images)
        compare(f"SQLite, {what}", took, raw_sqlite(ours, raw))
        print(f"{f'SQLite, {counted}':40} {statistics_seconds(f'sqlite:///{large}'):6.2f} s   limit 3 s")
    if binary() is None:
        print("MongoDB: not measured, there is no mongod")
        return
    with mongod() as server:
        with open_store(server.url("ours")) as store:
            took = write(store, 0, images)
        compare(f"MongoDB, {what}", took, raw_mongo(server.url("ours"), server.url("raw")))
        print(f"{f'MongoDB, {counted}':40} {statistics_seconds(server.url('large')):6.2f} s   limit 3 s")


if __name__ == "__main__":
    main()
