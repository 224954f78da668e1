"""The store of a team: the contract, and what is MongoDB's own."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from teppr.errors import AlreadyThere, BadInput, BadSettings, Corrupt, Missing, MissingExtra
from teppr.store import FindingQuery, ImageQuery, Store, StoredImage, open_store
from teppr.store.mongo import MongoStore
from teppr.store.mongo_schema import LOOSE, OF_CONTENT
from teppr.store.mongo_writer import MongoFileWriter
from teppr.testing.mongod import Mongod, mongod
from teppr.testing.store import StoreContract
from teppr.testing.store_access import api_key, entry
from teppr.testing.store_records import annotation_file, current, finding, put, region, stored_image
from teppr.types import Finding
from teppr.urls import without_password

DISK_IS_FULL = 14031
CURSOR_IS_GONE = 43
QUICKLY = "?serverSelectionTimeoutMS=200"
RIGHT = "right"
JOURNALED: Any = {"writeConcern": {"w": 1, "j": True}}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class TestMongoStore(StoreContract):
    @pytest.fixture
    def store(self, mongo_url: str) -> Iterator[Store]:
        with MongoStore(mongo_url) as opened:
            yield opened


@pytest.fixture(scope="module")
def standalone(mongo_server: Mongod) -> Iterator[Mongod]:
    """A server without transactions."""
    assert mongo_server.process.poll() is None
    with mongod(transactions=False) as server:
        yield server


@pytest.mark.slow
class TestMongoStoreWithoutTransactions(StoreContract):
    @pytest.fixture
    def store(self, standalone: Mongod) -> Iterator[Store]:
        with MongoStore(standalone.url("teppr")) as opened:
            yield opened
        with standalone.client() as client:
            client.drop_database("teppr")


@pytest.fixture
def database(mongo_url: str) -> Iterator[Database[dict[str, Any]]]:
    """What is in the store's database, seen by another client."""
    with MongoClient[dict[str, Any]](mongo_url) as client:
        yield client.get_default_database()


def release(month: int, **changes: Any) -> Any:  # noqa: ANN401
    return annotation_file(month, batch="b", part=1, released=date(2019, month, 1), **changes)


def documents(database: Database[dict[str, Any]]) -> dict[str, int]:
    """How many documents each collection of contents holds."""
    return {name: database[name].count_documents({}) for name in OF_CONTENT}


def test_what_is_written_is_there_when_opened_again(mongo_url: str) -> None:
    with open_store(mongo_url) as store:
        put(store, annotation_file(), [stored_image(annotation_file(), "a.jpg", [region()])])
    with open_store(mongo_url, make=False) as store:
        assert [image.filename for image in store.images(ImageQuery())] == ["a.jpg"]


def test_what_is_not_there_is_made_only_if_it_may_be(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    with pytest.raises(Missing, match="no annotation database at mongodb://127"):
        open_store(mongo_url, make=False)
    assert database.list_collection_names() == []


def test_without_the_driver_it_is_said_which_extra_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("teppr.store.mongo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bson", None)
    monkeypatch.setitem(sys.modules, "pymongo", None)
    with pytest.raises(MissingExtra, match=r"teppr\[mongo\]"):
        open_store("mongodb://localhost/teppr")


@pytest.mark.parametrize(
    "url",
    ["mongodb://", "mongodb://host:port/teppr", "mongodb://host/", "mongodb://me:sec/ret@h/t", "mongo://me:secret@h/t"],
    ids=str,
)
def test_a_wrong_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(BadSettings, match="annotation database") as caught:
        open_store(url)
    assert "ret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://host/teppr", "mongodb://host/teppr"),
        (
            "mongodb://me:secret@a:1,b:2/teppr?tls=true&tlsCertificateKeyFilePassword=secret",
            "mongodb://me@a:1,b:2/teppr",
        ),
        ("mongodb+srv://me:s%40e:cret@host/teppr", "mongodb+srv://me@host/teppr"),
        ("mongodb://me:with@sign@host/teppr", "mongodb://me@host/teppr"),
        ("mongodb://me:secret@host", "mongodb://me@host"),
        ("redis://:secret@host:1/0?password=secret", "redis://@host:1/0"),
        ("unix:///home/queue/queue.sock", "unix:///home/queue/queue.sock"),
    ],
    ids=str,
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_server_that_is_away_is_said_with_its_host_and_without_the_password(mongo_server: Mongod) -> None:
    assert mongo_server.port != 1
    with pytest.raises(Missing, match=r"mongodb://me@127.0.0.1:1/teppr does not answer \(.*refused\); start") as caught:
        open_store(f"mongodb://me:secret@127.0.0.1:1/teppr{QUICKLY}")
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_goes_away_is_said_and_one_that_comes_back_goes_on(mongo_server: Mongod) -> None:
    assert mongo_server.process.poll() is None
    first, second = annotation_file(1), annotation_file(2)
    with mongod() as server, open_store(server.url("teppr") + QUICKLY) as store:
        put(store, first, [stored_image(first, "a.jpg", [region()])])

        def broken_off() -> Iterator[StoredImage]:
            yield stored_image(second, "b.jpg")
            server.kill()

        with pytest.raises(Missing, match="does not answer"):
            put(store, second, broken_off())
        with pytest.raises(Missing, match=f"127.0.0.1:{server.port}/teppr does not answer"):
            list(store.files())
        server.start()
        assert [found.file for found in store.files()] == [first]
        assert [image.filename for image in store.images(ImageQuery())] == ["a.jpg"]
        put(store, second)
        assert len(list(store.files())) == 2


@pytest.mark.parametrize("command", ["insert", "update", "findAndModify", "commitTransaction"])
def test_a_full_disk_is_said_and_leaves_nothing_half_done(
    mongo_server: Mongod, mongo_url: str, database: Database[dict[str, Any]], command: str
) -> None:
    first, second = annotation_file(1), annotation_file(2)
    with MongoStore(mongo_url) as store:
        put(store, first)
        full = mongo_server.failing(1, command, errorCode=DISK_IS_FULL)
        with full, pytest.raises(Missing, match="disk is full; make room"):
            put(store, second, [stored_image(second, "a.jpg", [region()])], [finding(second)])
        assert [found.file for found in store.files()] == [first]
        assert list(store.images(ImageQuery())) == []
        assert documents(database) == dict.fromkeys(OF_CONTENT, 0)
        put(store, second, [stored_image(second, "a.jpg", [region()])])
        assert len(list(store.images(ImageQuery()))) == 1


@pytest.mark.parametrize("command", ["insert", "findAndModify", "commitTransaction"])
def test_a_connection_that_breaks_once_is_made_again(mongo_server: Mongod, mongo_url: str, command: str) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:
        with mongo_server.failing(1, command, closeConnection=True):
            put(store, file, [stored_image(file, "a.jpg", [region()])])
        assert len(list(store.images(ImageQuery()))) == 1


def test_a_reader_that_takes_its_time_reads_on(mongo_server: Mongod, mongo_url: str) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:
        put(store, file, [stored_image(file, f"{i}.jpg", [region()], content=i) for i in range(1, 251)])
        for read in (lambda: store.images(ImageQuery()), store.fingerprints):
            expected = list(read())
            with mongo_server.failing(1, "getMore", errorCode=CURSOR_IS_GONE):
                assert list(read()) == expected
            assert len(expected) == 250


@pytest.mark.slow
def test_users_and_passwords_that_are_refused_are_said(mongo_server: Mongod, tmp_path: Path) -> None:
    assert mongo_server.process.poll() is None
    with mongod(tmp_path, transactions=False) as server, server.client() as client:
        client.admin.command("createUser", "reader", pwd=RIGHT, roles=[{"role": "read", "db": "mine"}])
        client.admin.command("createUser", "me", pwd=RIGHT, roles=[{"role": "readWrite", "db": "mine"}], **JOURNALED)
    with mongod(tmp_path, transactions=False, options=["--auth"]) as server:
        host = f"127.0.0.1:{server.port}"
        with pytest.raises(BadSettings, match="does not accept this user and password") as caught:
            open_store(f"mongodb://me:wrong@{host}/mine?authSource=admin")
        assert "wrong" not in str(caught.value)
        with pytest.raises(BadSettings, match="may not do that in the annotation database mongodb://me@127"):
            open_store(f"mongodb://me:right@{host}/others?authSource=admin")
        with pytest.raises(BadSettings, match="may not do that"):
            open_store(f"mongodb://{host}/mine")
        with open_store(f"mongodb://me:right@{host}/mine?authSource=admin") as store:
            put(store, annotation_file())
        with open_store(f"mongodb://reader:right@{host}/mine?authSource=admin") as store:
            assert len(list(store.files())) == 1
            with pytest.raises(BadSettings, match="may not do that"):
                put(store, annotation_file(2))


def test_another_programs_database_is_refused(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    database["theirs"].insert_one({})
    with pytest.raises(Corrupt, match="another program's"):
        open_store(mongo_url)
    assert database.list_collection_names() == ["theirs"]


def test_a_newer_schema_is_refused(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    open_store(mongo_url).close()
    database["teppr"].update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(Corrupt, match="version 99"):
        open_store(mongo_url)


def test_a_store_whose_making_was_cut_short_is_made_by_the_next_start(
    mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    database["teppr"].insert_one({"_id": "schema", "version": 0})
    with open_store(mongo_url) as store:
        put(store, annotation_file())
        assert len(list(store.files())) == 1
    assert len(database["images"].index_information()) == 4


def test_a_store_of_version_1_gets_keys_and_an_audit_log(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    open_store(mongo_url).close()
    for name in ("api_keys", "audit"):
        database.drop_collection(name)
    database["teppr"].update_one({"_id": "schema"}, {"$set": {"version": 1}})
    with open_store(mongo_url) as store:
        assert store.about().schema_version == 2
        store.access.put(api_key(), entry())
        assert list(store.access.all_keys()) == [api_key()]
    assert database["api_keys"].index_information()["sha256_1"]["unique"]


def test_a_region_beyond_what_a_document_holds_is_refused(mongo_url: str) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:
        with pytest.raises(BadInput, match="one region may have 16 MB"):
            put(store, file, [stored_image(file, "a.jpg", [region(label="x" * 17_000_000)])])
        assert list(store.files()) == []


def test_a_writer_that_is_not_finished_is_a_fault_of_the_caller(mongo_url: str) -> None:
    with MongoStore(mongo_url) as store:
        with pytest.raises(RuntimeError, match="finish"), store.writing(annotation_file()):
            pass
        assert list(store.files()) == []


def test_two_writers_of_one_file_leave_one(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as first, MongoStore(mongo_url) as second:

        def overtaken() -> Iterator[StoredImage]:
            yield stored_image(file, "a.jpg")
            put(second, file, [stored_image(file, "a.jpg")])

        with pytest.raises(AlreadyThere):
            put(first, file, overtaken())
        assert len(list(first.images(ImageQuery()))) == 1
        assert documents(database)["images"] == 1


def leave_behind(store: MongoStore) -> None:
    """What a process leaves that is killed while it writes."""
    file = annotation_file(9)
    writer = MongoFileWriter(store._connection, file, replace=False, settle=True)
    writer.add_images([stored_image(file, "a.jpg", [region()], content=9)])
    writer.add_findings([finding(file)])


def test_what_a_killed_writer_left_is_not_seen_and_swept_when_nobody_can_be_at_it(
    mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    with MongoStore(mongo_url) as store:
        put(store, annotation_file(1), [stored_image(annotation_file(1), "mine.jpg", [region()], content=1)])
        leave_behind(store)
        assert [image.filename for image in store.images(ImageQuery(with_past=True))] == ["mine.jpg"]
        assert list(store.findings(FindingQuery(with_past=True))) == []
        assert list(store.images(ImageQuery(filename="a.jpg"))) == []
        assert [found.path for found in store.fingerprints()] == ["/images/mine.jpg"]
        assert store.known_image(f"{9:064x}") == ()
        assert store.annotators_of(f"{9:064x}", "ods") == ()
        assert (store.count().images, store.count().findings) == (1, 0)
        assert store.region_counts(("label", "shape"))[0]["regions"] == 1
    open_store(mongo_url).close()
    assert documents(database) == {"images": 2, "findings": 1, "rollups": 3}
    database[LOOSE].update_many({}, {"$set": {"touched": LONG_AGO}})
    open_store(mongo_url).close()
    assert documents(database) == {"images": 1, "findings": 0, "rollups": 3}
    assert database[LOOSE].count_documents({}) == 0


WRITE_UNTIL_KILLED = """
import sys
from teppr.store import mongo_writer, open_store
from teppr.testing.store_access import api_key, entry
from teppr.testing.store_records import annotation_file, finding, put, region, stored_image

def wait(database, key, session):
    print("put, not committed", flush=True)
    sys.stdin.read()

mongo_writer.settle_file = wait
file = annotation_file()
with open_store(sys.argv[1]) as store:
    put(store, file, [stored_image(file, f"{i}.jpg", [region()]) for i in range(200)], [finding(file)])
"""


@pytest.mark.slow
def test_a_process_killed_in_its_transaction_leaves_nothing_and_does_not_block_the_next(mongo_url: str) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, mongo_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"put, not committed\n"
        child.kill()
    with open_store(mongo_url) as store:
        assert list(store.files()) == []
        assert list(store.images(ImageQuery(with_past=True))) == []
        put(store, annotation_file(), [stored_image(annotation_file(), "a.jpg", [region()])])
        assert len(list(store.images(ImageQuery()))) == 1


@pytest.mark.slow
def test_a_process_that_only_paused_in_its_transaction_puts_its_file_all_the_same(mongo_url: str) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, mongo_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"put, not committed\n"
        with open_store(mongo_url) as store:
            put(store, annotation_file(2))
        child.communicate()
    assert child.returncode == 0
    with open_store(mongo_url) as store:
        assert [found.file for found in store.files()] == [annotation_file(2), annotation_file(1)]
        assert len(list(store.images(ImageQuery()))) == 200


def test_a_writer_that_paused_too_long_is_told(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:

        def pausing() -> Iterator[Finding]:
            database[LOOSE].update_many({}, {"$set": {"touched": LONG_AGO}})
            open_store(mongo_url).close()
            yield from ()

        with pytest.raises(Missing, match="paused for so long"):
            put(store, file, [stored_image(file, "a.jpg")], pausing())
        assert list(store.files()) == []
    assert documents(database)["images"] == 0


def test_readers_of_a_file_that_is_replaced_read_the_old_one_to_its_end(
    mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:
        put(store, file, [stored_image(file, f"old {i}.jpg") for i in range(150)])
        images = store.images(ImageQuery())
        first = next(images)
        put(store, file, [stored_image(file, "new.jpg")], replacing=True)
        open_store(mongo_url).close()
        assert [image.filename for image in (first, *images)] == [f"old {i}.jpg" for i in range(150)]
        assert [image.filename for image in store.images(ImageQuery())] == ["new.jpg"]
        database[LOOSE].update_many({}, {"$set": {"touched": LONG_AGO}})
        open_store(mongo_url).close()
        assert documents(database)["images"] == 1


def test_a_reader_of_what_is_cleared_away_is_told(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    file = annotation_file()
    with MongoStore(mongo_url) as store:
        put(store, file, [stored_image(file, f"{i}.jpg") for i in range(300)])
        images = store.images(ImageQuery())
        next(images)
        database["images"].delete_many({})
        with pytest.raises(Missing, match="was replaced a while ago"):
            list(images)


def test_what_a_process_could_not_settle_is_settled_by_the_next_start(
    mongo_url: str, database: Database[dict[str, Any]]
) -> None:
    with MongoStore(mongo_url) as store:
        for month in (2, 3, 4):
            put(store, release(month))
    # As a process leaves them that is killed on a server without transactions.
    database["files"].update_many({"path": "/jobs/4.json"}, {"$set": {"unsettled": True}})
    database["files"].update_many({"path": "/jobs/3.json"}, {"$set": {"superseded_by": None}})
    with MongoStore(mongo_url) as store:
        assert current(store) == ["4.json"]
    assert database["files"].count_documents({"unsettled": True}) == 0
    changes = {"unsettled": True, "withdrawn": LONG_AGO.isoformat(), "withdrawn_why": "empty"}
    database["files"].update_many({"path": "/jobs/4.json"}, {"$set": changes})
    with MongoStore(mongo_url) as store:
        assert current(store) == ["3.json"]


def test_a_file_that_is_on_record_is_not_swept(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    with MongoStore(mongo_url) as store:
        put(store, annotation_file(), [stored_image(annotation_file(), "a.jpg")])
    # As a process leaves it that is killed on a server without transactions.
    content = database["files"].find_one({}, {"content": 1})
    assert content is not None
    database[LOOSE].insert_one({"_id": content["content"], "touched": LONG_AGO})
    with MongoStore(mongo_url) as store:
        assert len(list(store.images(ImageQuery()))) == 1
    assert database[LOOSE].count_documents({}) == 0


@pytest.mark.parametrize(
    ("collection", "conditions", "by"),
    [
        ("images", {"content": 1}, ["seq"]),
        ("images", {"sha256": {"$gt": ""}, "part": 0}, ["sha256", "content", "seq"]),
        ("findings", {"content": 1}, ["seq"]),
        ("files", {}, ["order"]),
    ],
    ids=str,
)
def test_documents_come_sorted_without_a_sort(
    mongo_url: str, database: Database[dict[str, Any]], collection: str, conditions: dict[str, Any], by: list[str]
) -> None:
    open_store(mongo_url).close()
    plan = database[collection].find(conditions).sort([(field, 1) for field in by]).explain()
    assert "'SORT'" not in str(plan["queryPlanner"]["winningPlan"])
