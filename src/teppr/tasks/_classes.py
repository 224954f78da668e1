"""What naming whole images is, be it by one label each or by several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from teppr.drawing import Drawn
from teppr.geometry import xyxy_of
from teppr.line_charts import PALETTE, Chart, Line
from teppr.metrics.classification import Calibration, OneLabel, Scores, SeveralLabels
from teppr.metrics.detection import result_rows
from teppr.samples import Sample
from teppr.tasks.contract import Feeding, Measurement, Parity, Task
from teppr.types import Detections, Ints, LabelInfo, Rect, WholeImage

if TYPE_CHECKING:
    from teppr.datasets.snapshot import SnapshotImage

KIND = "class"
COMPARED_FROM_SCORE_0_1 = 0.1
ALLOWED_SCORE_DIFFERENCE, NEEDED_SHARE = 0.01, 0.99
EVEN = "as sure as right"


class ClassTask(Task):
    """What tasks about whole images share."""

    answers = "classify"
    shapes = frozenset({WholeImage.kind})
    kinds = (KIND,)

    def sample(self, image: SnapshotImage, feeding: Feeding) -> Sample:
        """See `Task`; regions that are not about the whole image are left out."""
        from teppr.datasets.loader import load_sample  # needs PyTorch, which those who only name figures do not

        return load_sample(
            whole(image),
            feeding.image_size_px,
            square=feeding.square,
            with_masks=False,
            max_pixels=feeding.max_pixels,
        )

    def parity(self) -> ClassParity:
        """See `Task`."""
        return ClassParity()

    def rows(self, image_id: int, found: Detections) -> list[dict[str, Any]]:
        """See `Task`; a row's box is the whole image."""
        return result_rows(image_id, found, "box")

    def detections(self, rows: Sequence[Mapping[str, Any]], size_wh: tuple[int, int]) -> Detections:
        """See `Task`."""
        return Detections(
            size_wh=size_wh,
            boxes_xyxy_px=xyxy_of([row["bbox"] for row in rows]).astype(np.float32),
            scores_0_1=np.array([row["score"] for row in rows], np.float32),
            label_ids=np.array([row["category_id"] for row in rows], np.int64),
        )

    def drawn_truth(self, image: SnapshotImage, labels: Sequence[LabelInfo]) -> list[Drawn]:
        """See `Task`; a frame around the image for each label."""
        width, height = image.size_wh
        return [
            Drawn(shape=Rect(0, 0, width, height), caption=labels[label_id].name, color=labels[label_id].color)
            for label_id in whole(image).label_ids.tolist()
        ]

    def charts(self, split: str, details: Mapping[str, Any], label_colors: Mapping[str, str]) -> Iterable[Chart]:  # noqa: ARG002 - one curve of all labels
        """See `Task`: how often answers of a score are right."""
        if bins := details.get("calibration"):
            yield _reliability_chart(f"{split}, scores and how often they are right", bins)


Answered = TypeVar("Answered", OneLabel, SeveralLabels)


@dataclass(frozen=True, kw_only=True, eq=False)
class WholeMeasurement(Measurement, Generic[Answered]):
    """Labels that images were given, and those that they have; both by image, in the order of `image_ids`."""

    image_ids: tuple[int, ...]
    labels: tuple[str, ...]
    answered: Answered

    def drawn(self, indices: Ints) -> Self:
        """See `Measurement`."""
        answered = replace(self.answered, truth=self.answered.truth[indices], scores=self.answered.scores[indices])
        return replace(self, image_ids=tuple(self.image_ids[i] for i in indices.tolist()), answered=answered)


def whole(image: SnapshotImage) -> SnapshotImage:
    """The image with nothing but the labels that it has as a whole, each once."""
    about = [i for i, shape in enumerate(image.shapes) if isinstance(shape, WholeImage)]
    label_ids = np.unique(image.label_ids[about])
    count, (width, height) = len(label_ids), image.size_wh
    return replace(
        image,
        encoded_shapes=(WholeImage(),) * count,
        boxes_xywh_px=np.tile(np.array([0.0, 0.0, width, height]), (count, 1)),
        areas_px=np.zeros(count),
        label_ids=label_ids,
        is_crowd=np.zeros(count, np.bool_),
    )


def scores_of(
    images: Sequence[SnapshotImage], found: Mapping[int, Detections], label_count: int, lowest_score_0_1: float
) -> Scores:
    """The score of each label in each image [images, labels], 0 where it has none or scores lower."""
    scores = np.zeros((len(images), label_count))
    for row, image in zip(scores, images, strict=True):
        one = found.get(image.image_id)
        if one is not None:
            told = one.at_least(lowest_score_0_1)
            np.maximum.at(row, told.label_ids, told.scores_0_1.astype(np.float64))
    return scores


def bins_of(calibration: Calibration) -> list[dict[str, float]]:
    """A calibration as the details of an evaluation tell it."""
    return [asdict(one) for one in calibration.bins]


@dataclass(slots=True, kw_only=True)
class ClassParity(Parity):
    """Labels of both networks.

    compared: of both sides, scoring 0.1 or more
    """

    largest_score_difference: float = 0.0
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"score_difference": ALLOWED_SCORE_DIFFERENCE, "share": NEEDED_SHARE}
    )

    def add(self, trained: Detections, exported: Detections) -> None:
        """See `Parity`; a label that one side does not tell scores 0 there."""
        self.images += 1
        for one, other in ((trained, exported), (exported, trained)):
            theirs = dict(zip(other.label_ids.tolist(), other.scores_0_1.tolist(), strict=True))
            strong = one.at_least(COMPARED_FROM_SCORE_0_1)
            for label_id, score in zip(strong.label_ids.tolist(), strong.scores_0_1.tolist(), strict=True):
                off = abs(score - theirs.get(label_id, 0.0))
                self.compared += 1
                self.agreed += off <= ALLOWED_SCORE_DIFFERENCE
                self.largest_score_difference = max(self.largest_score_difference, off)


def _reliability_chart(title: str, bins: Sequence[Mapping[str, float]]) -> Chart:
    points = tuple((one["score_0_1"], one["right_0_1"]) for one in bins)
    return Chart(
        title=title,
        x_title="score",
        y_title="share that is right",
        lines=(
            Line(name=EVEN, color=PALETTE[-1], points=((0.0, 0.0), (1.0, 1.0))),
            Line(name="answers, by tenths of the score", color=PALETTE[0], points=points, strong=True),
        ),
        x_range=(0, 1),
        y_range=(0, 1),
    )
