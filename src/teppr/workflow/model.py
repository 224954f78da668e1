"""Anything that finds objects, by whatever name people call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import BadFile, Corrupt, UnknownName
from teppr.files import sha256_of
from teppr.images import Pixels
from teppr.registry.bundle import MANIFEST, Bundle, is_bundle
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.types import RELEASE_KEY, Detections, LabelInfo
from teppr.workflow.compute import Compute
from teppr.workflow.run import ARRAYS_SUFFIX, Run, find_run, list_runs
from teppr.workflow.trained import open_trained

CHECKPOINT_SUFFIXES = frozenset({".pt", ".pth", ARRAYS_SUFFIX})
DEFAULT_SCORE_THRESHOLD_0_1 = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A model that is ready to use.

    name: what it is: a release key, a run's id, or a file's path
    task: what it learned, by name
    score_threshold_0_1: below it a detection is not shown unless asked for
    find: the objects in an RGB image [h, w, 3], in its pixels, best first, scoring 0.05 or more
    find_many: the same for several images at once, quicker where the network takes them together
    most_together: how many images it is best given at a time
    sha256: of what it was made from: two models of the same one give the same answers
    """

    name: str
    architecture: str
    task: str
    labels: tuple[LabelInfo, ...]
    score_threshold_0_1: float
    find: Callable[[Pixels], Detections]
    find_many: Callable[[Sequence[Pixels]], list[Detections | Corrupt]] | None = None
    most_together: int = 1
    sha256: str = ""

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an RGB image [h, w, 3], in its pixels, best first, scoring 0.05 or more."""
        return self.find(pixels)

    def predict_many(self, images: Sequence[Pixels]) -> list[Detections | Corrupt]:
        """For each image what `predict` finds, or the Corrupt that it raises."""
        if self.find_many is not None:
            return self.find_many(images)
        found: list[Detections | Corrupt] = []
        for pixels in images:
            try:
                found.append(self.find(pixels))
            except Corrupt as error:
                found.append(error)
        return found


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A trained network's file; name: the run's id, or the file's path."""

    name: str
    path: Path


def open_model(home: Path, reference: str, *, threads: int = 0, device: str = "auto") -> Predictor:
    """The model of a release key, an alias, a run's id, "runs/<id>", a bundle's or run's folder, or a checkpoint file.

    threads: of one prediction; 0 leaves the choice to the framework, or to whoever has set it
    device: for runs and checkpoints, "auto", "cpu" or "cuda:N"
    Raises UnknownName listing the releases and the newest runs, Corrupt for a model that is not as it was written.
    """
    found = find_model(home, reference)
    if isinstance(found, Bundle):
        return _of_bundle(found, threads)
    return _of_checkpoint(found.path, found.name, device, threads)


def find_model(home: Path, reference: str) -> Bundle | CheckpointFile:
    """Where the model is that `open_model` would open; raises as it does."""
    path = Path(reference)
    if path.suffix in CHECKPOINT_SUFFIXES and path.is_file():
        return CheckpointFile(str(path), path)
    if "@" in reference or is_bundle(path) or _is_released(home, reference):
        return Registry(home).find(reference)
    run = _run(home, reference)
    if not run.best.is_file():
        raise BadFile(f"run {run.id} has no trained weights yet: {run.best} is not there; go on with teppr train")
    return CheckpointFile(run.id, run.best)


def _is_released(home: Path, reference: str) -> bool:
    released = (info.record.key for info in Registry(home).list())
    return RELEASE_KEY.fullmatch(reference) is not None and reference in released


def _of_bundle(bundle: Bundle, threads: int) -> Predictor:
    runtime = Runtime(bundle, threads)
    return Predictor(
        name=bundle.card.key,
        architecture=bundle.card.architecture,
        task=bundle.card.learned,
        labels=bundle.card.labels,
        score_threshold_0_1=bundle.card.score_threshold_0_1,
        find=runtime.predict,
        find_many=lambda images: runtime.predict_many([runtime.feed(pixels) for pixels in images]),
        most_together=runtime.most_together,
        sha256=sha256_of(bundle.path / MANIFEST),
    )


def _of_checkpoint(path: Path, name: str, device: str, threads: int) -> Predictor:
    compute = Compute(device=device, threads=threads)
    trained = open_trained(path, compute)

    def find(pixels: Pixels) -> Detections:
        with compute.ready():
            return trained.predict(pixels)

    return Predictor(
        name=name,
        architecture=trained.facts.architecture,
        task=trained.facts.task,
        labels=trained.facts.labels,
        score_threshold_0_1=DEFAULT_SCORE_THRESHOLD_0_1,
        find=find,
        sha256=sha256_of(path),
    )


def _run(home: Path, reference: str) -> Run:
    try:
        return find_run(home, reference)
    except UnknownName:
        keys = [info.record.key for info in Registry(home).list()]
        runs = [f"runs/{run.id}" for run in list_runs(home)[-10:]]
        raise UnknownName.of("model", reference, [*keys, *runs]) from None
