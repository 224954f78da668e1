"""A dataset version taken away: whole, for good, and never one that a release is explained by."""

import os
import shutil
from pathlib import Path

import pytest

from teppr.datasets.delete import delete
from teppr.datasets.lineage import Product
from teppr.datasets.snapshot import DOCUMENT, dataset_names, dataset_versions, find_snapshot, latest_version
from teppr.errors import BadInput, Refused, UnknownName
from teppr.files import HALF_WRITTEN
from teppr.testing.datasets import small_snapshot


def test_a_version_goes_and_the_others_stay(home: Path) -> None:
    first, second, third = (small_snapshot(home, seed=seed, images=5) for seed in range(3))
    pictures = [item.path for item in second.images("train")]

    done = delete(home, second.reference, [])

    assert (done.name, done.version, done.runs, done.latest) == ("shapes", second.version, (), third.version)
    assert dataset_versions(home, "shapes") == sorted([first.version, third.version])
    assert find_snapshot(home, "shapes").version == third.version
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))
    assert all(path.is_file() for path in pictures)


def test_when_the_latest_goes_the_one_that_came_before_it_is_the_latest(home: Path) -> None:
    versions = [small_snapshot(home, seed=seed, images=5) for seed in range(4)]
    for age, snapshot in enumerate(reversed(versions)):
        os.utime(snapshot.path / DOCUMENT, (1e9 - age, 1e9 - age))

    for latest in (3, 2, 1):
        delete(home, f"shapes@{versions[latest].version[:8]}", [])
        assert find_snapshot(home, "shapes").version == versions[latest - 1].version

    assert delete(home, versions[0].reference, []).latest is None
    assert dataset_names(home) == []
    assert latest_version(home, "shapes") is None
    assert small_snapshot(home, seed=2, images=5).version == versions[2].version


def test_one_that_a_release_was_made_from_stays(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    run = Product(kind="run", name="shapes-1", dataset=snapshot.reference)
    release = Product(kind="release", name="acme-ods-8", dataset=snapshot.reference, run="shapes-1")

    with pytest.raises(Refused, match=r"a release was made from stays.*shapes@\w+ is that of acme-ods-8"):
        delete(home, snapshot.reference, [run, release])

    assert find_snapshot(home, "shapes").verify() == []


def test_runs_that_were_made_from_it_are_named(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    runs = [
        Product(kind="run", name="by-name", dataset=snapshot.reference),
        Product(kind="run", name="by-folder", dataset=str(snapshot.path)),
        Product(kind="run", name="of-another", dataset="shapes@123456789012"),
    ]

    assert delete(home, snapshot.reference, runs).runs == ("by-name", "by-folder")


def test_the_version_must_be_said_and_be_there(home: Path) -> None:
    snapshot, other = (small_snapshot(home, images=5, seed=seed) for seed in range(2))

    there = ", ".join(sorted([snapshot.reference, other.reference]))
    with pytest.raises(BadInput, match=f"NAME@VERSION, got 'shapes'; there are: {there}$"):
        delete(home, "shapes", [])
    with pytest.raises(BadInput, match=r"NAME@VERSION, got .*; there are: shapes$"):
        delete(home, str(snapshot.path), [])
    with pytest.raises(UnknownName, match="known: shapes@"):
        delete(home, "shapes@0000", [])
    with pytest.raises(UnknownName, match="no dataset 'forms'"):
        delete(home, "forms@0000", [])


def test_one_that_is_damaged_can_be_deleted(home: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    (snapshot.path / DOCUMENT).write_text("{}")

    delete(home, snapshot.reference, [])

    assert dataset_names(home) == []


def interrupted(_: Path) -> None:
    raise KeyboardInterrupt


def test_what_a_killed_deletion_leaves_is_not_believed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = small_snapshot(home, seed=1, images=5), small_snapshot(home, seed=2, images=5)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            delete(home, second.reference, [])

    assert dataset_versions(home, "shapes") == [first.version]
    assert find_snapshot(home, "shapes").version == first.version
    small_snapshot(home, seed=1, images=5)
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))
