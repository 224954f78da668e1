"""Same inputs, same bytes: wherever they lie, in whichever home, on whichever day."""

import ast
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import teppr.datasets
from teppr.annotations.ingest import ingest
from teppr.datasets.create import CreateOptions, create
from teppr.datasets.document import WHERE_AND_HOW
from teppr.datasets.snapshot import Snapshot
from teppr.problems import PROBLEMS
from teppr.scenes.delivery import deliver
from teppr.store.open import open_store

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "fromtimestamp", "st_mtime", "st_ctime"}


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job folder of annotation files and images; only to be looked at."""
    return deliver(tmp_path_factory.mktemp("delivery") / "street", images=60, samples=0, seed=7).job


def created(home: Path, job: Path, *, pack: bool) -> Snapshot:
    """A dataset of all of the job, in a home of its own."""
    home.mkdir(parents=True)
    with open_store(f"sqlite:///{home / 'store.db'}") as store:
        ingest([job], store, PROBLEMS.load("ods"))
        return create(store, home, "street", "ods", CreateOptions(seed=7, pack=pack))


def copy_of_another_day(job: Path, folder: Path) -> Path:
    copied = shutil.copytree(job, folder / job.name)
    for path in copied.rglob("*"):
        os.utime(path, (1e9, 1e9))
    return copied


def differing(one: object, other: object, *place: str) -> Iterator[tuple[str, ...]]:
    """Where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differing(one.get(key), other.get(key), *place, key)
    elif one != other:
        yield place


def document_of(snapshot: Snapshot) -> bytes:
    return (snapshot.path / "dataset.json").read_bytes()


def test_two_packed_creations_are_the_same_to_the_byte(delivery: Path, tmp_path: Path) -> None:
    here = created(tmp_path / "here", delivery, pack=True)
    there = created(tmp_path / "far" / "away", copy_of_another_day(delivery, tmp_path / "copy"), pack=True)

    assert here.document.images > 30
    assert document_of(here) == document_of(there)
    files = [
        {str(path.relative_to(one.path)): path.read_bytes() for path in one.path.rglob("*") if path.is_file()}
        for one in (here, there)
    ]
    assert files[0] == files[1]


def test_where_images_are_not_packed_only_the_table_that_says_where_they_lie_differs(
    delivery: Path, tmp_path: Path
) -> None:
    here = created(tmp_path / "here", delivery, pack=False)
    there = created(tmp_path / "there", copy_of_another_day(delivery, tmp_path / "copy"), pack=False)

    found = set(differing(*(json.loads(document_of(one)) for one in (here, there))))

    assert found == {("tables", "images.parquet", "sha256")}
    assert here.version == there.version
    assert (here.path / "annotations.parquet").read_bytes() == (there.path / "annotations.parquet").read_bytes()
    assert here.images_table.drop(["path"]).equals(there.images_table.drop(["path"]))


def test_all_that_may_differ_between_packed_and_not_is_declared(delivery: Path, tmp_path: Path) -> None:
    packed = created(tmp_path / "here", delivery, pack=True)
    referenced = created(tmp_path / "there", delivery, pack=False)

    found = set(differing(*(json.loads(document_of(one)) for one in (packed, referenced))))

    assert found == {("packed",), ("tables", "images.parquet", "sha256")}
    assert packed.version == referenced.version
    assert {"version": True, "packed": True, "tables": {"__all__": {"sha256"}}} == WHERE_AND_HOW


def test_no_module_on_the_way_to_the_bytes_asks_for_the_time() -> None:
    # Only `created` does, which tells people when a folder came to where it is.
    folder = Path(teppr.datasets.__file__).parent
    asked = {
        (path.name, node.attr)
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS
    }
    assert asked == {("snapshot.py", "fromtimestamp"), ("snapshot.py", "st_mtime")}
