"""What the service answers, as values: checked field by field, so that what is there is what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from teppr.files import write_json

Kind = TypeVar("Kind")

Point: TypeAlias = tuple[float, float]


class NotAnAnswer(ValueError):
    """A document is not what the service promises; the message says what is missing, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """An object that was found, in pixels of the image as it is stored, or the class of the whole image.

    color: "#rrggbb", the same label always the same
    shape: "rect", "polygon", "polyline", or another word of a newer service; says which one of the fields below is set
    polygon_xy_px: corners in order, the first not repeated
    """

    label: str
    score_0_1: float
    color: str
    shape: str
    box_xywh_px: tuple[float, float, float, float] | None = None
    polygon_xy_px: tuple[Point, ...] | None = None
    polyline_xy_px: tuple[Point, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model found in one image, best score first.

    model: the key of the one that answered
    timings_s: the service's own seconds by step, "total" among them
    request_id: what the service's log has the request under
    raw: the answer as it came, a VIA document
    """

    model: str
    architecture: str
    filename: str
    size_wh: tuple[int, int]
    regions: tuple[Region, ...]
    timings_s: Mapping[str, float]
    request_id: str
    raw: Mapping[str, Any] = field(repr=False)

    def save_via(self, path: Path | str) -> None:
        """Write it as a VIA file, for annotation tools and `teppr annotations ingest`."""
        write_json(Path(path), self.raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that a service has.

    default: it answers where a request names none
    raw: all that the service says of it
    """

    key: str
    architecture: str
    task: str
    labels: tuple[str, ...]
    default: bool
    score_threshold_0_1: float
    raw: Mapping[str, Any] = field(repr=False)


def answer_of(document: object, request_id: str) -> Answer:
    """The answer about the one image of a document; raises NotAnAnswer."""
    result = _mapping(_get(document, "result", ""), "result")
    if len(result) != 1:
        raise NotAnAnswer(f"it must be about one image, got {len(result)} - at result")
    (key,) = result
    entry = _mapping(result[key], where := f"result[{key!r}]")
    about = _get(entry, "file_attributes", where)
    regions = _items(_get(entry, "regions", where), f"{where}.regions")
    timings = _mapping(_get(document, "timings", ""), "timings")
    return Answer(
        model=_text(document, "type", ""),
        architecture=_text(document, "dnnarch", ""),
        filename=_text(entry, "filename", where),
        size_wh=(_pixels(about, "width", where), _pixels(about, "height", where)),
        regions=tuple(_region(region, f"{where}.regions[{i}]") for i, region in enumerate(regions)),
        timings_s={str(step): _number(timings, step, "timings") for step in timings},
        request_id=request_id,
        raw=_mapping(document, ""),
    )


def models_of(document: object) -> tuple[ServedModel, ...]:
    """The models of a document; raises NotAnAnswer."""
    models = _items(_get(document, "models", ""), "models")
    return tuple(_model(model, f"models[{i}]") for i, model in enumerate(models))


def job_id_of(document: object) -> str:
    """The id under which a job is asked for; raises NotAnAnswer."""
    return _text(document, "id", "")


def cut(document: object, name: str, as_name: str) -> dict[str, Any] | None:
    """Of an answer about many images the answer about `name`, as if it had been about one called `as_name`."""
    whole = _mapping(document, "")
    result = _mapping(_get(document, "result", ""), "result")
    if name not in result:
        return None
    entry = {**_mapping(result[name], f"result[{name!r}]"), "filename": as_name}
    return {**{key: value for key, value in whole.items() if key != "failures"}, "result": {as_name: entry}}


def failure_of(document: object, name: str) -> Mapping[str, Any]:
    """Of an answer about many images why there is none about `name`; raises NotAnAnswer where it does not say."""
    failures = _mapping(_get(document, "failures", ""), "failures")
    said = _mapping(_get(failures, name, "failures"), where := f"failures[{name!r}]")
    _of(int, _get(said, "code", where), f"{where}.code")
    for key in ("error", "detail"):
        _text(said, key, where)
    return said


def _model(model: object, where: str) -> ServedModel:
    labels = _items(_get(model, "labels", where), f"{where}.labels")
    default = _get(model, "default", where)
    return ServedModel(
        key=_text(model, "key", where),
        architecture=_text(model, "architecture", where),
        task=_text(model, "task", where),
        labels=tuple(_text(label, "name", f"{where}.labels[{i}]") for i, label in enumerate(labels)),
        default=default is True,
        score_threshold_0_1=_share(model, "score_threshold", where),
        raw=_mapping(model, where),
    )


def _region(region: object, where: str) -> Region:
    found, shape = _get(region, "region_attributes", where), _get(region, "shape_attributes", where)
    what, geometry = f"{where}.region_attributes", f"{where}.shape_attributes"
    # The class of a whole image has no shape; what a newer service calls otherwise keeps its word, and `raw` the rest.
    name = _mapping(shape, geometry).get("name", "image")
    return Region(
        label=_text(found, "label", what),
        score_0_1=_share(found, "score", what),
        color=_text(found, "color", what),
        shape=str(name),
        box_xywh_px=_box(shape, geometry) if name == "rect" else None,
        polygon_xy_px=_points(shape, geometry) if name == "polygon" else None,
        polyline_xy_px=_points(shape, geometry) if name == "polyline" else None,
    )


def _box(shape: object, where: str) -> tuple[float, float, float, float]:
    x, y, width, height = (_number(shape, side, where) for side in ("x", "y", "width", "height"))
    return x, y, width, height


def _points(shape: object, where: str) -> tuple[Point, ...]:
    xs, ys = (_items(_get(shape, key, where), f"{where}.{key}") for key in ("all_points_x", "all_points_y"))
    if len(xs) != len(ys):
        raise NotAnAnswer(f"points need as many x as y, got {len(xs)} and {len(ys)} - at {where}")
    return tuple((_finite(x, where), _finite(y, where)) for x, y in zip(xs, ys, strict=True))


def _get(holder: object, key: str, where: str) -> object:
    mapping = _mapping(holder, where)
    if key not in mapping:
        raise NotAnAnswer(f"{key!r} is missing - at {where or 'the top'}")
    return mapping[key]


def _mapping(value: object, where: str) -> dict[str, Any]:
    return _of(dict, value, where)


def _items(value: object, where: str) -> list[Any]:
    return _of(list, value, where)


def _text(holder: object, key: str, where: str) -> str:
    return _of(str, _get(holder, key, where), f"{where}.{key}".lstrip("."))


def _number(holder: object, key: str, where: str) -> float:
    return _finite(_get(holder, key, where), f"{where}.{key}".lstrip("."))


def _share(holder: object, key: str, where: str) -> float:
    value = _number(holder, key, where)
    if not 0 <= value <= 1:
        raise NotAnAnswer(f"{key} must lie between 0 and 1, got {value} - at {where}")
    return value


def _pixels(holder: object, key: str, where: str) -> int:
    value = _of(int, _get(holder, key, where), f"{where}.{key}")
    if value < 1:
        raise NotAnAnswer(f"{key} must be at least 1 pixel, got {value} - at {where}")
    return value


def _finite(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAnAnswer(f"expected a finite number, got {value!r:.80} - at {where}")
    return float(value)


def _of(kind: type[Kind], value: object, where: str) -> Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise NotAnAnswer(f"expected {kind.__name__}, got {value!r:.80} - at {where or 'the top'}")
    return value
