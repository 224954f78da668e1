"""Classification: exactly one label for each image as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.drawing import Drawn, drawn_detections
from teppr.metrics.classification import NO_LABEL, OneLabel
from teppr.tasks._classes import KIND, ClassTask, WholeMeasurement, bins_of, scores_of, whole
from teppr.tasks.contract import Contents, ImageFaults, MeasureOptions
from teppr.types import Detections, LabelInfo

NO_ANSWER = "background"
"""As reports know what is taken for nothing."""


class Classify(ClassTask):
    """See `Task`."""

    name = "classify"
    title = "classification of images by one label each"
    figures = MappingProxyType(
        {
            "accuracy": "accuracy (share of images whose likeliest label is right)",
            "top_k": "top k (share whose label is among the 5 likeliest; of fewer than ten labels, the likelier half)",
            "macro_precision": "precision, mean of labels",
            "macro_recall": "recall, mean of labels",
            "macro_f1": "F1, mean of labels",
            "calibration_error": "calibration error (how far scores are from how often they are right)",
        }
    )
    figures_said = (
        "An image's likeliest label is its answer, however sure. Labels that score below 0.05 are not told, and count "
        "as not given. Images without a label are left out."
    )
    label_figures = ("precision", "recall", "f1")
    less_is_better = frozenset({"calibration_error"})
    label_main = "f1"
    headline = ("accuracy", "macro_f1", "calibration_error")
    followed = ("accuracy", "macro_f1")

    def fits(self, contents: Contents) -> bool:
        """See `Task`."""
        return super().fits(contents) and not contents.several_labels

    def drawn_found(self, found: Detections, labels: Sequence[LabelInfo]) -> list[Drawn]:
        """See `Task`; the likeliest label, however sure, for that is what counts as the answer."""
        return drawn_detections(found, labels)[:1]

    def measure(
        self,
        snapshot: Snapshot,
        images: Sequence[SnapshotImage],
        found: Mapping[int, Detections],
        options: MeasureOptions,
    ) -> ClassMeasurement:
        """See `Task`; of an image with several labels, against the problem's rule, the first counts."""
        labelled = [(image, ids) for image in images if len(ids := whole(image).label_ids)]
        labels = tuple(label.name for label in snapshot.labels)
        shown = [image for image, _ in labelled]
        return ClassMeasurement(
            image_ids=tuple(image.image_id for image in shown),
            labels=labels,
            answered=OneLabel(
                truth=np.array([ids[0] for _, ids in labelled], np.int64),
                scores=scores_of(shown, found, len(labels), options.score_threshold_0_1),
            ),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMeasurement(WholeMeasurement[OneLabel]):
    """Of one label an image."""

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """See `Measurement`."""
        regions = np.bincount(self.answered.truth, minlength=len(self.labels)).tolist()
        per_label = {
            name: score.as_dict() | {"regions": count}
            for name, score, count in zip(self.labels, self.answered.label_scores(), regions, strict=True)
        }
        return {KIND: self.answered.as_dict() | {"per_label": per_label}}

    @property
    def faults(self) -> Sequence[ImageFaults]:
        """See `Measurement`; among those that are wrong, the surest answer is the worst, as with those that are right
        the surest is the best.
        """
        sure = self.answered.scores.max(axis=1, initial=0)
        rows = zip(self.image_ids, self.answered.right.tolist(), self.answered.answers.tolist(), sure, strict=True)
        faults = [
            (
                -score,
                ImageFaults(
                    image_id=image_id,
                    right=int(right),
                    confused=int(not right and answer != NO_LABEL),
                    missed=int(answer == NO_LABEL),
                    spurious=0,
                ),
            )
            for image_id, right, answer, score in rows
        ]
        return [one for _, one in sorted(faults, key=lambda row: (-row[1].wrong, row[0], row[1].image_id))]

    def details(self) -> Mapping[str, Any]:
        """See `Measurement`."""
        table = self.answered.confusion
        silent = bool(table[:, -1].any())
        return {
            "confusion": {
                "labels": [*self.labels, NO_ANSWER] if silent else list(self.labels),
                "table": [*table.tolist(), [0] * table.shape[1]] if silent else table[:, :-1].tolist(),
                "said": "the likeliest label of each image",
            },
            "calibration": bins_of(self.answered.calibration),
        }


PLUGIN = Classify()
