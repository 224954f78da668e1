"""A look at what training feeds its network: the very tensors, drawn back as pictures beside the originals.

They are taken from the pipeline that training uses, with the same seed, before the architecture scales and normalises
their values, which is a part of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from teppr.architectures.contract import ARCHITECTURES
from teppr.datasets.snapshot import SnapshotImage, find_snapshot
from teppr.drawing import Drawn
from teppr.errors import BadInput
from teppr.files import whole_file
from teppr.geometry import mask_of_bitmap
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, encode_png, read
from teppr.pages import write_page
from teppr.pictures import data_url, thumbnail
from teppr.progress import QUIET, Progress
from teppr.samples import Sample
from teppr.sheets import Cell, contact_sheets
from teppr.tasks.contract import Task
from teppr.types import LabelInfo, Polyline, Rect, Shape
from teppr.workflow.augment import Augmenter
from teppr.workflow.batches import Augmented, TrainingData
from teppr.workflow.begin import check_feasible, task_of
from teppr.workflow.experiment import Experiment, Train

PICTURE_PX = 480
"""Longer side of every picture, whatever the network's, so that they compare."""
PAGE = "index.html"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fed:
    """What the network sees of an image in one epoch.

    epoch: from 0
    changed_by: those augmentations that changed the image this time, in their order
    vanished: regions that were moved out of the image
    """

    epoch: int
    sample: Sample
    picture: Pixels
    changed_by: tuple[str, ...]
    vanished: int

    @property
    def size_wh(self) -> tuple[int, int]:
        """Pixels that the network is fed."""
        height, width = self.sample.image.shape[-2:]
        return width, height

    @property
    def said(self) -> str:
        """Size, regions and changes in a line."""
        count = len(self.sample.label_ids)
        lost = f", {self.vanished} vanished" if self.vanished else ""
        changes = ", ".join(self.changed_by) or "unchanged"
        return f"{self.size_wh[0]} x {self.size_wh[1]} px, {count} region{'' if count == 1 else 's'}{lost}; {changes}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspected:
    """An image of the dataset, and what the network sees of it, epoch by epoch."""

    filename: str
    size_wh: tuple[int, int]
    regions: int
    original: Pixels
    fed: tuple[Fed, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """The first images of a training, in its order."""

    experiment: str
    dataset: str
    options: Train
    task: Task
    labels: tuple[LabelInfo, ...]
    images: tuple[Inspected, ...]


def inspect_training(
    experiment: Experiment,
    home: Path,
    *,
    count: int = 12,
    epochs: int = 2,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> Inspection:
    """The images that the first epoch begins with, as they are fed in each of the first epochs.

    Raises BadExperiment where the experiment cannot be trained, BadImage naming an image that cannot be read.
    """
    if count < 1 or epochs < 1:
        raise BadInput(f"an inspection shows 1 image and 1 epoch or more, got {count} images, {epochs} epochs")
    snapshot = find_snapshot(home, experiment.dataset)
    check_feasible(experiment, snapshot, home)
    task, square = task_of(experiment, snapshot, home), ARCHITECTURES.load(experiment.architecture).square
    data = TrainingData.of(snapshot, experiment.train, task=task, square=square, max_pixels=max_pixels)
    inspector = _Inspector(data, experiment.train, snapshot.labels, max_pixels)
    first = [index for _, index in chain.from_iterable(data.order.batches(0, 0, 1))][:count]
    progress.expect(len(first))
    images = []
    for index in first:
        images.append(inspector.image(index, min(epochs, experiment.train.epochs)))
        progress.advance()
    return Inspection(
        experiment=experiment.name,
        dataset=snapshot.reference,
        options=experiment.train,
        task=task,
        labels=snapshot.labels,
        images=tuple(images),
    )


def write_inspection(inspection: Inspection, folder: Path) -> list[Path]:
    """Write a page that needs nothing beside it, and the same as PNG sheets; returns their paths, the page first."""
    title = f"{inspection.experiment}: what training on {inspection.dataset} is fed"
    columns = 1 + max(len(image.fed) for image in inspection.images)
    cells = [cell for image in inspection.images for cell in _cells(image)]
    sheets = []
    for number, sheet in enumerate(contact_sheets(cells, title, columns=columns, rows=5), 1):
        sheets.append(folder / f"fed-{number}.png")
        with whole_file(sheets[-1]) as file:
            file.write(encode_png(sheet))
    page = write_page(folder / PAGE, "teppr.workflow", "inspect.html", {"inspection": inspection}, {"url": data_url})
    return [page, *sheets]


def _cells(image: Inspected) -> Iterator[Cell]:
    yield Cell(picture=image.original, caption=f"{image.filename}  {image.size_wh[0]} x {image.size_wh[1]} px")
    for fed in image.fed:
        yield Cell(picture=fed.picture, caption=f"epoch {fed.epoch + 1}  {fed.said}")


class _Inspector:
    """Takes samples from a training's data and draws them."""

    def __init__(self, data: TrainingData, options: Train, labels: Sequence[LabelInfo], max_pixels: int) -> None:
        self._data = data
        self._labels = labels
        self._max_pixels = max_pixels
        self._names = options.augment
        # Each with one change more than the one before: all draw the same random numbers as far as they go.
        self._steps = [
            Augmented(data.samples, Augmenter(options.augment[:end]), options.seed)
            for end in range(len(options.augment))
        ]

    def image(self, index: int, epochs: int) -> Inspected:
        image = self._data.samples.images[index]
        return Inspected(
            filename=image.filename,
            size_wh=image.size_wh,
            regions=len(image.label_ids),
            original=self._original(image),
            fed=tuple(self._fed(epoch, index) for epoch in range(epochs)),
        )

    def _fed(self, epoch: int, index: int) -> Fed:
        sample = self._data.augmented[epoch, index]
        stages = [*(step[epoch, index].image for step in self._steps), sample.image]
        before = self._data.samples[index]
        return Fed(
            epoch=epoch,
            sample=sample,
            picture=self._picture(sample),
            changed_by=tuple(name for i, name in enumerate(self._names) if not torch.equal(stages[i], stages[i + 1])),
            vanished=len(before.label_ids) - len(sample.label_ids),
        )

    def _picture(self, sample: Sample) -> Pixels:
        shapes: list[Shape | None] = [None] * len(sample.label_ids)
        if sample.masks is not None:
            shapes = [mask_of_bitmap(mask.numpy().astype(np.uint8)) for mask in sample.masks]
        if sample.lines_px is not None:
            shapes = [Polyline(tuple((x, y) for x, y in line.tolist())) for line in sample.lines_px]
        corners = sample.boxes_xyxy_px.tolist()
        boxes = [Rect(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in corners]
        pixels = np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy())
        return thumbnail(pixels, self._drawn(shapes, boxes, sample.label_ids.tolist()), PICTURE_PX)

    def _original(self, image: SnapshotImage) -> Pixels:
        pixels, _ = read(image.path, max_pixels=self._max_pixels)
        shapes = image.shapes
        boxes = [Rect(*box) for box in image.boxes_xywh_px.tolist()]
        return thumbnail(pixels, self._drawn(shapes, boxes, image.label_ids.tolist()), PICTURE_PX)

    def _drawn(
        self, shapes: Sequence[Shape | None], boxes: Sequence[Rect], label_ids: Sequence[int]
    ) -> Iterator[Drawn]:
        for shape, box, label_id in zip(shapes, boxes, label_ids, strict=True):
            label = self._labels[label_id]
            if isinstance(shape, Polyline):  # its box says nothing more
                yield Drawn(shape=shape, caption=label.name, color=label.color)
                continue
            if shape is not None and not isinstance(shape, Rect):
                yield Drawn(shape=shape, caption="", color=label.color)
            yield Drawn(shape=box, caption=label.name, color=label.color)
