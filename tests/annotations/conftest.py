"""A delivery, and a store to put it in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teppr.annotations.ingest import IngestOptions, ingest
from teppr.annotations.report import IngestReport
from teppr.problems import PROBLEMS, Problem
from teppr.store import FindingQuery, Store
from teppr.store.sqlite import SqliteStore
from teppr.testing.deliveries import Delivery
from teppr.types import Finding


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery(tmp_path / "delivery")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with SqliteStore(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def ods() -> Problem:
    return PROBLEMS.load("ods")


@pytest.fixture
def take(store: Store, ods: Problem) -> Callable[..., IngestReport]:
    """Ingest files with options by name."""

    def run(*paths: Path, problem: Problem = ods, **options: Any) -> IngestReport:  # noqa: ANN401
        return ingest(paths, store, problem, IngestOptions(**{"label_attribute": "label"} | options))

    return run


@pytest.fixture
def found(store: Store) -> Callable[[], list[Finding]]:
    """All findings on record but those about the names of files."""

    def run() -> list[Finding]:
        return [finding for finding in store.findings(FindingQuery()) if finding.rule != "DR02"]

    return run
