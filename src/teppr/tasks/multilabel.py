"""Classification by several labels: any number of them for each image as a whole, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.line_charts import Chart
from teppr.metrics.classification import SeveralLabels, precision_curve
from teppr.tasks._classes import KIND, ClassTask, WholeMeasurement, bins_of, scores_of, whole
from teppr.tasks._curves import precision_chart
from teppr.tasks.contract import SHOWN_SCORE_0_1, ImageFaults, MeasureOptions
from teppr.types import Detections


class Multilabel(ClassTask):
    """See `Task`."""

    name = "multilabel"
    title = "classification of images by any number of labels"
    figures = MappingProxyType(
        {
            "map": "mAP, mean of the labels' average precision",
            "macro_f1": "F1, mean of labels",
            "micro_f1": "F1, all labels of all images alike",
            "macro_precision": "precision, mean of labels",
            "macro_recall": "recall, mean of labels",
            "exact_match": "exact match (share of images with all labels right)",
            "calibration_error": "calibration error (how far scores are from how often they are right)",
        }
    )
    figures_said = (
        f"A label is given where it scores {SHOWN_SCORE_0_1} or more; average precision looks at all scores. Labels "
        "that score below 0.05 are not told, and count as not given."
    )
    label_figures = ("ap", "precision", "recall", "f1")
    label_main = "ap"
    less_is_better = frozenset({"calibration_error"})
    headline = ("map", "macro_f1", "exact_match", "calibration_error")
    followed = ("map", "macro_f1", "micro_f1", "exact_match")

    def measure(
        self,
        snapshot: Snapshot,
        images: Sequence[SnapshotImage],
        found: Mapping[int, Detections],
        options: MeasureOptions,
    ) -> MultilabelMeasurement:
        """See `Task`."""
        labels = tuple(label.name for label in snapshot.labels)
        truth = np.zeros((len(images), len(labels)), np.bool_)
        for row, image in zip(truth, images, strict=True):
            row[whole(image).label_ids] = True
        return MultilabelMeasurement(
            image_ids=tuple(image.image_id for image in images),
            labels=labels,
            answered=SeveralLabels(
                truth=truth,
                scores=scores_of(images, found, len(labels), options.score_threshold_0_1),
                given_from_0_1=SHOWN_SCORE_0_1,
            ),
        )

    def charts(self, split: str, details: Mapping[str, Any], label_colors: Mapping[str, str]) -> Iterable[Chart]:
        """See `Task`: precision over recall of each label besides."""
        if curves := details.get("curves"):
            yield precision_chart(f"{split}, precision over recall", curves, label_colors)
        yield from super().charts(split, details, label_colors)


@dataclass(frozen=True, kw_only=True, eq=False)
class MultilabelMeasurement(WholeMeasurement[SeveralLabels]):
    """Of any number of labels an image."""

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """See `Measurement`."""
        answered = self.answered
        regions = answered.truth.sum(axis=0).tolist()
        rows = zip(self.labels, answered.average_precisions(), answered.label_scores(), regions, strict=True)
        per_label = {name: {"ap": ap} | score.as_dict() | {"regions": count} for name, ap, score, count in rows}
        return {KIND: answered.as_dict() | {"per_label": per_label}}

    @property
    def faults(self) -> Sequence[ImageFaults]:
        """See `Measurement`."""
        truth, given = self.answered.truth, self.answered.given
        counts = zip(
            self.image_ids,
            (truth & given).sum(axis=1).tolist(),
            (truth & ~given).sum(axis=1).tolist(),
            (given & ~truth).sum(axis=1).tolist(),
            strict=True,
        )
        faults = [
            ImageFaults(image_id=image_id, right=right, confused=0, missed=missed, spurious=spurious)
            for image_id, right, missed, spurious in counts
        ]
        return sorted(faults, key=lambda one: (-one.wrong, one.image_id))

    def details(self) -> Mapping[str, Any]:
        """See `Measurement`."""
        answered = self.answered
        return {
            "curves": {
                name: precision_curve(answered.scores[:, i], answered.truth[:, i]) for i, name in enumerate(self.labels)
            },
            "calibration": bins_of(answered.calibration),
        }


PLUGIN = Multilabel()
