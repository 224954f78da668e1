"""For tests: a release in the registry, without a run that was trained."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from teppr.registry.releases import Registry, ReleaseInfo, ReleaseRecord
from teppr.testing.bundles import small_bundle
from teppr.types import Release


def small_release(home: Path, key: str = "acme-ods-1", *, run: str = "none", dataset: str = "none") -> ReleaseInfo:
    """Publish the colour finder under this key, as made by that run from that dataset."""
    record = ReleaseRecord(
        key=key,
        architecture="color_finder",
        problem=Release.parse(key).problem,
        created=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        creator="AIE3",
        run=run,
        dataset=dataset,
        metrics={},
        acceptance=(),
        accepted=True,
        forced=False,
        why="",
        measured={},
    )
    with TemporaryDirectory() as temporary:
        return Registry(home).publish(small_bundle(Path(temporary) / "bundle", key), record)
