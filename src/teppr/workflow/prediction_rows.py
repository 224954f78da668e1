"""What was found in an image or in a frame of a video as a row of JSON, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from teppr.geometry import area, rle_of_mask, xywh_of
from teppr.images import Pixels
from teppr.types import Detections, LabelInfo, Mask, Polyline
from teppr.videos import Frame
from teppr.workflow.kept import Row

BOX_DECIMALS, SCORE_DECIMALS = 2, 6
KEYS = ("file", "frame")
"""What tells rows apart: a file's name in the results, and the number of the frame (none in images)."""


def frame_name(video: str, number: int) -> str:
    """What results call a frame: "road.mp4_000123.jpg", the name it has where frames are saved."""
    return f"{video}_{number:06d}.jpg"


def row_of(name: str, size_bytes: int, found: Detections, labels: Sequence[LabelInfo], frame: Frame | None) -> Row:
    """The row of an image, or of a frame with its number and its time in seconds.

    size_bytes: of the image file, or of the frame's where it is saved; -1 where it is not
    """
    width, height = found.size_wh
    row: Row = {"file": name}
    if frame is not None:
        row |= {"frame": frame.number, "time_s": frame.time_s}
        row |= {"damaged": True} if frame.is_damaged else {}
    row |= {"width": width, "height": height, "size_bytes": size_bytes}
    return row | {"regions": [_region(found, i, labels) for i in range(len(found))]}


def _region(found: Detections, index: int, labels: Sequence[LabelInfo]) -> dict[str, Any]:
    label_id = int(found.label_ids[index])
    region: dict[str, Any] = {
        "label": labels[label_id].name,
        "label_id": label_id,
        "score": round(float(found.scores_0_1[index]), SCORE_DECIMALS),
        "box_xyxy_px": [round(float(side), BOX_DECIMALS) for side in found.boxes_xyxy_px[index]],
    }
    if found.masks is not None:
        mask = found.masks[index]
        region["segmentation"] = rle_of_mask(mask) | {"counts": mask.counts}
    if found.lines is not None:
        region["line"] = [[round(x, BOX_DECIMALS), round(y, BOX_DECIMALS)] for x, y in found.lines[index].points]
    return region


def detections_of(row: Row) -> Detections:
    """What a row says was found; numbers as they were rounded."""
    regions, size_wh = row["regions"], (row["width"], row["height"])
    masks = [Mask(region["segmentation"]["counts"], size_wh) for region in regions if "segmentation" in region]
    lines = [Polyline(tuple((x, y) for x, y in region["line"])) for region in regions if "line" in region]
    return Detections(
        size_wh=size_wh,
        boxes_xyxy_px=np.asarray([region["box_xyxy_px"] for region in regions], np.float32).reshape(-1, 4),
        scores_0_1=np.asarray([region["score"] for region in regions], np.float32),
        label_ids=np.asarray([region["label_id"] for region in regions], np.int64),
        masks=tuple(masks) if masks else None,
        lines=tuple(lines) if lines else None,
    )


def nothing_in(pixels: Pixels) -> Detections:
    """What is found in an image in which nothing is."""
    height, width = pixels.shape[:2]
    return detections_of({"width": width, "height": height, "regions": []})


def name_of(row: Row) -> str:
    """What VIA and COCO files call the row's image."""
    return frame_name(row["file"], row["frame"]) if "frame" in row else str(row["file"])


def about_frame(row: Row) -> dict[str, Any]:
    """Which frame of which video the row is of; empty for an image."""
    if "frame" not in row:
        return {}
    return {"video": PurePosixPath(row["file"]).name, "frame": row["frame"], "time_s": row["time_s"]}


def coco_rows(image_id: int, found: Detections) -> list[dict[str, Any]]:
    """Detections as COCO annotations with scores; category ids are label ids from 1, as COCO's begin."""
    boxes = xywh_of(found.boxes_xyxy_px)
    rows: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": label_id + 1,
            "bbox": [round(value, BOX_DECIMALS) for value in box],
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": round(score, SCORE_DECIMALS),
        }
        for box, score, label_id in zip(
            boxes.tolist(), found.scores_0_1.tolist(), found.label_ids.tolist(), strict=True
        )
    ]
    for row, mask in zip(rows, found.masks or (), strict=found.masks is not None):
        row["segmentation"] = rle_of_mask(mask) | {"counts": mask.counts}
        row["area"] = area(mask)
    return rows
