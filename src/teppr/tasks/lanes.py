"""Lanes: a line along each marking, or along the road's edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.geometry import xyxy_of
from teppr.metrics.detection import result_rows
from teppr.metrics.lanes import (
    FOUND_SHARE,
    LaneMetrics,
    LaneScore,
    lanes_at_rows,
    rows_of,
    score_lanes,
    shares_right,
    tolerance_px,
)
from teppr.samples import Sample
from teppr.tasks.contract import SHOWN_SCORE_0_1, Feeding, ImageFaults, Measurement, MeasureOptions, Parity, Task
from teppr.types import Detections, Ints, Polygon, Polyline

Array = npt.NDArray[np.float64]

KIND = "lane"
FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "accuracy": "accuracy (share of right points)",
        "f1": "F1 of lanes",
        "false_positive": "false positives (share of lanes found)",
        "false_negative": "false negatives (share of true lanes)",
    }
)
COMPARED_FROM_SCORE_0_1 = 0.1
ALLOWED_SHARE_OF_TOLERANCE = 0.1
"""Of the benchmark's: 2 pixels in an image 1280 wide."""
NEEDED_ROWS, ALLOWED_SCORE_DIFFERENCE, NEEDED_SHARE = 0.95, 0.01, 0.99


class Lanes(Task):
    """See `Task`."""

    name = "lanes"
    title = "detection of lanes as lines"
    answers = "lanes"
    shapes = frozenset({Polyline.kind, Polygon.kind})
    kinds = (KIND,)
    figures = FIGURES
    figures_said = (
        "The TuSimple benchmark's: lanes are compared at 56 rows of the image, whatever their labels; a lane is found "
        f"where {FOUND_SHARE:.0%} of the rows are right. A label's own figures are of its lanes alone."
    )
    label_figures = tuple(FIGURES)
    less_is_better = frozenset({"false_positive", "false_negative"})
    headline = tuple(FIGURES)
    followed = ("accuracy", "f1", "false_positive", "false_negative")

    def sample(self, image: SnapshotImage, feeding: Feeding) -> Sample:
        """See `Task`; an area becomes the line along its middle."""
        from teppr.datasets.loader import load_lines  # needs PyTorch, which those who only name figures do not

        return load_lines(image, feeding.image_size_px, square=feeding.square, max_pixels=feeding.max_pixels)

    def measure(
        self,
        snapshot: Snapshot,
        images: Sequence[SnapshotImage],
        found: Mapping[int, Detections],
        options: MeasureOptions,
    ) -> LaneMeasurement:
        """See `Task`; what scores below a half does not count, for the benchmark asks for lanes, not for scores."""
        least = max(options.score_threshold_0_1, SHOWN_SCORE_0_1)
        shown = {image_id: one.at_least(least) for image_id, one in found.items()}
        seen = tuple(_Seen.of(image, shown.get(image.image_id)) for image in images)
        return LaneMeasurement(seen=seen, labels=tuple(label.name for label in snapshot.labels))

    def parity(self) -> LaneParity:
        """See `Task`."""
        return LaneParity()

    def rows(self, image_id: int, found: Detections) -> list[dict[str, Any]]:
        """See `Task`; a row has a box and the points of its line."""
        boxes = result_rows(image_id, found, "box")
        return [
            box | {"line": [list(point) for point in line.points]}
            for box, line in zip(boxes, found.lines or (), strict=True)
        ]

    def detections(self, rows: Sequence[Mapping[str, Any]], size_wh: tuple[int, int]) -> Detections:
        """See `Task`."""
        return Detections(
            size_wh=size_wh,
            boxes_xyxy_px=xyxy_of([row["bbox"] for row in rows]).astype(np.float32),
            scores_0_1=np.array([row["score"] for row in rows], np.float32),
            label_ids=np.array([row["category_id"] for row in rows], np.int64),
            lines=tuple(Polyline(tuple((x, y) for x, y in row["line"])) for row in rows),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """The lanes of an image at the benchmark's rows: those that are there, and those that were found."""

    image_id: int
    size_wh: tuple[int, int]
    truth_xs: Array
    truth_labels: npt.NDArray[np.int64]
    found_xs: Array
    found_labels: npt.NDArray[np.int64]

    @classmethod
    def of(cls, image: SnapshotImage, found: Detections | None) -> _Seen:
        """Regions that stand for many do not count; None where nothing was found."""
        kept = np.flatnonzero(~image.is_crowd)
        shapes = image.shapes
        return cls(
            image_id=image.image_id,
            size_wh=image.size_wh,
            truth_xs=lanes_at_rows([shapes[i] for i in kept.tolist()], image.size_wh),
            truth_labels=image.label_ids[kept],
            found_xs=lanes_at_rows(found.lines or () if found else (), image.size_wh),
            found_labels=found.label_ids if found else np.zeros(0, np.int64),
        )

    def score(self, label_id: int | None = None) -> LaneScore:
        """Of all lanes, or of one label's."""
        truth, found = self.truth_xs, self.found_xs
        if label_id is not None:
            truth, found = truth[self.truth_labels == label_id], found[self.found_labels == label_id]
        return score_lanes(truth, found, rows_of(self.size_wh), tolerance_px(self.size_wh))

    def has(self, label_id: int) -> bool:
        """Whether there is, or was found, a lane of this label."""
        return bool((self.truth_labels == label_id).any() or (self.found_labels == label_id).any())


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneMeasurement(Measurement):
    """Lanes that were found, and those that are there."""

    seen: tuple[_Seen, ...]
    labels: tuple[str, ...]

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """See `Measurement`."""
        per_label = {name: self._of_label(label_id) for label_id, name in enumerate(self.labels)}
        return {KIND: LaneMetrics.of(self._scores).as_dict() | {"per_label": per_label}}

    @property
    def faults(self) -> Sequence[ImageFaults]:
        """See `Measurement`."""
        faults = [
            ImageFaults(
                image_id=seen.image_id,
                right=score.truth - score.missed,
                confused=0,
                missed=score.missed,
                spurious=score.spurious,
            )
            for seen, score in zip(self.seen, self._scores, strict=True)
        ]
        return sorted(faults, key=lambda one: (-one.wrong, one.image_id))

    def drawn(self, indices: Ints) -> LaneMeasurement:
        """See `Measurement`."""
        return replace(self, seen=tuple(self.seen[i] for i in indices.tolist()))

    def details(self) -> Mapping[str, Any]:
        """See `Measurement`."""
        missed, spurious = (sum(counts) for counts in zip(*((s.missed, s.spurious) for s in self._scores), strict=True))
        return {"lanes": {"missed": missed, "spurious": spurious}}

    @cached_property
    def _scores(self) -> tuple[LaneScore, ...]:
        return tuple(seen.score() for seen in self.seen)

    def _of_label(self, label_id: int) -> dict[str, Any]:
        metrics = LaneMetrics.of([seen.score(label_id) for seen in self.seen if seen.has(label_id)])
        regions = sum(int((seen.truth_labels == label_id).sum()) for seen in self.seen)
        return metrics.as_dict() | {"regions": regions}


@dataclass(slots=True, kw_only=True)
class LaneParity(Parity):
    """Lanes of both networks, matched by label and course.

    compared: of both sides, scoring 0.1 or more
    """

    largest_score_difference: float = 0.0
    smallest_share_of_rows: float = 1.0
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType(
        {
            "rows": NEEDED_ROWS,
            "share_of_tolerance": ALLOWED_SHARE_OF_TOLERANCE,
            "score_difference": ALLOWED_SCORE_DIFFERENCE,
            "share": NEEDED_SHARE,
        }
    )

    def add(self, trained: Detections, exported: Detections) -> None:
        """See `Parity`."""
        self.images += 1
        self._compare(trained.at_least(COMPARED_FROM_SCORE_0_1), exported)
        self._compare(exported.at_least(COMPARED_FROM_SCORE_0_1), trained)

    def _compare(self, one: Detections, other: Detections) -> None:
        """Each lane of one side with the lane of the other that is most like it."""
        self.compared += len(one)
        if not len(one):
            return
        lanes, others = (lanes_at_rows(found.lines or (), one.size_wh) for found in (one, other))
        off_px = np.full(len(one), ALLOWED_SHARE_OF_TOLERANCE * tolerance_px(one.size_wh))
        shares = np.where(one.label_ids[:, None] == other.label_ids, shares_right(lanes, others, off_px), 0.0)
        best = shares.max(axis=1, initial=0.0)
        partners = shares[best >= NEEDED_ROWS].argmax(axis=1) if len(other) else np.zeros(0, np.int64)
        off = np.abs(one.scores_0_1[best >= NEEDED_ROWS] - other.scores_0_1[partners])
        self.agreed += int(np.count_nonzero(off <= ALLOWED_SCORE_DIFFERENCE))
        self.largest_score_difference = max(self.largest_score_difference, float(off.max(initial=0.0)))
        self.smallest_share_of_rows = min(self.smallest_share_of_rows, float(best.min()))


PLUGIN = Lanes()
