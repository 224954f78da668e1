"""The order in which training sees its images, and their random changes: functions of seed, epoch and position only.

Whoever asks for the same place in a training gets the same batch, so a training that was cut off goes on exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from teppr.datasets.loader import SampleDataset
from teppr.datasets.snapshot import Snapshot
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.samples import Sample
from teppr.tasks.contract import Feeding, Task
from teppr.workflow.augment import Augmenter
from teppr.workflow.experiment import Train

Place: TypeAlias = tuple[int, int]
"""An epoch and the position of an image in the dataset."""


def seed_of(*parts: int) -> int:
    """A seed for a place in a training: parts that differ at all give seeds that have nothing to do with each other."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which images make up each batch of each epoch."""

    image_count: int
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches of an epoch; the last may be smaller."""
        return -(-self.image_count // self.batch_size)

    def batch(self, epoch: int, step: int) -> list[Place]:
        """The images of one batch, as places."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.image_count)
        start = step * self.batch_size
        return [(epoch, int(index)) for index in shuffled[start : start + self.batch_size]]

    def batches(self, epoch: int, step: int, epochs: int) -> Iterator[list[Place]]:
        """All batches from that one on to the end of the last of `epochs`."""
        for current in range(epoch, epochs):
            for position in range(step if current == epoch else 0, self.steps):
                yield self.batch(current, position)


class Augmented(Dataset[Sample]):
    """Samples by place, changed at random as the place says."""

    def __init__(self, samples: SampleDataset, augmenter: Augmenter, seed: int) -> None:
        self._samples = samples
        self._augmenter = augmenter
        self._seed = seed

    def __getitem__(self, place: Place) -> Sample:
        """The sample, the same at each call."""
        epoch, index = place
        sample = self._samples[index]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(self._seed, epoch, index))
            return self._augmenter(sample)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingData:
    """What a training is fed: samples as the dataset has them, the same changed at random, and their order."""

    samples: SampleDataset
    augmented: Augmented
    order: Order

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        options: Train,
        *,
        task: Task,
        square: bool,
        cache_bytes: int = 0,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> TrainingData:
        """The split train, as an experiment's section `train` says; see `SampleDataset`.

        square: images are stretched to squares
        """
        feeding = Feeding(image_size_px=options.image_size_px, square=square, max_pixels=max_pixels)
        samples = SampleDataset(snapshot, "train", load=partial(task.sample, feeding=feeding), cache_bytes=cache_bytes)
        return cls(
            samples=samples,
            augmented=Augmented(samples, Augmenter(options.augment), options.seed),
            order=Order(image_count=len(samples), batch_size=options.batch_size, seed=options.seed),
        )


def load_batches(dataset: Augmented, places: Iterator[list[Place]], workers: int) -> Iterator[list[Sample]]:
    """The batches in order, read ahead by `workers` processes; 0 reads them here."""
    sampler = _Once(places)
    return iter(DataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=_as_list))


class _Once(torch.utils.data.Sampler[list[Place]]):
    def __init__(self, places: Iterator[list[Place]]) -> None:
        self._places = places

    def __iter__(self) -> Iterator[list[Place]]:
        return self._places


def _as_list(samples: list[Sample]) -> list[Sample]:
    return samples
