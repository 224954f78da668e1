"""Training of an architecture that sees to it itself: it gives a network an epoch, teppr measures and keeps them.

What was cut off goes on after the last whole epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from teppr.architectures.contract import Arrays, Epoch, Example, LearnOptions, SelfTaught
from teppr.datasets.loader import read_resized, scaled_boxes
from teppr.datasets.snapshot import SnapshotImage, find_snapshot
from teppr.errors import BadExperiment, TepprError
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.progress import QUIET, Progress
from teppr.tasks.contract import MeasureOptions
from teppr.workflow.arrays import ArrayCheckpoint, TrainedArrays
from teppr.workflow.begin import facts_of, task_of
from teppr.workflow.criteria import LOSS
from teppr.workflow.diary import Diary
from teppr.workflow.interrupt import never
from teppr.workflow.measure import find_all, followed, spread
from teppr.workflow.run import Run, StageState
from teppr.workflow.state import Ending, TrainingState

PICTURES = 4


def fit(
    run: Run,
    home: Path,
    architecture: SelfTaught,
    *,
    progress: Progress = QUIET,
    stop: Callable[[], bool] = never,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Run:
    """Train to the end, or until `stop` says so (asked after every epoch); the run's state says which.

    A run that has been trained is left as it is. Raises Refused where another process trains it.
    """
    if run.stage("train") is StageState.FINISHED:
        return run
    with run.alone():
        run.mark("train", StageState.RUNNING)
        try:
            fitting = Fitting(run, home, architecture, progress=progress, stop=stop, max_pixels=max_pixels)
            ending = fitting.go_on()
        except TepprError as error:
            run.mark("train", StageState.FAILED, reason=str(error))
            raise
        state = StageState.STOPPED if ending is Ending.STOPPED else StageState.FINISHED
        run.mark("train", state, reason=str(ending), **fitting.report())
    return run


class Examples(Sequence[Example]):
    """The images of the split train, decoded and resized at each access; crowd regions are left out."""

    def __init__(self, images: Sequence[SnapshotImage], image_size_px: int, *, square: bool, max_pixels: int) -> None:
        self._images = images
        self._image_size_px, self._square, self._max_pixels = image_size_px, square, max_pixels

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """The example at a position; raises BadImage or Corrupt naming the file."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        image = self._images[index]
        pixels = read_resized(image, self._image_size_px, square=self._square, max_pixels=self._max_pixels)
        height, width = pixels.shape[:2]
        scale_xy = width / image.size_wh[0], height / image.size_wh[1]
        kept = np.flatnonzero(~image.is_crowd)
        return Example(
            pixels=pixels,
            boxes_xyxy_px=scaled_boxes(image.boxes_xywh_px[kept], scale_xy, (width, height)).astype(np.float32),
            label_ids=image.label_ids[kept],
        )


class Fitting:
    """A training in memory: a network as arrays, and how far it is."""

    def __init__(
        self,
        run: Run,
        home: Path,
        architecture: SelfTaught,
        *,
        progress: Progress,
        stop: Callable[[], bool],
        max_pixels: int,
    ) -> None:
        self.run, self.architecture = run, architecture
        self.progress, self.stop, self.max_pixels = progress, stop, max_pixels
        experiment = run.experiment
        self.options = experiment.train
        self.snapshot = find_snapshot(home, experiment.dataset)
        self.task = task_of(experiment, self.snapshot, home)
        self.best_by = self.options.best_by(self.task)
        self.facts = facts_of(run, self.snapshot, architecture, self.task)
        self.examples = Examples(
            self.snapshot.images("train"),
            self.options.image_size_px,
            square=architecture.square,
            max_pixels=max_pixels,
        )
        self.state, self.weights = self._where_it_was()
        self.began = time.monotonic()

    def go_on(self) -> Ending:
        """Train from where the state is to the end, whichever comes."""
        epochs = self.options.epochs
        self.progress.expect(epochs)
        self.progress.skip(self.state.epoch)
        if 0 < self.state.epoch < epochs:
            self.progress.milestone(f"goes on at epoch {self.state.epoch + 1} of {epochs}")
        diary = Diary(self.run.path, self.state.epoch, self.state.epoch, self.task)
        try:
            for epoch in self.architecture.learn(self.examples, self._learn_options()):
                self._close(epoch, diary)
                if ending := self._ending():
                    return ending
        finally:
            diary.close()
        return Ending.ALL_EPOCHS

    def report(self) -> dict[str, object]:
        """What the run's state says of the training."""
        return {
            "epochs": self.state.epoch,
            "best_epoch": self.state.best_epoch,
            "best": self.state.best,
            "best_by": self.best_by,
            "seconds": round(self._seconds(), 1),
            "device": "cpu",
        }

    def _where_it_was(self) -> tuple[TrainingState, Arrays]:
        if not self.run.last_arrays.is_file():
            return TrainingState(), {}
        checkpoint = ArrayCheckpoint.read(self.run.last_arrays)
        return TrainingState.from_dict(checkpoint.training), checkpoint.weights

    def _learn_options(self) -> LearnOptions:
        options = self.options
        return LearnOptions(
            label_count=len(self.facts.labels),
            image_size_px=self.facts.image_size_px,
            backbone=self.facts.backbone,
            task=self.facts.task,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.stages[0].learning_rate,
            weight_decay=options.weight_decay,
            seed=options.seed,
            epochs_done=self.state.epoch,
            weights=self.weights,
        )

    def _close(self, epoch: Epoch, diary: Diary) -> None:
        """Validate, keep the best network and the latest, write the figures down."""
        state, finished = self.state, self.state.epoch + 1
        figures = {"loss": sum(epoch.losses.values())} | {f"loss/{name}": x for name, x in epoch.losses.items()}
        if not math.isfinite(figures["loss"]):
            raise BadExperiment(
                f"training diverged: the loss is {figures['loss']} in epoch {finished}, at a learning rate of "
                f"{self.options.stages[0].learning_rate:.2g}; try a lower one"
            )
        if finished % self.options.validate_every_epochs == 0 or finished == self.options.epochs or self._out_of_time():
            figures |= self._validate(epoch.weights, diary, finished)
            if state.is_best(self._judged(figures), finished):
                facts = replace(self.facts, epoch=finished, metrics=figures)
                ArrayCheckpoint(facts=facts, weights=epoch.weights).write(self.run.best_arrays)
        judged = figures.get(self.best_by)
        metric = "" if judged is None or self.best_by == LOSS else f", {self.best_by} {judged:.3f}"
        self.progress.advance(news=f"loss {figures['loss']:.3f}{metric}")
        self.progress.milestone(f"epoch {finished} of {self.options.epochs}: loss {figures['loss']:.3f}{metric}")
        diary.epoch(figures, epoch=finished, step=finished, seconds=self._seconds())
        state.next_epoch()
        state.seconds, self.began = self._seconds(), time.monotonic()
        facts = replace(self.facts, epoch=state.epoch)
        ArrayCheckpoint(facts=facts, weights=epoch.weights, training=state.to_dict()).write(self.run.last_arrays)

    def _validate(self, weights: Arrays, diary: Diary, finished: int) -> dict[str, float]:
        if "val" not in self.snapshot.splits:
            return {}
        images = spread(self.snapshot.images("val"), self.options.validate_images)
        trained = TrainedArrays(facts=self.facts, architecture=self.architecture, weights=weights)
        found = find_all(trained.predict, images, max_pixels=self.max_pixels)
        measurement = self.task.measure(self.snapshot, images, found, MeasureOptions())
        diary.pictures([(image, found[image.image_id]) for image in images[:PICTURES]], self.facts.labels, finished)
        return followed(self.task, measurement, "val")

    def _judged(self, figures: Mapping[str, float]) -> float:
        # Without validation images, or with nothing in them, the latest network counts as the best.
        if self.best_by == LOSS:
            return -figures["loss"]
        return figures.get(self.best_by, float(self.state.epoch))

    def _ending(self) -> Ending | None:
        early, state = self.options.early_stop, self.state
        if state.epoch >= self.options.epochs:
            return Ending.ALL_EPOCHS
        if self.stop():
            return Ending.STOPPED
        if self._out_of_time():
            return Ending.TIME_LIMIT
        if early and state.improved_epoch and state.epoch - state.improved_epoch >= early.patience_epochs:
            return Ending.EARLY_STOP
        return None

    def _seconds(self) -> float:
        return self.state.seconds + time.monotonic() - self.began

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit_minutes
        return limit is not None and self._seconds() > limit * 60
