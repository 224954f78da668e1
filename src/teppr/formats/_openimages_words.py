"""The columns of OpenImages, in one place for reading and writing."""

from __future__ import annotations

from teppr.formats._numbers import number_of_text

IMAGE = "ImageID"
LABEL = "LabelName"
BOX = ("XMin", "XMax", "YMin", "YMax")
FLAG_OF_CROWD = "IsGroupOf"
SIZE = ("ImageWidth", "ImageHeight")
"""Our own: with them a table can be read without its images."""
ATTRIBUTES = {
    "Source": "source",
    "Confidence": "score",
    "IsOccluded": "occluded",
    "IsTruncated": "truncated",
    "IsDepiction": "depiction",
    "IsInside": "inside",
}
"""Columns that are attributes, by the names that other formats have for them."""

HEADER = (
    *(IMAGE, "Source", LABEL, "Confidence", *BOX),
    *("IsOccluded", "IsTruncated", FLAG_OF_CROWD, "IsDepiction", "IsInside", *SIZE),
)
KNOWN = frozenset({IMAGE, LABEL, *BOX, FLAG_OF_CROWD, *SIZE})
"""Columns that are no attributes."""


def value_of_cell(text: str) -> object:
    """A number where the cell says one as a number is written, text otherwise."""
    number = number_of_text(text)
    return number if number is not None and cell_of_value(number) == text else text


def cell_of_value(value: object) -> str | None:
    """The cell that says a value; None where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return str(value)
