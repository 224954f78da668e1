"""The embedded store: the contract, and what is SQLite's own."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from teppr.errors import AlreadyThere, BadInput, BadSettings, Corrupt, Missing
from teppr.store import ImageQuery, Store, StoredImage, open_store
from teppr.store.sqlite import SqliteStore
from teppr.testing.store import StoreContract
from teppr.testing.store_access import api_key, entry
from teppr.testing.store_records import annotation_file, put, region, stored_image, summary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.db"


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def store(self, path: Path) -> Iterator[Store]:
        with SqliteStore(path) as opened:
            yield opened


def test_what_is_written_is_there_when_opened_again(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        put(store, annotation_file(), [stored_image(annotation_file(), "a.jpg", [region()])])
    with open_store(f"sqlite:///{path}") as store:
        assert [image.filename for image in store.images(ImageQuery())] == ["a.jpg"]


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite://x", "postgres://x", "store.db", ""])
def test_an_unknown_url_is_refused_with_those_that_are_known(url: str) -> None:
    with pytest.raises(BadSettings, match="sqlite:///<path>"):
        open_store(url)


def test_what_is_not_there_is_made_only_if_it_may_be(path: Path) -> None:
    with pytest.raises(Missing, match="no annotation database at"):
        open_store(f"sqlite:///{path}", make=False)
    assert not path.exists()
    open_store(f"sqlite:///{path}").close()
    open_store(f"sqlite:///{path}", make=False).close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(Corrupt, match="not a sound SQLite database"):
        SqliteStore(path)


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (id)")
    other.close()
    with pytest.raises(Corrupt, match="another program's"):
        SqliteStore(path)


def test_another_version_of_the_schema_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Corrupt, match="version 99"):
        SqliteStore(path)


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
def test_the_database_itself_keeps_the_audit_log_as_it_is(path: Path, statement: str) -> None:
    with SqliteStore(path) as store:
        store.access.put(api_key(), entry())
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute(statement)
    with SqliteStore(path) as store:
        assert list(store.access.audit()) == [entry()]


def test_a_folder_that_cannot_hold_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Missing, match="cannot be made"):
        SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(Missing, match="cannot be opened"):
        SqliteStore(tmp_path)


class _FullStore(SqliteStore):
    """A database that may not grow any more, as on a full disk."""

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        return connection


def test_a_full_disk_is_said_and_leaves_nothing_half_done(path: Path) -> None:
    first, second = annotation_file(1), annotation_file(2)
    with SqliteStore(path) as store:
        put(store, first)
    with _FullStore(path) as store:
        many = [stored_image(second, f"{i}.jpg", [region()]) for i in range(500)]
        with pytest.raises(Missing, match="disk is full"):
            put(store, second, many)
        assert [found.file for found in store.files()] == [first]
        assert list(store.images(ImageQuery())) == []


def test_a_database_that_is_locked_is_waited_for_and_then_said(path: Path) -> None:
    with SqliteStore(path, busy_seconds=0.01) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Missing, match="locked by another process"):
            put(store, annotation_file())
        other.rollback()
        other.close()
        put(store, annotation_file())


def test_what_text_columns_cannot_keep_is_refused_and_leaves_nothing(path: Path) -> None:
    file = annotation_file()
    with SqliteStore(path) as store:
        with pytest.raises(BadInput, match="cannot keep a value"):
            put(store, file, [stored_image(file, "a.jpg", [region(label="half \ud800 character")])])
        assert list(store.files()) == []


def test_a_writer_that_is_not_finished_is_a_fault_of_the_caller(path: Path) -> None:
    with SqliteStore(path) as store:
        with pytest.raises(RuntimeError, match="finish"), store.writing(annotation_file()):
            pass
        assert list(store.files()) == []


def test_two_writers_of_one_file_leave_one(path: Path) -> None:
    file = annotation_file()
    with SqliteStore(path) as first, SqliteStore(path) as second:

        def overtaken() -> Iterator[StoredImage]:
            yield stored_image(file, "a.jpg")
            put(second, file, [stored_image(file, "a.jpg")])

        with pytest.raises(AlreadyThere):
            put(first, file, overtaken())
        assert len(list(first.images(ImageQuery()))) == 1


def test_others_write_while_a_file_is_gathered(path: Path) -> None:
    with SqliteStore(path) as first, SqliteStore(path) as second:
        file = annotation_file(1)
        with first.writing(file) as slow:
            slow.add_images([stored_image(file, "a.jpg")])
            put(second, annotation_file(2))
            slow.finish(summary(file))
        assert len(list(second.files())) == 2


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_all_succeed(path: Path) -> None:
    code = "import sys; from teppr.store import open_store; open_store(sys.argv[1]).close()"
    url = f"sqlite:///{path}"
    children = [subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE) for _ in range(6)]
    complaints = [child.communicate()[1].decode() for child in children]
    assert complaints == [""] * 6


def test_rows_come_sorted_without_a_sort(path: Path) -> None:
    statements: list[str] = []
    with SqliteStore(path) as store:
        store._connection.set_trace_callback(statements.append)
        list(store.images(ImageQuery(problem="ods")))
        store._connection.set_trace_callback(None)
        query = next(statement for statement in statements if "images.*" in statement)
        plan = [row["detail"] for row in store._connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert not any("TEMP B-TREE" in step for step in plan), plan


WRITE_UNTIL_KILLED = """
import sys
from teppr.store import open_store
from teppr.store.sqlite_writer import SqliteFileWriter
from teppr.testing.store_access import api_key, entry
from teppr.testing.store_records import annotation_file, finding, put, region, stored_image

def wait(self, file_id):
    print("moved, not committed", flush=True)
    sys.stdin.read()

SqliteFileWriter._say_what_supersedes = wait
file = annotation_file()
with open_store(sys.argv[1]) as store:
    put(store, file, [stored_image(file, f"{i}.jpg", [region()]) for i in range(200)], [finding(file)])
"""


def test_a_process_killed_while_it_moves_a_file_over_leaves_nothing(path: Path) -> None:
    url = f"sqlite:///{path}"
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"moved, not committed\n"
        child.kill()
    with open_store(url) as store:
        assert list(store.files()) == []
        assert list(store.images(ImageQuery(with_past=True))) == []
        put(store, annotation_file(), [stored_image(annotation_file(), "a.jpg", [region()])])
        assert len(list(store.images(ImageQuery()))) == 1
