"""Deliveries made for a test: a folder with images and VIA files, and a store to put them in."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from teppr.annotations.ingest import IngestOptions, ingest
from teppr.annotations.report import IngestReport
from teppr.problems import PROBLEMS, Problem
from teppr.store import FindingQuery, Store
from teppr.store.sqlite import SqliteStore
from teppr.types import Finding

ViaRegion = dict[str, Any]


@dataclass(frozen=True)
class Delivery:
    """A folder that images and annotation files are put into."""

    folder: Path

    def image(self, name: str, size_wh: tuple[int, int] = (100, 80), seed: int = 0) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng([seed, *name.encode()]).integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
        return path

    def via(self, images: dict[str, list[ViaRegion]], name: str = "via.json", **entry: object) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            f"{image}-1": {"filename": image, "size": -1, "regions": regions, "file_attributes": {}, **entry}
            for image, regions in images.items()
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return path


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
