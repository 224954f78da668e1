"""Publishing: a run's best network becomes a release, if it is what it should be and reaches its criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from teppr import __version__, images
from teppr.datasets.snapshot import Snapshot, SnapshotImage, find_snapshot
from teppr.errors import AlreadyThere, BadInput, CriteriaNotMet, Refused, TepprError, UnknownName
from teppr.files import HALF_WRITTEN, sweep
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.problems.contract import Problem
from teppr.problems.find import problem_named
from teppr.progress import QUIET, Progress
from teppr.registry.acceptance import Measured, Verdict, judge
from teppr.registry.bundle import Bundle, write_bundle
from teppr.registry.releases import Registry, ReleaseInfo, ReleaseRecord, parse_key
from teppr.registry.runtime import Runtime
from teppr.tasks.contract import TASKS, MeasureOptions, Parity
from teppr.types import ModelCard
from teppr.workflow.compute import Compute
from teppr.workflow.criteria import MEASURED
from teppr.workflow.environment import versions_of
from teppr.workflow.latency import latency_ms
from teppr.workflow.measure import find_all, relabelled, spread
from teppr.workflow.parity import compare
from teppr.workflow.run import Run, StageState
from teppr.workflow.trained import AnyTrained, open_trained

THREADS = 1
PICTURES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    """What to publish a run as.

    key: "<org>-<problem>-<release>"
    accept: criteria {figure: wanted} (see `teppr.registry.acceptance`); empty takes the problem's own
    force, why: publish although criteria are not met, for this reason, which is recorded
    """

    key: str
    accept: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    force: bool = False
    why: str = ""


def publish(
    run: Run,
    home: Path,
    request: PublishRequest,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> ReleaseInfo:
    """Export, check against the framework on real images, measure, judge, and release for ever.

    Raises CriteriaNotMet with the table unless forced; AlreadyThere where the key is taken; Refused where the export
    does not find what the trained network does, which cannot be forced.
    """
    with run.alone():
        info = _released_and_cut_off(run, home, request.key)
        if info is not None:
            run.mark("publish", StageState.FINISHED, key=request.key, forced=info.record.forced)
            return info
        run.mark("publish", StageState.RUNNING, key=request.key)
        sweep(run.path)
        try:
            info = _Publication(run, home, request, max_pixels, progress).release()
        except TepprError as error:
            run.mark("publish", StageState.FAILED, key=request.key, reason=str(error))
            raise
        run.mark("publish", StageState.FINISHED, key=request.key, forced=info.record.forced)
    return info


def _released_and_cut_off(run: Run, home: Path, key: str) -> ReleaseInfo | None:
    """The release of this key, where an earlier publication of this run made it and was killed before it said so."""
    if run.stage("publish") is not StageState.RUNNING:
        return None
    made = [info for info in Registry(home).list() if (info.record.key, info.record.run) == (key, run.id)]
    return made[0] if made else None


def metric_of(problem: Problem, figures: Mapping[str, Any]) -> float:
    """The figure by which a problem's models are judged, 0 where it is undefined; raises UnknownName for one that was
    not measured.
    """
    if problem.metric not in figures:
        raise UnknownName.of(f"measured figure for problem {problem.id}", problem.metric, figures)
    return float(figures[problem.metric] or 0)


class _Publication:
    """One publication on its way."""

    def __init__(self, run: Run, home: Path, request: PublishRequest, max_pixels: int, progress: Progress) -> None:
        self.run = run
        self.request = request
        self.progress = progress
        self.max_pixels = max_pixels
        self.registry = Registry(home)
        self.target = parse_key(request.key)
        self.snapshot = find_snapshot(home, run.experiment.dataset)
        self.problem = problem_named(self.snapshot.problem, home)
        self.evaluation: Mapping[str, Any] = run.evaluation["split"]
        self.accept = dict(request.accept or self.problem.accept)
        self.pictures = _Pictures(self.snapshot, max_pixels)
        self._refuse_early()

    def release(self) -> ReleaseInfo:
        """All steps; what is made on the way lies in the run's folder and goes with it."""
        self.progress.expect(5)
        # One thread here too: with busy neighbours more of them wait for each other, ten times as long.
        compute = Compute(device="cpu", threads=THREADS)
        with TemporaryDirectory(dir=self.run.path, prefix=HALF_WRITTEN) as folder, compute.ready():
            trained = open_trained(self.run.best)
            self.task = TASKS.load(trained.facts.task)
            bundle = self._export(trained, Path(folder))
            runtime = Runtime(bundle, THREADS)
            self.progress.advance(news="exported")
            parity = self._parity(trained, runtime)
            self.progress.advance(news="compared with the framework")
            latency = latency_ms(runtime.predict, self.pictures.few, THREADS)
            self.progress.advance(news="timed")
            verdicts = judge(self.accept, self.evaluation, self._measured(runtime, latency))
            self.progress.advance(news="judged")
            self._refuse_unmet(verdicts)
            record = self._record(bundle.card, verdicts, {"parity": parity.as_dict(), "latency_ms": latency})
            info = self.registry.publish(bundle, record)
            self.progress.advance(news="released")
        return info

    def _refuse_early(self) -> None:
        """Find what is wrong with the request before anything long begins."""
        if self.request.force and not self.request.why.strip():
            raise BadInput("publishing by force needs the reason, which is recorded: --why TEXT")
        if self.request.key in [info.record.key for info in self.registry.list()]:
            raise AlreadyThere(f"{self.request.key} is published already and never changes; choose another release")
        trained, evaluated = self.run.stage_record("train"), self.run.stage_record("evaluate")
        if evaluated.get("state") != StageState.FINISHED or str(trained.get("ended", "")) > str(evaluated["began"]):
            raise BadInput(
                f"run {self.run.id} was trained further since it was evaluated: teppr evaluate {self.run.id}"
            )
        judge(self.accept, self.evaluation, {name: Measured(None) for name in MEASURED})

    def _export(self, trained: AnyTrained, folder: Path) -> Bundle:
        facts = trained.facts
        network = folder / "network"
        network.mkdir()
        exported = trained.export(network)
        experiment = self.run.experiment
        card = ModelCard(
            key=self.request.key,
            architecture=facts.architecture,
            problem=self.snapshot.problem,
            task=self.task.answers,
            labels=facts.labels,
            image_size_px=facts.image_size_px,
            square=trained.architecture.square,
            batch=exported.batch,
            inputs=exported.inputs,
            outputs=exported.outputs,
            decode=exported.decode,
            embedding=exported.embedding,
            embedding_size=exported.embedding_size,
            score_threshold_0_1=experiment.predict.score_threshold if experiment.predict else 0.5,
            metrics=self.evaluation,
            source={
                "task": self.task.name,
                "dataset": self.snapshot.reference,
                "run": self.run.id,
                "epoch": facts.epoch,
                "began_from": experiment.train.weights,
                "backbone": facts.backbone,
            },
            creator=experiment.creator,
            created=datetime.now(UTC).replace(microsecond=0),
            licence=self.request.licence,
            frameworks={"teppr": __version__} | versions_of(trained.architecture),
        )
        return write_bundle(folder / "bundle", card, exported.files)

    def _parity(self, trained: AnyTrained, runtime: Runtime) -> Parity:
        parity = compare(self.task.parity(), trained.predict, runtime.predict, self.pictures.all(), PICTURES)
        if not parity.compared:
            raise Refused(
                f"the network finds nothing in {parity.images} images of {self.pictures.split}, so that its export "
                f"cannot be checked; train it further: teppr train"
            )
        if not parity.holds:
            raise Refused(
                f"the exported network does not find what the trained one does: {parity.agreed} of {parity.compared} "
                f"answers in {parity.images} images agree; {parity.differences()}"
            )
        return parity

    def _measured(self, runtime: Runtime, latency: Mapping[str, Any]) -> dict[str, Measured]:
        where = f"{latency['threads']} thread, {latency['machine']}"
        measured = {f"latency_ms_{name}": Measured(latency[name], where) for name in ("p50", "p95")}
        if "versus_production" in self.accept:
            measured["versus_production"] = self._versus_production(runtime)
        return measured

    def _versus_production(self, runtime: Runtime) -> Measured:
        """The problem's metric of this network less that of the production release, on the same images."""
        production = self.registry.production(self.target.org, self.target.problem)
        if production is None:
            return Measured(None, "nothing is in production yet")
        split = "test" if "test" in self.snapshot.splits else self.pictures.split
        bundle = Bundle.open(production.bundle_path)
        mine = self._score(runtime.predict, split)
        theirs = self._score(_in_labels_of(bundle.card, runtime.card, Runtime(bundle).predict), split)
        detail = f"{self.problem.metric} on {split}: {mine:.3f}, {production.record.key} has {theirs:.3f}"
        return Measured(mine - theirs, detail)

    def _score(self, find: Callable[[Pixels], Any], split: str) -> float:
        pictures = self.snapshot.images(split)
        found = find_all(find, pictures, max_pixels=self.max_pixels)
        measurement = self.task.measure(self.snapshot, pictures, found, MeasureOptions())
        return metric_of(self.problem, measurement.figures[self.task.kinds[0]])

    def _refuse_unmet(self, verdicts: Sequence[Verdict]) -> None:
        unmet = [verdict for verdict in verdicts if not verdict.met]
        if unmet and not self.request.force:
            lines = "\n".join(f"  {_sentence(verdict)}" for verdict in unmet)
            raise CriteriaNotMet(
                f"{self.request.key} is not released: {len(unmet)} of {len(verdicts)} criteria are not met\n{lines}\n"
                f"publish it all the same: teppr publish {self.run.id} --force --why TEXT",
                verdicts=[verdict.as_dict() for verdict in verdicts],
            )

    def _record(self, card: ModelCard, verdicts: Sequence[Verdict], measured: Mapping[str, Any]) -> ReleaseRecord:
        accepted = all(verdict.met for verdict in verdicts)
        return ReleaseRecord(
            key=card.key,
            architecture=card.architecture,
            problem=card.problem,
            created=card.created or datetime.now(UTC),
            creator=card.creator,
            run=self.run.id,
            dataset=self.snapshot.reference,
            metrics=card.metrics,
            acceptance=tuple(verdicts),
            accepted=accepted,
            forced=not accepted,
            why="" if accepted else self.request.why.strip(),
            measured=measured,
        )


class _Pictures:
    """Images of the dataset that was held back from training, decoded when asked for."""

    def __init__(self, snapshot: Snapshot, max_pixels: int) -> None:
        self.split = next((split for split in ("val", "test") if split in snapshot.splits), snapshot.splits[0])
        self._images = snapshot.images(self.split)
        self._max_pixels = max_pixels
        if not self._images:
            raise UnknownName(f"split {self.split} of {snapshot.reference} has no images to check an export by")

    @property
    def few(self) -> list[Pixels]:
        """Some, evenly spread."""
        return [self._read(image) for image in spread(self._images, PICTURES)]

    def all(self) -> Iterator[Pixels]:
        """Those few first, then the others."""
        few = spread(self._images, PICTURES)
        chosen = {image.image_id for image in few}
        for image in [*few, *(image for image in self._images if image.image_id not in chosen)]:
            yield self._read(image)

    def _read(self, image: SnapshotImage) -> Pixels:
        return images.read(image.path, max_pixels=self._max_pixels)[0]


def _in_labels_of(theirs: ModelCard, mine: ModelCard, find: Callable[[Pixels], Any]) -> Callable[[Pixels], Any]:
    """Prediction of another model with its labels as ours number them; labels that we do not have are left out."""
    ids = {label.name: i for i, label in enumerate(mine.labels)}
    to_ids = {i: ids[label.name] for i, label in enumerate(theirs.labels) if label.name in ids}
    return lambda pixels: relabelled(find(pixels), to_ids)


def _sentence(verdict: Verdict) -> str:
    got = "undefined" if verdict.got is None else f"{verdict.got:.4g}"
    detail = f" ({verdict.detail})" if verdict.detail else ""
    return f"{verdict.criterion}: wanted {verdict.wanted}, got {got}{detail}"
