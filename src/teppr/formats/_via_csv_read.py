"""Reading VIA's CSV in two passes: the first counts what regions carry and notes where rows stand, some 30 bytes each.

Then the rows of each image are brought together, and the second pass makes the records.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from teppr.errors import BadFile
from teppr.formats._csv_rows import Row, row, rows
from teppr.formats._lines import LineFile, lines_of
from teppr.formats._numbers import whole_number
from teppr.formats._via_cell import attributes_of_cell, shape_words_of_cell
from teppr.formats._via_label import Carried, LabelChoice, LabelChoices, choose_labels
from teppr.formats._via_region import Where, region_of_via, whole_images
from teppr.formats.contract import Reading, ReadOptions
from teppr.types import ImageRecord, Ints, Region, Unread

COLUMNS = (
    *("filename", "file_size", "file_attributes", "region_count"),
    *("region_id", "region_shape_attributes", "region_attributes"),
)
_OF_IMAGE = slice(0, 3)
"""The columns that say which image a row is about."""
_NO_NUMBER = -1
_MOST = 2**31 - 1


def is_header(cells: Sequence[str] | None) -> bool:
    """Whether cells name VIA's columns; version 1 put a "#" before them."""
    return cells is not None and tuple(cell.strip().lstrip("#") for cell in cells) == COLUMNS


def read_rows(path: Path, options: ReadOptions) -> Reading:
    """Begin to read; raises BadFile where the first line is no header of VIA's."""
    survey = _survey(path)
    entries = _entries(survey)
    choices = choose_labels(survey.regions, survey.images, options)
    return Reading(
        records=_records(path, survey, entries, choices),
        notes=choices.notes + _notes(survey, entries),
        label_attribute=choices.attribute,
        entries=len(entries),
    )


@dataclass(slots=True)
class _Survey:
    """What the first pass finds.

    starts, numbers: where rows stand, in bytes and as spreadsheets count
    keys: hashes of what says which image a row is about
    counts: the `region_count` of rows, -1 where it is no number
    broken: starts and numbers, by turns, of the rows that do not say which image they are about
    """

    regions: Carried = field(default_factory=lambda: Carried("regions"))
    images: Carried = field(default_factory=lambda: Carried("rows"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("i"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    counts: array[int] = field(default_factory=lambda: array("i"))
    broken: array[int] = field(default_factory=lambda: array("q"))

    def add(self, found: Row, cells: Sequence[str]) -> None:
        """Note a row that says which image it is about."""
        self.images.add(_file_attributes(cells))
        if not _is_bare(cells):
            self.regions.add(attributes_of_cell(cells[6]) or {})
        self.starts.append(found.start)
        self.numbers.append(min(found.number, _MOST))
        self.keys.append(hash(cells[_OF_IMAGE]))
        self.counts.append(_region_count(cells))


def _region_count(cells: Sequence[str]) -> int:
    number = whole_number(cells[3], least=0)
    return _NO_NUMBER if number is None else min(number, _MOST)


def _survey(path: Path) -> _Survey:
    survey = _Survey()
    with lines_of(path) as file:
        found = rows(file, len(COLUMNS))
        header = next(found, None)
        if header is None or not is_header(header.cells):
            got = "nothing" if header is None else short(header.cells)
            raise BadFile(f"VIA's CSV must begin with its columns {', '.join(COLUMNS)}, got {got} in {path}")
        for each in found:
            if each.is_blank:
                continue
            if each.cells is None or _row_problem(each.cells):
                survey.broken.extend((each.start, each.number))
            else:
                survey.add(each, each.cells)
    return survey


def _row_problem(cells: Sequence[str] | None) -> str | None:
    """Why a row does not say which image it is about, None if it does."""
    if cells is None:
        return "a row must be UTF-8 with its quotes closed"
    if len(cells) != len(COLUMNS):
        return f"a row must have {len(COLUMNS)} cells, got {len(cells)}"
    return None if cells[0].strip() else "a row must name its image's file, got a blank filename"


def _is_bare(cells: Sequence[str]) -> bool:
    """Whether a row holds no region, but says that its image has none."""
    return _region_count(cells) < 1 and attributes_of_cell(cells[5]) == attributes_of_cell(cells[6]) == {}


def _entries(survey: _Survey) -> _Entries:
    """Bring the rows of each image together, images in the order of their first rows."""
    keys = np.array(survey.keys, np.int64)
    _, first, image = np.unique(keys, return_index=True, return_inverse=True)
    first_rows = first[image]
    order = np.argsort(first_rows, kind="stable")
    begins = np.flatnonzero(np.diff(first_rows[order], prepend=-1))
    return _Entries(order, begins)


@dataclass(frozen=True, slots=True)
class _Entries:
    """Which rows make which entry: entry i those at `order[begins[i]:begins[i + 1]]`."""

    order: Ints
    begins: Ints

    def __len__(self) -> int:
        return len(self.begins)

    def __iter__(self) -> Iterator[list[int]]:
        for begin, end in pairwise(chain(self.begins, (len(self.order),))):
            positions: list[int] = self.order[begin:end].tolist()
            yield positions


def _notes(survey: _Survey, entries: _Entries) -> tuple[str, ...]:
    more = sum(0 < max(survey.counts[i] for i in positions) < len(positions) for positions in entries)
    return (f"{more} images have more rows than their region_count says; all are kept",) if more else ()


def _records(path: Path, survey: _Survey, entries: _Entries, choices: LabelChoices) -> Iterator[ImageRecord | Unread]:
    with lines_of(path) as file:
        for positions in entries:
            yield _record(file, survey, positions, choices)
        for start, number in zip(survey.broken[::2], survey.broken[1::2], strict=True):
            yield _lost(_row_at(file, start, number))


def _row_at(file: LineFile, start: int, number: int) -> Row:
    file.move(start)
    found = row(file, len(COLUMNS), number)
    if found is None:
        raise BadFile(f"{file.path} became shorter while it was read")
    return found


def _cells_at(file: LineFile, start: int, number: int) -> tuple[str, ...]:
    cells = _row_at(file, start, number).cells
    if cells is None or _row_problem(cells):
        raise BadFile(f"{file.path} was changed while it was read, at row {number}")
    return cells


def _lost(found: Row) -> Unread:
    """A row whose image is not known; its index is its number among all rows."""
    return Unread(
        rule="DR01",
        message=f"{_row_problem(found.cells)}",
        where=f"row {found.number}",
        values={"cells": short(found.cells)},
        index=found.number,
    )


def _record(file: LineFile, survey: _Survey, positions: Sequence[int], choices: LabelChoices) -> ImageRecord:
    regions: list[Region | Unread] = []
    for i in positions:
        cells = _cells_at(file, survey.starts[i], survey.numbers[i])
        if not _is_bare(cells):
            regions.append(_region(cells, survey.numbers[i], len(regions), choices.regions))
    where = f"row {survey.numbers[positions[0]]}"
    stated = max(survey.counts[i] for i in positions)
    if stated > len(regions):
        regions.append(_missing(stated, len(regions), f"{where}, region_count"))
    whole, attributes = whole_images(_file_attributes(cells), len(regions), f"{where}, file_attributes", choices.images)
    return ImageRecord(
        filename=cells[0].replace("\\", "/"),
        where=where,
        regions=(*regions, *whole),
        size_bytes=whole_number(cells[1], least=0),
        attributes=attributes,
    )


def _missing(stated: int, found: int, where: str) -> Unread:
    message = f"an image must have a row for each region, got region_count={stated} and {found} rows"
    return Unread(rule="DR01", message=message, where=where, values={"region_count": stated}, index=found)


def _file_attributes(cells: Sequence[str]) -> Mapping[str, Any]:
    """The image's attributes; what is neither JSON nor pairs is one attribute."""
    attributes = attributes_of_cell(cells[2])
    return {"file_attributes": cells[2]} if attributes is None else attributes


def _region(cells: Sequence[str], number: int, index: int, choice: LabelChoice) -> Region | Unread:
    row_, words, attributes = f"row {number}", shape_words_of_cell(cells[5]), attributes_of_cell(cells[6])
    where = Where(row_, f"{row_}, {COLUMNS[5]}", f"{row_}, {COLUMNS[6]}")
    if words is None or attributes is None:
        place, cell, rule = (where.shape, cells[5], "DR08") if words is None else (where.attributes, cells[6], "DR01")
        message = f"a cell must hold a JSON object or pairs of name=value;, got {short(cell)}"
        return Unread(rule=rule, message=message, where=place, values={"cell": short(cell)}, index=index)
    return region_of_via(words, attributes, index, where, choice)
