"""Databases that an earlier teppr wrote are brought up to date when they are opened."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from teppr.errors import Corrupt
from teppr.store import FindingQuery, ImageQuery, StoredImage
from teppr.store.sqlite import SqliteStore
from teppr.store.sqlite_migrations import MIGRATIONS
from teppr.store.sqlite_schema import SCHEMA_VERSION
from teppr.testing.store_counts import GROUPINGS, counted
from teppr.testing.store_records import annotation_file, put, region, stored_image
from teppr.types import Circle, Rect, Region, Tally

VERSION_1 = """
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
CREATE INDEX files_by_batch ON files (problem, batch, annotator);
CREATE INDEX files_by_path ON files (path);
CREATE INDEX images_by_file ON images (file_id);
CREATE INDEX images_by_content ON images (sha256);
CREATE INDEX findings_by_file ON findings (file_id);
PRAGMA application_id = 1952804978;
PRAGMA user_version = 1;
INSERT INTO files VALUES
    (1, 'a1', 'ods', '/jobs/1.json', 101, 'via', 'AT1', 'VIA 2.05', 'b', 1, '2019-01-23', '2019-02-01',
     1, 2, 2, 4, 3, 2, '{"car":2,"sign":1}', '{"rect":3,"circle":1}', '{"DR12":1}', '2026-01-15T12:30:00+00:00', 'a2'),
    (2, 'a2', 'ods', '/jobs/2.json', 102, 'via', 'AT1', 'VIA 2.05', 'b', 1, '2019-01-23', '2019-03-01',
     1, 3, 3, 4, 4, 3, '{"car":3,"sign":1}', '{"rect":3,"circle":1}', '{}', '2026-01-15T12:31:00+00:00', NULL),
    (3, 'a3', 'ods', '/jobs/3.json', 103, 'via', NULL, NULL, NULL, NULL, NULL, NULL,
     0, 0, 0, 0, 0, 0, '{}', '{}', '{"DR01":1}', '2026-01-15T12:32:00+00:00', NULL);
INSERT INTO images VALUES
    (1, 1, '/images/a.jpg', 'i1', 200, 100, 1, 'a.jpg', NULL, 1234, 1),
    (2, 2, '/images/a.jpg', 'i1', 200, 100, 6, 'a.jpg', '{"caption":"x"}', 1234, 0),
    (3, 2, '/images/b.jpg', 'i2', 50, 40, 1, 'b.jpg', NULL, NULL, 0),
    (4, 2, '/images/c.jpg', 'i3', 50, 40, 1, 'c.jpg', NULL, NULL, 0);
INSERT INTO regions VALUES
    (1, 0, 'rect', '[0,0,10,20]', 'car', 'name', NULL, 'regions[0]', 0, NULL, NULL, NULL, 200.0, 200.0),
    (2, 0, 'rect', '[0,0,10,20]', 'car', 'name', NULL, 'regions[0]', 0, NULL, NULL, NULL, 200.0, 200.0),
    (2, 1, 'rect', '[1,1,10,20]', 'car', 'name', NULL, 'regions[1]', 0, NULL, NULL, NULL, 200.0, 200.0),
    (2, 3, 'circle', '[50,50,10]', 'sign', NULL, '{"n":1}', 'regions[3]', 1, '17', '[40,40,20,20]', 12.5,
     400.0, 314.1592653589793),
    (3, 0, 'rect', '[0,0,10,20]', 'car', 'name', NULL, 'regions[0]', 0, NULL, NULL, NULL, 200.0, 200.0);
INSERT INTO findings VALUES
    (1, 1, 'DR12', 'error', 'region', 'too far', 'Move it.', 'a.jpg', 1, 'regions[1]', '{"px":5}', 'rect', '[0,0,9,9]',
     '/images/a.jpg'),
    (2, 3, 'DR01', 'error', 'file', 'broken', 'Mend it.', NULL, NULL, '', NULL, NULL, NULL, NULL);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
    return path


def car(index: int, x: float) -> Region:
    return Region(shape=Rect(x, x, 10, 20), label="car", index=index, where=f"regions[{index}]", label_attribute="name")


def test_everything_is_found_again(path: Path) -> None:
    with SqliteStore(path) as store:
        assert store.about().schema_version == SCHEMA_VERSION
        first, second, third = store.files()
        assert (first.superseded_by, second.superseded_by, third.accepted) == ("a2", None, False)
        assert (second.regions, second.labels, second.withdrawn) == (Tally(4, 4, 0), {"car": 3, "sign": 1}, None)
        assert second.ingested == datetime(2026, 1, 15, 12, 31, tzinfo=UTC)
        sign = Region(
            shape=Circle(50, 50, 10),
            label="sign",
            index=3,
            where="regions[3]",
            attributes={"n": 1},
            is_crowd=True,
            source_id=17,
            box_xywh_px=(40, 40, 20, 20),
            area_px=12.5,
        )
        images = list(store.images(ImageQuery()))
        assert images[0] == StoredImage(
            path="/images/a.jpg",
            sha256="i1",
            size_wh=(200, 100),
            orientation=6,
            filename="a.jpg",
            file_sha256="a2",
            regions=(car(0, 0), car(1, 1), sign),
            annotator="AT1",
            batch="b",
            attributes={"caption": "x"},
            size_bytes=1234,
            regions_rejected=0,
            perceptual_hash=None,
        )
        assert [image.filename for image in images] == ["a.jpg", "b.jpg", "c.jpg"]
        assert [found.rule for found in store.findings(FindingQuery(with_past=True))] == ["DR12", "DR01"]


def test_roll_ups_are_those_of_the_regions(path: Path) -> None:
    with SqliteStore(path) as store:
        files = {summary.file.sha256: summary.file for summary in store.files()}
        for by in GROUPINGS:
            assert store.region_counts(by, "ods") == counted(store.images(ImageQuery()), files, by)
        assert store.region_counts(("label", "released")) == [
            {
                "label": "car",
                "released": date(2019, 3, 1),
                "images": 2,
                "image_area_px": 22000,
                "regions": 3,
                "largest_per_image": 2,
                "box_area_px": 600,
                "mask_area_px": 600,
            },
            {
                "label": "sign",
                "released": date(2019, 3, 1),
                "images": 1,
                "image_area_px": 20000,
                "regions": 1,
                "largest_per_image": 1,
                "box_area_px": 400,
                "mask_area_px": pytest.approx(314.159265),
            },
        ]


def test_an_older_release_has_its_roll_ups_when_it_is_current_again(path: Path) -> None:
    with SqliteStore(path) as store:
        store.withdraw("a2", "ods", why="empty", when=datetime(2026, 2, 1, tzinfo=UTC))
        assert [(row["file"], row["regions"]) for row in store.region_counts(("file",))] == [("a1", 1)]


def test_it_is_written_to_as_any_other(path: Path) -> None:
    file = annotation_file(batch="b", part=1, released=date(2020, 1, 1))
    with SqliteStore(path) as store:
        put(store, file, [stored_image(file, "new.jpg", [region()])])
    with SqliteStore(path) as store:
        assert [image.filename for image in store.images(ImageQuery())] == ["new.jpg"]


def schema(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """{table or index: its columns, whatever their order}."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        tables = "SELECT name, type, [notnull], dflt_value, pk FROM pragma_table_info(?)"
        indexes = "SELECT name, seqno FROM pragma_index_info(?)"
        return {name: {*connection.execute(tables, (name,)), *connection.execute(indexes, (name,))} for name in names}


def test_it_has_the_tables_of_a_new_one(path: Path) -> None:
    SqliteStore(path).close()
    new = path.with_name("new.db")
    SqliteStore(new).close()
    assert schema(path) == schema(new)


def test_every_older_version_has_its_step() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_a_step_that_breaks_leaves_the_database_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE rollups (in_the_way)")
    with pytest.raises(Corrupt, match="already exists"):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(files)")]
        assert "withdrawn" not in columns
        connection.execute("DROP TABLE rollups")
    with SqliteStore(path) as store:
        assert len(list(store.files())) == 3


@pytest.mark.slow
def test_processes_that_open_it_at_once_all_succeed(path: Path) -> None:
    code = "import sys; from teppr.store import open_store; open_store(sys.argv[1]).close()"
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [child.communicate()[1].decode() for child in children] == [""] * 4
