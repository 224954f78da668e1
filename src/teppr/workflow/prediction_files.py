"""Kept rows as files for others: VIA, COCO, a table; written row by row, whatever their number."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, TypeAlias, get_args

import orjson

from teppr.answers import via_entry
from teppr.errors import UnknownName
from teppr.files import whole_file
from teppr.types import LabelInfo
from teppr.workflow.kept import Row
from teppr.workflow.prediction_rows import about_frame, coco_rows, detections_of, name_of

Save: TypeAlias = Literal["overlay", "via", "coco", "jsonl", "csv", "frames"]
SAVES: tuple[Save, ...] = get_args(Save)
USUAL_SAVES: tuple[Save, ...] = ("overlay", "via", "coco", "jsonl")
PLACES: Mapping[Save, str] = MappingProxyType(
    {
        "overlay": "overlays",
        "via": "via.json",
        "coco": "coco.json",
        "jsonl": "predictions.jsonl",
        "csv": "predictions.csv",
        "frames": "frames",
    }
)
"""Where in the folder of results each stands."""
COLUMNS = ("image", "file", "frame", "time_s", "width", "height", "label", "score", "x0", "y0", "x1", "y1")
Rows: TypeAlias = Iterable[Row]
"""May be gone through more than once."""


def saves_of(text: str) -> tuple[Save, ...]:
    """From "overlay,via,coco"; raises UnknownName listing the known ones."""
    wanted = [word.strip() for word in text.split(",")]
    if unknown := [word for word in wanted if word not in SAVES]:
        raise UnknownName.of("result to save", unknown[0], SAVES)
    return tuple(save for save in SAVES if save in wanted)


def write_via(path: Path, rows: Rows, labels: Sequence[LabelInfo], _: str) -> None:
    """A VIA file of all images and frames; a frame's `file_attributes` say video, frame and time."""
    with whole_file(path) as file:
        file.write(b"{")
        for i, row in enumerate(rows):
            name, size_bytes = name_of(row), row["size_bytes"]
            entry = via_entry(name, size_bytes, detections_of(row), labels, attributes=about_frame(row))
            file.write(b",\n" if i else b"\n")
            file.write(_json(f"{name}{size_bytes}") + b": " + _json(entry))
        file.write(b"\n}\n")


def write_coco(path: Path, rows: Rows, labels: Sequence[LabelInfo], model: str) -> None:
    """A COCO file whose annotations have scores; images that are frames say video, frame and time."""
    categories = [{"id": i, "name": label.name} for i, label in enumerate(labels, start=1)]
    with whole_file(path) as file:
        file.write(b'{"info": ' + _json({"description": f"predictions of {model}"}))
        file.write(b',\n"categories": ' + _json(categories))
        file.write(b',\n"images": ')
        _write_list(file, (_coco_image(i, row) for i, row in enumerate(rows, start=1)))
        file.write(b',\n"annotations": ')
        found = (coco for i, row in enumerate(rows, start=1) for coco in coco_rows(i, detections_of(row)))
        _write_list(file, (coco | {"id": i} for i, coco in enumerate(found, start=1)))
        file.write(b"}\n")


def write_csv(path: Path, rows: Rows, _labels: Sequence[LabelInfo], _model: str) -> None:
    """A table with a line a detection; boxes are corners in pixels, `frame` and `time_s` are empty for images."""
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        table = csv.writer(text)
        table.writerow(COLUMNS)
        for row in rows:
            image = [name_of(row), row["file"], row.get("frame"), row.get("time_s"), row["width"], row["height"]]
            table.writerows([*image, at["label"], at["score"], *at["box_xyxy_px"]] for at in row["regions"])
        text.detach()  # which writes what it holds; the file is closed by who opened it


WRITERS: Mapping[Save, Callable[[Path, Rows, Sequence[LabelInfo], str], None]] = MappingProxyType(
    {"via": write_via, "coco": write_coco, "csv": write_csv}
)
"""What is made of the rows when all are there."""


def _coco_image(image_id: int, row: Row) -> dict[str, Any]:
    image = {"id": image_id, "file_name": name_of(row), "width": row["width"], "height": row["height"]}
    return image | about_frame(row)


def _write_list(file: BinaryIO, items: Iterator[dict[str, Any]]) -> None:
    file.write(b"[")
    file.writelines((b",\n" if i else b"\n") + _json(item) for i, item in enumerate(items))
    file.write(b"\n]")


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
