"""What a tuning tries: the section `tune` of the experiment file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from teppr.document import Part


class Dimension(Part):
    """What one value may be: a range from low to high, or one of some choices."""

    low: int | float | None = Field(default=None, description="Lowest value; of whole numbers where both ends are.")
    high: int | float | None = Field(default=None, description="Highest value, itself one that may be taken.")
    log: bool = Field(default=False, description="Whether each order of magnitude is as likely as the others.")
    step: int | float | None = Field(default=None, gt=0, description="Only low plus a multiple of it is tried.")
    choices: tuple[JsonValue, ...] | None = Field(
        default=None, min_length=2, description="Instead of a range: the values, of any kind."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        has_range = self.low is not None and self.high is not None
        if has_range == (self.choices is not None) or (self.low is None) != (self.high is None):
            raise ValueError("give low and high, or choices")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be less than high, got {self.low} and {self.high}")
        if self.log and (self.low is None or self.low <= 0 or self.step is not None):
            raise ValueError("log is for a range above 0 without a step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return all(isinstance(end, int) for end in (self.low, self.high, self.step or 1))

    def probes(self) -> Iterator[JsonValue]:
        """Values that must all be possible for every value to be."""
        if self.choices is not None:
            yield from self.choices
        elif self.low is not None and self.high is not None:
            yield self.low
            yield self.high
            if not self.is_whole and self.step is None:
                yield self.low + (self.high - self.low) * 0.4375

    def has(self, value: JsonValue) -> bool:
        """Whether a value lies in the range; of choices whoever knows their meaning has to say."""
        if self.low is None or self.high is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-6)


class Pruner(Part):
    """When a trial is ended before its last epoch."""

    kind: Literal["median", "halving", "none"] = Field(
        default="median",
        description="median: worse than half of the earlier trials were at the same epoch; halving: only the best "
        "quarter goes on, again and again; none: never.",
    )
    startup_trials: int = Field(default=4, ge=0, description="For median: so many trials are there to compare with.")
    warmup_epochs: int = Field(default=1, ge=0, description="For median: so many epochs are left to each trial.")


class Tune(Part):
    """The search for better values, by teppr tune."""

    metric: str | None = Field(
        default=None, description="What must get better, as in train.early_stop.metric; default: as there."
    )
    direction: Literal["maximize", "minimize"] | None = Field(
        default=None, description="Which way is better; default: minimize for loss, else maximize."
    )
    trials: int = Field(default=20, gt=0, description="Trainings in all; the first is the file as it is.")
    space: Annotated[dict[str, Dimension], Field(min_length=1)] = Field(
        description="What may be varied, by path: {train.image_size_px: {low: 128, high: 320, step: 32}}."
    )
    pruner: Pruner = Pruner()
    seed: int = Field(default=7, ge=0, description="Where the search's randomness comes from.")
