"""How databases of older schemas are brought up to today's, a step a version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

from teppr.store.rollups import Rollups
from teppr.store.rows import REGION_COLUMNS
from teppr.store.sqlite_schema import ACCESS, INSERT_ROLLUP, ROLLUPS, statements

_TO_VERSION_2 = f"""
ALTER TABLE files ADD COLUMN withdrawn TEXT;
ALTER TABLE files ADD COLUMN withdrawn_why TEXT;
ALTER TABLE images ADD COLUMN perceptual_hash TEXT;
CREATE INDEX images_by_name ON images (filename);
{ROLLUPS}"""


def _to_version_2(connection: sqlite3.Connection) -> None:
    """Withdrawals, perceptual hashes and roll-ups; the latter are counted of what is there."""
    for statement in statements(_TO_VERSION_2):
        connection.execute(statement)
    for file_id in [row["id"] for row in connection.execute("SELECT id FROM files WHERE accepted ORDER BY id")]:
        rollups = Rollups()
        for image_area_px, regions in _regions_by_image(connection, file_id):
            rollups.add(image_area_px, regions)
        connection.executemany(INSERT_ROLLUP, [(file_id, *row) for row in rollups.rows()])


def _regions_by_image(
    connection: sqlite3.Connection, file_id: int
) -> Iterator[tuple[float, Iterator[tuple[object, ...]]]]:
    rows = connection.execute(
        f"SELECT images.id, CAST(width AS REAL) * height AS image_area_px, {', '.join(REGION_COLUMNS)} FROM images "  # noqa: S608 - ours
        "JOIN regions ON regions.image_id = images.id WHERE file_id = ? ORDER BY images.id",
        (file_id,),
    )
    for (_, image_area_px), of_image in groupby(rows, key=itemgetter(0, 1)):
        yield image_area_px, (tuple(row)[2:] for row in of_image)


def _to_version_3(connection: sqlite3.Connection) -> None:
    """Keys and the audit log."""
    for statement in statements(ACCESS):
        connection.execute(statement)


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _to_version_2, 2: _to_version_3}
"""{version found: what brings the database to the next one, inside a transaction}."""
