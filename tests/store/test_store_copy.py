"""One database into another: every record, and every state."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from teppr.cli.main import run
from teppr.errors import Missing
from teppr.progress import Progress
from teppr.store import Counts, FindingQuery, ImageQuery, Store, open_store
from teppr.store.copy import copy
from teppr.store.sqlite_schema import SCHEMA_VERSION
from teppr.testing.store_records import SHAPES, annotation_file, current, finding, put, region, stored_image
from teppr.types import AnnotationFile

WHEN = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
KINDS = pytest.mark.parametrize(
    "kinds",
    [("sqlite", "mongo"), ("mongo", "sqlite"), ("sqlite", "sqlite"), ("mongo", "mongo")],
    ids=" to ".join,
)


@pytest.fixture
def url_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """The URL of a new database of a kind, by name."""

    def url(kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        return f"{request.getfixturevalue('mongo_url')}_{name}"

    return url


@pytest.fixture
def stores(kinds: tuple[str, str], url_of: Callable[[str, str], str]) -> Iterator[tuple[Store, Store]]:
    """A store to read and one to write."""
    first, second = kinds
    with open_store(url_of(first, "source")) as source, open_store(url_of(second, "target")) as target:
        fill(source)
        yield source, target


def release(month: int, **changes: Any) -> AnnotationFile:  # noqa: ANN401
    return annotation_file(month, batch="b", part=1, released=date(2019, month, 1), **changes)


def fill(store: Store) -> None:
    """Current, superseded, withdrawn, rejected and replaced files, of two problems."""
    for file in (release(2), release(3), release(4), release(4, problem="rld"), annotation_file(7, annotator=None)):
        regions = [region(i, shape=shape) for i, shape in enumerate(SHAPES)]
        images = [stored_image(file, "a.jpg", regions), stored_image(file, "b.jpg", content=2)]
        put(store, file, images, [finding(file), finding(file, "DR14")])
    put(store, annotation_file(8), [], [finding(annotation_file(8))], accepted=False)
    put(store, release(2), [stored_image(release(2), "new.jpg")], replacing=True)
    store.withdraw(release(4).sha256, "ods", why="the wrong folder", when=WHEN)


def everything(store: Store) -> dict[str, list[Any]]:
    """All that the contract lets one read."""
    return {
        "files": list(store.files()),
        "images": list(store.images(ImageQuery(with_past=True))),
        "current images": list(store.images(ImageQuery())),
        "findings": list(store.findings(FindingQuery(with_past=True))),
        "by label": store.region_counts(("label", "annotator")),
        "by label and shape": store.region_counts(("label", "shape")),
        "fingerprints": list(store.fingerprints()),
        "shared": list(store.shared_images("ods")),
    }


@KINDS
def test_a_copy_is_equal_record_for_record(stores: tuple[Store, Store]) -> None:
    source, target = stores
    report = copy(source, target)
    assert everything(target) == everything(source)
    assert (report.copied, report.brought_up_to_date, report.unchanged) == (6, 0, 0)
    assert report.is_equal
    assert report.source == source.count() == Counts(files=6, images=9, regions=40, findings=9)


@KINDS
def test_what_comes_later_and_what_is_withdrawn_since_is_brought_over_by_the_next_copy(
    stores: tuple[Store, Store],
) -> None:
    source, target = stores
    copy(source, target)
    put(source, release(5), [stored_image(release(5), "may.jpg")])
    source.withdraw(annotation_file(7).sha256, "ods", why="empty", when=WHEN)
    report = copy(source, target)
    assert everything(target) == everything(source)
    # The new one, the one that it superseded, and the one withdrawn.
    assert (report.copied, report.brought_up_to_date, report.unchanged) == (1, 2, 4)
    assert copy(source, target).unchanged == 7


@KINDS
def test_what_the_target_ingested_itself_stays(stores: tuple[Store, Store]) -> None:
    source, target = stores
    put(target, annotation_file(9), [stored_image(annotation_file(9), "another.jpg")])
    put(target, release(3), [stored_image(release(3), "its own.jpg")])
    report = copy(source, target)
    assert (report.copied, report.brought_up_to_date, report.unchanged) == (5, 0, 1)
    of_release = target.images(ImageQuery(files=(release(3).sha256,), with_past=True))
    assert [image.filename for image in of_release] == ["its own.jpg"]
    assert "9.json" in current(target)
    assert not report.is_equal
    assert report.source.images == report.target.images + 1


class Interrupted(Progress):
    """Whoever watches has had enough after so many files."""

    def __init__(self, files: int) -> None:
        self.files = files

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:
        self.files -= steps
        if self.files == 0:
            raise KeyboardInterrupt(news)


@KINDS
def test_a_copy_that_was_stopped_is_completed_by_the_next(stores: tuple[Store, Store]) -> None:
    source, target = stores
    with pytest.raises(KeyboardInterrupt):
        copy(source, target, Interrupted(3))
    assert list(target.files()) == list(source.files())[:3]
    assert copy(source, target).copied == 3
    assert everything(target) == everything(source)


def test_the_command_copies_and_says_what_it_did(
    url_of: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    source_url, target_url = url_of("sqlite", "source"), url_of("mongo", "target")
    with open_store(source_url) as source:
        fill(source)
    assert run(["store", "copy", source_url, target_url, "--json"]) == 0
    counts = {"files": 6, "images": 9, "regions": 40, "findings": 9}
    assert json.loads(capsys.readouterr().out) == {
        "files": {"copied": 6, "brought_up_to_date": 0, "unchanged": 0},
        "source": counts,
        "target": counts,
        "equal": True,
    }
    assert run(["store", "copy", source_url, target_url]) == 0
    assert "0 files copied, 0 brought up to date, 6 there already" in capsys.readouterr().out


def test_the_command_fails_where_the_counts_differ(
    url_of: Callable[[str, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    source_url, target_url = url_of("sqlite", "source"), url_of("sqlite", "target")
    with open_store(source_url) as source, open_store(target_url) as target:
        fill(source)
        put(target, release(3))
    assert run(["store", "copy", source_url, target_url, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["equal"] is False


def test_nothing_is_copied_from_a_database_that_is_not_there(url_of: Callable[[str, str], str]) -> None:
    assert run(["store", "copy", url_of("sqlite", "source"), url_of("sqlite", "target")]) == Missing.exit_code
    assert run(["store", "copy", url_of("mongo", "source"), url_of("sqlite", "target")]) == Missing.exit_code


def test_the_command_shows_what_a_database_is_and_holds(
    url_of: Callable[[str, str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url_of("sqlite", "source")
    monkeypatch.setenv("TEPPR_STORE", url)
    assert run(["store", "show"]) == Missing.exit_code
    with open_store(url) as source:
        fill(source)
    capsys.readouterr()
    assert run(["store", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown.pop("back_end").startswith("SQLite 3.")
    expected = {"url": url, "schema_version": SCHEMA_VERSION, "files": 6, "images": 9, "regions": 40, "findings": 9}
    assert shown == expected
    assert run(["store", "show"]) == 0
    assert "40" in capsys.readouterr().out
