"""COCO ground truth and results files, checked row by row before anything is measured."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from teppr.errors import BadFile
from teppr.files import read_json


def read_truth(path: Path, *, needs_masks: bool) -> dict[str, Any]:
    """The document with images, annotations and categories checked; raises BadFile saying where it is wrong.

    Annotations are numbered anew from 1: COCO's own evaluator takes the id 0 for "no match".
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise BadFile(f"{path} is not COCO ground truth: expected an object, got {_kind(document)}")
    checked = _Checked(path)
    images = checked.by_id(document, "images", needs={"width": float, "height": float} if needs_masks else {})
    categories = checked.by_id(document, "categories", needs={"name": str})
    names = [category["name"] for category in categories.values()]
    if len(set(names)) != len(names):
        raise BadFile(f"{path}: category names must differ, got {sorted(names)}")
    rows: list[dict[str, Any]] = []
    for where, row in checked.rows(document, "annotations"):
        checked.refers(row, where, images, categories)
        checked.number(row, "area", where)
        place = checked.place(row, where, images, keys=("bbox", "segmentation") if needs_masks else ("bbox",))
        facts = {key: row[key] for key in ("image_id", "category_id", "area")}
        rows.append(facts | place | {"id": len(rows) + 1, "iscrowd": int(bool(row.get("iscrowd")))})
    return {"images": list(images.values()), "annotations": rows, "categories": list(categories.values())}


def read_results(path: Path, truth: Mapping[str, Any], *, needs_masks: bool) -> list[dict[str, Any]]:
    """The detections of a results list, or of a COCO file whose annotations have scores; raises BadFile.

    What both have: `image_id` and `category_id` of the truth, `score`, and `bbox` or `segmentation`.
    """
    document = read_json(path)
    if isinstance(document, list):
        document, name = {"": document}, ""
    elif isinstance(document, dict) and "annotations" in document:
        name = "annotations"
    else:
        raise BadFile(
            f"{path} holds no COCO results: expected a list of detections, or an object with 'annotations', "
            f"got {_kind(document)}"
        )
    checked = _Checked(path)
    images = {image["id"]: image for image in truth["images"]}
    categories = {category["id"]: category for category in truth["categories"]}
    rows = []
    for where, row in checked.rows(document, name):
        checked.refers(row, where, images, categories)
        checked.number(row, "score", where)
        # A box beside a mask stays: COCO then sorts by the box's area into small, medium and large.
        keys = ("bbox",) if not needs_masks else ("bbox", "segmentation") if row.get("bbox") else ("segmentation",)
        facts = {key: row[key] for key in ("image_id", "category_id", "score")}
        rows.append(facts | checked.place(row, where, images, keys))
    return rows


class _Checked:
    """Reads parts of one file's document; every refusal names the file and the path in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, where: str, rule: str, got: object) -> BadFile:
        return BadFile(f"{self.path}: {rule}, got {reprlib.repr(got)} - at {where}")

    def rows(self, document: Mapping[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
        """The objects of a list with their paths."""
        rows = document.get(name)
        if not isinstance(rows, list):
            raise BadFile(f"{self.path} is not a COCO file: {name!r} must be a list, got {_kind(rows)}")
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                raise self.refuse(f"{name}[{i}]", "expected an object", _kind(row))
        return [(f"{name}[{i}]", row) for i, row in enumerate(rows)]

    def by_id(self, document: Mapping[str, Any], name: str, needs: Mapping[str, type]) -> dict[int, dict[str, Any]]:
        """The objects of a list by their whole-numbered, unique ids; `needs` are further keys that they must have."""
        found: dict[int, dict[str, Any]] = {}
        for where, row in self.rows(document, name):
            key = row.get("id")
            if not isinstance(key, int) or isinstance(key, bool) or key in found:
                raise self.refuse(f"{where}.id", "an id must be a whole number that no other has", key)
            for field, kind in needs.items():
                if kind is float:
                    self.number(row, field, where)
                elif not isinstance(row.get(field), kind):
                    raise self.refuse(f"{where}.{field}", "expected text", row.get(field))
            found[key] = row
        return found

    def number(self, row: Mapping[str, Any], field: str, where: str) -> None:
        """Raises where a field is no finite number."""
        if not _is_number(row.get(field)):
            raise self.refuse(f"{where}.{field}", "expected a finite number", row.get(field))

    def refers(
        self,
        row: Mapping[str, Any],
        where: str,
        images: Mapping[int, Mapping[str, Any]],
        categories: Mapping[int, Mapping[str, Any]],
    ) -> None:
        """Raises where a row names an image or a category that the truth does not have."""
        for field, known in (("image_id", images), ("category_id", categories)):
            value = row.get(field)
            if isinstance(value, bool) or not isinstance(value, int) or value not in known:
                kind = field.removesuffix("_id")
                raise self.refuse(f"{where}.{field}", f"the truth has no {kind} of this id", value)

    def place(
        self, row: Mapping[str, Any], where: str, images: Mapping[int, Mapping[str, Any]], keys: tuple[str, ...]
    ) -> dict[str, Any]:
        """The box and the run-length code of a row, those of them that `keys` name; raises where one is malformed."""
        found: dict[str, Any] = {}
        if "bbox" in keys:
            found["bbox"] = self._box(row.get("bbox"), f"{where}.bbox")
        if "segmentation" in keys:
            code = self._rle(row.get("segmentation"), images[row["image_id"]], f"{where}.segmentation")
            found["segmentation"] = code
        return found

    def _box(self, given: object, where: str) -> object:
        if not isinstance(given, list) or len(given) != 4 or not all(map(_is_number, given)):
            raise self.refuse(where, "expected four finite numbers x, y, width, height", given)
        return given

    def _rle(self, given: object, image: Mapping[str, Any], where: str) -> dict[str, Any]:
        height, width = int(image["height"]), int(image["width"])
        if isinstance(given, dict):
            return self._rle_of_object(given, (height, width), where)
        rings = given if isinstance(given, list) else []
        if not rings or not all(
            isinstance(ring, list) and len(ring) >= 6 and len(ring) % 2 == 0 and all(map(_is_number, ring))
            for ring in rings
        ):
            raise self.refuse(where, "expected a run-length code, or rings of at least three x, y pairs", given)
        merged = coco_mask.merge(coco_mask.frPyObjects(rings, height, width))
        return {"size": [height, width], "counts": merged["counts"].decode()}

    def _rle_of_object(self, given: Mapping[str, Any], size_hw: tuple[int, int], where: str) -> dict[str, Any]:
        size, counts = given.get("size"), given.get("counts")
        if size != list(size_hw):
            raise self.refuse(
                f"{where}.size", f"the code must cover its image, [height, width] = {list(size_hw)}", size
            )
        if isinstance(counts, str):
            return {"size": size, "counts": counts}
        if not isinstance(counts, list) or not all(isinstance(run, int) and run >= 0 for run in counts):
            raise self.refuse(f"{where}.counts", "expected a string or a list of run lengths", counts)
        if sum(counts) != size_hw[0] * size_hw[1]:
            raise self.refuse(f"{where}.counts", "the run lengths must add up to the image's pixels", sum(counts))
        return {"size": size, "counts": coco_mask.frPyObjects(dict(given), *size_hw)["counts"].decode()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "nothing")
