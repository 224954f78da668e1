"""Contact sheets: pictures side by side in one picture, each with a line below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from teppr.drawing import font_of, plain_text
from teppr.images import Pixels

GROUND, INK, SOFT_INK = "#f5f7fa", "#1c2733", "#5d6b7a"
GAP_PX, TITLE_PX, TEXT_PX, LINE_PX = 14, 20, 13, 18


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A picture of a sheet, at the size at which it is shown, with what is said of it."""

    picture: Pixels
    caption: str


def contact_sheets(cells: Sequence[Cell], title: str, *, columns: int = 4, rows: int = 6) -> Iterator[Pixels]:
    """Sheets of at most `columns` x `rows` pictures each; several are numbered."""
    per_sheet = columns * rows
    count = -(-len(cells) // per_sheet)
    for number in range(count):
        some = cells[number * per_sheet : (number + 1) * per_sheet]
        yield _sheet(some, title if count == 1 else f"{title} ({number + 1} of {count})", columns)


def _sheet(cells: Sequence[Cell], title: str, columns: int) -> Pixels:
    cell_px = max(cell.picture.shape[1] for cell in cells)
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    heights = [max(cell.picture.shape[0] for cell in row) for row in rows]
    width = GAP_PX + columns * (cell_px + GAP_PX)
    top = 2 * GAP_PX + TITLE_PX
    sheet = Image.new("RGB", (width, top + sum(heights) + len(rows) * (LINE_PX + GAP_PX)), GROUND)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP_PX, GAP_PX), _cut(title, width - 2 * GAP_PX, TITLE_PX), fill=INK, font=font_of(TITLE_PX))
    for row, height in zip(rows, heights, strict=True):
        for i, cell in enumerate(row):
            left = GAP_PX + i * (cell_px + GAP_PX)
            sheet.paste(Image.fromarray(cell.picture), (left, top + height - cell.picture.shape[0]))
            text = _cut(cell.caption, cell_px, TEXT_PX)
            pen.text((left, top + height + 2), text, fill=SOFT_INK, font=font_of(TEXT_PX))
        top += height + LINE_PX + GAP_PX
    return np.array(sheet)


def _cut(text: str, width_px: int, height_px: int) -> str:
    """The text, or so much of its beginning as has room."""
    font, text = font_of(height_px), plain_text(text)
    if font.getlength(text) <= width_px:
        return text
    fitting = (text[:end] for end in range(len(text), 0, -1) if font.getlength(f"{text[:end]}...") <= width_px)
    return f"{next(fitting, '')}..."
