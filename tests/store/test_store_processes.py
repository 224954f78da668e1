"""Whatever happens to processes: every file is wholly on record or not at all, and none twice."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from teppr.annotations.ingest import IngestOptions, ingest
from teppr.problems import PROBLEMS
from teppr.store import Counts, Store, open_store
from teppr.testing.mongod import Mongod, mongod

FILES = 50
KILLS = 20
FEBRUARY, MARCH = "010219", "010319"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def standalone(mongo_server: Mongod) -> Iterator[Mongod]:
    """A server without transactions."""
    assert mongo_server.process.poll() is None
    with mongod(transactions=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "mongo", "mongo without transactions"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], str]:
    """The URL of a database that is not there yet, by number."""
    if request.param == "sqlite":
        return lambda number: f"sqlite:///{tmp_path / str(number)}.db"
    if request.param == "mongo":
        url = request.getfixturevalue("mongo_url")
        return lambda number: f"{url}_{number}"
    server: Mongod = request.getfixturevalue("standalone")
    return lambda number: server.url(f"{tmp_path.name[-30:]}_{number}")


def coco(number: int) -> dict[str, object]:
    """One to four images of three regions, of which the last is a repetition and rejected."""
    boxes = [[number, 60, 20, 30], [40, 10, 20, 30], [40, 10, 20, 30]]
    images = range(1, number % 4 + 2)
    return {
        "images": [{"id": i, "file_name": f"{number}_{i}.jpg", "width": 200, "height": 100} for i in images],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": 10 * i + j, "image_id": i, "category_id": 1, "bbox": box, "area": 600, "iscrowd": 0}
            for i in images
            for j, box in enumerate(boxes)
        ],
    }


def deliver(folder: Path, released: str, files: int = FILES) -> dict[str, Counts]:
    """Write annotation files; {path: records that are expected of it}."""
    folder.mkdir()
    expected = {}
    for number in range(files):
        path = folder / f"images-p{number}-230119_AT1_via205_{released}.json"
        path.write_text(json.dumps(coco(number) | {"info": {"released": released}}))
        images = number % 4 + 1
        expected[str(path)] = Counts(files=1, images=images, regions=2 * images, findings=images)
    return expected


def started(url: str, folder: Path) -> "subprocess.Popen[bytes]":
    """A process that ingests a folder."""
    command = [sys.executable, "-m", "teppr", "--home", str(folder.parent), "annotations", "ingest", str(folder)]
    environment = {"TEPPR_STORE": url, "PYTHONPATH": ":".join(sys.path), "TEPPR_WORKERS": "1"}
    return subprocess.Popen(
        [*command, "--no-images"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def ended(child: "subprocess.Popen[bytes]") -> None:
    """It did what it was to do: 1 says that something was rejected."""
    _, complaints = child.communicate()
    assert child.returncode == 1, complaints.decode()[-3000:]


def check(store: Store, expected: dict[str, Counts]) -> int:
    """Every file that is on record has all its records; how many there are."""
    found = list(store.files())
    for summary in found:
        counts = store.count(summary.file.sha256)
        assert counts == expected[summary.file.path]
        assert (summary.images, summary.regions.accepted) == (counts.images, counts.regions)
    assert store.count().images == sum(expected[summary.file.path].images for summary in found)
    regions = {row["file"]: row["regions"] for row in store.region_counts(("file",))}
    of_current = {each.file.sha256: expected[each.file.path].regions for each in found if each.superseded_by is None}
    assert regions == of_current
    assert len({summary.file.sha256 for summary in found}) == len(found)
    return len(found)


def wait_for(files: int, url: str, child: "subprocess.Popen[bytes]") -> None:
    """Until so many files are on record, or the process has ended."""
    with open_store(url) as store:
        while child.poll() is None and sum(1 for _ in store.files()) < files:
            time.sleep(0.02)


def test_a_killed_ingest_leaves_every_file_whole_or_absent_and_the_next_completes_it(
    new_url: Callable[[int], str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "delivery"
    expected = deliver(folder, FEBRUARY)
    total = Counts(files=FILES, images=123, regions=246, findings=123)
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    kills = KILLS if "without" not in request.node.callspec.id else 3
    for number in range(kills):
        url = new_url(number)
        child = started(url, folder)
        wait_for(moments.randrange(FILES - 5), url, child)
        child.kill()
        child.communicate()
        with open_store(url) as store:
            whole = check(store, expected)
            assert whole < FILES
            report = ingest([folder], store, PROBLEMS.load("ods"), IngestOptions(open_images=False))
            assert (report.files.accepted, report.unchanged) == (FILES, whole)
            assert store.count() == total


def test_two_processes_that_ingest_the_same_at_once_put_it_once(new_url: Callable[[int], str], tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    expected = deliver(folder, FEBRUARY)
    children = [started(new_url(0), folder) for _ in range(2)]
    for child in children:
        ended(child)
    with open_store(new_url(0)) as store:
        assert check(store, expected) == FILES


def test_of_two_processes_that_ingest_two_releases_at_once_the_newer_counts(
    new_url: Callable[[int], str], tmp_path: Path
) -> None:
    february, march = tmp_path / "february", tmp_path / "march"
    expected = deliver(february, FEBRUARY) | deliver(march, MARCH)
    children = [started(new_url(0), folder) for folder in (february, march)]
    for child in children:
        ended(child)
    with open_store(new_url(0)) as store:
        assert check(store, expected) == 2 * FILES
        current = [Path(found.file.path).parent for found in store.files(with_past=False)]
        assert current == [march] * FILES
