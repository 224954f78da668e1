"""What finding objects is, by their boxes and, where there are any, their masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from teppr.geometry import mask_of_shape, xyxy_of
from teppr.line_charts import Chart
from teppr.metrics.confusion import Confusion, ImageFaults, confusion
from teppr.metrics.detection import LABEL_STATS, STATS, DetectionMetrics, IouType, TruthImage, evaluate, result_rows
from teppr.samples import Sample
from teppr.tasks._box_parity import BoxParity
from teppr.tasks._curves import precision_chart
from teppr.tasks.contract import SHOWN_SCORE_0_1, Contents, Feeding, Measurement, MeasureOptions, Task
from teppr.types import Circle, Detections, Ellipse, Ints, Mask, Polygon, Polyline, Rect, Spot

if TYPE_CHECKING:
    from teppr.datasets.snapshot import Snapshot, SnapshotImage

BACKGROUND = "background"
CONFUSION_IOU = 0.5
STAT_TITLES: Mapping[str, str] = MappingProxyType(
    dict(
        zip(
            STATS,
            (
                "mAP, IoU 0.50 to 0.95",
                "mAP at IoU 0.50",
                "mAP at IoU 0.75",
                "mAP, small objects",
                "mAP, medium objects",
                "mAP, large objects",
                "recall, 1 detection an image",
                "recall, 10 detections",
                "recall, 100 detections",
                "recall, small objects",
                "recall, medium objects",
                "recall, large objects",
            ),
            strict=True,
        )
    )
)


class BoxTask(Task):
    """What detection and segmentation share."""

    kinds: ClassVar[tuple[IouType, ...]]
    shapes = frozenset(shape.kind for shape in (Rect, Polygon, Circle, Ellipse, Mask, Polyline, Spot))
    figures = STAT_TITLES
    figures_said = "COCO's twelve numbers; a dash where nothing defines one, as where there is no object of that size."
    label_figures = LABEL_STATS
    headline = LABEL_STATS
    followed = ("map_50", "map", "map_75", "mar_100")

    @property
    def with_masks(self) -> bool:
        """Whether masks are learned and measured beside boxes."""
        return "mask" in self.kinds

    def fits(self, contents: Contents) -> bool:
        """See `Task`."""
        return super().fits(contents) and (contents.has_masks or not self.with_masks)

    def sample(self, image: SnapshotImage, feeding: Feeding) -> Sample:
        """See `Task`."""
        from teppr.datasets.loader import load_sample  # needs PyTorch, which those who only name figures do not

        return load_sample(
            image,
            feeding.image_size_px,
            square=feeding.square,
            with_masks=self.with_masks,
            max_pixels=feeding.max_pixels,
        )

    def measure(
        self,
        snapshot: Snapshot,
        images: Sequence[SnapshotImage],
        found: Mapping[int, Detections],
        options: MeasureOptions,
    ) -> BoxMeasurement:
        """See `Task`; masks are measured where the dataset has them and all that was found has."""
        with_masks = self.with_masks and snapshot.has_masks
        counted = {image_id: one.at_least(options.score_threshold_0_1) for image_id, one in found.items()}
        return BoxMeasurement(
            truth=tuple(truth_of(image, with_masks=with_masks) for image in images),
            found=counted,
            labels=tuple(label.name for label in snapshot.labels),
            kinds=("box", "mask")
            if with_masks and all(one.masks is not None for one in counted.values())
            else ("box",),
            ious=options.ious,
        )

    def parts_of_figures(self, ious: Sequence[float]) -> Mapping[str, Mapping[str, Any]]:
        """See `Task`."""
        at_iou = {"at_iou": {f"{iou:g}": None for iou in ious}}
        return {kind: {**parts, **at_iou} for kind, parts in super().parts_of_figures(ious).items()}

    def parity(self) -> BoxParity:
        """See `Task`."""
        return BoxParity()

    def rows(self, image_id: int, found: Detections) -> list[dict[str, Any]]:
        """See `Task`; a row has a box and, where there are any, a mask."""
        boxes = result_rows(image_id, found, "box")
        masks = result_rows(image_id, found, "mask") if found.masks is not None else [{}] * len(found)
        return [box | mask for box, mask in zip(boxes, masks, strict=True)]

    def detections(self, rows: Sequence[Mapping[str, Any]], size_wh: tuple[int, int]) -> Detections:
        """See `Task`."""
        masks = tuple(Mask(row["segmentation"]["counts"], size_wh) for row in rows if "segmentation" in row)
        return Detections(
            size_wh=size_wh,
            boxes_xyxy_px=xyxy_of([row["bbox"] for row in rows]).astype(np.float32),
            scores_0_1=np.array([row["score"] for row in rows], np.float32),
            label_ids=np.array([row["category_id"] for row in rows], np.int64),
            masks=masks if len(masks) == len(rows) else None,
        )

    def charts(self, split: str, details: Mapping[str, Any], label_colors: Mapping[str, str]) -> Iterable[Chart]:
        """See `Task`: precision over recall, for each kind."""
        for kind, curves in details.get("curves", {}).items():
            yield precision_chart(f"{split}, {kind}, IoU 0.50", curves, label_colors)


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxMeasurement(Measurement):
    """Objects that were found, and those that are there."""

    truth: tuple[TruthImage, ...]
    found: Mapping[int, Detections]
    labels: tuple[str, ...]
    kinds: tuple[IouType, ...]
    ious: tuple[float, ...]

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """See `Measurement`."""
        at_iou = {kind: {"at_iou": self._at_iou(kind)} if self.ious else {} for kind in self.kinds}
        return {kind: metrics.as_dict() | at_iou[kind] for kind, metrics in self._metrics.items()}

    @property
    def faults(self) -> Sequence[ImageFaults]:
        """See `Measurement`."""
        return self._confusion.images

    def drawn(self, indices: Ints) -> BoxMeasurement:
        """See `Measurement`; every drawing of an image is an image of its own."""
        drawn = list(enumerate(self.truth[i] for i in indices.tolist()))
        return replace(
            self,
            truth=tuple(replace(image, image_id=number) for number, image in drawn),
            found={number: self.found[image.image_id] for number, image in drawn if image.image_id in self.found},
        )

    def details(self) -> Mapping[str, Any]:
        """See `Measurement`."""
        return {
            "confusion": {
                "labels": [*self.labels, BACKGROUND],
                "table": self._confusion.table.tolist(),
                "said": f"detections scoring {SHOWN_SCORE_0_1} or more that overlap by {CONFUSION_IOU} or more",
            },
            "curves": {
                kind: {name: metrics.curve(0.5, name) for name in self.labels}
                for kind, metrics in self._metrics.items()
            },
        }

    @cached_property
    def _metrics(self) -> Mapping[IouType, DetectionMetrics]:
        return {kind: evaluate(self.truth, self.found, self.labels, kind) for kind in self.kinds}

    @cached_property
    def _confusion(self) -> Confusion:
        return confusion(
            self.truth, self.found, len(self.labels), score_0_1=SHOWN_SCORE_0_1, iou_threshold=CONFUSION_IOU
        )

    def _at_iou(self, kind: IouType) -> dict[str, float | None]:
        metrics = evaluate(self.truth, self.found, self.labels, kind, self.ious)
        curves = {iou: metrics.curve(iou) for iou in self.ious}
        return {f"{iou:g}": float(np.mean(curve)) if curve else None for iou, curve in curves.items()}


def truth_of(image: SnapshotImage, *, with_masks: bool) -> TruthImage:
    """An image of a dataset as the metrics want it."""
    masks = tuple(mask_of_shape(shape, image.size_wh) for shape in image.shapes) if with_masks else None
    return TruthImage(
        image_id=image.image_id,
        size_wh=image.size_wh,
        boxes_xywh_px=image.boxes_xywh_px,
        areas_px=image.areas_px,
        label_ids=image.label_ids,
        is_crowd=image.is_crowd,
        masks=masks,
    )
