"""VGG Image Annotator, JSON: exports of versions 1 and 2, projects of version 2, and the service's answers.

An export is `{"<file name><size>": {"filename", "size", "regions", "file_attributes"}}`, its regions a list or, in
version 1, an object keyed "0", "1" ...; a project holds the same under `_via_img_metadata`, beside the definitions of
its attributes; an answer of the prediction service holds it under `result`.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

from teppr.errors import BadFile
from teppr.formats._json_file import JsonFile
from teppr.formats._numbers import whole_number
from teppr.formats._via_label import Carried, LabelChoice, LabelChoices, choose_labels
from teppr.formats._via_region import Where, region_of_via, whole_images
from teppr.formats._via_write import write_export
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Region, Unread

_ENTRIES = "_via_img_metadata"
_DEFINITIONS = "_via_attributes"
_ANSWER = "result"


class Via(Format):
    """VGG Image Annotator, JSON."""

    name = "via"
    title = "VGG Image Annotator (VIA 1 and 2), JSON"
    suffixes = (".json",)

    def sniff(self, path: Path) -> bool:
        """Whether a document is laid out as an export, a project or an answer; its rest is not looked at."""
        try:
            return _layout(JsonFile(path)) is not None
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadInput where several attributes may be the label."""
        survey = _survey(path)
        choices = choose_labels(survey.regions, survey.images, options)
        return Reading(
            records=_records(JsonFile(path), survey, choices),
            notes=choices.notes,
            label_attribute=choices.attribute,
            entries=len(survey.places),
        )

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write an export of version 2; a mask or a polygon of several rings becomes a region for each ring.

        The label of a whole image becomes an attribute of the image, which `ReadOptions.image_labels` reads back.
        """
        return write_export(records, path)


PLUGIN = Via()


# Reading takes two passes: the first checks the whole document and counts what regions carry, so that the label's
# attribute is known before the second makes the first record.


@dataclass(slots=True)
class _Survey:
    """What the first pass finds.

    root: path of the object that holds the entries, "" for the document itself
    places: where every entry's key stands in the document, 8 bytes an entry
    """

    root: str
    places: array[int] = field(default_factory=lambda: array("q"))
    regions: Carried = field(default_factory=lambda: Carried("regions"))
    images: Carried = field(default_factory=lambda: Carried("images"))


def _layout(document: JsonFile) -> str | None:
    """The key under which the entries stand, "" for the document itself; None for what is no VIA file."""
    if document.peek() != "{":
        return None
    seen = set()
    for key in document.members():
        if key in (_ENTRIES, _DEFINITIONS, "_via_settings"):
            return _ENTRIES
        inner = _keys(document)
        if "filename" in inner and inner & {"regions", "size", "file_attributes"}:
            return ""
        if key == _ANSWER and "api" in seen:
            return _ANSWER
        seen.add(key)
    return None


def _keys(document: JsonFile) -> set[str]:
    """The keys of the object here, none for anything else; the place moves behind it, unchecked and so quickly."""
    keys = set()
    if document.peek() == "{":
        for key in document.members():
            keys.add(key)
            document.span()
    else:
        document.span()
    return keys


def _survey(path: Path) -> _Survey:
    layout = _layout(JsonFile(path))
    document = JsonFile(path)
    if document.peek() != "{":
        document.check()
        raise BadFile(f"no VIA file: it must be an object of entries, got another value in {path}")
    survey = _Survey(root=layout or "")
    if survey.root:
        _survey_members(document, survey)
    else:
        _survey_entries(document, survey)
    document.finish()
    if layout is None and survey.places:
        raise BadFile(f"no VIA file: no entry has 'filename' and 'regions' in {path}")
    return survey


def _survey_members(document: JsonFile, survey: _Survey) -> None:
    """The members of a project or an answer."""
    found = False
    for key in document.members():
        if key == survey.root:
            found = True
            _survey_entries(document, survey)
        elif key == _DEFINITIONS:
            definitions = document.value()
            survey.regions.defined = _defined(definitions, "region")
            survey.images.defined = _defined(definitions, "file")
    if not found:
        raise BadFile(f"a VIA project must hold its entries under {survey.root!r}, which {document.path} has not")


def _survey_entries(document: JsonFile, survey: _Survey) -> None:
    if document.peek() != "{":
        raise BadFile(f"{survey.root!r} must be an object of entries, got another value in {document.path}")
    for _ in document.members():
        survey.places.append(document.key_at)
        entry = document.value()
        survey.images.add(_file_attributes(entry))
        for raw in _raw_regions(entry):
            attributes = raw.get("region_attributes") if isinstance(raw, dict) else None
            survey.regions.add(attributes if isinstance(attributes, dict) else {})


def _defined(definitions: object, noun: str) -> tuple[str, ...]:
    """The attributes that a project defines for "region" or "file"."""
    defined = definitions.get(noun) if isinstance(definitions, dict) else None
    return tuple(defined) if isinstance(defined, dict) else ()


def _raw_regions(entry: object) -> list[Any]:
    """The regions of an entry, in order, whatever they are in; none where there is nothing like them."""
    regions = entry.get("regions") if isinstance(entry, dict) else None
    if isinstance(regions, dict):
        return list(regions.values())
    return regions if isinstance(regions, list) else []


def _records(document: JsonFile, survey: _Survey, choices: LabelChoices) -> Iterator[ImageRecord | Unread]:
    for place in survey.places:
        document.at = place
        key = document.key()
        span = document.span()
        entry = document.load(span)
        where = f"{survey.root}[{json.dumps(key, ensure_ascii=False)}]"
        problem = _entry_problem(entry) or _repeated_keys(document.text(span), entry)
        if problem is None and isinstance(entry, dict):
            yield _record(entry, where, choices, says_size=survey.root == _ANSWER)
            continue
        yield Unread(rule="DR01", message=str(problem), where=where, values={"key": key})
        for i in range(len(_raw_regions(entry))):
            message = f"the entry of this region cannot be read: {problem}"
            yield Unread(rule="DR01", message=message, where=f"{where}.regions[{i}]", index=i)


def _entry_problem(entry: object) -> str | None:
    """Why an entry cannot be read, None if it can."""
    if not isinstance(entry, dict):
        return f"an entry must be an object, got {short(entry)}"
    filename = entry.get("filename")
    if not isinstance(filename, str) or not filename.strip():
        return f"an entry must name its image's file, got filename={short(filename)}"
    if not isinstance(entry.get("regions"), dict | list | None):
        return f"regions must be a list or an object, got {short(entry['regions'])}"
    return None


def _repeated_keys(text: bytes, entry: object) -> str | None:
    """Why an entry holds more regions than JSON's "the last of equal keys counts" shows, None if it does not."""
    if text.count(b'"shape_attributes"') == len(_raw_regions(entry)):
        return None
    repeated: list[str] = []

    def note_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note_repeated)
    return f"keys stand twice, and one would hide the other: {', '.join(repeated)}" if repeated else None


def _record(entry: dict[str, Any], where: str, choices: LabelChoices, *, says_size: bool) -> ImageRecord:
    regions = tuple(_region(raw, i, choices.regions) for i, raw in enumerate(_raw_regions(entry)))
    whole, attributes = whole_images(_file_attributes(entry), len(regions), "file_attributes", choices.images)
    return ImageRecord(
        filename=entry["filename"].replace("\\", "/"),
        where=where,
        regions=regions + whole,
        size_bytes=whole_number(entry.get("size"), least=0),
        size_wh=_size_wh(attributes) if says_size else None,
        attributes=attributes,
    )


def _file_attributes(entry: object) -> dict[str, Any]:
    """The attributes of an entry's image; what is no object is one attribute."""
    given = entry.get("file_attributes") if isinstance(entry, dict) else None
    return given if isinstance(given, dict) else {"file_attributes": given} if given else {}


def _region(raw: object, index: int, choice: LabelChoice) -> Region | Unread:
    where = f"regions[{index}]"
    words = raw.get("shape_attributes") if isinstance(raw, dict) else None
    attributes = (raw.get("region_attributes") if isinstance(raw, dict) else None) or {}
    if not isinstance(words, dict) or not isinstance(attributes, dict):
        message = f"a region must hold the objects shape_attributes and region_attributes, got {short(raw)}"
        return Unread(rule="DR08", message=message, where=where, index=index)
    places = Where(where, f"{where}.shape_attributes", f"{where}.region_attributes")
    return region_of_via(words, attributes, index, places, choice)


def _size_wh(attributes: Mapping[str, Any]) -> tuple[int, int] | None:
    """What the service says of the image that it answered; others' attributes may mean anything by such names."""
    width, height = (whole_number(attributes.get(name), least=1) for name in ("width", "height"))
    return None if width is None or height is None else (width, height)
