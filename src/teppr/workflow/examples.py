"""Images of a dataset with truth and detections side by side, the worst and the best ones."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.drawing import Drawn
from teppr.errors import BadFile, BadImage
from teppr.files import read_json
from teppr.geometry import box_xywh, rings_of
from teppr.images import encode_jpeg, read, resize_to_fit
from teppr.tasks.contract import ImageFaults, MeasureOptions, Task
from teppr.types import Detections, LabelInfo, Polyline, Ring

PICTURE_SIDE_PX = 640
JPEG_QUALITY = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A shape as an SVG path in the image's pixels, open where it is a line; `at` is where its caption begins.

    is_area: it is filled; is_whole: it is a frame around the image, whose caption may be large
    """

    path: str
    color: str
    caption: str
    at: tuple[float, float]
    is_area: bool = True
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One image with what is in it and what was found, for a page.

    picture: the image as a data URI, its longer side at most 640 pixels
    """

    filename: str
    size_wh: tuple[int, int]
    picture: str
    truth: tuple[Outline, ...]
    found: tuple[Outline, ...]
    faults: ImageFaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The images of a split where most goes wrong, and those with most found and nothing wrong."""

    split: str
    worst: tuple[Example, ...]
    best: tuple[Example, ...]


def find_examples(task: Task, snapshot: Snapshot, split: str, detections: Path, count: int) -> Examples:
    """At most `count` of each kind, from a file of detections as an evaluation by `task` writes it.

    Images that are no longer where the dataset has them are left out.
    """
    pictures = {image.image_id: image for image in snapshot.images(split)}
    found = read_detections(task, detections, pictures)
    faults = task.measure(snapshot, tuple(pictures.values()), found, MeasureOptions()).faults
    worst = [one for one in faults if one.wrong]
    best = sorted((one for one in faults if one.right and not one.wrong), key=lambda one: (-one.right, one.image_id))

    def chosen(candidates: Sequence[ImageFaults]) -> tuple[Example, ...]:
        drawn = (
            example_of(task, pictures[one.image_id], found.get(one.image_id), snapshot.labels, one)
            for one in candidates
        )
        return tuple(_first(drawn, count))

    return Examples(split=split, worst=chosen(worst), best=chosen(best))


def example_of(
    task: Task, image: SnapshotImage, found: Detections | None, labels: Sequence[LabelInfo], faults: ImageFaults
) -> Example | None:
    """One image for a page; None where it is no longer where the dataset has it."""
    try:
        pixels, _ = read(image.path)
    except BadImage:
        return None
    small = resize_to_fit(pixels, PICTURE_SIDE_PX) if max(pixels.shape[:2]) > PICTURE_SIDE_PX else pixels
    jpeg = base64.b64encode(encode_jpeg(small, JPEG_QUALITY)).decode()
    return Example(
        filename=image.filename,
        size_wh=image.size_wh,
        picture=f"data:image/jpeg;base64,{jpeg}",
        truth=tuple(_outline(drawn, image.size_wh) for drawn in task.drawn_truth(image, labels)),
        found=() if found is None else tuple(_outline(one, image.size_wh) for one in task.drawn_found(found, labels)),
        faults=faults,
    )


def read_detections(task: Task, path: Path, pictures: Mapping[int, SnapshotImage]) -> dict[int, Detections]:
    """Detections by image id from rows as `task` writes them; raises BadFile."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise BadFile(f"{path} holds no detections: expected a list, got {type(rows).__name__}")
    by_image: dict[int, list[dict[str, Any]]] = {}
    try:
        for row in rows:
            by_image.setdefault(row["image_id"], []).append(row)
        return {
            image_id: task.detections(some, pictures[image_id].size_wh)
            for image_id, some in by_image.items()
            if image_id in pictures
        }
    except (KeyError, TypeError) as error:
        raise BadFile(f"{path} holds no detections: a row lacks {error}") from error


def _first(examples: Iterable[Example | None], count: int) -> list[Example]:
    kept: list[Example] = []
    for example in examples:
        if len(kept) == count:
            break
        if example is not None:
            kept.append(example)
    return kept


def _outline(drawn: Drawn, size_wh: tuple[int, int]) -> Outline:
    shape = drawn.shape
    paths = [f"{_path(ring)}Z" for ring in rings_of(shape)]
    if isinstance(shape, Polyline):
        paths = [_path(shape.points)]
    x, y, width, height = box_xywh(shape)
    is_whole = (x, y, width, height) == (0, 0, *size_wh)
    return Outline(
        path=" ".join(paths),
        color=drawn.color,
        caption=drawn.caption,
        at=(x, y),
        is_area=not is_whole and not isinstance(shape, Polyline),
        is_whole=is_whole,
    )


def _path(points: Ring) -> str:
    return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
