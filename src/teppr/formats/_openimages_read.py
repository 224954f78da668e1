"""Reading OpenImages: a first pass notes where the rows of each image stand, a second makes the records.

The notes take some 40 bytes a row; an image's rows may stand anywhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short

import numpy as np

from teppr.formats._csv_table import CsvTable
from teppr.formats._images import NoSize, entry_without_size, find_image, look_at
from teppr.formats._numbers import number_of_text, whole_number
from teppr.formats._openimages_words import ATTRIBUTES, BOX, FLAG_OF_CROWD, IMAGE, KNOWN, LABEL, SIZE, value_of_cell
from teppr.types import ImageRecord, Ints, Rect, Region, Unread


@dataclass(frozen=True, slots=True)
class _Row:
    """A row: its cells by column, and its number as a spreadsheet counts, the header being 1."""

    cells: Mapping[str, str]
    number: int
    surplus: int

    @property
    def where(self) -> str:
        return f"row {self.number}"


@dataclass(slots=True)
class Places:
    """Where the rows stand, and the hash of the image's name that each of them has; names are compared in full."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, table: CsvTable) -> Places:
        """Of all rows; raises BadFile where the table breaks."""
        places, column = cls(), table.header.index(IMAGE)
        for at, cells in table.rows():
            places.starts.append(at)
            places.keys.append(hash(cells[column]) if column < len(cells) else hash(""))
        return places

    def groups(self) -> Iterator[Ints]:
        """The positions of the rows of one image after another, in the order of their first rows."""
        if not self.keys:
            return
        _, first, group = np.unique(np.frombuffer(self.keys, np.int64), return_index=True, return_inverse=True)
        order = np.argsort(first[group], kind="stable")
        ends = np.flatnonzero(np.diff(first[group][order])) + 1
        begins = [0, *ends.tolist()]
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
            yield order[begin:end]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenImagesReader:
    """Reads one table; images are looked for in `folders`, best first; `label` is that of rows without one."""

    table: CsvTable
    places: Places
    folders: Sequence[Path]
    label: str | None

    def records(self) -> Iterator[ImageRecord | Unread]:
        """An entry for each image; a row that names none is a region of no entry."""
        with self.table.open() as file:
            for positions in self.places.groups():
                by_image: dict[str, list[_Row]] = {}
                for position in positions.tolist():
                    cells = self.table.row(file, self.places.starts[position])
                    row = self._row(cells, position + 2)
                    by_image.setdefault(row.cells.get(IMAGE, ""), []).append(row)
                for image, rows in by_image.items():
                    yield from self._entry(image, rows) if image.strip() else map(_nameless, rows)

    def _row(self, cells: Sequence[str], number: int) -> _Row:
        return _Row(dict(zip(self.table.header, cells, strict=False)), number, len(cells) - len(self.table.header))

    def _entry(self, image: str, rows: Sequence[_Row]) -> Iterator[ImageRecord | Unread]:
        name = image.replace("\\", "/")
        stated = _size(rows[0])
        if stated is not None:
            there = find_image(name, self.folders)
            found = (name, None, stated) if there is None else (there.filename, there.path, stated)
        else:
            looked = look_at(name, self.folders)
            if isinstance(looked, NoSize):
                yield from entry_without_size(looked, rows[0].where, ((row.where, Rect.kind) for row in rows))
                return
            found = (looked[0].filename, looked[0].path, looked[1])
        filename, path, size_wh = found
        yield ImageRecord(
            filename=filename,
            where=rows[0].where,
            regions=tuple(self._region(row, index, size_wh) for index, row in enumerate(rows)),
            size_wh=size_wh,
            path=None if path is None else str(path),
        )

    def _region(self, row: _Row, index: int, size_wh: tuple[int, int]) -> Region | Unread:
        shares = [_number(row.cells.get(column)) for column in BOX]
        if row.surplus > 0 or None in shares:
            return _unread(row, index, shares)
        x0, x1, y0, y1 = (value for value in shares if value is not None)
        width, height = size_wh
        label = row.cells.get(LABEL, "")
        return Region(
            shape=Rect(x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height),
            label=label if label.strip() else self.label,
            attributes=_attributes(row.cells),
            index=index,
            where=row.where,
            is_crowd=row.cells.get(FLAG_OF_CROWD, "").strip() == "1",
        )


def _size(row: _Row) -> tuple[int, int] | None:
    width, height = (whole_number(row.cells.get(column), least=1) for column in SIZE)
    return None if width is None or height is None else (width, height)


def _number(text: str | None) -> float | None:
    """A number with a decimal point or, as some spreadsheets write it, a comma."""
    return number_of_text(text.replace(",", ".") if text is not None else None)


def _attributes(cells: Mapping[str, str]) -> dict[str, object]:
    """What the further columns say, by the names that other formats have for it."""
    said = {ATTRIBUTES.get(column, column): text for column, text in cells.items() if column not in KNOWN and text}
    crowd = cells.get(FLAG_OF_CROWD, "").strip()
    unknown = {FLAG_OF_CROWD: crowd} if crowd not in ("", "0", "1") else {}
    return {name: value_of_cell(text) for name, text in (said | unknown).items()}


def _unread(row: _Row, index: int, shares: Sequence[float | None]) -> Unread:
    if row.surplus > 0:
        message = f"a row must have as many cells as the header, got {row.surplus} more; decimal commas need quotes"
        return Unread(rule="DR08", message=message, where=row.where, index=index, shape_kind=Rect.kind)
    column = BOX[shares.index(None)]
    given = row.cells.get(column)
    return Unread(
        rule="DR08",
        message=f"a box needs a number as {column}, got {short(given)}",
        where=f"{row.where} {column}",
        values={column: given},
        index=index,
        shape_kind=Rect.kind,
    )


def _nameless(row: _Row) -> Unread:
    message = f"a row must name its image, got {IMAGE}={short(row.cells.get(IMAGE))}"
    return Unread(rule="DR17", message=message, where=row.where, index=row.number - 2, shape_kind=Rect.kind)
