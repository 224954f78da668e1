"""Tables and indexes of the embedded store, all in one place."""

from __future__ import annotations

SCHEMA_VERSION = 1
"""Kept in the database's `user_version`; another number is refused, never guessed at."""

APPLICATION_ID = 0x74657072
"""Kept in the database's header ("tepr"): another program's SQLite file is not taken for a store."""

IMAGE_COLUMNS = "path, sha256, width, height, orientation, filename, entry_attributes, size_bytes, regions_rejected"
REGION_COLUMNS = (
    "position, kind, shape, label, label_attribute, attributes, place, is_crowd, source_id, box, area, "
    "box_area_px, mask_area_px"
)
FINDING_COLUMNS = (
    "rule, severity, scope, message, remedy, image, region_index, place, vals, shape_kind, shape, image_path"
)

TABLES = """
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
    superseded_by TEXT,
    UNIQUE (sha256, problem)
);
CREATE TABLE images (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    path TEXT NOT NULL, sha256 TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, orientation INTEGER NOT NULL,
    filename TEXT NOT NULL, entry_attributes TEXT, size_bytes INTEGER, regions_rejected INTEGER NOT NULL
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
"""

INDEXES = """
CREATE INDEX files_by_batch ON files (problem, batch, annotator);
CREATE INDEX files_by_path ON files (path);
CREATE INDEX images_by_file ON images (file_id);
CREATE INDEX images_by_content ON images (sha256);
CREATE INDEX findings_by_file ON findings (file_id);
"""

STAGING = f"""
CREATE TEMP TABLE staged_images (id INTEGER PRIMARY KEY, {IMAGE_COLUMNS});
CREATE TEMP TABLE staged_regions (image_id, {REGION_COLUMNS});
CREATE TEMP TABLE staged_findings (id INTEGER PRIMARY KEY, {FINDING_COLUMNS});
"""
"""Private to one connection and gone with it: a file is gathered here while its images are checked, so that the
database is locked only for the moment in which all of it is moved over.
"""
