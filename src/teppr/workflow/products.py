"""What was made of datasets: the runs and releases below a home, for lineage and before a dataset is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from teppr.datasets.lineage import Made, Product
from teppr.errors import BadInput, UnknownName
from teppr.registry.releases import Registry, ReleaseInfo
from teppr.types import Release
from teppr.workflow.run import STAGES, Run, find_run, list_runs


def products(home: Path) -> Iterator[Product]:
    """Every run, oldest first, then every release; raises Corrupt or BadFile for one that cannot be read."""
    for run in list_runs(home):
        yield _of_run(home, run)
    for info in Registry(home).list():
        yield _of_release(info)


def _of_run(home: Path, run: Run) -> Product:
    experiment = run.experiment
    done = [stage for stage in STAGES if run.stage_record(stage)]
    return Product(
        kind="run",
        name=run.id,
        dataset=experiment.dataset,
        weights=_weights(home, experiment.train.weights),
        facts={
            "created": run.created.isoformat(),
            "architecture": experiment.architecture,
            "stages": {stage: str(run.stage(stage)) for stage in done},
        },
    )


def _of_release(info: ReleaseInfo) -> Product:
    record = info.record
    release = Release.parse(record.key)
    return Product(
        kind="release",
        name=record.key,
        dataset=record.dataset,
        run=record.run,
        other_names=tuple(f"{release.org}-{release.problem}@{alias}" for alias in info.aliases),
        facts={
            "created": record.created.isoformat(),
            "architecture": record.architecture,
            "accepted": record.accepted,
            "aliases": list(info.aliases),
        },
    )


def _weights(home: Path, origin: str) -> tuple[Made, str] | None:
    """The run or the release that `train.from` means, where it means one that is here."""
    if origin in {"imagenet", "scratch"}:
        return None
    # A checkpoint lies in its run: <run>/checkpoints/best.pt
    named = str(Path(origin).absolute().parents[1]) if Path(origin).is_file() else origin
    with suppress(UnknownName):
        return "run", find_run(home, named).id
    with suppress(BadInput):
        return "release", Registry(home).release(origin).record.key
    return None
