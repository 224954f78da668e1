"""Which layers are trained in which epoch, and how fast; functions of the place in the training only."""

from __future__ import annotations

import math
from dataclasses import dataclass

from teppr.workflow.experiment import Stage

WARM_UP_SHARE = 0.1
"""Of a stage's steps, in which the learning rate rises to its highest."""
START_SHARE, END_SHARE = 0.05, 0.01
"""Of the highest learning rate, with which a stage begins and ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The stages of a training, `steps` batches an epoch."""

    stages: tuple[Stage, ...]
    steps: int

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def stage_at(self, epoch: int) -> int:
        """Index of the stage that an epoch (from 0) belongs to."""
        ends = 0
        for index, stage in enumerate(self.stages):
            ends += stage.epochs
            if epoch < ends:
                return index
        return len(self.stages) - 1

    def learning_rate(self, epoch: int, step: int) -> float:
        """Rises in a straight line, then falls along a cosine, once in each stage."""
        index = self.stage_at(epoch)
        stage = self.stages[index]
        first = sum(before.epochs for before in self.stages[:index])
        done = ((epoch - first) * self.steps + step) / (stage.epochs * self.steps)
        if done < WARM_UP_SHARE:
            return stage.learning_rate * (START_SHARE + (1 - START_SHARE) * done / WARM_UP_SHARE)
        fallen = (1 - math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))) / 2
        return stage.learning_rate * (1 - (1 - END_SHARE) * fallen)
