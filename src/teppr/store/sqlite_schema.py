"""Tables and indexes of the embedded store, all in one place."""

from __future__ import annotations

import sqlite3

from teppr.store.rollups import ROLLUP_COLUMNS
from teppr.store.rows import FINDING_COLUMNS, IMAGE_COLUMNS, REGION_COLUMNS

SCHEMA_VERSION = 3
"""Kept in the database's `user_version`; an older one is brought up to it, a newer one refused, never guessed at."""

APPLICATION_ID = 0x74657072
"""Kept in the database's header ("tepr"): another program's SQLite file is not taken for a store."""

ROLLUPS = """
CREATE TABLE rollups (
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    grouping TEXT NOT NULL, value TEXT,
    images INTEGER NOT NULL, image_area_px REAL NOT NULL, regions INTEGER NOT NULL, largest INTEGER NOT NULL,
    box_area_px REAL NOT NULL, mask_area_px REAL NOT NULL
);
CREATE INDEX rollups_by_file ON rollups (file_id, grouping);
"""

ACCESS = """
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL, expires TEXT, revoked TEXT, replaced_by TEXT,
    requests_per_minute INTEGER, max_waiting INTEGER
);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, subject TEXT NOT NULL, details TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
"""

TABLES = f"""
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL,
    problem TEXT NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    annotator TEXT, tool TEXT, batch TEXT, part INTEGER, cut TEXT, released TEXT,
    accepted INTEGER NOT NULL,
    entries_read INTEGER NOT NULL, entries_accepted INTEGER NOT NULL,
    regions_read INTEGER NOT NULL, regions_accepted INTEGER NOT NULL,
    images INTEGER NOT NULL,
    labels TEXT NOT NULL, shapes TEXT NOT NULL, findings TEXT NOT NULL,
    ingested TEXT NOT NULL,
    superseded_by TEXT, withdrawn TEXT, withdrawn_why TEXT,
    UNIQUE (sha256, problem)
);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    path TEXT NOT NULL, sha256 TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, orientation INTEGER NOT NULL,
    filename TEXT NOT NULL, entry_attributes TEXT, size_bytes INTEGER, regions_rejected INTEGER NOT NULL,
    perceptual_hash TEXT
);
CREATE TABLE regions (
    image_id INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL, shape TEXT NOT NULL,
    label TEXT, label_attribute TEXT, attributes TEXT, place TEXT NOT NULL,
    is_crowd INTEGER NOT NULL, source_id TEXT, box TEXT, area REAL,
    box_area_px REAL NOT NULL, mask_area_px REAL NOT NULL,
    PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    rule TEXT NOT NULL, severity TEXT NOT NULL, scope TEXT NOT NULL,
    message TEXT NOT NULL, remedy TEXT NOT NULL,
    image TEXT, region_index INTEGER, place TEXT NOT NULL, vals TEXT,
    shape_kind TEXT, shape TEXT, image_path TEXT
);
{ROLLUPS}{ACCESS}"""

INDEXES = """
CREATE INDEX files_by_batch ON files (problem, batch, annotator);
CREATE INDEX files_by_path ON files (path);
CREATE INDEX images_by_file ON images (file_id);
CREATE INDEX images_by_content ON images (sha256);
CREATE INDEX images_by_name ON images (filename);
CREATE INDEX findings_by_file ON findings (file_id);
"""

STAGING = f"""
PRAGMA temp.journal_mode = OFF;
CREATE TEMP TABLE staged_images (id INTEGER PRIMARY KEY, {", ".join(IMAGE_COLUMNS)});
CREATE TEMP TABLE staged_regions (image_id, {", ".join(REGION_COLUMNS)});
CREATE TEMP TABLE staged_findings (id INTEGER PRIMARY KEY, {", ".join(FINDING_COLUMNS)});
"""
"""Private to one connection and gone with it: a file is gathered here while its images are checked, so that the
database is locked only for the moment in which all of it is moved over.
"""

INSERT_ROLLUP = f"INSERT INTO rollups (file_id, {', '.join(ROLLUP_COLUMNS)}) VALUES (?{', ?' * len(ROLLUP_COLUMNS)})"  # noqa: S608 - ours


def statements(script: str) -> list[str]:
    """The script's statements one by one: `executescript` would commit a transaction that is open."""
    found, begun = [], ""
    for piece in filter(str.strip, script.split(";")):
        begun += f"{piece};"
        if sqlite3.complete_statement(begun):  # a trigger has statements of its own inside
            found.append(begun)
            begun = ""
    return found
