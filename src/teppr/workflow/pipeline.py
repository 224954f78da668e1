"""All stages of an experiment, one after the other; what is done and still holds stays done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from teppr.document import Part
from teppr.errors import TepprError
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.progress import Progress
from teppr.workflow.compute import Compute
from teppr.workflow.evaluate import evaluate_run
from teppr.workflow.experiment import Experiment, Publish
from teppr.workflow.inputs import find_pictures
from teppr.workflow.interrupt import never
from teppr.workflow.learn import learn
from teppr.workflow.model import open_model
from teppr.workflow.predict import predict_files
from teppr.workflow.publish import PublishRequest, publish
from teppr.workflow.report import report_on_run, write_report
from teppr.workflow.run import STAGES, Run, StageState

Watch: TypeAlias = Callable[[str], AbstractContextManager[Progress]]
"""Gives a progress to show for work of this title."""
KEPT, NOT_ASKED = "kept", "not asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVerdict:
    """What became of a stage.

    state: "finished", "kept" (done before, and still holds), "not asked for", "stopped" or "failed"
    report: figures, paths, or the reason
    exit_code: what the command line would end with if this stage were all
    """

    stage: str
    state: str
    report: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The stages of one run."""

    run: Run
    home: Path
    watch: Watch
    compute: Compute = field(default_factory=Compute)
    max_pixels: int = DEFAULT_MAX_PIXELS
    stop: Callable[[], bool] = never

    def stages(self) -> Iterator[StageVerdict]:
        """Do them in order, a verdict each.

        Without a trained and evaluated network there is nothing to go on with: those two raise. A prediction or a
        publication that fails is reported, and the rest goes on.
        """
        for stage in STAGES:
            verdict = self._stage(stage)
            yield verdict
            if verdict.state == StageState.STOPPED:
                return

    def _stage(self, stage: str) -> StageVerdict:
        asked = getattr(self.run.experiment, stage)
        if asked is None:
            return StageVerdict(stage=stage, state=NOT_ASKED)
        if _holds(self.run, stage, asked):
            return StageVerdict(stage=stage, state=KEPT, report=_report(self.run, stage))
        try:
            getattr(self, f"_{stage}")(asked)
        except TepprError as error:
            if stage in {"train", "evaluate"}:
                raise
            self.run.mark(stage, StageState.FAILED, reason=str(error))
            return StageVerdict(
                stage=stage, state=StageState.FAILED, report={"reason": str(error)}, exit_code=error.exit_code
            )
        state = self.run.stage(stage)
        code = 0 if state is StageState.FINISHED else 1
        return StageVerdict(stage=stage, state=state, report=_report(self.run, stage), exit_code=code)

    def _train(self, _: Part) -> None:
        with self.watch("training") as progress:
            learn(
                self.run,
                self.home,
                compute=self.compute,
                progress=progress,
                stop=self.stop,
                max_pixels=self.max_pixels,
            )

    def _evaluate(self, _: Part) -> None:
        with self.watch("evaluating") as progress, self.compute.ready():
            device = self.compute.device
            evaluate_run(self.run, self.home, device=device, progress=progress, max_pixels=self.max_pixels)

    def _predict(self, asked: Part) -> None:
        predict = self.run.experiment.predict
        if predict is None:
            return
        self.run.mark("predict", StageState.RUNNING)
        pictures = find_pictures([str(predict.input)])
        with self.watch("predicting") as progress, self.compute.ready():
            done = predict_files(
                open_model(self.home, str(self.run.path), device=self.compute.device),
                pictures,
                self.run.path / "predictions",
                score_threshold_0_1=predict.score_threshold,
                save=predict.save,
                every=predict.every,
                replace=True,
                max_pixels=self.max_pixels,
                progress=progress,
            )
        self.run.mark("predict", StageState.FINISHED, asked=asked_of(asked), **asdict(done))

    def _publish(self, _: Part) -> None:
        asked = self.run.experiment.publish
        if asked is None:
            return
        request = PublishRequest(key=asked.key, accept=asked.accept, licence=asked.licence)
        with self.watch("publishing") as progress:
            publish(self.run, self.home, request, max_pixels=self.max_pixels, progress=progress)

    def _report(self, _: Part) -> None:
        self.run.mark("report", StageState.RUNNING)
        made = report_on_run(self.home, self.run)
        forms = self.run.experiment.report.formats
        paths = [write_report(made, self.run.path / f"report.{form}") for form in forms]
        self.run.mark("report", StageState.FINISHED, files=[str(path) for path in paths])


def is_done(run: Run, experiment: Experiment) -> bool:
    """Whether the run has all that the experiment asks for, as it asks for it now."""
    asked = {stage: part for stage in STAGES if (part := getattr(experiment, stage)) is not None}
    reported = run.stage("report") is StageState.FINISHED
    return reported and all(_holds(run, stage, part) for stage, part in asked.items() if stage != "report")


def _holds(run: Run, stage: str, asked: Part) -> bool:
    """Whether the stage was finished for the weights that there are now, and as it is asked for now."""
    record = run.stage_record(stage)
    if stage == "report" or run.stage(stage) is not StageState.FINISHED:
        return False
    if stage == "train":
        return True
    if isinstance(asked, Publish):
        return bool(record["key"] == asked.key)  # a release never changes
    trained = run.stage_record("train")["ended"]
    return bool(record["began"] >= trained and record["asked"] == asked_of(asked))


def asked_of(part: Part) -> dict[str, Any]:
    """A section of the experiment as the run's state remembers it."""
    return part.model_dump(mode="json")


def _report(run: Run, stage: str) -> dict[str, Any]:
    return {name: value for name, value in run.stage_record(stage).items() if name not in {"state", "asked"}}
