"""Reading COCO instances: a first pass checks the document and notes where everything stands, a second joins it.

The notes take some 60 bytes an image and 40 an annotation; images and annotations may come in any order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from teppr.errors import BadFile
from teppr.formats._coco_region import region_of_annotation
from teppr.formats._json_file import JsonFile, Span
from teppr.formats._numbers import whole_number
from teppr.formats.contract import Reading, ReadOptions
from teppr.types import ImageRecord, Ints, Region, Unread

_NO_KEY = -(2**63)
"""Stands for an image id that cannot be one; no hash has this value."""


@dataclass(slots=True)
class _Places:
    """Where the elements of a list stand, and the hash of the image id that each of them has.

    Whole numbers are their own hashes; ids are compared in full when they are joined.
    """

    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))

    def add(self, span: Span, key: int) -> None:
        self.starts.append(span.start)
        self.ends.append(span.end)
        self.keys.append(key)

    def __getitem__(self, i: int) -> Span:
        return Span(self.starts[i], self.ends[i])

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(slots=True)
class _Survey:
    """What the first pass finds.

    labels: {category id: its name; None where the same id has several}
    ids: the annotations' ids, as far as they are whole numbers
    """

    images: _Places = field(default_factory=_Places)
    annotations: _Places = field(default_factory=_Places)
    labels: dict[int | str, str | None] = field(default_factory=dict)
    ids: array[int] = field(default_factory=lambda: array("q"))


def read_instances(path: Path, options: ReadOptions) -> Reading:
    """Begin to read; raises BadFile where the document is no JSON or no COCO instances."""
    survey = _survey(JsonFile(path))
    return Reading(
        records=_records(JsonFile(path), survey, options),
        notes=_notes(survey),
        entries=len(survey.images),
    )


def _survey(document: JsonFile) -> _Survey:
    survey, found = _Survey(), set()
    if document.peek() != "{":
        document.check()
        raise BadFile(f"COCO instances must be an object of lists, got another value in {document.path}")
    for key in document.members():
        if key in ("images", "annotations", "categories"):
            if key in found:
                raise BadFile(f"{key!r} must stand once, stands twice in {document.path}")
            if document.peek() != "[":
                raise BadFile(f"{key!r} must be a list, got another value in {document.path}")
            found.add(key)
            _SURVEYS[key](document, survey)
    document.finish()
    if missing := {"images", "annotations"} - found:
        raise BadFile(f"COCO instances must have {' and '.join(sorted(missing))}, which {document.path} has not")
    return survey


def _survey_images(document: JsonFile, survey: _Survey) -> None:
    for span, image in document.loaded():
        usable = image if isinstance(image, dict) and _image_problem(image) is None else {}
        survey.images.add(span, _key(usable.get("id")))


def _survey_annotations(document: JsonFile, survey: _Survey) -> None:
    for span, annotation in document.loaded():
        fields = annotation if isinstance(annotation, dict) else {}
        if "segments_info" in fields:
            raise BadFile(
                f"COCO instances are needed, got a panoptic file (its masks lie in PNG files): {document.path}"
            )
        survey.annotations.add(span, _key(fields.get("image_id")))
        if (number := whole_number(fields.get("id"))) is not None:
            survey.ids.append(number)


def _survey_categories(document: JsonFile, survey: _Survey) -> None:
    for _, category in document.loaded():
        fields = category if isinstance(category, dict) else {}
        number, name = fields.get("id"), fields.get("name")
        if isinstance(number, int | str) and isinstance(name, int | float | str) and str(name).strip():
            known = survey.labels.setdefault(number, str(name))
            survey.labels[number] = str(name) if known == str(name) else None


_SURVEYS = {"images": _survey_images, "annotations": _survey_annotations, "categories": _survey_categories}


def _key(identifier: object) -> int:
    return hash(identifier) if isinstance(identifier, int | float | str) else _NO_KEY


def _numbers(kept: array[int]) -> Ints:
    return np.frombuffer(kept, np.int64) if kept else np.empty(0, np.int64)


def _notes(survey: _Survey) -> tuple[str, ...]:
    ids = _numbers(survey.ids)
    if (ids[1:] > ids[:-1]).all():
        return ()  # as most files have them
    repeated = len(ids) - len(np.unique(ids))
    return (f"{repeated} annotations have an id that an earlier one has; all are kept",) if repeated else ()


def _records(document: JsonFile, survey: _Survey, options: ReadOptions) -> Iterator[ImageRecord | Unread]:
    join = _Join(survey)
    for i in range(len(survey.images)):
        image, where = document.load(survey.images[i]), f"images[{i}]"
        problem = _image_problem(image)
        if problem or not isinstance(image, dict):
            yield Unread(rule="DR01", message=str(problem), where=where, values={"image": short(image)})
        elif join.first_with_key(i) != i:
            message = f"an image's id must be its own, got {short(image.get('id'))}, which an earlier image has"
            yield Unread(rule="DR17", message=message, where=where, values={"id": image.get("id")})
        else:
            own = _annotations(document, survey, join, i, image.get("id"))
            regions = (
                region_of_annotation(annotation, index, n, survey.labels, options.label)
                for index, (n, annotation) in enumerate(own)
            )
            yield _record(image, where, tuple(regions))
    for n in join.orphans():
        yield _orphan(document.load(survey.annotations[n]), n)


def _annotations(
    document: JsonFile, survey: _Survey, join: _Join, i: int, image_id: object
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The annotations of an image with their positions; those whose id has but the same hash are strays."""
    for n, annotation in _loaded(document, survey.annotations, join.annotations_of(i)):
        if isinstance(annotation, dict) and annotation.get("image_id") == image_id:
            yield n, annotation
        else:
            join.strays.append(n)


def _loaded(document: JsonFile, places: _Places, positions: Sequence[int]) -> Iterator[tuple[int, object]]:
    """The elements at these rising positions; those that stand one behind the other are parsed at once."""
    if positions and positions[-1] - positions[0] == len(positions) - 1:
        together = document.load_all(places.starts[positions[0]], places.ends[positions[-1]])
        return zip(positions, together, strict=True)
    return ((n, document.load(places[n])) for n in positions)


class _Join:
    """Which annotations belong to which image, by the hashes of the images' ids."""

    def __init__(self, survey: _Survey) -> None:
        self._image_keys, self._keys = _numbers(survey.images.keys), _numbers(survey.annotations.keys)
        self._order: Ints = np.argsort(self._keys, kind="stable")
        ordered = self._keys[self._order]
        self._begins = np.searchsorted(ordered, self._image_keys, "left")
        self._ends = np.searchsorted(ordered, self._image_keys, "right")
        unique, first = np.unique(self._image_keys, return_index=True)
        self._firsts = first[np.searchsorted(unique, self._image_keys)]
        self.strays: list[int] = []

    def first_with_key(self, image: int) -> int:
        """The first image with this image's id; an image without an id is always its own first."""
        return image if self._image_keys[image] == _NO_KEY else int(self._firsts[image])

    def annotations_of(self, image: int) -> list[int]:
        """Positions of the annotations with this image's id, in the file's order."""
        if self._image_keys[image] == _NO_KEY:
            return []
        found: list[int] = self._order[self._begins[image] : self._ends[image]].tolist()
        return found

    def orphans(self) -> list[int]:
        """Positions of the annotations whose image id is no image's."""
        known = self._image_keys[self._image_keys != _NO_KEY]
        without: list[int] = np.flatnonzero(~np.isin(self._keys, known)).tolist()
        return sorted({*without, *self.strays})


def _image_problem(image: object) -> str | None:
    """Why an image's record cannot be read, None if it can."""
    if not isinstance(image, dict):
        return f"an image must be an object, got {short(image)}"
    if not isinstance(image.get("file_name"), str) or not image["file_name"].strip():
        return f"an image must name its file, got file_name={short(image.get('file_name'))}"
    return None


def _orphan(annotation: object, n: int) -> Unread:
    """A region that has no entry; its index is its position among the file's annotations."""
    given = annotation.get("image_id") if isinstance(annotation, dict) else None
    return Unread(
        rule="DR17",
        message=f"an annotation must name the id of one of the images, got image_id={short(given)}",
        where=f"annotations[{n}].image_id",
        values={"image_id": given},
        index=n,
    )


def _record(image: Mapping[str, Any], where: str, regions: tuple[Region | Unread, ...]) -> ImageRecord:
    width, height = whole_number(image.get("width"), least=1), whole_number(image.get("height"), least=1)
    size_wh = (width, height) if width is not None and height is not None else None
    nested = image.get("file_attributes") if isinstance(image.get("file_attributes"), dict) else None
    taken = {
        "file_name": image["file_name"].replace("\\", "/"),
        "id": whole_number(image.get("id")),
        "width": size_wh,
        "height": size_wh,
        "size_bytes": whole_number(image.get("size_bytes"), least=0),
        "file_attributes": nested,
    }
    # What has no place in a record, or is not what it should be, stays as an attribute.
    further = {
        key: value for key, value in image.items() if key not in taken or (taken[key] is None and value is not None)
    }
    return ImageRecord(
        filename=taken["file_name"],
        where=where,
        regions=regions,
        size_bytes=taken["size_bytes"],
        size_wh=size_wh,
        attributes=further | (nested or {}),
        source_id=taken["id"],
    )
