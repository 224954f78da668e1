"""What `/api/vision/v2` answers: what was found, as VIA regions in the shapes that were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import orjson
from starlette.responses import Response

from teppr.regions import regions
from teppr.serving.declined import Declined
from teppr.serving.tasks import Found
from teppr.types import ModelCard

Wanted: TypeAlias = Literal["any", "box", "polygon", "lane", "class"]
"""any: as the model finds them; polygon: outlines, and where there is none the box as four corners."""
Region: TypeAlias = dict[str, Any]

NAME = "vision/v2"
TASKS: Mapping[Wanted, Sequence[str]] = {
    "box": ("detect", "segment"),
    "polygon": ("detect", "segment"),
    "lane": ("lanes",),
    "class": ("classify",),
}
"""The tasks of models that can answer what is wanted; whatever is wanted by "any"."""
DOES: Mapping[str, str] = {
    "detect": "finds boxes",
    "segment": "finds boxes and outlines",
    "lanes": "finds lanes",
    "classify": "names what a whole image shows",
}


def check_task(card: ModelCard, wanted: Wanted, served: Sequence[ModelCard]) -> None:
    """Raise Declined 422 where the model does other things than what is wanted, naming those that do it."""
    tasks = TASKS.get(wanted, (card.task,))
    if card.task in tasks:
        return
    fitting = ", ".join(other.key for other in served if other.task in tasks) or "none that is served"
    raise Declined(
        422,
        "other-task",
        f"{card.key} {DOES.get(card.task, 'does something else')} (its task is {card.task}); /predict/{PATHS[wanted]} "
        f"is for models that do {' or '.join(tasks)}: {fitting}; /predict takes any",
    )


PATHS: Mapping[Wanted, str] = {"box": "bbox", "polygon": "polygon", "lane": "lane", "class": "class"}


def entry_of(card: ModelCard, found: Found, note: Mapping[str, Any]) -> dict[str, Any]:
    """An image's entry of a VIA file; note: name, size (bytes) and wanted, as the request had them."""
    width, height = found.size_wh
    return {
        "filename": note["name"],
        "size": note["size"],
        "file_attributes": {"width": width, "height": height, "uuid": uuid4().hex},
        "regions": _regions(card, found, note["wanted"]),
    }


def answer_of(
    card: ModelCard,
    result: Mapping[str, Any],
    timings_s: Mapping[str, float],
    failures: Mapping[str, Any] | None = None,
) -> Response:
    """The whole answer; failures: of a batch's images that have no entry."""
    answer = {
        "api": NAME,
        "type": card.key,
        "dnnarch": card.architecture,
        "result": result,
        "status_code": 207 if failures else 200,
        "timings": {step: round(spent, 6) for step, spent in timings_s.items()},
    }
    if failures is not None:
        answer["failures"] = failures
    return Response(orjson.dumps(answer), media_type="application/json")


def boxes_of(card: ModelCard, found: Found) -> Sequence[Sequence[float]]:
    """Where things were found: what is said of an image as a whole is said of all of it."""
    if card.task != "classify":
        return found.boxes_xyxy_px
    return [[0.0, 0.0, *map(float, found.size_wh)]] * len(found.label_ids)


def _regions(card: ModelCard, found: Found, wanted: Wanted) -> list[Region]:
    labels = [card.labels[label_id] for label_id in found.label_ids]
    outlines = found.outlines if card.task != "classify" else [None] * len(labels)
    lines = card.task == "lanes"
    shaped = regions(boxes_of(card, found), outlines, found.scores_0_1, labels, are_lines=lines)
    return [_as_polygon(region) for region in shaped] if wanted == "polygon" else shaped


def _as_polygon(region: Region) -> Region:
    shape = region["shape_attributes"]
    if shape["name"] != "rect":
        return region
    (x0, x1), (y0, y1) = (shape["x"], shape["x"] + shape["width"]), (shape["y"], shape["y"] + shape["height"])
    corners = {"name": "polygon", "all_points_x": [x0, x1, x1, x0], "all_points_y": [y0, y0, y1, y1]}
    return {**region, "shape_attributes": corners}
