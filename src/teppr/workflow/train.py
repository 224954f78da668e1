"""Training: goes on wherever it was, however it ended; on the CPU with the same weights as if it never had."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from teppr.architectures.contract import Sample, torch_architecture
from teppr.datasets.snapshot import find_snapshot
from teppr.errors import BadExperiment, TepprError
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.progress import QUIET, Progress
from teppr.tasks.contract import Feeding, MeasureOptions
from teppr.workflow.batches import TrainingData, load_batches, seed_of
from teppr.workflow.begin import facts_of, task_of
from teppr.workflow.checkpoint import Checkpoint, Trained
from teppr.workflow.compute import Compute, mixed_precision
from teppr.workflow.criteria import LOSS
from teppr.workflow.diary import Diary
from teppr.workflow.interrupt import never
from teppr.workflow.measure import find_all, followed, spread
from teppr.workflow.run import Run, StageState
from teppr.workflow.schedule import Schedule
from teppr.workflow.state import Ending, TrainingState
from teppr.workflow.weights import new_network

LARGEST_GRADIENT_NORM = 5.0
MOST_LOADERS = 8
PICTURES = 4


def train(
    run: Run,
    home: Path,
    *,
    compute: Compute | None = None,
    progress: Progress = QUIET,
    stop: Callable[[], bool] = never,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Run:
    """Train to the end, or until `stop` says so (asked after every step); the run's state says which.

    A run that has been trained is left as it is. Raises Refused where another process trains it.
    """
    if run.stage("train") is StageState.FINISHED:
        return run
    compute = compute or Compute()
    device = compute.torch_device
    with run.alone(), compute.ready(), torch.random.fork_rng(_cuda_devices(device)):
        run.mark("train", StageState.RUNNING)
        try:
            training = Training(run, home, device, progress=progress, stop=stop, max_pixels=max_pixels)
            ending = training.go_on()
        except TepprError as error:
            run.mark("train", StageState.FAILED, reason=str(error))
            raise
        state = StageState.STOPPED if ending is Ending.STOPPED else StageState.FINISHED
        run.mark("train", state, reason=str(ending), **training.report())
    return run


class Training:
    """A training in memory: a network, its optimiser, and how far they are."""

    def __init__(
        self,
        run: Run,
        home: Path,
        device: torch.device,
        *,
        progress: Progress,
        stop: Callable[[], bool],
        max_pixels: int,
    ) -> None:
        self.run, self.device, self.progress, self.stop, self.max_pixels = run, device, progress, stop, max_pixels
        experiment = run.experiment
        self.options = experiment.train
        self.snapshot = find_snapshot(home, experiment.dataset)
        self.architecture = torch_architecture(experiment.architecture)
        self.task = task_of(experiment, self.snapshot, home)
        self.best_by = self.options.best_by(self.task)
        self.facts = facts_of(run, self.snapshot, self.architecture, self.task)
        self.data = TrainingData.of(
            self.snapshot,
            self.options,
            task=self.task,
            square=self.architecture.square,
            cache_bytes=psutil.virtual_memory().available // 4,
            max_pixels=max_pixels,
        )
        self.order = self.data.order
        self.schedule = Schedule(stages=self.options.stages, steps=self.order.steps)
        self.state = TrainingState()
        self.network = self._network(home).to(device)
        self.diary = Diary(run.path, self.state.epoch, self.state.epoch * self.order.steps + self.state.step, self.task)
        self.began = time.monotonic()

    def go_on(self) -> Ending:
        """Train from where the state is to the end, whichever comes."""
        places = self.order.batches(self.state.epoch, self.state.step, self.schedule.epochs)
        loaders = min(MOST_LOADERS, (psutil.cpu_count() or 1) - 1) if self.device.type == "cuda" else 0
        batches = load_batches(self.data.augmented, places, loaders)
        self.progress.expect(self.schedule.epochs * self.order.steps)
        self._say_where_it_goes_on()
        try:
            ending = None
            while ending is None and self.state.epoch < self.schedule.epochs:
                ending = self._epoch(batches)
            if ending is not Ending.STOPPED:
                self._calibrate()
            return ending or Ending.ALL_EPOCHS
        finally:
            self.diary.close()

    def report(self) -> dict[str, object]:
        """What the run's state says of the training."""
        return {
            "epochs": self.state.epoch,
            "best_epoch": self.state.best_epoch,
            "best": self.state.best,
            "best_by": self.best_by,
            "seconds": round(self._seconds(), 1),
            "device": str(self.device),
        }

    def _say_where_it_goes_on(self) -> None:
        done, epochs = self.state.epoch * self.order.steps + self.state.step, self.schedule.epochs
        self.progress.skip(done)
        if done and self.state.epoch < epochs:
            self.progress.milestone(f"goes on at epoch {self.state.epoch + 1} of {epochs}, step {self.state.step}")

    def _epoch(self, batches: Iterator[list[Sample]]) -> Ending | None:
        optimizer = self._optimizer()
        ending = None
        while ending is None and self.state.step < self.order.steps:
            self._step(optimizer, next(batches))
            if self.stop():
                ending = Ending.STOPPED
            elif self._out_of_time():
                ending = Ending.TIME_LIMIT
            if ending or self.state.step % self.options.checkpoint_every_steps == 0:
                self._save(optimizer)
        if ending is Ending.STOPPED:
            return ending
        self._save(optimizer)
        if not self._close_epoch():
            return Ending.STOPPED
        self._save(optimizer)
        return ending or self._patience_is_over()

    def _step(self, optimizer: torch.optim.Optimizer, samples: list[Sample]) -> None:
        state = self.state
        torch.manual_seed(seed_of(self.options.seed, state.epoch, state.step, 1))
        rate = self.schedule.learning_rate(state.epoch, state.step)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate_share"]
        self.network.train()
        optimizer.zero_grad(set_to_none=True)
        with mixed_precision(self.device):
            losses = self.architecture.losses(self.network, samples)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        values = {"loss": total.item()} | {f"loss/{name}": loss.item() for name, loss in losses.items()}
        if not math.isfinite(values["loss"]):
            raise BadExperiment(
                f"training diverged: the loss is {values['loss']} in epoch {state.epoch + 1}, step {state.step + 1}, "
                f"at a learning rate of {rate:.2g}; try a lower one"
            )
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT_NORM)
        optimizer.step()
        state.count_step(values)
        self.diary.step(values | {"learning_rate": rate}, state.epoch * self.order.steps + state.step)
        self.progress.advance(news=self._news(values["loss"]))

    def _close_epoch(self) -> bool:
        """Validate, keep the best weights, write the figures down; False where stopped on the way."""
        state, figures = self.state, self.state.mean_losses(self.order.steps)
        finished = state.epoch + 1
        if (
            finished % self.options.validate_every_epochs == 0
            or finished == self.schedule.epochs
            or self._out_of_time()
        ):
            validated = self._validate()
            if validated is None:
                return False
            figures |= validated
            if state.is_best(self._judged(figures), finished):
                facts = replace(self.facts, epoch=finished, metrics=figures)
                Checkpoint(facts=facts, weights=self.network.state_dict()).write(self.run.best)
        self.progress.milestone(self._summary(figures, finished))
        self.diary.epoch(figures, epoch=finished, step=finished * self.order.steps, seconds=self._seconds())
        state.next_epoch()
        return True

    def _validate(self) -> dict[str, float] | None:
        if "val" not in self.snapshot.splits:
            return {}
        images = spread(self.snapshot.images("val"), self.options.validate_images)
        trained = Trained(facts=self.facts, architecture=self.architecture, network=self.network)
        found = find_all(trained.predict, images, max_pixels=self.max_pixels, stop=self.stop)
        if len(found) < len(images):
            return None
        measurement = self.task.measure(self.snapshot, images, found, MeasureOptions())
        step = (self.state.epoch + 1) * self.order.steps
        self.diary.pictures([(image, found[image.image_id]) for image in images[:PICTURES]], self.facts.labels, step)
        return followed(self.task, measurement, "val")

    def _calibrate(self) -> None:
        """Let the best weights' scores be set right by val, where the architecture can."""
        if "val" not in self.snapshot.splits or not self.run.best.is_file():
            return
        feeding = Feeding(
            image_size_px=self.options.image_size_px, square=self.architecture.square, max_pixels=self.max_pixels
        )
        images = spread(self.snapshot.images("val"), self.options.validate_images)
        best = Checkpoint.read(self.run.best)
        network = self.architecture.build(best.facts.build_options("given"))
        network.load_state_dict(dict(best.weights))
        if self.architecture.calibrate(network, (self.task.sample(image, feeding) for image in images)):
            replace(best, weights=network.state_dict()).write(self.run.best)

    def _judged(self, figures: Mapping[str, float]) -> float:
        # Without validation images, or with nothing in them, the latest weights count as the best.
        if self.best_by == LOSS:
            return -figures["loss"]
        return figures.get(self.best_by, float(self.state.epoch))

    def _patience_is_over(self) -> Ending | None:
        early, improved = self.options.early_stop, self.state.improved_epoch
        if early and improved and self.state.epoch - improved >= early.patience_epochs:
            return Ending.EARLY_STOP
        return None

    def _network(self, home: Path) -> torch.nn.Module:
        torch.manual_seed(self.options.seed)
        if not self.run.last.is_file():
            return new_network(home, self.options.weights, self.facts, self.architecture)
        checkpoint = Checkpoint.read(self.run.last)
        origin = "scratch" if self.options.weights == "scratch" else "given"
        network = self.architecture.build(self.facts.build_options(origin))
        network.load_state_dict(dict(checkpoint.weights))
        self.state = TrainingState.from_dict(checkpoint.training)
        return network

    def _optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of the stage; with its memory where the training was cut off within the stage."""
        stage = self.schedule.stage_at(self.state.epoch)
        layers = self.options.stages[stage].layers
        groups = [
            {"params": group.parameters, "rate_share": group.rate_share}
            for group in self.architecture.trainable(self.network, layers)
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0, weight_decay=self.options.weight_decay)
        if self.state.optimizer is not None and self.state.optimizer_stage == stage:
            optimizer.load_state_dict(dict(self.state.optimizer))
        self.state.optimizer_stage = stage
        return optimizer

    def _save(self, optimizer: torch.optim.Optimizer) -> None:
        self.state.optimizer = optimizer.state_dict()
        self.state.seconds, self.began = self._seconds(), time.monotonic()
        facts = replace(self.facts, epoch=self.state.epoch)
        weights = self.network.state_dict()
        Checkpoint(facts=facts, weights=weights, training=self.state.to_dict()).write(self.run.last)

    def _seconds(self) -> float:
        return self.state.seconds + time.monotonic() - self.began

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit_minutes
        return limit is not None and self._seconds() > limit * 60

    def _summary(self, figures: Mapping[str, float], finished: int) -> str:
        judged = figures.get(self.best_by) if self.best_by != LOSS else None
        metric = "" if judged is None else f", {self.best_by} {judged:.3f}"
        return f"epoch {finished} of {self.schedule.epochs}: loss {figures['loss']:.3f}{metric}"

    def _news(self, loss: float) -> str:
        best = "" if self.state.best is None else f", best {self.best_by} {self.state.best:.3f}"
        return f"epoch {self.state.epoch + 1}/{self.schedule.epochs}, loss {loss:.3f}{best}"


def _cuda_devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []
