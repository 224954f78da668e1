"""How quick ingest is: one COCO file of 20,000 images and 160,000 polygons, images not opened, all other rules on.

The limit is parsing the same file with orjson and inserting the same rows bare into the same tables, in the same run.
Aim: at most 3 times the limit. With --datumaro the time in which that library reads the file stands beside it; it
checks nothing and has no database. It is taken from the environment that `make test-reference` makes.

Each figure is the best of the rounds: seconds on the clock and, of all processes but the database's, in user mode.

Run it by: python bench/ingest.py [--images 20000] [--rounds 3] [--mongodb URL] [--datumaro]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson

from teppr.store.rows import IMAGE_COLUMNS, REGION_COLUMNS, Row
from teppr.store.sqlite_schema import INDEXES, TABLES
from teppr.testing.large import REGIONS_PER_IMAGE, write_coco

TOOLS = Path(__file__).parents[1] / "build/reference-tools/bin/python"
OURS = "teppr annotations ingest"
LIMIT = "orjson and bare inserts"


def bare(source: Path, database: Path) -> None:
    """What any program must at least do: parse, and insert the same rows into the same tables."""
    document: dict[str, Any] = orjson.loads(source.read_bytes())
    names = {category["id"]: category["name"] for category in document["categories"]}
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(f"{TABLES}{INDEXES}")
    _insert(connection, "images", ("id", "file_id", *IMAGE_COLUMNS), map(_image_row, document["images"]))
    rows = (_region_row(i, region, names) for i, region in enumerate(document["annotations"]))
    _insert(connection, "regions", ("image_id", *REGION_COLUMNS), rows)
    connection.commit()
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - our own names


def _image_row(image: dict[str, Any]) -> Row:
    name = image["file_name"]
    return (image["id"], 1, f"/photos/{name}", "", image["width"], image["height"], 1, name, None, None, 0, None)


def _region_row(place: int, region: dict[str, Any], names: dict[int, str]) -> Row:
    _, _, width, height = region["bbox"]
    return (
        region["image_id"],
        place,
        "polygon",
        orjson.dumps(region["segmentation"]).decode(),
        names[region["category_id"]],
        None,
        None,
        f"annotations[{place}]",
        region["iscrowd"],
        str(region["id"]),
        orjson.dumps(region["bbox"]).decode(),
        region["area"],
        width * height,
        region["area"],
    )


def bare_mongodb(source: Path, url: str) -> None:
    """The same into MongoDB."""
    from pymongo import MongoClient

    document: dict[str, Any] = orjson.loads(source.read_bytes())
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    database = client.get_default_database()
    database["bare_images"].insert_many(document["images"])
    database["bare_regions"].insert_many(document["annotations"])
    client.drop_database(database.name)
    client.close()


def ours(source: Path, url: str) -> None:
    """The command, as people run it."""
    command = [sys.executable, "-m", "teppr", "annotations", "ingest", str(source), "--no-images", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(url))


def datumaro(source: Path) -> None:
    """Another library reads the file; no checks, no database."""
    code = "import sys, datumaro; d = datumaro.Dataset.import_from(sys.argv[1], 'coco_instances'); len(list(d))"
    subprocess.run([str(TOOLS), "-c", code, str(source)], check=True, stdout=subprocess.DEVNULL)


def _environment(url: str) -> dict[str, str]:
    return {**os.environ, "TEPPR_STORE": url}


class Seconds(NamedTuple):
    """On the clock, and in user mode."""

    clock: float
    user: float


def measure(work: dict[str, Callable[[Path], None]], rounds: int) -> dict[str, Seconds]:
    """The best of each, taken in turn, each round in a folder of its own."""
    taken: dict[str, list[Seconds]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            with TemporaryDirectory() as folder:
                start, user = time.perf_counter(), _user_s()
                do(Path(folder))
                taken[name].append(Seconds(time.perf_counter() - start, _user_s() - user))
    return {name: Seconds(*map(min, zip(*each, strict=True))) for name, each in taken.items()}


def _user_s() -> float:
    times = os.times()
    return times.user + times.children_user


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mongodb", help="mongodb://host/database that may be emptied")
    parser.add_argument("--datumaro", action="store_true")
    options = parser.parse_args()
    if options.datumaro and not TOOLS.is_file():
        parser.error(f"--datumaro needs {TOOLS}: make test-reference")
    with TemporaryDirectory() as folder:
        source = Path(folder) / "annotations" / "instances_bench.json"
        source.parent.mkdir()
        (Path(folder) / "images").mkdir()  # datumaro will not do without it
        write_coco(source, options.images)
        regions = options.images * REGIONS_PER_IMAGE
        print(f"{options.images} images, {regions} polygons, {source.stat().st_size / 1e6:.0f} MB")
        work: dict[str, Callable[[Path], None]] = {
            LIMIT: lambda place: bare(source, place / "bare.db"),
            OURS: lambda place: ours(source, f"sqlite:///{place / 'store.db'}"),
        }
        if options.mongodb:
            work[f"{LIMIT}, MongoDB"] = lambda _: bare_mongodb(source, options.mongodb)
            work[f"{OURS}, MongoDB"] = lambda _: ours(source, options.mongodb)
        if options.datumaro:
            work["datumaro reads it"] = lambda _: datumaro(source)
        best = measure(work, options.rounds)
    for name, (clock, user) in best.items():
        limit = best[f"{LIMIT}, MongoDB" if "MongoDB" in name else LIMIT].clock
        print(
            f"{name:36} {clock:7.2f} s {user:7.2f} s user   {clock / limit:5.2f} x the limit   "
            f"{regions / clock:9.0f} regions/s"
        )


if __name__ == "__main__":
    main()
