"""How far a training is: all that a checkpoint must hold beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any


class Ending(StrEnum):
    """Why a training ended."""

    ALL_EPOCHS = "all epochs done"
    EARLY_STOP = "no better for as long as early_stop allows"
    TIME_LIMIT = "time limit reached"
    STOPPED = "stopped; it goes on when started again"


@dataclass(slots=True)
class TrainingState:
    """Changes with every step.

    epoch, step: epochs done, and steps done in the current one (all of them: only its validation is left)
    sums: of the current epoch's losses
    best, best_epoch: the best value yet of the metric that counts, and after how many epochs it was last reached;
        None and 0 before
    improved_epoch: after how many epochs the value last got better
    optimizer, optimizer_stage: the optimiser's memory, and the index of the stage that it belongs to
    seconds: spent on training so far, by all processes
    """

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_epoch: int = 0
    improved_epoch: int = 0
    optimizer: Mapping[str, Any] | None = None
    optimizer_stage: int = 0
    seconds: float = 0.0

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TrainingState:
        """From `to_dict`."""
        return cls(**content)

    def to_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def count_step(self, losses: Mapping[str, float]) -> None:
        """One more step is done."""
        self.step += 1
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def mean_losses(self, steps: int) -> dict[str, float]:
        """Of the current epoch."""
        return {name: value / min(steps, max(1, self.step)) for name, value in self.sums.items()}

    def is_best(self, value: float, epoch: int) -> bool:
        """Whether no value before was better; if so it is remembered. Of equal ones the later is better trained."""
        if self.best is not None and value < self.best:
            return False
        if self.best is None or value > self.best:
            self.improved_epoch = epoch
        self.best, self.best_epoch = value, epoch
        return True

    def next_epoch(self) -> None:
        """The current epoch is closed."""
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}
