"""What a task is: which datasets it is learned from, what is fed, measured, shown and compared; one file each.

Stages (`teppr.workflow`) know tasks by this interface alone, and architectures say by name which ones they can learn.
Importing a task needs no training framework: experiments name figures long before anything is trained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from teppr.drawing import Drawn, drawn_detections
from teppr.line_charts import Chart
from teppr.metrics.confusion import ImageFaults
from teppr.plugins import Plugins
from teppr.problems.contract import Problem
from teppr.samples import Sample
from teppr.types import Detections, Ints, LabelInfo

if TYPE_CHECKING:
    from teppr.datasets.snapshot import Snapshot, SnapshotImage

__all__ = ["TASKS", "Contents", "Feeding", "ImageFaults", "MeasureOptions", "Measurement", "Parity", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a dataset is about, as far as it decides what can be learned from it.

    shapes: kinds of the shapes that its regions have
    has_masks: some region is more than a rectangle
    several_labels: an image as a whole may have more than one label; the problem says so, or, where that is not
        known here, the images do
    """

    shapes: frozenset[str]
    has_masks: bool
    several_labels: bool

    @classmethod
    def of(cls, snapshot: Snapshot, problem: Problem | None = None) -> Self:
        """Those of a dataset, which was made for `problem`."""
        most = snapshot.most_image_labels
        return cls(
            shapes=snapshot.shape_kinds,
            has_masks=snapshot.has_masks,
            several_labels=most > 1 if problem is None else most > 0 and problem.labels_per_image != 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """How images are brought to a network's size.

    image_size_px: the longer side; with `square` both sides, the image stretched
    max_pixels: larger images are refused before they are decoded
    """

    image_size_px: int
    square: bool
    max_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """What an evaluation asks for.

    score_threshold_0_1: what scores lower is not counted
    ious: overlaps for which figures are given beside the usual ones, for tasks that know overlaps
    """

    score_threshold_0_1: float = 0.0
    ious: tuple[float, ...] = ()


class Measurement(ABC):
    """What was found in some images of a dataset, held against their truth."""

    @property
    @abstractmethod
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """By kind, the main one first: {"box": {"map_50": 0.7, ..., "per_label": {"cone": {..., "regions": 12}}}}.

        Values are numbers, None where undefined, or mappings of such; every label has "regions": its count in the
        truth.
        """

    @property
    @abstractmethod
    def faults(self) -> Sequence[ImageFaults]:
        """What went wrong in each image, the worst first."""

    @abstractmethod
    def drawn(self, indices: Ints) -> Self:
        """The same of images drawn from these, each as often as it is named (see `teppr.metrics.bootstrap`)."""

    @abstractmethod
    def details(self) -> Mapping[str, Any]:
        """What a report draws beside figures, as JSON: "confusion" ({"labels", "table", "said"}), "curves" ..."""


@dataclass(slots=True, kw_only=True)
class Parity(ABC):
    """What two networks found in the same images, as far as they have been compared.

    compared: things found, on both sides; agreed: those that the other side found too, within the tolerances
    Further fields, named largest_... and smallest_..., are the differences among those.
    """

    images: int = 0
    compared: int = 0
    agreed: int = 0
    tolerances: ClassVar[Mapping[str, float]]
    """"share" is how many of those compared must agree."""

    @property
    def holds(self) -> bool:
        """Whether the two networks are the same one."""
        return self.compared > 0 and self.agreed >= self.tolerances["share"] * self.compared

    def as_dict(self) -> dict[str, Any]:
        """The figures and the tolerances, for the release's record."""
        return asdict(self) | {"tolerances": dict(self.tolerances)}

    def differences(self) -> str:
        """What differs most, in words."""
        named = {name: value for name, value in asdict(self).items() if name.startswith(("largest_", "smallest_"))}
        return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in named.items() if value is not None)

    @abstractmethod
    def add(self, trained: Detections, exported: Detections) -> None:
        """Compare what the two networks found in one image."""


class Task(ABC):
    """A kind of thing that networks learn; stateless."""

    name: ClassVar[str]
    title: ClassVar[str]
    answers: ClassVar[str]
    """What the card of its models says as task: "detect", "segment", "lanes", "classify"."""
    shapes: ClassVar[frozenset[str]]
    """The kinds of shape that it is learned from and measured on."""

    kinds: ClassVar[tuple[str, ...]]
    """Kinds of figures, the main one first; it may be left out of a figure's name: "test/map_50"."""
    figures: ClassVar[Mapping[str, str]]
    """Every figure of a kind with its title, in the order of tables."""
    figures_said: ClassVar[str] = ""
    """A sentence above their table."""
    label_figures: ClassVar[tuple[str, ...]]
    """Figures that every label has, beside "regions"."""
    label_main: ClassVar[str] = ""
    """The figure by which a label is judged; "" = the first of `label_figures` that `followed` has, or the first."""
    less_is_better: ClassVar[frozenset[str]] = frozenset()
    """Figures that are the better the smaller they are."""
    headline: ClassVar[tuple[str, ...]]
    """Figures that are told where there is no room for all."""
    followed: ClassVar[tuple[str, ...]]
    """Figures of val after each epoch; the first chooses the best weights, and the first two are drawn as curves."""

    def fits(self, contents: Contents) -> bool:
        """Whether it can be learned from such a dataset; one without any region fits all."""
        return not contents.shapes or bool(contents.shapes & self.shapes)

    @abstractmethod
    def sample(self, image: SnapshotImage, feeding: Feeding) -> Sample:
        """An image with its truth as a network is fed; raises BadImage or Corrupt naming the file."""

    @abstractmethod
    def measure(
        self,
        snapshot: Snapshot,
        images: Sequence[SnapshotImage],
        found: Mapping[int, Detections],
        options: MeasureOptions,
    ) -> Measurement:
        """Hold what was found, by image id, against the truth of `images`; label ids are the dataset's."""

    def parts_of_figures(self, ious: Sequence[float]) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG002 - for tasks that know overlaps
        """All names that `Measurement.figures` will have, whatever their values, with the label "any"."""
        per_label = {"any": dict.fromkeys((*self.label_figures, "regions"))}
        return {kind: dict.fromkeys(self.figures) | {"per_label": per_label} for kind in self.kinds}

    @abstractmethod
    def parity(self) -> Parity:
        """A comparison of a network with its export, which begins."""

    @abstractmethod
    def rows(self, image_id: int, found: Detections) -> list[dict[str, Any]]:
        """What was found as JSON, for `detections/<split>.json`: COCO results, with label ids as categories."""

    @abstractmethod
    def detections(self, rows: Sequence[Mapping[str, Any]], size_wh: tuple[int, int]) -> Detections:
        """Back from the rows of one image; raises KeyError or TypeError for others."""

    def drawn_truth(self, image: SnapshotImage, labels: Sequence[LabelInfo]) -> list[Drawn]:
        """The truth, to be drawn on the image."""
        return [
            Drawn(shape=shape, caption=labels[label_id].name, color=labels[label_id].color)
            for shape, label_id in zip(image.shapes, image.label_ids.tolist(), strict=True)
        ]

    def drawn_found(self, found: Detections, labels: Sequence[LabelInfo]) -> list[Drawn]:
        """What was found, to be drawn on the image beside its truth."""
        return drawn_detections(found.at_least(SHOWN_SCORE_0_1), labels)

    def charts(self, split: str, details: Mapping[str, Any], label_colors: Mapping[str, str]) -> Iterable[Chart]:  # noqa: ARG002
        """Curves from the `details` of a measurement."""
        return ()


SHOWN_SCORE_0_1 = 0.5
"""Weaker detections are left out of pictures, and of the count of what goes wrong."""


TASKS: Plugins[Task] = Plugins("teppr.tasks", Task, "task")  # type: ignore[type-abstract]
